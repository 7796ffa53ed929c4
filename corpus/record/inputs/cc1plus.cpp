// What cc1plus is recorded compiling: a small index of words, with the templates that C++ programs
// use every day.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

template <typename Key, typename Value> class index {
public:
    void add(const Key &key, Value value) { places[key].push_back(std::move(value)); }
    template <typename Visit> void each(Visit visit) const {
        for (const auto &[key, values] : places)
            for (const auto &value : values)
                visit(key, value);
    }
    std::size_t size() const {
        return std::accumulate(places.begin(), places.end(), std::size_t{0},
                               [](std::size_t sum, const auto &entry) { return sum + entry.second.size(); });
    }

private:
    std::map<Key, std::vector<Value>> places;
};

struct word;
struct number;
using token = std::variant<std::monostate, std::shared_ptr<word>, std::unique_ptr<number>>;
struct word {
    std::string text;
    std::vector<token> next;
};
struct number {
    double value;
    std::function<double(double)> then;
};

template <int N> struct power {
    static constexpr double of(double x) { return x * power<N - 1>::of(x); }
};
template <> struct power<0> {
    static constexpr double of(double) { return 1; }
};

static double measure(const token &t) {
    return std::visit(
        [](const auto &held) -> double {
            using type = std::decay_t<decltype(held)>;
            if constexpr (std::is_same_v<type, std::monostate>)
                return 0;
            else if constexpr (std::is_same_v<type, std::unique_ptr<number>>)
                return held->then ? held->then(power<12>::of(held->value)) : held->value;
            else
                return static_cast<double>(held->text.size() + held->next.size());
        },
        t);
}

std::vector<std::string> longest(const std::string &text, std::size_t count) {
    index<std::string, std::size_t> words;
    std::unordered_map<std::size_t, std::unique_ptr<std::string>> seen;
    for (std::size_t at = 0, end; at < text.size(); at = end + 1) {
        end = std::min(text.find(' ', at), text.size());
        words.add(text.substr(at, end - at), at);
        seen.emplace(at, std::make_unique<std::string>(text, at, end - at));
    }
    std::vector<std::string> found;
    words.each([&](const std::string &w, std::size_t) { found.push_back(w); });
    std::stable_sort(found.begin(), found.end(),
                     [](const auto &a, const auto &b) { return a.size() > b.size(); });
    found.erase(std::unique(found.begin(), found.end()), found.end());
    if (found.size() > count) found.resize(count);
    return found;
}

double total(const std::vector<token> &tokens) {
    std::vector<double> sizes(tokens.size());
    std::transform(tokens.begin(), tokens.end(), sizes.begin(), measure);
    std::partial_sum(sizes.begin(), sizes.end(), sizes.begin(), std::plus<>());
    return sizes.empty() ? 0 : *std::max_element(sizes.begin(), sizes.end());
}

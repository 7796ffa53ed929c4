// A heap in a linear memory as a std::pmr::memory_resource, for containers of the standard library.
#include <linmem/buffers/finalizer.h>
#include <linmem/buffers/view.h>
#include <linmem/registry.h>

#include <cstdio>
#include <memory_resource>
#include <new>
#include <string>
#include <vector>

class linear_resource : public std::pmr::memory_resource {
  public:
    explicit linear_resource(const lm_allocator &allocator) : allocator_(allocator) {
        lm_memory_options options = {};
        options.pages = 1;
        options.pages_max = LM_PAGES_MAX;
        if (!lm_memory_create(&memory_, &options)) throw std::bad_alloc();
        if (!allocator_.start(&memory_)) {
            lm_memory_destroy(&memory_);
            throw std::bad_alloc();
        }
    }
    ~linear_resource() override { lm_memory_destroy(&memory_); }
    linear_resource(const linear_resource &) = delete;
    linear_resource &operator=(const linear_resource &) = delete;

    const char *validate(lm_census &census) { return allocator_.validate(&memory_, &census); }

  private:
    void *do_allocate(std::size_t bytes, std::size_t alignment) override {
        void *block = allocator_.allocate_aligned(alignment, bytes, &memory_);
        if (!block) throw std::bad_alloc();
        return block;
    }
    void do_deallocate(void *block, std::size_t bytes, std::size_t) override {
        allocator_.free(block, bytes, &memory_);
    }
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override {
        return this == &other;
    }

    const lm_allocator &allocator_;
    lm_memory memory_;
};

int main() {
    linear_resource resource(lm_tlsf_level1); // links this strategy only
    lm_census census;
    {
        std::pmr::vector<std::pmr::string> lines(&resource);
        for (int i = 0; i < 1000; i++)
            lines.emplace_back(std::to_string(i) + ": longer than a string without a block");
        if (resource.validate(census) || census.live_blocks <= 1000) return 1;
        std::printf("%s: %llu live blocks\n", lm_tlsf_level1.name,
                    static_cast<unsigned long long>(census.live_blocks));
    }
    return !resource.validate(census) && census.live_blocks == 0 ? 0 : 1;
}

// The runner: a process that measures one cell. Google Benchmark runs the passes and times them;
// runner.h does the rest. C++ allocates from an arena, so that the measured heap receives the calls
// of the replay and no others.

extern "C" {
#include "bench/runner.h"
}

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>

namespace arena {

constexpr std::size_t capacity_bytes = std::size_t{64} << 20;
char *next, *end;
bool closed; // while a pass is timed, nothing may be allocated

// Nothing is freed: a runner runs for seconds and needs a few KiB for each pass.
void *take(std::size_t bytes, std::size_t alignment) {
    if (closed) {
        std::fputs("linmem-runner: the harness allocates inside a timed pass\n", stderr);
        std::abort();
    }
    if (!next) {
        void *piece = mmap(nullptr, capacity_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (piece == MAP_FAILED) std::abort();
        next = static_cast<char *>(piece);
        end = next + capacity_bytes;
    }
    auto gap = -reinterpret_cast<std::uintptr_t>(next) & (alignment - 1);
    if (gap + bytes > static_cast<std::size_t>(end - next)) throw std::bad_alloc();
    void *block = next + gap;
    next += gap + bytes;
    return block;
}

} // namespace arena

// The array forms call these.
void *operator new(std::size_t bytes) {
    return arena::take(bytes, alignof(std::max_align_t));
}
void *operator new(std::size_t bytes, std::align_val_t alignment) {
    return arena::take(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void *) noexcept {}
void operator delete(void *, std::size_t) noexcept {}
void operator delete(void *, std::align_val_t) noexcept {}
void operator delete(void *, std::size_t, std::align_val_t) noexcept {}

namespace {

// Copies Google Benchmark's times into the cell.
class CellReporter : public benchmark::BenchmarkReporter {
  public:
    explicit CellReporter(cell_outcome *outcome) : outcome(outcome) {}
    bool ReportContext(const Context &) override { return true; }
    void ReportRuns(const std::vector<Run> &runs) override {
        for (const Run &run : runs) {
            if (run.run_type != Run::RT_Iteration)
                continue;                          // no aggregates: bench/statistics.h has them
            double ns = run.GetAdjustedRealTime(); // the manual time, in the unit set below
            if (run.run_name.function_name == "cold")
                outcome->cold_ns = ns;
            else if (outcome->warm_passes < CELL_PASSES_MAX)
                outcome->warm_ns[outcome->warm_passes++] = ns;
        }
    }

  private:
    cell_outcome *outcome;
};

void pass(benchmark::State &state) {
    for (auto _ : state) {
        arena::closed = true;
        double ns = runner_pass();
        arena::closed = false;
        state.SetIterationTime(ns * 1e-9);
    }
}

void run(const char *name, std::uint32_t passes, CellReporter *reporter) {
    benchmark::ClearRegisteredBenchmarks();
    benchmark::RegisterBenchmark(name, pass)
        ->UseManualTime()
        ->Iterations(1)
        ->Repetitions(static_cast<int>(passes))
        ->Unit(benchmark::kNanosecond);
    benchmark::RunSpecifiedBenchmarks(reporter);
}

std::uint32_t warm_passes(const cell &cell) {
    double fit = cell.request.warm_ns_max / cell.outcome.cold_ns;
    if (fit >= cell.request.warm_passes) return cell.request.warm_passes;
    return std::max(static_cast<std::uint32_t>(fit), cell.request.warm_passes_min);
}

void measure(cell *cell) {
    char name[] = "linmem-runner";
    char *arguments[] = {name, nullptr};
    int count = 1;
    benchmark::Initialize(&count, arguments);
    CellReporter reporter(&cell->outcome);
    run("cold", 1, &reporter);
    runner_fit_passes();
    run("warm", warm_passes(*cell), &reporter);
    runner_flag_short_passes();
}

} // namespace

int main() {
    struct stat status;
    if (fstat(CELL_DESCRIPTOR, &status) == 0 && status.st_size != sizeof(cell)) {
        std::fputs("linmem-runner: not of the same build as linmem\n", stderr);
        return 2;
    }
    void *shared =
        mmap(nullptr, sizeof(cell), PROT_READ | PROT_WRITE, MAP_SHARED, CELL_DESCRIPTOR, 0);
    if (shared == MAP_FAILED) {
        std::fputs("linmem-runner: only 'linmem compare' can start this\n", stderr);
        return 2;
    }
    auto *requested = static_cast<cell *>(shared);
    if (!runner_set_up(requested)) return 1;
    if (requested->request.verify)
        runner_verify();
    else
        measure(requested);
    requested->outcome.done = 1;
    return *requested->outcome.failure ? 1 : 0;
}

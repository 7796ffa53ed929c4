// Peak pages by finalizer lag, for each strategy that frees blocks:
//
//     build/bench/finalizer_lag --benchmark_counters_tabular=true
//
//     pages at a lag of    0   10   100   1,000   10,000
//     the bytes alone      8    8     9      15       54
//     tlsf                12   12    13      22       78
//     paged               15   16    16      24       89
//     segregated          20   20    21      34      105
//
// `pages` is the size that the memory grew to; `live_pages` the peak of the buffers' bytes,
// including dead buffers that wait to be drained.

extern "C" {
#include "alloc/registry.h"
#include "bench/finalizer_lag.h"
}

#include <benchmark/benchmark.h>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

constexpr std::uint32_t steps = 100000;

void measure(benchmark::State &state, const lm_allocator *allocator) {
    finalizer_lag measured{};
    for (auto _ : state)
        if (!finalizer_lag_measure(allocator, static_cast<std::uint32_t>(state.range(0)), steps,
                                   &measured))
            std::abort();
    state.counters["pages"] = measured.pages;
    state.counters["live_pages"] =
        static_cast<double>(measured.peak_live_bytes) / double{LM_PAGE_BYTES};
    state.SetItemsProcessed(steps);
}

} // namespace

int main(int argc, char **argv) {
    for (std::size_t i = 0; i < lm_strategy_count(); i++) {
        const lm_allocator *allocator = lm_strategy_at(i, 0);
        if (!(allocator->capabilities & LM_FREES_BLOCKS)) continue;
        std::string name = std::string(allocator->name) + "/lag";
        auto *registered = benchmark::RegisterBenchmark(
            name.c_str(), [allocator](benchmark::State &state) { measure(state, allocator); });
        registered->Iterations(1)->Unit(benchmark::kMillisecond);
        for (int lag : {0, 10, 100, 1000, 10000})
            registered->Arg(lag);
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}

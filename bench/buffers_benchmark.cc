// What counting costs: a reference taken and given back, beside a bare counter and
// std::shared_ptr, and a buffer made and ended, beside its allocator's allocate and free.
//
//     build/bench/buffers_benchmark --benchmark_repetitions=9
//         --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true
//
// Repetitions are interleaved and the median of their CPU times is what counts: others may use the
// machine meanwhile.

#include "bench/buffer_loops.h"

#include <benchmark/benchmark.h>
#include <memory>
#include <thread>
#include <vector>

namespace {

void play(benchmark::State &state, void (*loop)(buffer_world *, uint64_t), bool atomic,
          const char *strategy, uint32_t buffers) {
    constexpr uint64_t batch = 1024;
    buffer_world *world = buffer_world_start(strategy, atomic, buffers);
    while (state.KeepRunningBatch(batch))
        loop(world, batch);
    buffer_world_end(world);
}

// libstdc++ counts without atomics until the process has started a thread.
void shared_pointer(benchmark::State &state, bool threaded, size_t pointers) {
    if (threaded) std::thread([] {}).join();
    std::vector<std::shared_ptr<int>> held;
    for (size_t i = 0; i < pointers; i++)
        held.push_back(std::make_shared<int>(1));
    size_t i = 0;
    for (auto _ : state) {
        std::shared_ptr<int> copy(held[i]);
        benchmark::DoNotOptimize(copy);
        i = i + 1 == pointers ? 0 : i + 1;
    }
}

// Whether libstdc++ believes that there are other threads, once there was one, is for good with
// some C libraries: this comes last.
BENCHMARK_CAPTURE(play, bare_counter, loop_bare_counter, false, "paged", 1);
BENCHMARK_CAPTURE(play, bare_counter_64, loop_bare_counter, false, "paged", 64);
BENCHMARK_CAPTURE(play, retain_release, loop_retain_release, false, "paged", 1);
BENCHMARK_CAPTURE(play, retain_release_64, loop_retain_release, false, "paged", 64);
BENCHMARK_CAPTURE(play, bare_atomic, loop_bare_atomic, true, "paged", 1);
BENCHMARK_CAPTURE(play, bare_atomic_64, loop_bare_atomic, true, "paged", 64);
BENCHMARK_CAPTURE(play, retain_release_atomic, loop_retain_release, true, "paged", 1);
BENCHMARK_CAPTURE(play, retain_release_atomic_64, loop_retain_release, true, "paged", 64);
BENCHMARK_CAPTURE(play, allocate_free_paged, loop_allocate_free, false, "paged", 1);
BENCHMARK_CAPTURE(play, create_release_paged, loop_create_release, false, "paged", 1);
BENCHMARK_CAPTURE(play, create_release_atomic_paged, loop_create_release, true, "paged", 1);
BENCHMARK_CAPTURE(play, allocate_free_tlsf, loop_allocate_free, false, "tlsf", 1);
BENCHMARK_CAPTURE(play, create_release_tlsf, loop_create_release, false, "tlsf", 1);
BENCHMARK_CAPTURE(play, create_release_atomic_tlsf, loop_create_release, true, "tlsf", 1);
BENCHMARK_CAPTURE(shared_pointer, alone, false, 1);
BENCHMARK_CAPTURE(shared_pointer, alone_64, false, 64);
BENCHMARK_CAPTURE(shared_pointer, threaded, true, 1);
BENCHMARK_CAPTURE(shared_pointer, threaded_64, true, 64);

} // namespace

BENCHMARK_MAIN();

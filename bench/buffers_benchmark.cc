// The cost of reference counts: retain and release compared with a bare counter and
// std::shared_ptr, and create and release compared with the allocator's allocate and free.
//
//     build/bench/buffers_benchmark --benchmark_repetitions=9
//         --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true
//
// Compare the medians of the CPU times: repetitions are interleaved, because other programs may use
// the machine at the same time.

extern "C" {
#include "bench/buffer_loops.h"
}

#include <benchmark/benchmark.h>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace {

void loop(benchmark::State &state, void (*run)(buffer_set *, uint64_t), bool atomic,
          const char *strategy, uint32_t buffers) {
    constexpr uint64_t batch = 1024;
    buffer_set *set = buffer_set_new(strategy, atomic, buffers);
    while (state.KeepRunningBatch(batch))
        run(set, batch);
    buffer_set_free(set);
}

// Copies and destroys a shared pointer. std::shared_ptr counts atomically once the process has
// started a thread; the other policy never does.
template <__gnu_cxx::_Lock_policy policy> void copy_shared(benchmark::State &state, size_t count) {
    using pointer = std::__shared_ptr<int, policy>;
    if (policy == __gnu_cxx::_S_atomic) std::thread([] {}).join();
    std::vector<pointer> held;
    for (size_t i = 0; i < count; i++)
        held.push_back(pointer(new int(1)));
    size_t i = 0;
    for (auto _ : state) {
        pointer copy(held[i]);
        benchmark::DoNotOptimize(copy);
        i = (i + 1) & (count - 1);
    }
}

void shared_pointer(benchmark::State &state, bool threads, size_t count) {
    if (threads)
        copy_shared<__gnu_cxx::_S_atomic>(state, count);
    else
        copy_shared<__gnu_cxx::_S_single>(state, count);
}

BENCHMARK_CAPTURE(loop, bare_counter, loop_bare_counter, false, "paged", 1);
BENCHMARK_CAPTURE(loop, bare_counter_64, loop_bare_counter, false, "paged", 64);
BENCHMARK_CAPTURE(loop, retain_release, loop_retain_release, false, "paged", 1);
BENCHMARK_CAPTURE(loop, retain_release_64, loop_retain_release, false, "paged", 64);
BENCHMARK_CAPTURE(loop, retain_release_1024, loop_retain_release, false, "paged", 1024);
BENCHMARK_CAPTURE(loop, bare_atomic, loop_bare_atomic, true, "paged", 1);
BENCHMARK_CAPTURE(loop, bare_atomic_64, loop_bare_atomic, true, "paged", 64);
BENCHMARK_CAPTURE(loop, retain_release_atomic, loop_retain_release, true, "paged", 1);
BENCHMARK_CAPTURE(loop, retain_release_atomic_64, loop_retain_release, true, "paged", 64);
BENCHMARK_CAPTURE(loop, allocate_free_paged, loop_allocate_free, false, "paged", 1);
BENCHMARK_CAPTURE(loop, create_release_paged, loop_create_release, false, "paged", 1);
BENCHMARK_CAPTURE(loop, create_release_atomic_paged, loop_create_release, true, "paged", 1);
BENCHMARK_CAPTURE(loop, allocate_free_paged_rounds, loop_allocate_free_rounds, false, "paged", 1);
BENCHMARK_CAPTURE(loop, create_release_paged_rounds, loop_create_release_rounds, false, "paged", 1);
BENCHMARK_CAPTURE(loop, allocate_free_tlsf_rounds, loop_allocate_free_rounds, false, "tlsf", 1);
BENCHMARK_CAPTURE(loop, create_release_tlsf_rounds, loop_create_release_rounds, false, "tlsf", 1);
BENCHMARK_CAPTURE(loop, allocate_free_tlsf, loop_allocate_free, false, "tlsf", 1);
BENCHMARK_CAPTURE(loop, create_release_tlsf, loop_create_release, false, "tlsf", 1);
BENCHMARK_CAPTURE(loop, create_release_atomic_tlsf, loop_create_release, true, "tlsf", 1);
BENCHMARK_CAPTURE(shared_pointer, one_thread, false, 1);
BENCHMARK_CAPTURE(shared_pointer, one_thread_64, false, 64);
BENCHMARK_CAPTURE(shared_pointer, threads, true, 1);
BENCHMARK_CAPTURE(shared_pointer, threads_64, true, 64);

} // namespace

BENCHMARK_MAIN();

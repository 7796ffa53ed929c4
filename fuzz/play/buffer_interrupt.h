// Included before alloc/buffers/counts.c (-include) to interrupt it: at each atomic access another
// thread, simulated by the player, may run (fuzz/play/buffer_player_threads.c).
#pragma once

void buffer_interrupt(void);

#define __atomic_load_n(...) (buffer_interrupt(), __atomic_load_n(__VA_ARGS__))
#define __atomic_compare_exchange_n(...)                                                           \
    (buffer_interrupt(), __atomic_compare_exchange_n(__VA_ARGS__))

#include "bench/lanes.h"

#include "bench/meters.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

// Static, because nothing here may use the measured heap.
static struct {
    uint32_t count;
    pthread_barrier_t gate; // twice a pass: at the common start, and when all lanes have ended
    player players[LM_THREADS_MAX];
    lm_memory views[LM_THREADS_MAX];
    uint32_t *turns;
    size_t turns_bytes;
} lanes;

static void *lanes_run_passes(void *player) {
    uint32_t lane = (uint32_t)((struct player *)player - lanes.players);
    for (;;) {
        pthread_barrier_wait(&lanes.gate);
        player_play_lane(player, lane, lanes.turns);
        pthread_barrier_wait(&lanes.gate);
    }
    return NULL;
}

bool lanes_start(const player *player) {
    lanes.count = player->replay->lanes;
    lanes.turns_bytes = ((size_t)player->replay->slots + 1) * sizeof *lanes.turns;
    lanes.turns = mmap(NULL, lanes.turns_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (lanes.turns == MAP_FAILED || pthread_barrier_init(&lanes.gate, NULL, lanes.count) != 0)
        return false;
    for (uint32_t i = 0; i < lanes.count; i++) {
        lanes.players[i] = *player;
        if (player->memory) {
            lanes.players[i].memory = &lanes.views[i];
            if (!lm_memory_share(player->memory, &lanes.views[i], i)) return false;
        }
        pthread_t thread; // ends with the process; the caller runs the first lane
        errno = i ? pthread_create(&thread, NULL, lanes_run_passes, &lanes.players[i]) : 0;
        if (errno) return false;
    }
    return true;
}

double lanes_run(uint64_t *failures) {
    memset(lanes.turns, 0, lanes.turns_bytes);
    pthread_barrier_wait(&lanes.gate);
    double start = meter_now_ns();
    player_play_lane(&lanes.players[0], 0, lanes.turns);
    pthread_barrier_wait(&lanes.gate);
    double end = meter_now_ns();
    for (uint32_t i = 0; i < lanes.count; i++) {
        *failures += lanes.players[i].failures;
        lanes.players[i].failures = 0;
    }
    return end - start;
}

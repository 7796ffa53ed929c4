#include "bench/engines/module/module.h"

#include "alloc/system/yardsticks.h"
#include "alloc/wasm/same_bytes.h"
#include "bench/cell.h"
#include "corpus/replay/player.h"
#include "corpus/replay/verifier.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static struct {
    player player;
    lm_memory memory;
    unsigned char *tables, *tables_end; // zeroed memory for mmap
    uint32_t heap_page;                 // the first page of the heap
    uint32_t passes;
    bool is_ideal;
    uint32_t grows, pages_before;
    const player_observer *verifier;
    char failure[160];
} module;

static bool module_fail(const char *what) {
    if (!*module.failure) snprintf(module.failure, sizeof module.failure, "%s", what);
    return false;
}

// Returns the old end of the memory, grown by so many bytes or more, or NULL.
static unsigned char *module_reserve(uint64_t bytes) {
    uint64_t pages_needed = (bytes + LM_PAGE_BYTES - 1) / LM_PAGE_BYTES;
    uint32_t old = lm_memory_grow(&module.memory, (uint32_t)pages_needed);
    if (old != LM_GROW_REFUSED) return (unsigned char *)(uintptr_t)(old * LM_PAGE_BYTES);
    module_fail("out of memory: no room for the replay");
    return NULL;
}

void *mmap(void *at, size_t bytes, int protection, int flags, int descriptor, long offset) {
    (void)at, (void)protection, (void)flags, (void)descriptor, (void)offset;
    if (bytes > (size_t)(module.tables_end - module.tables)) return MAP_FAILED;
    module.tables += (bytes + LM_BLOCK_ALIGNMENT - 1) & ~(size_t)(LM_BLOCK_ALIGNMENT - 1);
    return module.tables - ((bytes + LM_BLOCK_ALIGNMENT - 1) & ~(size_t)(LM_BLOCK_ALIGNMENT - 1));
}

int munmap(void *at, size_t bytes) {
    (void)at, (void)bytes;
    return 0;
}

void *room(uint32_t bytes) {
    module_prepare();
    void *replay = module_reserve(bytes);
    module.player.replay = replay;
    return replay;
}

// Reserves the tables, up to the heap: the player's slots, and those of the verifier.
static bool module_reserve_tables(void) {
    enum { VERIFIER_BYTES = 4096, VERIFIER_SLOT_BYTES = 16 };
    uint64_t slots = (uint64_t)module.player.replay->slots + 1;
    uint64_t bytes = slots * (sizeof(void *) + VERIFIER_SLOT_BYTES) + VERIFIER_BYTES;
    uint64_t start = (uint64_t)lm_memory_pages(&module.memory) * LM_PAGE_BYTES;
    uint64_t end =
        (start + bytes + MODULE_HEAP_ALIGNMENT - 1) / MODULE_HEAP_ALIGNMENT * MODULE_HEAP_ALIGNMENT;
    module.tables = module_reserve(end - start);
    if (!module.tables) return false;
    module.tables_end = (unsigned char *)(uintptr_t)end;
    module.heap_page = lm_memory_pages(&module.memory);
    module.player.slots = mmap(NULL, (size_t)slots * sizeof(void *), 0, 0, -1, 0);
    return true;
}

// Returns whether the replay has heap calls only. Nothing else can refuse a growth of this memory,
// or move it.
static bool module_can_play(const replay *replay) {
    const replay_step *steps = replay_steps(replay);
    for (uint64_t i = 0; i < replay->steps; i += replay_verb_steps(replay_step_verb(&steps[i])))
        if (replay_step_verb(&steps[i]) > REPLAY_GROW)
            return module_fail("refused growths and moves of the base exist natively only");
    return true;
}

bool set_up(uint32_t heap_offset) {
    const replay *replay = module.player.replay;
    if (!module_can_play(replay) || !module_reserve_tables()) return false;
    module.is_ideal = module_allocator == &lm_ideal;
    module.player.allocator = module_allocator;
    module.player.memory = &module.memory;
    module.memory.pages_max = LM_PAGES_MAX;
    bool yardstick = module.is_ideal || module_allocator == &lm_floor;
    if (yardstick) { // as natively, at the start of a memory that is large enough
        heap_offset = LM_BLOCK_ALIGNMENT;
        if (!module_reserve((uint64_t)replay_pages_at_once(replay) * LM_PAGE_BYTES)) return false;
    }
    module.memory.heap_start = module.heap_page * LM_PAGE_BYTES + heap_offset;
    return module_allocator->start(&module.memory) ||
           module_fail("out of memory: the heap cannot start");
}

static void module_rewind(void) {
    if (module.is_ideal) lm_ideal_place(replay_placements(module.player.replay));
    if (module.passes++ && !(module_allocator->capabilities & LM_FREES_BLOCKS))
        module_allocator->reset(&module.memory);
    module.player.failures = 0;
}

void pass(void) {
    module_rewind();
    player_play(&module.player);
}

static void module_check_failures(void) {
    char text[sizeof module.failure];
    snprintf(text, sizeof text, "out of memory: %llu calls failed",
             (unsigned long long)module.player.failures);
    if (module.player.failures) module_fail(text);
}

void finish(void) {
    player_close(&module.player);
    module_check_failures();
}

// The verifier as an observer, which also counts the calls that grow the memory.

static void module_before(void *context, const player_event *event) {
    module.verifier->before(module.verifier->context, event);
    module.pages_before = lm_memory_pages(context);
}

static void module_after(void *context, const player_event *event) {
    module.grows += lm_memory_pages(context) != module.pages_before;
    module.verifier->after(module.verifier->context, event);
}

void verify(void) {
    char text[sizeof module.failure];
    module_rewind();
    verifier *verifier = verifier_new(module_allocator, &module.memory, module.player.replay,
                                      CELL_WALK_EVERY, text, sizeof text);
    if (!verifier) {
        module_fail("out of memory: no room for the verifier");
        return;
    }
    module.verifier = verifier_observer(verifier);
    player_observer observer = {&module.memory, module_before, module_after};
    player_play_observed(&module.player, &observer);
    verifier_end(verifier);
    if (*text) module_fail(text);
    module_check_failures();
}

const char *failure(void) {
    return module.failure;
}

uint32_t pages(void) {
    return lm_memory_pages(&module.memory) - module.heap_page;
}

uint32_t grows(void) {
    return module.grows;
}

uint64_t heap_hash(void) {
    return same_bytes_hash(&module.memory);
}

uint32_t grow_pages(uint32_t count) {
    uint32_t grown = 0;
    while (grown < count && lm_memory_grow(&module.memory, 1) != LM_GROW_REFUSED)
        grown++;
    return grown;
}

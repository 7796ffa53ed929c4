// The shipped traces, each played ten rounds on every strategy at check level 0, with no block live
// after a round (without LM_FREES_BLOCKS the heap is reset). From the third round on a heap does
// not grow any more: neither its pages, nor the bytes in it that are not free. paged and its
// variants may take some pages more, for the reason that paged.h gives, but no more for each round.
#include "alloc/registry.h"
#include "corpus/replay/player.h"
#include "corpus/replay/replay_fixture.h"

#include <glob.h>

enum {
    ROUNDS = 10,
    SETTLED = 3,      // the round from which on nothing is to grow
    PAGES_MAX = 4096, // of a memory: 256 MiB; an arena is refused what it wants beyond
};

// A heap after a round.
typedef struct level {
    uint64_t pages;
    uint64_t records; // bytes that are not free: headers, tables, ends of slabs
} level;

static level play_round(player *player) {
    const lm_allocator *subject = player->allocator;
    bool frees = subject->capabilities & LM_FREES_BLOCKS;
    lm_census census = {0};
    player_play(player);
    player_close(player);
    if (frees) assert_int_equal(player->failures, 0);
    if (!frees) subject->reset(player->memory);
    const char *broken = subject->validate(player->memory, &census);
    if (broken) fail_msg("%s: %s", subject->name, broken);
    assert_int_equal(census.live_blocks, 0);
    return (level){lm_memory_pages(player->memory), census.heap_bytes - census.free_bytes};
}

// What a heap may be after the last round that was `settled` before. paged's runs lie elsewhere in
// each round, and then a large block may find no gap, or a table or slabs become larger.
static level most_after(const level *settled, const player *player) {
    if (strncmp(player->allocator->name, "paged", strlen("paged")) != 0) return *settled;
    uint64_t block_pages = player->replay->largest_bytes / LM_PAGE_BYTES + 1;
    return (level){settled->pages + settled->pages / 16 + block_pages, 2 * settled->records};
}

static void play_rounds(const char *path, const lm_allocator *subject, const replay *replay) {
    lm_memory memory;
    void **slots = calloc((size_t)replay->slots + 1, sizeof *slots);
    assert_non_null(slots);
    assert_true(lm_memory_create(&memory, &(lm_memory_options){.pages_max = PAGES_MAX}));
    assert_true(subject->start(&memory));
    player player = {subject, &memory, replay, slots, 0};
    level now = {0}, most = {0};
    for (int round = 1; round <= ROUNDS; round++) {
        now = play_round(&player);
        if (round == SETTLED) most = most_after(&now, &player);
    }
    if (now.pages > most.pages || now.records > most.records)
        fail_msg("%s, %s: %ju pages and %ju bytes not free after round %d, at most %ju and %ju "
                 "were expected after round %d",
                 path, subject->name, (uintmax_t)now.pages, (uintmax_t)now.records, ROUNDS,
                 (uintmax_t)most.pages, (uintmax_t)most.records, SETTLED);
    lm_memory_destroy(&memory);
    free(slots);
}

TEST(test_heaps_do_not_grow_from_round_to_round) {
    glob_t found;
    assert_int_equal(glob("corpus/traces/*", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        trace trace;
        trace_error error;
        if (!trace_read(found.gl_pathv[i], &trace, &error))
            fail_msg("%s: %s", found.gl_pathv[i], error.text);
        const replay *replay = compile(trace);
        for (size_t s = 0; s < lm_strategy_count(); s++)
            play_rounds(found.gl_pathv[i], lm_strategy_at(s, 0), replay);
        unmap(replay);
    }
    globfree(&found);
}

TEST_MAIN(NULL, NULL)

#include "cli/random.h"
#include "cli/test.h"
#include "fuzz/explore/explorer/buffer_world_state.h"
#include "fuzz/explore/explorer/heap_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYOUTS_MAX = 1 << 21 };

static const heap_world_options plain = {
    .sizes = {8, 60, 250, 1000}, .size_count = 4, .verbs = HEAP_WORLD_VERBS};

// The block layouts of the states that are reached.
static struct watch {
    bool (*play)(explorer_world *w, uint32_t move, unsigned char *state, size_t *bytes);
    uint64_t *layouts; // a set: open addressing, 0: vacant
    uint64_t count;
} watch;

static bool watched_play(explorer_world *w, uint32_t move, unsigned char *state, size_t *bytes) {
    if (!watch.play(w, move, state, bytes)) return false;
    uint64_t layout = heap_world_layout(state) | 1;
    uint32_t at = (uint32_t)(layout * 0x9E3779B97F4A7C15 >> 43) % LAYOUTS_MAX;
    while (watch.layouts[at] && watch.layouts[at] != layout)
        at = (at + 1) % LAYOUTS_MAX;
    if (!watch.layouts[at]) {
        assert_true(++watch.count < LAYOUTS_MAX);
        watch.layouts[at] = layout;
    }
    return true;
}

// At the memory limit, the result is that of the complete depths.
TEST(memory_is_limited) {
    heap_world_options options = plain;
    options.strategy = explored_strategy_named("tlsf", 1);
    options.canonicalize = true;
    options.depth = 12;
    explorer_world *world = heap_world_new(&options);
    exploration limited;
    assert_non_null(world);
    world->memory_bytes = 8 << 20;
    assert_true(explorer_run(world, 12, false, &limited));
    assert_true(limited.full && limited.broken == LAW_NONE);
    assert_in_range(limited.depth, 2, 11);
    world->memory_bytes = 0;
    exploration whole;
    assert_true(explorer_run(world, limited.depth, false, &whole));
    assert_false(whole.full);
    assert_int_equal(limited.sequences, whole.sequences);
    assert_true(limited.states >= whole.states);
    heap_world_free(world);
}

static exploration explore_watched(const heap_world_options *options, uint32_t depth) {
    exploration result;
    explorer_world *world = heap_world_new(options);
    assert_non_null(world);
    watch = (struct watch){.play = world->play, .layouts = calloc(LAYOUTS_MAX, sizeof(uint64_t))};
    assert_non_null(watch.layouts);
    world->play = watched_play;
    assert_true(explorer_run(world, depth, true, &result));
    heap_world_free(world);
    return result;
}

// canonicalize changes no behaviour: the sequences and the block layouts are the same, with fewer
// states.
TEST(canonical_and_plain_agree) {
    for (size_t i = 0; explored_strategy_names[i]; i++) {
        heap_world_options options = plain;
        options.depth = 5;
        options.probe = true;
        options.strategy = explored_strategy_named(explored_strategy_names[i], 1);
        exploration as_it_is = explore_watched(&options, 5);
        uint64_t *layouts = watch.layouts, count = watch.count;
        options.canonicalize = true;
        exploration canonical = explore_watched(&options, 5);
        assert_int_equal(as_it_is.broken, LAW_NONE);
        assert_int_equal(canonical.broken, LAW_NONE);
        assert_int_equal(as_it_is.sequences, canonical.sequences);
        assert_int_equal(count, watch.count);
        for (uint32_t at = 0; at < LAYOUTS_MAX; at++)
            assert_true(!layouts[at] == !watch.layouts[at]);
        assert_true(canonical.states <= as_it_is.states);
        free(layouts);
        free(watch.layouts);
    }
}

// Enumerates every sequence without looking for known states.
static uint64_t enumerate(explorer_world *w, const unsigned char *state, size_t bytes,
                          uint32_t depth) {
    uint32_t moves[EXPLORER_MOVES_MAX];
    uint64_t sequences = 0;
    if (depth == 0) return 0;
    w->load(w, state, bytes);
    uint32_t count = w->moves(w, moves);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t move = moves[i], more; move; move = more) {
            unsigned char next[1 << 14];
            size_t next_bytes;
            w->load(w, state, bytes);
            assert_true(w->play(w, move, next, &next_bytes));
            more = w->refused(w, move);
            sequences += 1 + enumerate(w, next, next_bytes, depth - 1);
        }
    }
    return sequences;
}

TEST(sequences_are_counted_as_they_are) {
    static const char *const names[] = {"scope", "tlsf", "paged_shared"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        static unsigned char first[EXPLORER_STATE_BYTES_MAX];
        size_t bytes;
        heap_world_options options = plain;
        options.depth = 3;
        options.strategy = explored_strategy_named(names[i], 1);
        explorer_world *w = heap_world_new(&options);
        assert_true(w->begin(w, first, &bytes));
        uint64_t sequences = enumerate(w, first, bytes, 3);
        heap_world_free(w);
        options.canonicalize = true;
        exploration result;
        w = heap_world_new(&options);
        assert_true(explorer_run(w, 3, true, &result));
        heap_world_free(w);
        assert_int_equal(result.sequences, sequences);
    }
}

// ---- Bugs ---------------------------------------------------------------------------------------

static lm_allocator sick; // the sound allocator with a bug
static const lm_allocator *sound;

// The oracle frees a block of 0 bytes in an empty heap, so the bugs spare small blocks.
static bool free_small(void *block, size_t size, lm_memory *m) {
    if (block && sound->usable_size(block, m) >= 60) return false;
    sound->free(block, size, m);
    return true;
}
static void leak(void *block, size_t size, lm_memory *m) {
    free_small(block, size, m);
}
static void trap(void *block, size_t size, lm_memory *m) {
    if (!free_small(block, size, m)) __builtin_trap();
}
static void hang(void *block, size_t size, lm_memory *m) {
    for (volatile bool again = !free_small(block, size, m); again;)
        ;
}
// Blocks at high offsets overlap the block before.
static void *misplace(size_t size, lm_memory *m) {
    unsigned char *block = sound->allocate(size, m);
    return block && block - m->base > 2000 ? block - 64 : block;
}
static void *shrink_and_forget(void *block, size_t size, lm_memory *m) {
    void *to = sound->resize(block, size, m);
    if (!to) memset(block, 0, 1); // the content that must stay
    return to;
}

// Chooses a place by the bytes before a block.
static void *look_before(size_t size, lm_memory *m) {
    uint32_t *block = sound->allocate(size, m);
    if (!block || lm_offset(m, block) < 400 || block[-8] % 2) return block;
    uint32_t offset = lm_offset(m, block); // a growth may move the block
    void *other = sound->allocate(size, m);
    sound->free(other ? lm_at(m, offset) : NULL, 0, m);
    return other ? other : lm_at(m, offset);
}
// Fails only a size that probes use and no move does.
static void *not_so_many(size_t size, lm_memory *m) {
    return size == 252 ? NULL : sound->allocate(size, m);
}

// Heap walks that fail on a damaged heap only.
static const char *crash_on_damage(lm_memory *m, lm_census *census) {
    const char *law = sound->validate(m, census);
    if (law) *(volatile char *)NULL = 0;
    return law;
}
static const char *trap_on_damage(lm_memory *m, lm_census *census) {
    const char *law = sound->validate(m, census);
    if (law) __builtin_trap();
    return law;
}
static const char *hang_on_damage(lm_memory *m, lm_census *census) {
    const char *law = sound->validate(m, census);
    for (volatile bool again = law; again;)
        ;
    return law;
}
static const char *write_on_damage(lm_memory *m, lm_census *census) {
    const char *law = sound->validate(m, census);
    if (law) m->base[m->pages * LM_PAGE_BYTES - 1]++;
    return law;
}

static size_t crash_when_measured(const void *block, lm_memory *m) {
    size_t usable = sound->usable_size(block, m);
    if (usable >= 250) *(volatile char *)NULL = 0;
    return usable;
}
static bool crash_at_the_start(lm_memory *m) {
    *(volatile char *)NULL = 0;
    return sound->start(m);
}
static int overflow(volatile int depth) {
    volatile char frame[4096];
    frame[0] = (char)depth;
    return depth < 0 ? 0 : overflow(depth + 1) + frame[0];
}
static void *overflow_the_stack(size_t size, lm_memory *m) {
    if (size == 250) overflow(0);
    return sound->allocate(size, m);
}
static const char *crash_over_two_blocks(lm_memory *m, lm_census *census) {
    lm_census own;
    const char *law = sound->validate(m, census ? census : &own);
    if (!law && (census ? census : &own)->live_blocks == 2) *(volatile char *)NULL = 0;
    return law;
}
static void crash_when_reset(lm_memory *m) {
    *(volatile char *)NULL = 0;
    sound->reset(m);
}

// Explores it and returns the violation with its trace.
static exploration explore_world(explorer_world *w, uint32_t depth, trace *found) {
    exploration result;
    trace_error error;
    trace_builder *builder = trace_builder_new();
    assert_true(explorer_run(w, depth, true, &result));
    assert_int_not_equal(result.broken, LAW_NONE);
    assert_true(w->trace(w, result.moves_to, result.move_count, builder, &error));
    assert_true(trace_builder_finish(builder, found, &error));
    return result;
}

static explorer_world *heap_of(const lm_allocator *allocator, bool probe, bool damage) {
    static explored_strategy strategy;
    heap_world_options options = plain;
    strategy.allocator = allocator;
    options.depth = 6;
    options.strategy = &strategy;
    options.probe = probe;
    options.damage = damage;
    explorer_world *w = heap_world_new(&options);
    assert_non_null(w);
    return w;
}

static law played_on(const lm_allocator *allocator, const trace *trace, bool damage) {
    exploration result;
    explorer_world *w = heap_of(allocator, false, damage);
    explorer_play(w, trace, &result);
    heap_world_free(w);
    return result.broken;
}

// Each bug is found, by a shortest trace: it breaks the same law again, and none on the sound
// allocator.
TEST(bugs_are_found_by_the_shortest_trace) {
    enum { ANY = 100 };
    static const struct bug {
        lm_allocator with; // the functions that it replaces
        law law;           // LAW_NONE: any
        const char *how;   // part of the finding
        uint32_t depth, operations;
        enum { BY_MOVES, BY_PROBES, BY_WALKS } by; // of damaged heaps
    } bugs[] = {
        {{.free = trap}, LAW_returns, "", 6, 1, BY_MOVES},
        {{.free = hang}, LAW_steps, "", 6, 1, BY_MOVES},
        {{.free = leak}, LAW_frees, "", 6, 1, BY_MOVES},
        {{.allocate = misplace}, LAW_disjoint, "", 6, 2, BY_MOVES},
        {{.resize = shrink_and_forget}, LAW_content, "", 6, 2, BY_MOVES},
        {{.allocate = look_before}, LAW_content, "", 6, 2, BY_MOVES},
        {{.usable_size = crash_when_measured},
         LAW_returns,
         "usable_size(block at ",
         6,
         ANY,
         BY_MOVES},
        {{.start = crash_at_the_start}, LAW_returns, "start() crashes", 6, ANY, BY_MOVES},
        {{.allocate = overflow_the_stack}, LAW_returns, "allocate(250) crashes", 6, ANY, BY_MOVES},
        {{.validate = crash_over_two_blocks}, LAW_returns, "validate() crashes", 6, ANY, BY_MOVES},
        {{.reset = crash_when_reset}, LAW_returns, "reset() crashes", 6, ANY, BY_MOVES},
        {{.allocate = not_so_many}, LAW_NONE, "", 2, ANY, BY_PROBES},
        {{.validate = crash_on_damage}, LAW_survives, "crashes", 2, ANY, BY_WALKS},
        {{.validate = trap_on_damage}, LAW_survives, "traps", 2, ANY, BY_WALKS},
        {{.validate = hang_on_damage}, LAW_survives, "does not return", 2, ANY, BY_WALKS},
        {{.validate = write_on_damage}, LAW_survives, "writes", 2, ANY, BY_WALKS},
    };
    sound = explored_strategy_named("tlsf", 0)->allocator;
    for (size_t i = 0; i < sizeof bugs / sizeof *bugs; i++) {
        trace found;
        const struct bug *bug = &bugs[i];
        const lm_allocator *with = &bug->with;
        sick = *sound;
        if (with->free) sick.free = with->free;
        if (with->allocate) sick.allocate = with->allocate;
        if (with->resize) sick.resize = with->resize;
        if (with->usable_size) sick.usable_size = with->usable_size;
        if (with->start) sick.start = with->start;
        if (with->validate) sick.validate = with->validate;
        if (with->reset) sick.reset = with->reset;
        explorer_world *w = heap_of(&sick, bug->by != BY_MOVES, false);
        exploration result = explore_world(w, bug->depth, &found);
        assert_int_equal(w->damages(w), bug->by == BY_WALKS);
        heap_world_free(w);
        law expected = bug->law == LAW_NONE ? result.broken : bug->law;
        if (result.broken != expected || !strstr(result.finding, bug->how))
            fail_msg("bug %zu: %s: %s", i, law_names[result.broken], result.finding);
        if (bug->by == BY_WALKS) assert_non_null(strstr(result.finding, "whose word at "));
        if (bug->operations != ANY) assert_int_equal(result.move_count, bug->operations);
        assert_true(found.count > result.move_count);
        assert_int_equal(found.operations[0].verb, TRACE_HEAP);
        assert_string_equal(law_names[played_on(&sick, &found, bug->by == BY_WALKS)],
                            law_names[expected]);
        assert_int_equal(played_on(sound, &found, bug->by == BY_WALKS), LAW_NONE);
        trace_free(&found);
    }
}

// ---- Buffers ------------------------------------------------------------------------------------

static explorer_world *buffers_of(const char *name, const lm_allocator *home, bool probe) {
    explorer_world *w =
        buffer_world_new(&(buffer_world_options){.check_level = 1, .name = name, .probe = probe});
    assert_non_null(w);
    if (home) ((buffer_world *)w)->served[0].allocator = home;
    return w;
}

TEST(found_traces_of_buffers_are_played) {
    sound = explored_strategy_named("tlsf", 1)->allocator;
    for (const lm_allocator *home = &sick; home; home = home == &sick ? sound : NULL) {
        trace found;
        exploration result;
        sick = *sound;
        sick.free = leak;
        explorer_world *w = buffers_of("resized", &sick, true);
        law law = explore_world(w, 3, &found).broken;
        buffer_world_free(w);
        w = buffers_of("resized", home, false);
        explorer_play(w, &found, &result);
        assert_int_equal(result.broken, home == &sick ? law : LAW_NONE);
        buffer_world_free(w);
        trace_free(&found);
    }
}

// Wherever a path ends, its trace is valid, with its probes, and plays. The world is freed.
static void assert_tells(explorer_world *w, explorer_world *player, uint64_t seed) {
    static unsigned char state[EXPLORER_STATE_BYTES_MAX];
    uint32_t moves[EXPLORER_MOVES_MAX], path[5];
    size_t bytes;
    trace told;
    trace_error error;
    exploration result;
    trace_builder *builder = trace_builder_new();
    assert_true(w->begin(w, state, &bytes));
    for (uint32_t i = 0; i < 5; i++) {
        w->load(w, state, bytes);
        uint32_t count = w->moves(w, moves);
        path[i] = moves[random_next(&seed) % count];
        assert_true(w->play(w, path[i], state, &bytes));
        if (w->refused(w, path[i]) && random_next(&seed) % 2) {
            path[i] = w->refused(w, path[i]);
            assert_true(w->play(w, path[i], state, &bytes));
        }
    }
    if (!w->end(w)) fail_msg("%s", w->finding);
    bool good = w->trace(w, path, 5, builder, &error);
    if (!good) fail_msg("%s", error.text);
    assert_true(trace_builder_finish(builder, &told, &error));
    explorer_play(player, &told, &result);
    if (result.broken != LAW_NONE) fail_msg("%s", result.finding);
    assert_true(result.moves >= 5);
    trace_free(&told);
}

TEST(all_that_is_explored_can_be_played) {
    for (uint64_t seed = 1; seed <= 40; seed++) {
        for (size_t i = 0; buffer_world_names[i]; i++) {
            const char *name = buffer_world_names[i];
            explorer_world *w = buffers_of(name, NULL, true),
                           *player = buffers_of(name, NULL, false);
            assert_tells(w, player, seed);
            buffer_world_free(w);
            buffer_world_free(player);
        }
        for (size_t i = 0; explored_strategy_names[i]; i++) {
            const lm_allocator *a =
                explored_strategy_named(explored_strategy_names[i], 1)->allocator;
            explorer_world *w = heap_of(a, true, false), *player = heap_of(a, false, false);
            assert_tells(w, player, seed);
            heap_world_free(w);
            heap_world_free(player);
        }
    }
}

// Each state space is explored without a violation, its probes included.
TEST(all_worlds_of_buffers_hold) {
    for (size_t i = 0; buffer_world_names[i]; i++) {
        exploration result;
        explorer_world *w = buffers_of(buffer_world_names[i], NULL, true);
        assert_true(explorer_run(w, 3, true, &result));
        assert_int_equal(result.broken, LAW_NONE);
        assert_true(result.states > 200);
        assert_true(((buffer_world *)w)->probed > 50);
        buffer_world_free(w);
    }
}

TEST_MAIN(NULL, NULL)

// Replays, the player and its observer: the calls are those of the trace, in order.
#include "corpus/replay/player.h"

#include "alloc/registry.h"
#include "corpus/replay/replay_fixture.h"
#include "corpus/trace/generator.h"

#include <pthread.h>

// An allocator that logs its calls and returns addresses of an arena.
static struct {
    char text[4096];
    char arena[1 << 20] __attribute__((aligned(65536)));
    size_t used;
    int fail_after; // allocations that still succeed; −1: all
} log_;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
    size_t length = strlen(log_.text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(log_.text + length, sizeof log_.text - length, format, arguments);
    va_end(arguments);
}

static long number(const void *block) {
    return block ? ((const char *)block - log_.arena) >> 12 : -1;
}

static void *take(size_t size) {
    if (log_.fail_after == 0) return NULL;
    if (log_.fail_after > 0) log_.fail_after--;
    void *block = log_.arena + log_.used;
    log_.used += (size + 4096) & ~(size_t)4095;
    return block;
}

static void *log_allocate(size_t size, lm_memory *memory) {
    say("a%zu ", size);
    return take(size);
}
static void *log_zeroed(size_t size, lm_memory *memory) {
    say("z%zu ", size);
    return memset(take(size), 0, size);
}
static void *log_aligned(size_t alignment, size_t size, lm_memory *memory) {
    say("A%zu@%zu ", size, alignment);
    return take(size);
}
static void *log_resize(void *block, size_t size, lm_memory *memory) {
    say("r%ld:%zu ", number(block), size);
    return take(size);
}
static void *log_resize_aligned(void *block, size_t size, size_t alignment, lm_memory *memory) {
    say("R%ld:%zu@%zu ", number(block), size, alignment);
    return take(size);
}
static void log_free(void *block, size_t size, lm_memory *memory) {
    assert_int_equal(size, 0); // unsized
    say("f%ld ", number(block));
}

static const lm_allocator logging = {.name = "log",
                                     .allocate = log_allocate,
                                     .allocate_zeroed = log_zeroed,
                                     .allocate_aligned = log_aligned,
                                     .resize = log_resize,
                                     .resize_aligned = log_resize_aligned,
                                     .free = log_free};

static player new_player(const replay *replay) {
    memset(&log_, 0, sizeof log_);
    log_.fail_after = -1;
    return (player){&logging, NULL, replay, calloc(replay->slots, sizeof(void *)), 0};
}

static void end(player *player) {
    free(player->slots);
    unmap(player->replay);
}

TEST(plays_each_verb) {
    player p = new_player(
        compile(parse(HEADER "a 0 10\nz 1 20\na 2 30 64\nz 3 5 4096\nt 1\n"
                             "r 0 40\nr 2 50\nr 1 0\nf 0\nf 2\na 0 0\ne\nf 1\nf 3\nf 0\n")));
    assert_int_equal(p.replay->operations, 10);
    assert_int_equal(p.replay->peak_live_bytes, 40 + 50 + 20 + 5);
    player_play(&p);
    assert_string_equal(log_.text,
                        "a10 z20 A30@64 A5@4096 r0:40 R2:50@64 r1:1 f4 f5 a0 "); // r 0: as r 1
    *log_.text = '\0';
    player_close(&p);
    assert_string_equal(log_.text, "f6 f3 f7 ");
    assert_int_equal(p.failures, 0);
    end(&p);
}

TEST(slots_are_reused_last_first) {
    const replay *replay = compile(parse(HEADER "a 0 1\na 1 1\nf 0\na 2 1\nf 1\nf 2\n"));
    assert_int_equal(replay->slots, 2);
    assert_int_equal(replay_step_slot(&replay_steps(replay)[3]), 0);
    unmap(replay);
}

// Every page of a block is written to, and the last byte; nothing else is.
TEST(touches_allocated_blocks) {
    player p = new_player(compile(parse(HEADER "a 0 1\na 1 4096\na 2 10000\nr 2 20000\na 3 0\n"
                                               "f 0\nf 1\nf 2\nf 3\n")));
    player_play(&p);
    enum { LINE = 4096 - 64 }; // one page's distance from a touch to the next, less a cache line
    static const size_t touched[] = {
        0, // 1 byte
        4096,
        8191, // 4096
        12288,
        12288 + LINE,
        12288 + 2 * LINE,
        12288 + 9999, // 10000
        24576 + 10000,
        24576 + 10000 + LINE,
        24576 + 10000 + 2 * LINE,
        24576 + 19999, // resized
    };
    for (size_t at = 0, i = 0; at < log_.used; at++) {
        bool expected = i < ITEMS(touched) && touched[i] == at;
        assert_int_equal(log_.arena[at] != 0, expected);
        i += expected;
    }
    end(&p);
}

TEST(failures_are_counted_and_skipped) {
    player p = new_player(compile(parse(HEADER "a 0 1\na 1 1\nr 1 2\nr 0 9\nf 1\nf 0\n")));
    log_.fail_after = 1;
    player_play(&p);
    assert_int_equal(p.failures, 3); // a 1, r 1 (there is nothing to resize), r 0
    assert_string_equal(log_.text, "a1 a1 r0:9 f-1 f0 ");
    end(&p);
}

typedef struct seen {
    char text[1024];
} seen;

static void see(seen *seen, const char *when, const player_event *e) {
    size_t length = strlen(seen->text);
    snprintf(seen->text + length, sizeof seen->text - length, "%s%llu:%d/%u/%ld/%zu@%zu<%zu ", when,
             (unsigned long long)e->step, (int)e->verb, e->slot, number(e->block), e->size,
             e->alignment, e->old_size);
}
static void see_before(void *context, const player_event *e) {
    see(context, "b", e);
}
static void see_after(void *context, const player_event *e) {
    see(context, "a", e);
}

TEST(observer_sees_every_call) {
    player p = new_player(compile(parse(HEADER "a 0 10 64\nr 0 20\nf 0\n")));
    seen seen = {""};
    player_observer observer = {&seen, see_before, see_after};
    player_play_observed(&p, &observer);
    assert_string_equal(seen.text, "b0:4/0/-1/10@64<0 a0:4/0/0/10@64<0 "
                                   "b2:6/0/0/20@64<10 a2:6/0/1/20@64<10 "
                                   "b4:1/0/1/0@16<0 a4:1/0/-1/0@16<0 ");
    for (size_t at = 0; at < log_.used; at++)
        assert_int_equal(log_.arena[at], 0); // the observer touches blocks, not the player
    end(&p);
}

TEST(unplayable_traces_are_rejected) {
    static const char *const texts[] = {
        HEADER "m 1\nd\nm 0\n",                    // no heap operation
        HEADER "g 1\n",                            // nothing to time
        HEADER "a 0 4294967295\na 1 1\nf 0\nf 1\n" // over 4 GiB
    };
    for (size_t i = 0; i < ITEMS(texts); i++) {
        trace trace = parse(texts[i]);
        trace_error error = {""};
        assert_int_equal(replay_compile(&trace, &error), -1);
        assert_true(strlen(error.text) > 10);
        trace_free(&trace);
    }
}

// Each lane's own operations in their order, and of each slot, how many come before.
TEST(lanes_have_turns) {
    const replay *p = compile(parse(HEADER "a 0 10\na 1 20 64\nt 1\nr 0 40\na 2 7\nt 0\n"
                                           "f 0\nt 1\nf 1\nz 3 9\ne\nf 2\nf 3\n"));
    static const replay_turn expected[] = {
        {0, 0, REPLAY_ALLOCATE, 10, 16, 0}, {1, 0, REPLAY_ALIGNED, 20, 64, 0},
        {0, 2, REPLAY_FREE, 0, 16, 0},      {0, 1, REPLAY_RESIZE, 40, 16, 10},
        {64, 0, REPLAY_ALLOCATE, 7, 16, 0}, {1, 1, REPLAY_FREE, 0, 64, 0},
        {65, 0, REPLAY_ZEROED, 9, 16, 0},
    };
    assert_int_equal(p->lanes, 2);
    assert_int_equal(p->lane_ends[0], 3);
    assert_int_equal(p->lane_ends[1], 7);
    assert_memory_equal(replay_turns(p), expected, sizeof expected);
    unmap(p);
    p = compile(parse(HEADER "a 0 10\nt 1\ng 1\nf 0\n")); // operations on the memory have no turn
    assert_int_equal(p->turns_at, 0);
    unmap(p);
}

enum { LANES = 3 };

typedef struct lane_player {
    player player;
    lm_memory memory;
    uint32_t lane, *turns;
} lane_player;

static void *play_lane(void *argument) {
    lane_player *l = argument;
    player_play_lane(&l->player, l->lane, l->turns);
    return NULL;
}

// Lanes on threads do what one thread does in recorded order: all blocks are freed, no call fails.
TEST(lanes_play_on_threads) {
    static const char description[] =
        "{\"about\":\"\",\"source\":\"\",\"seed\":1,\"operations\":200000,\"live_blocks\":500,"
        "\"sizes\":[{\"weight\":1,\"from\":1,\"to\":3000}],\"resize\":0.1,\"zeroed\":0.1,"
        "\"aligned\":0.1,\"lifetimes\":[{\"weight\":1,\"geometric\":300}],\"lanes\":3,"
        "\"remote\":0.7}";
    json_t *json = json_loads(description, 0, NULL);
    trace trace;
    trace_error error;
    assert_true(generator_run(json, &trace, &error));
    json_decref(json);
    const replay *replay = compile(trace);
    const lm_allocator *shared = lm_strategy_named("paged_shared", 1);
    lm_memory memory;
    assert_true(lm_memory_create(&memory, &(lm_memory_options){.pages_max = 1000}));
    assert_true(shared->start(&memory));
    void **slots = calloc(replay->slots, sizeof *slots);
    uint32_t *turns = calloc(replay->slots, sizeof *turns);
    lane_player lanes[LANES];
    pthread_t threads[LANES];
    for (uint32_t i = 0; i < LANES; i++) {
        lane_player *l = &lanes[i];
        assert_true(lm_memory_share(&memory, &l->memory, i));
        l->player = (player){shared, &l->memory, replay, slots, 0};
        l->lane = i;
        l->turns = turns;
        assert_int_equal(pthread_create(&threads[i], NULL, play_lane, l), 0);
    }
    for (uint32_t i = 0; i < LANES; i++)
        pthread_join(threads[i], NULL);
    uint64_t live = 0, done = 0;
    for (uint32_t i = 0; i < replay->slots; i++) {
        live += slots[i] != NULL;
        done += turns[i];
    }
    lm_census census;
    const char *broken = shared->validate(&memory, &census);
    if (broken) fail_msg("law broken: %s", broken);
    assert_int_equal(census.live_blocks, live);
    assert_int_equal(done, replay->operations);
    player_close(&lanes[0].player);
    assert_null(shared->validate(&memory, &census));
    assert_int_equal(census.live_blocks, 0);
    for (uint32_t i = 0; i < LANES; i++)
        assert_int_equal(lanes[i].player.failures, 0);
    free(turns);
    free(slots);
    unmap(replay);
    lm_memory_destroy(&memory);
}

TEST_MAIN(NULL, NULL)

// Foreign code that calls the buffer table: each function, from inside each call of foreign code,
// with plain and atomic counts. All succeed except two, which return LM_BUSY:
//
//     lm_buffer_table_end, from any foreign code
//     a use of the buffer being resized, from inside its resize
//
// After each of them all laws hold, and everything can be released.
#include "alloc/buffers/view.h"

#include "alloc/buffers/table_fixture.h"
#include "alloc/strategies/strategy.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

enum { FOREIGN = OTHER, OWNERS = MODULE };

// A function of one expression, of type lm_status.
#define CALL(name, ...)                                                                            \
    static lm_status name(void) {                                                                  \
        return __VA_ARGS__;                                                                        \
    }

static const lm_allocator *strategy;

// ---- Foreign code ------------------------------------------------------------------------------

typedef enum point { NOWHERE, IN_ALLOCATE, IN_ZEROED, IN_RESIZE, IN_FREE, IN_PRESSURE } point;

static point armed; // where the_call is made, once
static lm_status (*the_call)(void);
static lm_status expected;
static uint32_t made;

static void arm(point point, lm_status (*call)(void), lm_status status) {
    the_call = call;
    expected = status;
    made = 0;
    armed = point;
}
static void reach(point here) {
    if (here != armed) return;
    armed = NOWHERE;
    made++;
    IS(the_call(), expected);
}

static void *foreign_allocate(size_t size, lm_memory *memory) {
    reach(IN_ALLOCATE);
    return strategy->allocate(size, memory);
}
static void *foreign_zeroed(size_t size, lm_memory *memory) {
    reach(IN_ZEROED);
    return strategy->allocate_zeroed(size, memory);
}
static void *foreign_resize(void *block, size_t size, lm_memory *memory) {
    uint32_t offset = lm_offset(memory, block); // the memory may move
    reach(IN_RESIZE);
    return strategy->resize(lm_at(memory, offset), size, memory);
}
static void foreign_free(void *block, size_t size, lm_memory *memory) {
    strategy->free(block, size, memory);
    reach(IN_FREE);
}
static void pressure(void *context, lm_buffer_table *pressed, uint32_t memory, uint64_t bytes) {
    reach(IN_PRESSURE);
}

// ---- The table ---------------------------------------------------------------------------------

static lm_allocator foreign;
static lm_handle held, twice, victim; // victim: of the foreign call
static lm_token token, dead;

static lm_handle create(uint32_t memory) {
    return create_of(DART, memory, 100);
}
static lm_token attach(uint32_t memory) {
    lm_token made_of;
    OK(lm_finalizer_attach(r, DART, create(memory), 0, &made_of));
    return made_of;
}

static void begin_on(const lm_counts *counts, const lm_allocator *home) {
    foreign = (lm_allocator){.allocate = foreign_allocate,
                             .allocate_zeroed = foreign_zeroed,
                             .resize = foreign_resize,
                             .free = foreign_free};
    armed = NOWHERE;
    start_on(counts, 2, (const lm_allocator *[]){strategy, strategy},
             (const lm_allocator *[]){home, &foreign});
    assert_true(lm_finalizers_start(r));
    lm_buffer_table_set_pressure(r, pressure, NULL);
    held = create(HOME), twice = create(FOREIGN), victim = create(FOREIGN);
    OK(lm_buffer_retain(r, DART, twice));
    token = attach(HOME), dead = attach(FOREIGN);
    OK(lm_finalizer_enqueue(r, dead));
}
static int start(const lm_counts *counts) {
    strategy = lm_strategy_named("tlsf", 2);
    begin_on(counts, strategy);
    return 0;
}

static void finish(void) {
    lm_census census;
    armed = NOWHERE;
    walk(), walk_tokens();
    lm_finalizers_end(r);
    for (uint32_t owner = 0; owner < OWNERS; owner++)
        lm_buffer_table_release_all(r, owner);
    assert_int_equal(walk().live_blocks, 0);
    OK(lm_buffer_table_end(r));
    for (uint32_t i = 0; i < memory_count; i++) {
        assert_null(strategy->validate(&memories[i], &census));
        assert_int_equal(census.live_blocks, 0);
    }
}
static void finish_and_end(void) {
    finish();
    end(NULL);
}

// LM_OK for the statuses that a release_all before may cause.
static lm_status any_status(lm_status status) {
    bool gone = status == LM_USE_AFTER_ZERO || status == LM_RELEASE_AFTER_ZERO ||
                status == LM_STALE_HANDLE || status == LM_STALE_TOKEN || status == LM_FREED;
    return gone ? LM_OK : status;
}

// ---- Calls that call foreign code --------------------------------------------------------------

CALL(by_create, (create(FOREIGN), LM_OK));
static lm_status by_zeroed(void) {
    lm_handle handle;
    return lm_buffer_create(r, DART, FOREIGN, 100, 16, true, &handle);
}
static lm_status by_aligned(void) {
    lm_handle handle;
    return lm_buffer_create(r, DART, FOREIGN, 100, 4096, true, &handle);
}
CALL(by_resize, lm_buffer_resize(r, DART, victim, 5000));
CALL(by_release, lm_buffer_release(r, DART, victim));
CALL(by_release_all, lm_buffer_table_release_all(r, DART) > 0 ? LM_OK : LM_INVALID_HANDLE);
CALL(by_drain, lm_finalizers_drain(r, 1).freed == 1 ? LM_OK : LM_INVALID_TOKEN);
CALL(by_close, lm_finalizer_close(r, attach(FOREIGN)));
static lm_status by_detach_all(void) { // of three, at the first
    uint32_t freed;
    lm_token sibling = attach(FOREIGN), other;
    OK(lm_finalizer_attach(r, DART, create(FOREIGN), sibling, &other));
    OK(lm_finalizer_attach(r, DART, create(HOME), sibling, &other));
    lm_status status = lm_finalizer_detach_all(r, sibling, &freed);
    assert_int_equal(freed, 3);
    return status;
}
static lm_status by_create_over_budget(void) {
    OK(lm_buffer_table_set_budget(r, HOME, 1));
    create(HOME);
    return lm_buffer_table_set_budget(r, HOME, UINT64_MAX);
}
static lm_status by_adopt_over_budget(void) {
    lm_handle handle;
    uint32_t block = lm_offset(&memories[HOME], strategy->allocate(64, &memories[HOME]));
    OK(lm_buffer_table_set_budget(r, HOME, 1));
    OK(lm_buffer_adopt(r, DART, HOME, block, 64, &handle));
    return lm_buffer_table_set_budget(r, HOME, UINT64_MAX);
}
static lm_status by_resize_over_budget(void) {
    lm_handle handle = create(HOME);
    OK(lm_buffer_table_set_budget(r, HOME, 1));
    OK(any_status(lm_buffer_resize(r, DART, handle, 5000)));
    return lm_buffer_table_set_budget(r, HOME, UINT64_MAX);
}
static lm_status by_lack_of_memory(void) {
    lm_handle none;
    IS(lm_buffer_create(r, DART, HOME, 1u << 30, 16, false, &none), LM_OUT_OF_MEMORY);
    return LM_OK;
}

static const struct trigger {
    const char *name;
    point point;
    lm_status (*by)(void);
} triggers[] = {
    {"allocate, by create", IN_ALLOCATE, by_create},
    {"allocate, by an aligned create", IN_ALLOCATE, by_aligned},
    {"allocate_zeroed, by create", IN_ZEROED, by_zeroed},
    {"resize, by resize", IN_RESIZE, by_resize},
    {"free, by release", IN_FREE, by_release},
    {"free, by release_all", IN_FREE, by_release_all},
    {"free, by drain", IN_FREE, by_drain},
    {"free, by close", IN_FREE, by_close},
    {"free, by detach_all", IN_FREE, by_detach_all},
    {"pressure, by create over budget", IN_PRESSURE, by_create_over_budget},
    {"pressure, by adopt over budget", IN_PRESSURE, by_adopt_over_budget},
    {"pressure, by resize over budget", IN_PRESSURE, by_resize_over_budget},
    {"pressure, by lack of memory", IN_PRESSURE, by_lack_of_memory},
};

// ---- Calls from foreign code -------------------------------------------------------------------

CALL(call_create, (create(HOME), LM_OK));
static lm_status call_create_many(void) { // the tables grow
    for (uint32_t i = 0; i < 200; i++)
        create(HOME);
    return LM_OK;
}
CALL(call_create_foreign, (create(FOREIGN), LM_OK));
static lm_status call_adopt(void) {
    lm_handle handle;
    uint32_t block = lm_offset(&memories[FOREIGN], strategy->allocate(64, &memories[FOREIGN]));
    return lm_buffer_adopt(r, DART, FOREIGN, block, 64, &handle);
}
CALL(call_retain, any_status(lm_buffer_retain(r, DART, held)));
CALL(call_release, any_status(lm_buffer_release(r, DART, held)));
static lm_status call_release_foreign(void) {
    lm_handle handle = create(FOREIGN);
    return any_status(lm_buffer_release(r, DART, handle));
}
static lm_status call_share(void) {
    lm_handle shared;
    return any_status(lm_buffer_share(r, DART, held, SCRIPT, &shared));
}
static lm_status call_transfer(void) {
    lm_handle moved;
    return any_status(lm_buffer_transfer(r, DART, twice, SCRIPT, &moved));
}
CALL(call_resize, any_status(lm_buffer_resize(r, DART, held, 3000)));
CALL(call_resize_foreign, lm_buffer_resize(r, DART, create(FOREIGN), 3000));
static lm_status call_describe(void) {
    lm_buffer_info info;
    return any_status(lm_buffer_describe(r, DART, held, &info));
}
CALL(call_release_all, (lm_buffer_table_release_all(r, DART), LM_OK));
static lm_status call_live(void) {
    lm_buffer_table_live_of(r, DART);
    return lm_buffer_table_live_in(r, FOREIGN).buffers < 1000 ? LM_OK : LM_INVALID_HANDLE;
}
CALL(call_add,
     lm_buffer_table_add(r, &foreign, &memories[FOREIGN]) < LM_MEMORIES_MAX ? LM_OK : LM_NO_MEMORY);
CALL(call_set_budget, lm_buffer_table_set_budget(r, FOREIGN, 100000));
static lm_status call_attach(void) {
    for (uint32_t i = 0; i < 200; i++)
        attach(HOME);
    return LM_OK;
}
static lm_status call_replace(void) {
    lm_token replaced = attach(HOME);
    lm_handle cancelled;
    return lm_finalizer_replace(r, DART, create(HOME), &replaced, &cancelled);
}
CALL(call_enqueue, lm_finalizer_enqueue(r, attach(FOREIGN)));
CALL(call_drain, (lm_finalizers_drain(r, 100), LM_OK));
static lm_status call_detach(void) {
    lm_handle handle;
    return lm_finalizer_detach(r, attach(HOME), &handle);
}
static lm_status call_detach_all(void) {
    uint32_t freed;
    return lm_finalizer_detach_all(r, attach(FOREIGN), &freed);
}
CALL(call_close, any_status(lm_finalizer_close(r, token)));
static lm_status call_restart(void) {
    lm_finalizers_end(r);
    return lm_finalizers_start(r) ? LM_OK : LM_NOT_STARTED;
}
static lm_status call_view(void) {
    lm_view view;
    lm_handle handle = create(HOME);
    OK(lm_view_make(r, DART, handle, LM_U8, 0, 10, &view));
    OK(lm_view_set_integer(r, &view, 3, 7));
    return lm_view_end(r, &view);
}
CALL(call_validate, (walk(), LM_OK));
CALL(call_validate_tokens, (walk_tokens(), LM_OK));
CALL(call_end, lm_buffer_table_end(r));

static const struct callback {
    const char *name;
    lm_status (*call)(void);
    lm_status expected;
} callbacks[] = {
    {"create", call_create, LM_OK},
    {"create many", call_create_many, LM_OK},
    {"create in the same memory", call_create_foreign, LM_OK},
    {"adopt", call_adopt, LM_OK},
    {"retain", call_retain, LM_OK},
    {"release", call_release, LM_OK},
    {"release in the same memory", call_release_foreign, LM_OK},
    {"share", call_share, LM_OK},
    {"transfer", call_transfer, LM_OK},
    {"resize", call_resize, LM_OK},
    {"resize in the same memory", call_resize_foreign, LM_OK},
    {"describe", call_describe, LM_OK},
    {"release_all", call_release_all, LM_OK},
    {"live_in, live_of", call_live, LM_OK},
    {"add", call_add, LM_OK},
    {"set_budget", call_set_budget, LM_OK},
    {"attach", call_attach, LM_OK},
    {"replace", call_replace, LM_OK},
    {"enqueue", call_enqueue, LM_OK},
    {"drain", call_drain, LM_OK},
    {"detach", call_detach, LM_OK},
    {"detach_all", call_detach_all, LM_OK},
    {"close", call_close, LM_OK},
    {"views", call_view, LM_OK},
    {"validate", call_validate, LM_OK},
    {"validate of tokens", call_validate_tokens, LM_OK},
    {"finalizers_end and start", call_restart, LM_OK},
    {"buffer_table_end", call_end, LM_BUSY},
};

enum {
    TRIGGERS = sizeof triggers / sizeof *triggers,
    CALLBACKS = sizeof callbacks / sizeof *callbacks,
};

static void call_back(const lm_counts *counts, const struct trigger *t, const struct callback *c) {
    start(counts);
    print_message("%s: %s, inside of %s\n", counts->name, c->name, t->name);
    arm(t->point, c->call, c->expected);
    lm_status status = t->by();
    assert_false(status != LM_FREED && lm_failed(status));
    assert_int_equal(made, 1);
    finish_and_end();
}

TEST(each_call_works_inside_each) {
    for (uint32_t atomic = 0; atomic < 2; atomic++)
        for (uint32_t t = 0; t < TRIGGERS; t++)
            for (uint32_t c = 0; c < CALLBACKS; c++)
                call_back(atomic ? &lm_counts_atomic : &lm_counts_plain, &triggers[t],
                          &callbacks[c]);
}

// ---- The buffer being resized ------------------------------------------------------------------

static lm_status use_victim(void) {
    lm_handle given = 42;
    lm_buffer_info info;
    lm_token none;
    lm_view view;
    IS(lm_buffer_retain(r, DART, victim), LM_BUSY);
    IS(lm_buffer_release(r, DART, victim), LM_BUSY);
    IS(lm_buffer_share(r, DART, victim, SCRIPT, &given), LM_BUSY);
    IS(lm_buffer_transfer(r, DART, victim, SCRIPT, &given), LM_BUSY);
    IS(lm_buffer_resize(r, DART, victim, 7), LM_BUSY);
    IS(lm_buffer_describe(r, DART, victim, &info), LM_BUSY);
    IS(lm_finalizer_attach(r, DART, victim, 0, &none), LM_BUSY);
    IS(lm_view_make(r, DART, victim, LM_U8, 0, 1, &view), LM_BUSY);
    IS(lm_buffer_retain(r, SCRIPT, victim), LM_WRONG_OWNER);
    assert_int_equal(given, 42);
    assert_int_equal(lm_buffer_table_live_in(r, FOREIGN).buffers, 3);
    lm_buffer_table_release_all(r, DART); // skips it
    assert_int_equal(lm_buffer_table_live_of(r, DART).buffers, 1);
    return LM_OK;
}

TEST_BOTH(a_buffer_that_is_resized_is_busy) {
    arm(IN_RESIZE, use_victim, LM_OK);
    OK(lm_buffer_resize(r, DART, victim, 5000));
    assert_int_equal(info_of(victim).size, 5000);
    IS(lm_buffer_release(r, DART, victim), LM_FREED);
    finish();
}

// If its tokens end meanwhile, the calls return LM_BUSY and the owner has the references.
static lm_token first, second; // siblings: of the victim, and of another buffer

static lm_status detach_all_of_victim(void) {
    uint32_t freed = 42;
    lm_status status = lm_finalizer_detach_all(r, second, &freed);
    assert_int_equal(freed, 1); // the other one
    return status;
}
CALL(close_victims, lm_finalizer_close(r, first));
static lm_status drain_victims(void) {
    OK(lm_finalizer_enqueue(r, first));
    lm_drained drained = lm_finalizers_drain(r, 10); // `dead` is there too
    assert_int_equal(drained.released, 1);
    return drained.failed == 1 ? LM_BUSY : LM_OK;
}

TEST(ending_a_token_of_a_busy_buffer_returns_busy) {
    static lm_status (*const ends[])(void) = {detach_all_of_victim, close_victims, drain_victims};
    for (uint32_t way = 0; way < 6; way++) {
        start(way % 2 ? &lm_counts_atomic : &lm_counts_plain);
        OK(lm_finalizer_attach(r, DART, victim, 0, &first));
        OK(lm_finalizer_attach(r, DART, create(FOREIGN), first, &second));
        arm(IN_RESIZE, ends[way / 2], LM_BUSY);
        OK(lm_buffer_resize(r, DART, victim, 5000));
        assert_int_equal(made, 1);
        IS(lm_finalizer_enqueue(r, first), LM_STALE_TOKEN);
        walk_tokens();
        IS(lm_buffer_release(r, DART, victim), LM_FREED);
        finish_and_end();
    }
}

// ---- Tokens being attached ---------------------------------------------------------------------

// Home's allocator is foreign and allocates records inside an attach or a replace, which then
// checks everything again.
static lm_token beside; // a token of the owner's

CALL(end_finalizers, (lm_finalizers_end(r), LM_OK));
static lm_status release_victim(void) {
    return lm_buffer_release(r, DART, victim);
}
static lm_status transfer_victim(void) {
    lm_handle moved;
    return lm_buffer_transfer(r, DART, victim, SCRIPT, &moved);
}
CALL(close_beside, any_status(lm_finalizer_close(r, beside)));

static const struct meanwhile {
    const char *name;
    lm_status (*call)(void);
    lm_status expected, alone, beside; // what it returns, and attach alone or beside a token
} meanwhiles[] = {
    {"release_all", call_release_all, LM_OK, LM_USE_AFTER_ZERO, LM_USE_AFTER_ZERO},
    {"finalizers_end", end_finalizers, LM_OK, LM_NOT_STARTED, LM_NOT_STARTED},
    {"end and start", call_restart, LM_OK, LM_OK, LM_STALE_TOKEN},
    {"release", release_victim, LM_FREED, LM_USE_AFTER_ZERO, LM_USE_AFTER_ZERO},
    {"transfer", transfer_victim, LM_OK, LM_STALE_HANDLE, LM_STALE_HANDLE},
    {"close of the other token", close_beside, LM_OK, LM_OK, LM_STALE_TOKEN},
    {"validate", call_validate_tokens, LM_OK, LM_OK, LM_OK},
    {"attach many", call_attach, LM_OK, LM_OK, LM_OK},
};

static void attach_meanwhile(const lm_counts *counts, const struct meanwhile *m, bool other,
                             bool replaces) {
    enum { FIRST_PART = 64 };
    lm_handle cancelled = 42;
    strategy = lm_strategy_named("tlsf", 2);
    begin_on(counts, &foreign);
    print_message("%s: %s, inside of %s%s\n", counts->name, m->name,
                  replaces ? "replace" : "attach", other ? " beside a token" : "");
    for (uint32_t i = 2; i < FIRST_PART; i++)
        beside = attach(FOREIGN);
    arm(IN_ALLOCATE, m->call, m->expected);
    lm_token got = replaces && other ? beside : 0, was = got;
    lm_status status = replaces ? lm_finalizer_replace(r, DART, victim, &got, &cancelled)
                                : lm_finalizer_attach(r, DART, victim, other ? beside : 0, &got);
    IS(status, other ? m->beside : m->alone);
    assert_int_equal(made, 1);
    if (status != LM_OK) assert_true(got == was && cancelled == 42);
    walk_tokens();
    if (status == LM_OK) IS(lm_finalizer_close(r, got), LM_FREED);
    finish_and_end();
}

TEST(attach_checks_again_after_foreign_code) {
    for (uint32_t way = 0; way < 8; way++)
        for (uint32_t m = 0; m < sizeof meanwhiles / sizeof *meanwhiles; m++)
            attach_meanwhile(way & 4 ? &lm_counts_atomic : &lm_counts_plain, &meanwhiles[m],
                             way & 2, way & 1);
}

// A token attached while a release_all frees keeps its reference.
CALL(attach_victim, lm_finalizer_attach(r, DART, victim, 0, &beside));

TEST_BOTH(a_token_attached_in_a_release_all_keeps) {
    arm(IN_FREE, attach_victim, LM_OK); // of `twice`, whose slot comes before
    assert_int_equal(lm_buffer_table_release_all(r, DART), 4);
    assert_int_equal(walk_tokens(), 1);
    assert_int_equal(lm_buffer_table_live_of(r, DART).buffers, 1);
    IS(lm_finalizer_close(r, beside), LM_FREED);
    finish();
}

// ---- Threads -----------------------------------------------------------------------------------

static uint32_t inside, done;

static void wait_for(const uint32_t *flag) {
    while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
        sched_yield();
}
static void set(uint32_t *flag) {
    __atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

// The calls of another thread while foreign code runs in this one. None waits for it.
static void *act_meanwhile(void *nothing) {
    lm_handle shared, moved;
    lm_buffer_info info;
    wait_for(&inside);
    OK(lm_buffer_retain(r, DART, held));
    OK(lm_buffer_share(r, DART, held, SCRIPT, &shared));
    OK(lm_buffer_describe(r, DART, held, &info));
    OK(lm_buffer_transfer(r, DART, held, SCRIPT, &moved));
    OK(lm_buffer_release(r, SCRIPT, shared));
    lm_buffer_table_live_in(r, FOREIGN);
    set(&done);
    return nothing;
}
static lm_status wait_for_the_other(void) {
    set(&inside);
    wait_for(&done);
    return LM_OK;
}

TEST(no_thread_waits_for_foreign_code) {
    for (uint32_t t = 0; t < TRIGGERS; t++) {
        if (triggers[t].by == by_release_all) continue; // it would release the other's references
        pthread_t thread;
        start(&lm_counts_atomic);
        inside = done = 0;
        arm(triggers[t].point, wait_for_the_other, LM_OK);
        assert_int_equal(pthread_create(&thread, NULL, act_meanwhile, NULL), 0);
        triggers[t].by();
        set(&inside); // in case foreign code was not called
        pthread_join(thread, NULL);
        assert_int_equal(made, 1);
        finish_and_end();
    }
}

// Two threads request memory at once, of which one buffer has all: the callback is called for each,
// and neither request fails while the other thread is in the callback.
static lm_handle large;
static uint32_t told;

static void release_large(void *context, lm_buffer_table *pressed, uint32_t memory,
                          uint64_t bytes) {
    lm_handle none;
    IS(lm_buffer_create(pressed, SCRIPT, HOME, 1u << 30, 16, false, &none), LM_OUT_OF_MEMORY);
    __atomic_add_fetch(&told, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&told, __ATOMIC_ACQUIRE) < 2) // both threads are here
        sched_yield();
    lm_buffer_release(pressed, DART, large); // one of them frees it
}
static void *want_memory(void *nothing) {
    lm_handle handle;
    OK(lm_buffer_create(r, SCRIPT, HOME, 100 << 20, 16, false, &handle));
    return nothing;
}

TEST(the_callback_is_called_for_each_thread) {
    pthread_t threads[2];
    start(&lm_counts_atomic);
    OK(lm_buffer_create(r, DART, HOME, 200 << 20, 16, false, &large));
    lm_buffer_table_set_pressure(r, release_large, NULL);
    told = 0;
    for (uint32_t t = 0; t < 2; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, want_memory, NULL), 0);
    for (uint32_t t = 0; t < 2; t++)
        pthread_join(threads[t], NULL);
    assert_int_equal(told, 2);
    finish_and_end();
}

// The callback may wait for a thread that allocates and frees, because it is not called from inside
// an allocator that is called under the allocators' lock.
static void *free_one(void *nothing) {
    OK(any_status(lm_buffer_release(r, SCRIPT, create_of(SCRIPT, FOREIGN, 100))));
    return nothing;
}
static void wait_for_a_free(void *context, lm_buffer_table *pressed, uint32_t memory,
                            uint64_t bytes) {
    pthread_t thread;
    told++;
    assert_int_equal(pthread_create(&thread, NULL, free_one, NULL), 0);
    pthread_join(thread, NULL);
}

TEST(a_callback_may_wait_for_other_threads) {
    start(&lm_counts_atomic);
    lm_buffer_table_set_pressure(r, wait_for_a_free, NULL);
    OK(lm_buffer_table_set_budget(r, HOME, 1));
    told = 0;
    arm(IN_ALLOCATE, call_create, LM_OK);
    create(FOREIGN);
    assert_int_equal(told, 0);
    create(HOME);
    assert_int_equal(told, 1);
    foreign.capabilities = LM_SHARES_THREADS; // called without the lock
    armed = IN_ALLOCATE;
    create(FOREIGN);
    assert_int_equal(told, 2);
    finish_and_end();
}

int main(void) {
    alarm(600); // a deadlock ends the test
    return cmocka_run_group_tests(test_list, NULL, NULL);
}

// Finalizers: each row of the error table in alloc/buffers/finalizer.h, sibling tokens and replaced
// registrations, budgets, starts and ends, and a collector that has stopped all threads. Compiled
// twice: as every test, and with narrow generations and few records.
#include "alloc/buffers/table_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 100 };

static bool collecting; // all threads are stopped: no allocator may be called

static const lm_allocator *heaps[2];

// Heaps whose functions abort while the collector runs.
static const lm_allocator *heap_of(const lm_memory *memory) {
    if (collecting) abort();
    return heaps[memory - memories];
}
static void *watched_allocate(size_t size, lm_memory *memory) {
    return heap_of(memory)->allocate(size, memory);
}
static void *watched_resize(void *block, size_t size, lm_memory *memory) {
    return heap_of(memory)->resize(block, size, memory);
}
static void watched_free(void *block, size_t size, lm_memory *memory) {
    heap_of(memory)->free(block, size, memory);
}

static int start_with(const lm_counts *counts, const char *strategy) {
    static const lm_allocator watched = {
        .allocate = watched_allocate, .resize = watched_resize, .free = watched_free};
    heaps[HOME] = lm_strategy_named(strategy, 1);
    heaps[OTHER] = lm_strategy_named("tlsf", 1);
    start_on(counts, 2, heaps, (const lm_allocator *[]){&watched, &watched});
    assert_true(lm_finalizers_start(r));
    collecting = false;
    return 0;
}
static int start(const lm_counts *counts) {
    return start_with(counts, "paged");
}

static lm_handle create(uint32_t memory) {
    return create_of(DART, memory, SIZE);
}
static lm_token attach(lm_handle handle, lm_token sibling) {
    lm_token token;
    OK(lm_finalizer_attach(r, DART, handle, sibling, &token));
    assert_true(token != 0 && token >> 48 == 0);
    return token;
}
static void retain(lm_handle handle, uint32_t times) {
    while (times--)
        OK(lm_buffer_retain(r, DART, handle));
}
static void enqueue(lm_token token) {
    OK(lm_finalizer_enqueue(r, token));
}

static void assert_drained(uint32_t count, uint32_t released, uint32_t freed, uint32_t failed,
                           bool more) {
    lm_drained drained = lm_finalizers_drain(r, count);
    assert_int_equal(drained.released, released);
    assert_int_equal(drained.freed, freed);
    assert_int_equal(drained.failed, failed);
    assert_int_equal(drained.more, more);
}

// Also checks all laws.
static void assert_holds(uint32_t armed, uint64_t buffers) {
    assert_int_equal(walk_tokens(), armed);
    assert_int_equal(walk().live_blocks, buffers);
    assert_int_equal(lm_buffer_table_live_in(r, HOME).buffers +
                         lm_buffer_table_live_in(r, OTHER).buffers,
                     buffers);
}

#if LM_SLOT_BITS == 24

// Each call that takes a token returns `expected` for this one and changes nothing.
static void assert_refused(lm_token token, lm_status expected, lm_handle good) {
    retain(good, 1); // a reference that no token keeps
    picture before = take_picture();
    lm_token none = 77, replaced = token;
    lm_handle handle = 78;
    uint32_t freed = 79;
    IS(lm_finalizer_enqueue(r, token), expected);
    IS(lm_finalizer_detach(r, token, &handle), expected);
    IS(lm_finalizer_detach_all(r, token, &freed), expected);
    IS(lm_finalizer_close(r, token), expected);
    if (token) {
        IS(lm_finalizer_attach(r, DART, good, token, &none), expected);
        IS(lm_finalizer_replace(r, DART, good, &replaced, &handle), expected);
    }
    assert_true(none == 77 && handle == 78 && freed == 79 && replaced == token);
    assert_as_in(&before);
    OK(lm_buffer_release(r, DART, good));
}

TEST_BOTH(invalid_tokens_are_rejected) {
    lm_handle handle = create(OTHER);
    lm_token token = attach(handle, 0);
    const lm_token never[] = {
        0,                           // none
        1,                           // generation 0
        token + 1,                   // no such record
        token | 0xffffff,            // the same
        token + (1u << 24),          // a later generation
        token | (uint64_t)1 << 48,   // too long
        token | (uint64_t)255 << 56, // the same
        UINT64_MAX,
    };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        assert_refused(never[i], LM_INVALID_TOKEN, handle);
    FREES(lm_finalizer_close(r, token));
    assert_holds(0, 0);
}

TEST_BOTH(a_token_is_enqueued_once) {
    lm_token token = attach(create(HOME), 0), other = attach(create(OTHER), 0);
    enqueue(token);
    enqueue(other);
    picture before = take_picture();
    IS(lm_finalizer_enqueue(r, token), LM_ENQUEUED);
    IS(lm_finalizer_enqueue(r, other), LM_ENQUEUED);
    assert_as_in(&before);
    assert_holds(2, 2);
    assert_drained(10, 2, 2, 0, false);
    assert_drained(10, 0, 0, 0, false);
    assert_holds(0, 0);
}

// However the token ended, and after its record is reused too.
TEST_BOTH(after_its_end_a_token_is_stale) {
    enum { DRAINED, DETACHED, CLOSED, ALL, REPLACED, ENDS };
    lm_handle good = create(OTHER), handle;
    for (int end = 0; end < ENDS; end++) {
        lm_token token = attach(create(HOME), 0), now = token;
        uint32_t freed;
        if (end == DRAINED) enqueue(token);
        if (end == DRAINED) assert_drained(1, 1, 1, 0, false);
        if (end == DETACHED) OK(lm_finalizer_detach(r, token, &handle));
        if (end == CLOSED) FREES(lm_finalizer_close(r, token));
        if (end == ALL) OK(lm_finalizer_detach_all(r, token, &freed));
        if (end == REPLACED) OK(lm_finalizer_replace(r, DART, good, &now, &handle));
        assert_refused(token, LM_STALE_TOKEN, good);
        if (end == DETACHED || end == REPLACED) FREES(lm_buffer_release(r, DART, handle));
        if (end == REPLACED) OK(lm_finalizer_detach(r, now, &good));
        now = attach(good, 0);
        lm_token same = end == REPLACED ? now : token; // replace alternates two records
        assert_int_equal(now & 0xffffff, same & 0xffffff);
        assert_refused(token, LM_STALE_TOKEN, good);
        assert_holds(1, 1);
        OK(lm_finalizer_detach(r, now, &good));
    }
    FREES(lm_buffer_release(r, DART, good));
    assert_holds(0, 0);
}

TEST_BOTH(a_token_detached_while_queued_is_skipped) {
    lm_handle a = create(HOME), handle = 0;
    lm_token token = attach(a, 0), next = attach(create(OTHER), 0);
    enqueue(token);
    enqueue(next);
    OK(lm_finalizer_detach(r, token, &handle));
    assert_int_equal(handle, a);
    assert_refused(token, LM_STALE_TOKEN, a); // although it is still queued
    lm_token other = attach(a, 0);            // another record: that one is still queued
    assert_int_not_equal(other & 0xffffff, token & 0xffffff);
    assert_holds(2, 2);
    assert_drained(1, 0, 0, 0, true);
    assert_drained(1, 1, 1, 0, false);
    FREES(lm_finalizer_close(r, other));
    assert_holds(0, 0);
}

TEST_BOTH(attach_rejects_misused_handles) {
    lm_handle zero = create(HOME), stale, live, reused;
    FREES(lm_buffer_release(r, DART, zero));
    live = create(HOME); // in the slot of zero
    stale = zero;
    reused = create(OTHER);
    FREES(lm_buffer_release(r, DART, reused));
    const struct {
        uint32_t owner;
        lm_handle handle;
        lm_status status;
    } cases[] = {
        {DART, 0, LM_INVALID_HANDLE},      {DART, live + 1000, LM_INVALID_HANDLE},
        {DART, stale, LM_STALE_HANDLE},    {SCRIPT, live, LM_WRONG_OWNER},
        {DART, reused, LM_USE_AFTER_ZERO}, {LM_OWNERS_MAX, live, LM_WRONG_OWNER},
        {SCRIPT, stale, LM_STALE_HANDLE},
    };
    lm_token old = attach(live, 0);
    picture before = take_picture();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_token token = 77, replaced = old;
        lm_handle cancelled = 78;
        IS(lm_finalizer_attach(r, cases[i].owner, cases[i].handle, 0, &token), cases[i].status);
        IS(lm_finalizer_replace(r, cases[i].owner, cases[i].handle, &replaced, &cancelled),
           cases[i].status);
        assert_true(token == 77 && replaced == old && cancelled == 78);
    }
    assert_as_in(&before);
    assert_holds(1, 1);
}

// Release and transfer take only references that no token keeps.
TEST_BOTH(kept_references_are_not_released) {
    for (uint32_t memory = 0; memory < 2; memory++) {
        lm_handle a = create(memory), to = 78;
        lm_token token = attach(a, 0), none = 77;
        for (int queued = 0; queued < 2; queued++) {
            picture before = take_picture();
            IS(lm_buffer_release(r, DART, a), LM_KEPT);
            IS(lm_buffer_transfer(r, DART, a, SCRIPT, &to), LM_KEPT);
            IS(lm_finalizer_attach(r, DART, a, 0, &none), LM_KEPT);
            assert_true(to == 78 && none == 77);
            assert_as_in(&before);
            if (!queued) enqueue(token);
        }
        retain(a, 2); // two that no token keeps
        assert_int_equal(info_of(a).references, 3);
        OK(lm_buffer_release(r, DART, a));
        OK(lm_buffer_transfer(r, DART, a, SCRIPT, &to));
        IS(lm_buffer_release(r, DART, a), LM_KEPT);
        lm_handle shared = share(a, MODULE);
        assert_drained(10, 1, 0, 0, false);
        IS(lm_buffer_release(r, DART, a), LM_RELEASE_AFTER_ZERO);
        OK(lm_buffer_release(r, SCRIPT, to));
        FREES(lm_buffer_release(r, MODULE, shared));
        assert_holds(0, 0);
    }
}

TEST_BOTH(there_are_no_more_tokens_than_references) {
    lm_handle a = create(HOME), back;
    retain(a, 1);
    lm_token first = attach(a, 0), none = 77;
    lm_token second = attach(a, first);
    IS(lm_finalizer_attach(r, DART, a, 0, &none), LM_KEPT);
    IS(lm_finalizer_attach(r, DART, a, second, &none), LM_KEPT);
    assert_int_equal(none, 77);
    OK(lm_finalizer_detach(r, second, &back));
    assert_int_equal(back, a);
    second = attach(a, 0); // a detached reference can be kept again
    enqueue(first);
    enqueue(second);
    assert_drained(1, 1, 0, 0, true);
    IS(lm_finalizer_attach(r, DART, a, 0, &none), LM_KEPT);
    assert_drained(1, 1, 1, 0, false);
    assert_holds(0, 0);
}

// The owner may resize a buffer that only a token keeps.
TEST_BOTH(a_kept_buffer_is_resized) {
    for (uint32_t memory = 0; memory < 2; memory++) {
        lm_handle a = create(memory), back;
        lm_token token = attach(a, 0);
        OK(lm_buffer_resize(r, DART, a, 100 * SIZE));
        assert_holds(1, 1);
        IS(lm_buffer_release(r, DART, a), LM_KEPT);
        OK(lm_finalizer_detach(r, token, &back));
        OK(lm_buffer_resize(r, DART, a, 1));
        FREES(lm_buffer_release(r, DART, a));
        assert_holds(0, 0);
    }
}

// Attach and replace take an owner, which must be the token's.
TEST_BOTH(tokens_of_another_owner_are_rejected) {
    lm_handle a = create(HOME), b = create(OTHER), shared = share(b, SCRIPT), cancelled = 78;
    lm_token token = attach(a, 0), none = 77, replaced = token;
    picture before = take_picture();
    IS(lm_finalizer_attach(r, SCRIPT, shared, token, &none), LM_WRONG_OWNER);
    IS(lm_finalizer_replace(r, SCRIPT, shared, &replaced, &cancelled), LM_WRONG_OWNER);
    assert_true(none == 77 && replaced == token && cancelled == 78);
    assert_as_in(&before);
    FREES(lm_finalizer_close(r, token));
    OK(lm_buffer_release(r, SCRIPT, shared));
    FREES(lm_buffer_release(r, DART, b));
    assert_holds(0, 0);
}

// The end of the finalizers returns kept references to their owners.
TEST_BOTH(the_end_returns_kept_references) {
    lm_handle a = create(HOME), b = create(OTHER);
    retain(a, 1);
    attach(a, 0);
    enqueue(attach(a, 0));
    attach(b, 0);
    IS(lm_buffer_release(r, DART, a), LM_KEPT);
    lm_finalizers_end(r);
    assert_holds(0, 2);
    OK(lm_buffer_release(r, DART, a));
    FREES(lm_buffer_release(r, DART, a));
    FREES(lm_buffer_release(r, DART, b));
    assert_holds(0, 0);
}

// release_all ends the owner's tokens and frees their records.
TEST_BOTH(release_all_ends_the_owners_tokens) {
    enum { EACH = 1000, QUEUED = 100 };
    static lm_token tokens[EACH];
    lm_handle kept = create(HOME), shared = share(kept, SCRIPT);
    lm_token others;
    uint32_t records = 0;
    OK(lm_finalizer_attach(r, SCRIPT, shared, 0, &others));
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < EACH; i++)
            tokens[i] = attach(create(i % 2), i % 3 == 1 ? tokens[i - 1] : 0);
        for (uint32_t i = 0; i < QUEUED; i++)
            enqueue(tokens[i * 7]);
        assert_int_equal(lm_buffer_table_release_all(r, DART), EACH);
        assert_holds(1, 1);
        for (uint32_t i = 0; i < EACH; i++) { // queued ones too
            IS(lm_finalizer_enqueue(r, tokens[i]), LM_STALE_TOKEN);
            IS(lm_finalizer_close(r, tokens[i]), LM_STALE_TOKEN);
        }
        assert_drained(EACH, 0, 0, 0, false); // skipped
        if (round == 0) records = lm_state_of(r)->finalizers.records.count;
        assert_int_equal(lm_state_of(r)->finalizers.records.count, records);
    }
    enqueue(others);
    assert_drained(1, 1, 1, 0, false);
    assert_holds(0, 0);
}

// release_all for an owner above 254.
TEST_BOTH(release_all_of_no_owner_changes_nothing) {
    static const uint32_t none[] = {LM_OWNERS_MAX, LM_OWNERS_MAX + 1, UINT32_MAX};
    lm_token token = attach(create(HOME), 0), queued = attach(create(OTHER), token);
    enqueue(queued);
    picture before = take_picture();
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(lm_buffer_table_release_all(r, none[i]), 0);
    assert_as_in(&before);
    assert_holds(2, 2);
    enqueue(token);
    assert_drained(10, 2, 2, 0, false);
    assert_holds(0, 0);
}

TEST_BOTH(close_releases_the_reference) {
    lm_handle a = create(HOME), shared = share(a, SCRIPT);
    lm_token before = attach(a, 0), after = attach(create(OTHER), 0);
    OK(lm_finalizer_close(r, before)); // SCRIPT has a reference
    IS(lm_finalizer_enqueue(r, before), LM_STALE_TOKEN);
    enqueue(after);
    FREES(lm_finalizer_close(r, after));
    IS(lm_finalizer_enqueue(r, after), LM_STALE_TOKEN);
    assert_holds(0, 1);
    assert_drained(10, 0, 0, 0, false);
    FREES(lm_buffer_release(r, SCRIPT, shared));
    assert_holds(0, 0);
}

// Tokens enqueued between bounded drains are drained after the rest.
TEST_BOTH(drains_take_the_oldest_first) {
    enum { TOKENS = 40 };
    lm_handle handles[TOKENS];
    lm_token tokens[TOKENS];
    lm_buffer_info info;
    for (uint32_t i = 0; i < TOKENS; i++)
        tokens[i] = attach(handles[i] = create(i % 2), 0);
    int enqueued = 0, released = 0;
    for (; enqueued < 10; enqueued++)
        enqueue(tokens[enqueued]);
    assert_drained(0, 0, 0, 0, true);
    for (uint32_t batch = 1; released < TOKENS; batch = batch % 4 + 1) {
        uint32_t due = (uint32_t)(enqueued - released), n = batch < due ? batch : due;
        assert_drained(batch, n, n, 0, batch < due);
        released += (int)n;
        for (int i = 0; i < TOKENS; i++)
            assert_int_equal(lm_buffer_describe(r, DART, handles[i], &info) == LM_OK,
                             i >= released);
        for (int i = 0; i < 3 && enqueued < TOKENS; i++)
            enqueue(tokens[enqueued++]);
        assert_holds((uint32_t)(TOKENS - released), (uint64_t)(TOKENS - released));
    }
    assert_drained(1, 0, 0, 0, false);
}

static uint32_t random_state = 1;
static uint32_t random_below(uint32_t n) {
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % n;
}

// A collector that enqueues late, in any order, twice, or never, against a model: each object's
// token and the queue.
typedef struct mourned {
    lm_token token;
    bool armed, enqueued;
} mourned;

TEST_BOTH(a_collector_may_enqueue_in_any_order) {
    enum { MOURNED = 300, STEPS = 30000 };
    static mourned mourned_objects[MOURNED]; // the collector keeps a dead object's token
    static struct {
        mourned *object;
        lm_token token;
    } queue[STEPS];
    memset(mourned_objects, 0, sizeof mourned_objects);
    uint32_t armed = 0, first = 0, last = 0;
    for (uint32_t step = 0; step < STEPS; step++) {
        mourned *o = &mourned_objects[random_below(MOURNED)];
        uint32_t choice = random_below(16), batch = random_below(40), due = 0;
        if (choice == 0) {
            for (uint32_t i = 0; i < batch && first < last; i++, first++) {
                mourned *dead = queue[first].object;
                if (dead->token != queue[first].token || !dead->armed) continue; // closed
                dead->armed = false;
                due++;
            }
            assert_drained(batch, due, due, 0, first < last);
            armed -= due;
        } else if (o->armed && choice == 1) {
            FREES(lm_finalizer_close(r, o->token));
            o->armed = false;
            armed--;
        } else if (!o->armed && choice < 8) {
            *o = (mourned){attach(create(step % 2), 0), true, false};
            armed++;
        } else if (o->token) {
            lm_status was = o->enqueued ? LM_ENQUEUED : LM_OK;
            assert_int_equal(lm_finalizer_enqueue(r, o->token), o->armed ? was : LM_STALE_TOKEN);
            if (!o->armed || o->enqueued) continue;
            o->enqueued = true;
            queue[last].object = o;
            queue[last++].token = o->token;
        }
        if (step % 500 == 0) assert_holds(armed, armed);
    }
    assert_holds(armed, armed);
}

// A FinalizationRegistry: tokens of one registration.
TEST_BOTH(detach_all_ends_all_siblings) {
    lm_handle a = create(HOME), b = create(OTHER), c = create(HOME), d = create(OTHER);
    lm_handle e = create(HOME), back;
    lm_token first = attach(a, 0), second = attach(b, first), third = attach(c, second);
    lm_token fourth = attach(d, first), alone = attach(e, 0);
    uint32_t freed;
    enqueue(third);
    assert_drained(1, 1, 1, 0, false); // only this one leaves the ring
    enqueue(second);
    OK(lm_finalizer_detach(r, fourth, &back));
    assert_int_equal(back, d);
    fourth = attach(d, second); // beside one that is enqueued
    assert_holds(4, 4);
    OK(lm_finalizer_detach_all(r, second, &freed));
    assert_int_equal(freed, 3);
    assert_refused(first, LM_STALE_TOKEN, e);
    assert_refused(second, LM_STALE_TOKEN, e);
    assert_refused(fourth, LM_STALE_TOKEN, e);
    assert_holds(1, 1);
    assert_drained(10, 0, 0, 0, false);
    FREES(lm_finalizer_close(r, alone));
    assert_holds(0, 0);
}

TEST_BOTH(siblings_may_keep_one_buffer) {
    lm_handle a = create(HOME), b = create(OTHER);
    lm_token first = attach(a, 0), second = attach(b, first);
    uint32_t freed;
    retain(b, 2); // two tokens for one buffer, and one reference without a token
    attach(b, second);
    OK(lm_finalizer_detach_all(r, first, &freed));
    assert_int_equal(freed, 1);
    assert_holds(0, 1);
    FREES(lm_buffer_release(r, DART, b));
    assert_holds(0, 0);
}

// An embedder's collector: a new registration replaces the old one.
TEST_BOTH(replace_returns_the_earlier_reference) {
    lm_handle a = create(HOME), b = create(OTHER), c = create(HOME), cancelled = 77;
    lm_token token = 0;
    OK(lm_finalizer_replace(r, DART, a, &token, &cancelled));
    assert_int_equal(cancelled, 0);
    lm_token first = token;
    OK(lm_finalizer_replace(r, DART, b, &token, &cancelled));
    assert_int_equal(cancelled, a);
    assert_int_not_equal(token, first);
    lm_token second = token;
    enqueue(second);
    OK(lm_finalizer_replace(r, DART, c, &token, &cancelled));
    assert_int_equal(cancelled, b);
    assert_holds(1, 3);
    assert_drained(10, 0, 0, 0, false); // b's was cancelled in the queue
    enqueue(token);
    assert_drained(10, 1, 1, 0, false);
    FREES(lm_buffer_release(r, DART, a));
    FREES(lm_buffer_release(r, DART, b));
    assert_holds(0, 0);
}

// If tokens keep all references, the new token takes the reference over and none is returned.
TEST_BOTH(a_reference_taken_over_is_not_returned) {
    lm_handle a = create(HOME), cancelled = 77;
    lm_token first = attach(a, 0), token = first;
    OK(lm_finalizer_replace(r, DART, a, &token, &cancelled));
    assert_int_equal(cancelled, 0);
    assert_int_not_equal(token, first);
    IS(lm_finalizer_enqueue(r, first), LM_STALE_TOKEN);
    IS(lm_buffer_release(r, DART, a), LM_KEPT);
    assert_holds(1, 1);
    retain(a, 1); // one that no token keeps: the new token keeps it, the old one's is returned
    OK(lm_finalizer_replace(r, DART, a, &token, &cancelled));
    assert_int_equal(cancelled, a);
    OK(lm_buffer_release(r, DART, cancelled));
    FREES(lm_finalizer_close(r, token));
    assert_holds(0, 0);
}

// Pressure.

typedef struct pressed {
    uint32_t calls, batch, depth;
    lm_token unread; // to be enqueued by the callback
    lm_handle made;
} pressed;

static void drain_under_pressure(void *context, lm_buffer_table *table_, uint32_t memory,
                                 uint64_t bytes) {
    pressed *p = context;
    assert_true(table_ == r && memory == OTHER && bytes > 0);
    assert_int_equal(p->depth++, 0); // not called while it runs
    p->calls++;
    if (p->unread) enqueue(p->unread);
    p->unread = 0;
    if (p->made == 1) OK(lm_buffer_create(r, DART, OTHER, SIZE, 16, false, &p->made));
    while (lm_finalizers_drain(r, p->batch).more)
        ;
    p->depth--;
}

// All but 20 buffers are dead and enqueued: live bytes stay within the budget.
TEST_BOTH(a_budget_is_kept) {
    enum { BUDGET = 64 * 1024, KEPT = 20 };
    pressed p = {.batch = 7};
    lm_token kept[KEPT] = {0};
    lm_buffer_table_set_pressure(r, drain_under_pressure, &p);
    OK(lm_buffer_table_set_budget(r, OTHER, BUDGET));
    for (int step = 0; step < 20000; step++) {
        lm_handle handle;
        uint32_t size = 1 + random_below(2000), i = random_below(KEPT);
        OK(lm_buffer_create(r, DART, OTHER, size, 16, false, &handle));
        if (kept[i]) enqueue(kept[i]);
        kept[i] = attach(handle, 0);
    }
    lm_live live = lm_buffer_table_live_in(r, OTHER);
    assert_true(live.peak_bytes <= BUDGET && live.peak_bytes > BUDGET - 2000);
    assert_in_range(p.calls, 20000 * 1000 / BUDGET / 2, 20000 * 1000 / BUDGET * 4);
    assert_int_equal(lm_buffer_table_live_of(r, DART).bytes, live.bytes);
    for (int i = 0; i < KEPT; i++)
        if (kept[i]) enqueue(kept[i]);
    assert_false(lm_finalizers_drain(r, UINT32_MAX).more);
    assert_holds(0, 0);
}

// The peak is the live bytes plus the request.
TEST_BOTH(a_budget_below_live_bytes) {
    pressed p = {.batch = 1};
    lm_buffer_table_set_pressure(r, drain_under_pressure, &p);
    OK(lm_buffer_table_set_budget(r, OTHER, 3 * SIZE));
    for (int i = 0; i < 10; i++)
        create(OTHER);
    assert_int_equal(p.calls, 7);
    for (int i = 0; i < 100; i++)
        enqueue(attach(create(OTHER), 0));
    assert_int_equal(p.calls, 107);
    assert_int_equal(lm_buffer_table_live_in(r, OTHER).peak_bytes, 11 * SIZE);
    assert_holds(1, 11);
}

// Between bounded drains, and with a create inside the callback.
TEST_BOTH(the_callback_may_drain) {
    pressed p = {.batch = 2, .made = 1};
    for (int i = 0; i < 10; i++)
        enqueue(attach(create(OTHER), 0));
    p.unread = attach(create(OTHER), 0);
    assert_drained(3, 3, 3, 0, true);
    lm_buffer_table_set_pressure(r, drain_under_pressure, &p);
    OK(lm_buffer_table_set_budget(r, OTHER, 2 * SIZE));
    lm_handle handle = create(OTHER);
    assert_int_equal(p.calls, 1);
    assert_drained(3, 0, 0, 0, false);
    assert_holds(0, 2);
    FREES(lm_buffer_release(r, DART, handle));
    FREES(lm_buffer_release(r, DART, p.made));
    assert_holds(0, 0);
}

// A memory full of dead buffers: the callback's drain makes room.
TEST_BOTH(out_of_memory_calls_the_callback) {
    pressed p = {.batch = 100};
    lm_handle handle;
    lm_memory_refuse(&memories[OTHER], LM_REFUSE_ALL);
    while (lm_buffer_create(r, DART, OTHER, 10 * SIZE, 16, false, &handle) == LM_OK)
        enqueue(attach(handle, 0));
    IS(lm_buffer_create(r, DART, OTHER, 10 * SIZE, 16, false, &handle), LM_OUT_OF_MEMORY);
    lm_buffer_table_set_pressure(r, drain_under_pressure, &p);
    OK(lm_buffer_create(r, DART, OTHER, 10 * SIZE, 16, false, &handle));
    assert_int_equal(p.calls, 1);
    assert_holds(0, 1);
}

// Growth by resize counts towards the budget; shrinking does not call the callback.
TEST_BOTH(a_resize_over_budget_calls_the_callback) {
    pressed p = {.batch = 100};
    lm_handle handle = create(OTHER);
    lm_buffer_table_set_pressure(r, drain_under_pressure, &p);
    OK(lm_buffer_table_set_budget(r, OTHER, 3 * SIZE));
    enqueue(attach(create(OTHER), 0));
    OK(lm_buffer_resize(r, DART, handle, 2 * SIZE));
    assert_int_equal(p.calls, 0);
    OK(lm_buffer_resize(r, DART, handle, 2 * SIZE + 1));
    assert_int_equal(p.calls, 1);
    assert_holds(0, 1);
    OK(lm_buffer_resize(r, DART, handle, 4 * SIZE));
    assert_int_equal(p.calls, 2); // it frees nothing
    OK(lm_buffer_resize(r, DART, handle, 3 * SIZE + 1));
    IS(lm_buffer_resize(r, SCRIPT, handle, 9 * SIZE), LM_WRONG_OWNER);
    assert_int_equal(p.calls, 2);
    OK(lm_buffer_table_set_budget(r, OTHER, UINT64_MAX));
    lm_memory_refuse(&memories[OTHER], LM_REFUSE_ALL);
    lm_buffer_table_set_pressure(r, NULL, NULL);
    lm_handle fills;
    while (lm_buffer_create(r, DART, OTHER, 10 * SIZE, 16, false, &fills) == LM_OK)
        enqueue(attach(fills, 0));
    IS(lm_buffer_resize(r, DART, handle, 20 * SIZE), LM_OUT_OF_MEMORY);
    lm_buffer_table_set_pressure(r, drain_under_pressure, &p);
    OK(lm_buffer_resize(r, DART, handle, 20 * SIZE));
    assert_int_equal(p.calls, 3); // it made room
    assert_holds(0, 1);
}

// tlsf: a failed allocate changes no byte.
static int start_plain_on_tlsf(void **state) {
    return start_with(&lm_counts_plain, "tlsf");
}
static int start_atomic_on_tlsf(void **state) {
    return start_with(&lm_counts_atomic, "tlsf");
}

// A refused growth of the records changes nothing, and the next attempt succeeds.
TEST_CASES(attach_out_of_memory,
           cmocka_unit_test_setup_teardown(attach_out_of_memory, start_plain_on_tlsf, end),
           cmocka_unit_test_setup_teardown(attach_out_of_memory, start_atomic_on_tlsf, end)) {
    enum { ATTACHED = 20000 };
    lm_handle handle = create(OTHER);
    uint32_t refused = 0;
    lm_token before = 0;
    retain(handle, ATTACHED);
    for (uint32_t i = 0; i < ATTACHED; i++) {
        lm_token token = 77, replaced = before;
        lm_handle cancelled = 78;
        lm_memory_refuse(&memories[HOME], LM_REFUSE_ALL);
        bool edge = ((i + 64) & (i + 63)) == 0; // a new part is needed
        picture before_it = {0};
        if (edge) before_it = take_picture();
        lm_status status = lm_finalizer_attach(r, DART, handle, before, &token);
        if (status == LM_OUT_OF_MEMORY) {
            assert_true(edge && token == 77);
            IS(lm_finalizer_replace(r, DART, handle, &replaced, &cancelled), status);
            assert_true(replaced == before && cancelled == 78);
            memories[HOME].refusals = 0;
            assert_as_in(&before_it);
            edge = false;
            refused++;
            status = lm_finalizer_attach(r, DART, handle, before, &token);
        }
        OK(status);
        if (edge) is_as_in(&before_it);
        before = token;
    }
    assert_in_range(refused, 4, 9); // the first parts fit into the page
    assert_holds(ATTACHED, 1);
    uint32_t freed;
    OK(lm_finalizer_detach_all(r, before, &freed));
    assert_int_equal(freed, 0);
    FREES(lm_buffer_release(r, DART, handle));
    assert_holds(0, 0);
}

// ---- Starts and ends ----------------------------------------------------------------------------

typedef enum stage {
    NO_TABLE,
    NEVER_STARTED,
    STARTED,
    ENDED,
    STARTED_AGAIN,
    TABLE_ENDED,
    STAGES
} stage;

// What calls return at each stage, with a token armed at the first start, or a number like one.
static const struct {
    lm_status token, attach, beside; // `beside`: attach, or replace, with that token
    bool starts;                     // what lm_finalizers_start returns
} at_stage[STAGES] = {
    [NO_TABLE] = {LM_NOT_STARTED, LM_NOT_STARTED, LM_NOT_STARTED, false},
    [NEVER_STARTED] = {LM_NOT_STARTED, LM_NOT_STARTED, LM_NOT_STARTED, true},
    [STARTED] = {LM_OK, LM_OK, LM_OK, false},
    [ENDED] = {LM_NOT_STARTED, LM_NOT_STARTED, LM_NOT_STARTED, true},
    [STARTED_AGAIN] = {LM_STALE_TOKEN, LM_OK, LM_STALE_TOKEN, false},
    [TABLE_ENDED] = {LM_NOT_STARTED, LM_NOT_STARTED, LM_NOT_STARTED, false},
};

// Brings a started table to a stage; `*token` was armed for `*handle` on the way.
static void go_to(stage to, lm_handle *handle, lm_token *token) {
    const lm_counts *counts = r->counts;
    *handle = 1;
    *token = 1u << 24;
    if (to == NO_TABLE || to == NEVER_STARTED) {
        lm_buffer_table_end(r);
        memset(r, 0, sizeof *r);
        if (to == NO_TABLE) return;
        start_table(counts);
        *handle = create(OTHER);
        return;
    }
    *handle = create(OTHER);
    OK(lm_buffer_retain(r, DART, *handle));
    *token = attach(*handle, 0);
    if (to >= ENDED) lm_finalizers_end(r);
    if (to == STARTED_AGAIN) assert_true(lm_finalizers_start(r));
    if (to == TABLE_ENDED) lm_buffer_table_end(r);
}

enum { ENQUEUE, DETACH, DETACH_ALL, CLOSE, ATTACH, BESIDE, REPLACE, TOKEN_CALLS };

static lm_status call(int which, lm_handle with, lm_token token) {
    lm_handle handle = 78;
    lm_token made = 77;
    uint32_t freed = 79;
    switch (which) {
    case ENQUEUE:
        return lm_finalizer_enqueue(r, token);
    case DETACH:
        return lm_finalizer_detach(r, token, &handle);
    case DETACH_ALL:
        return lm_finalizer_detach_all(r, token, &freed);
    case CLOSE:
        return lm_finalizer_close(r, token);
    case ATTACH:
        return lm_finalizer_attach(r, DART, with, 0, &made);
    case BESIDE:
        return lm_finalizer_attach(r, DART, with, token, &made);
    default:
        return lm_finalizer_replace(r, DART, with, &token, &handle);
    }
}

// Every call at every stage returns its status, and an error changes no byte.
static void each_call_at_each_stage(const lm_counts *counts) {
    for (stage at = NO_TABLE; at < STAGES; at++) {
        for (int which = 0; which < TOKEN_CALLS; which++) {
            lm_handle handle;
            lm_token token;
            start(counts);
            go_to(at, &handle, &token);
            lm_status expected = which < ATTACH    ? at_stage[at].token
                                 : which == ATTACH ? at_stage[at].attach
                                                   : at_stage[at].beside;
            picture before = take_picture();
            lm_status status = call(which, handle, token);
            if (status != expected)
                fail_msg("call %d at stage %d: %s, not %s", which, (int)at, lm_status_name(status),
                         lm_status_name(expected));
            assert_true(is_as_in(&before) || expected == LM_OK);
            end(NULL);
        }
    }
}

// The calls that return no status.
static void others_at_each_stage(const lm_counts *counts) {
    for (stage at = NO_TABLE; at < STAGES; at++) {
        lm_handle handle;
        lm_token token;
        uint32_t armed = 77;
        start(counts);
        go_to(at, &handle, &token);
        picture before = take_picture();
        assert_null(lm_finalizers_validate(r, &armed));
        assert_int_equal(armed, at == STARTED);
        if (at == STARTED_AGAIN) enqueue(attach(handle, 0));
        bool works = !at_stage[at].starts && at_stage[at].attach == LM_OK;
        if (!works) assert_drained(10, 0, 0, 0, false);
        if (!works) lm_finalizers_end(r);
        assert_true(is_as_in(&before) || works);
        assert_int_equal(lm_finalizers_start(r), at_stage[at].starts);
        assert_false(lm_finalizers_start(r));
        if (works) assert_drained(10, at == STARTED_AGAIN, 0, 0, false);
        lm_finalizers_end(r);
        lm_finalizers_end(r);
        if (at == NO_TABLE) memset(r, 0, sizeof *r);
        lm_buffer_table_end(r);
        lm_buffer_table_end(r);
        end(NULL);
    }
}

TEST(a_status_for_every_call_at_every_stage) {
    each_call_at_each_stage(&lm_counts_plain);
    each_call_at_each_stage(&lm_counts_atomic);
    others_at_each_stage(&lm_counts_plain);
    others_at_each_stage(&lm_counts_atomic);
}

// A second start changes nothing.
TEST_BOTH(a_second_start_changes_nothing) {
    lm_token token = attach(create(HOME), 0), queued = attach(create(OTHER), 0);
    enqueue(queued);
    picture before = take_picture();
    assert_false(lm_finalizers_start(r));
    assert_as_in(&before);
    enqueue(token);
    assert_drained(10, 2, 2, 0, false);
    assert_holds(0, 0);
}

// A collector enqueues after both have ended and the heap has reused the records' blocks.
TEST_BOTH(enqueue_after_the_end_changes_nothing) {
    enum { TOKENS = 200 };
    lm_token tokens[TOKENS];
    for (uint32_t i = 0; i < TOKENS; i++)
        tokens[i] = attach(create(i % 2), 0);
    for (int i = 0; i < TOKENS; i += 3)
        enqueue(tokens[i]);
    lm_finalizers_end(r);
    for (int i = 0; i < TOKENS; i++)
        IS(lm_finalizer_enqueue(r, tokens[i]), LM_NOT_STARTED);
    assert_int_equal(lm_buffer_table_release_all(r, DART),
                     TOKENS); // the references are their owner's
    lm_buffer_table_end(r);
    for (size_t size = 16; size <= LM_PAGE_BYTES; size *= 2)
        for (int i = 0; i < 50; i++) {
            void *block = heaps[HOME]->allocate(size, &memories[HOME]);
            assert_non_null(block);
            memset(block, 0xA5, size);
        }
    picture before = take_picture();
    for (int i = 0; i < TOKENS; i++)
        IS(lm_finalizer_enqueue(r, tokens[i]), LM_NOT_STARTED);
    assert_as_in(&before);
}

TEST_BOTH(tokens_of_earlier_starts_are_stale) {
    enum { STARTS = 20, EACH = 30 };
    static lm_token tokens[STARTS * EACH];
    lm_handle handles[EACH];
    for (uint32_t i = 0; i < EACH; i++)
        handles[i] = create(i % 2);
    for (int now = 0, told = 0; now < STARTS; now++) {
        for (int i = 0; i < EACH; i++)
            tokens[told++] = attach(handles[(i * 7 + now) % EACH], 0);
        for (int i = now % 2; i < EACH; i += 2) // some are queued at the end
            enqueue(tokens[told - 1 - i]);
        lm_finalizers_end(r);
        assert_holds(0, EACH);
        assert_true(lm_finalizers_start(r));
        for (int i = 0; i < told; i++)
            IS(lm_finalizer_enqueue(r, tokens[i]), LM_STALE_TOKEN);
        assert_drained(EACH, 0, 0, 0, false);
    }
    for (int i = 0; i < EACH; i++)
        FREES(lm_buffer_release(r, DART, handles[i]));
    assert_holds(0, 0);
}

TEST_BOTH(a_start_takes_no_memory) {
    lm_finalizers_end(r);
    lm_memory_refuse(&memories[HOME], LM_REFUSE_ALL);
    for (size_t size = 1 << 16; size > 0; size /= 2)
        while (heaps[HOME]->allocate(size, &memories[HOME]))
            ;
    assert_true(lm_finalizers_start(r));
}

TEST_BOTH(the_end_frees_all_records) {
    lm_census census;
    lm_handle handle = create(OTHER);
    for (uint32_t i = 0; i < 100; i++) { // more than a part of records
        OK(lm_buffer_retain(r, DART, handle));
        attach(handle, 0);
    }
    assert_int_equal(lm_buffer_table_release_all(r, DART), 1);
    lm_finalizers_end(r);
    lm_buffer_table_end(r);
    assert_null(heaps[HOME]->validate(&memories[HOME], &census));
    assert_int_equal(census.live_blocks, 0);
}

// ---- The collector -----------------------------------------------------------------------------

// An embedder's collector: it stops all threads, holds the table's lock, and calls a finalizer for
// each dead object.
typedef void finalize(lm_token token);
enum { OBJECTS = 200 };
static struct object {
    lm_token token;
    bool reachable;
} objects[OBJECTS];

static void collect(finalize *finalizer, bool locks) {
    if (locks) lm_lock(&lm_state_of(r)->lock);
    collecting = true;
    for (int i = 0; i < OBJECTS; i++) {
        if (objects[i].reachable || !objects[i].token) continue;
        finalizer(objects[i].token);
        objects[i].token = 0;
    }
    collecting = false;
    if (locks) lm_unlock(&lm_state_of(r)->lock);
}

static void enqueues(lm_token token) {
    enqueue(token);
}
static void closes(lm_token token) {
    lm_finalizer_close(r, token);
}
static void drains(lm_token token) {
    enqueue(token);
    lm_finalizers_drain(r, 1);
}
static void attaches(lm_token token) {
    lm_handle handle;
    lm_buffer_create(r, DART, HOME, SIZE, 16, false, &handle);
    lm_finalizer_enqueue(r, token);
}
static void only_locks(lm_token token) {
    lm_live live = lm_buffer_table_live_of(r, DART);
    lm_lock(&lm_state_of(r)->lock);
    lm_unlock(&lm_state_of(r)->lock);
    if (live.buffers) lm_finalizer_enqueue(r, token);
}

// A program that the collector interrupts between two steps.
static void run_under(finalize *finalizer, bool locks, int steps) {
    lm_handle cancelled;
    memset(objects, 0, sizeof objects);
    for (int step = 0; step < steps; step++) {
        struct object *o = &objects[random_below(OBJECTS)];
        if (o->token && random_below(2)) {
            o->reachable = false;
            continue;
        }
        lm_status status =
            lm_finalizer_replace(r, DART, create(random_below(2)), &o->token, &cancelled);
        OK(status);
        if (cancelled) FREES(lm_buffer_release(r, DART, cancelled));
        o->reachable = true;
        if (step % 50 == 49) collect(finalizer, locks);
        if (step % 7 == 0) lm_finalizers_drain(r, 3);
    }
}

TEST_BOTH(enqueue_works_while_all_threads_are_stopped) {
    alarm(60); // taking the lock would block for ever
    run_under(enqueues, true, 20000);
    for (int i = 0; i < OBJECTS; i++)
        objects[i].reachable = false;
    collect(enqueues, true);
    alarm(0);
    assert_false(lm_finalizers_drain(r, UINT32_MAX).more);
    assert_holds(0, 0);
}

// The heap is watched and the lock is held, so other calls than enqueue are caught.
TEST_BOTH(other_calls_in_a_finalizer_are_caught) {
    const struct {
        finalize *finalizer;
        bool locks;
        int signal;
    } planted[] = {
        {closes, false, SIGABRT}, {drains, false, SIGABRT}, {attaches, false, SIGABRT},
        {closes, true, SIGALRM},  {drains, true, SIGALRM},  {only_locks, true, SIGALRM},
    };
    for (size_t i = 0; i < sizeof planted / sizeof *planted; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            signal(SIGABRT, SIG_DFL);
            signal(SIGALRM, SIG_DFL);
            alarm(1);
            run_under(planted[i].finalizer, planted[i].locks, 1000);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), planted[i].signal);
    }
}

// ---- Laws --------------------------------------------------------------------------------------

// Records are 24 bytes: handle, word, behind, next, previous.
TEST_BOTH(each_law_is_checked) {
    enum { HANDLE, WORD = 2, BEHIND, NEXT, PREVIOUS, WORDS };
    enum { ARMED, QUEUED, FREE };
    static const struct {
        int record, word;
        uint32_t value;
        const char *law;
    } cases[] = {
        {ARMED, WORD, 0x108, "state"}, {ARMED, WORD, 0x104, "state"},
        {ARMED, NEXT, 99, "ring"},     {ARMED, PREVIOUS, 99, "ring"},
        {ARMED, NEXT, QUEUED, "ring"}, {ARMED, NEXT, FREE, "ring"},
        {ARMED, WORD, 0x103, "queue"}, {QUEUED, WORD, 0x101, "queue"},
        {QUEUED, BEHIND, 2, "queue"},  {QUEUED, BEHIND, 99, "queue"},
        {FREE, NEXT, 3, "free"},       {FREE, NEXT, 99, "free"},
        {FREE, WORD, 0x102, "queue"},  {ARMED, HANDLE, 7, "kept"},
        {ARMED, WORD, 0x105, "state"}, {FREE, WORD, 0x104, "state"},
    };
    lm_handle a = create(HOME), freed;
    retain(a, 1);
    attach(a, 0);
    enqueue(attach(create(HOME), 0));
    OK(lm_finalizer_detach(r, attach(a, 0), &freed));
    assert_holds(2, 2);
    const lm_records *records = &lm_state_of(r)->finalizers.records;
    uint32_t armed, *part = lm_record_at(&memories[HOME], records, sizeof(lm_finalizer), 0);
    assert_int_equal(part[WORD], 0x101);
    assert_int_equal(part[QUEUED * WORDS + WORD], 0x103);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t *broken_word = &part[cases[i].record * WORDS + cases[i].word], was = *broken_word;
        *broken_word = cases[i].value;
        const char *broken = lm_finalizers_validate(r, &armed);
        assert_string_equal(broken ? broken : "none", cases[i].law);
        *broken_word = was;
    }
    assert_holds(2, 2);
}

#else

// A record is not reused after its last generation, whether or not its token was enqueued.
TEST(a_record_retires, .setup_func = start_plain, .teardown_func = end) {
    lm_handle handle = create(HOME), same;
    lm_token token = 0;
    uint32_t used[2] = {0};
    for (uint32_t i = 0; i < 2 * LM_GENERATION_MAX; i++) {
        token = attach(handle, 0);
        uint32_t record = (uint32_t)token & 0xffffff;
        assert_int_equal(record, i / LM_GENERATION_MAX);
        assert_int_equal(token >> 24, ++used[record]);
        if (record) enqueue(token);
        OK(lm_finalizer_detach(r, token, &same));
        assert_drained(1, 0, 0, 0, false);
        assert_holds(0, 1);
    }
    picture before = take_picture();
    for (uint32_t generation = 0; generation <= LM_GENERATION_MAX; generation++)
        assert_int_equal(lm_finalizer_enqueue(r, generation << 24),
                         generation ? LM_STALE_TOKEN : LM_INVALID_TOKEN);
    assert_as_in(&before);
    assert_int_equal(attach(handle, 0), 1u << 24 | 2);
}

TEST(no_records_are_left, .setup_func = start_plain, .teardown_func = end) {
    lm_handle handle = create(HOME), cancelled = 78;
    lm_token token = 77, last = 0;
    retain(handle, LM_SLOTS_MAX);
    for (uint32_t i = 0; i < LM_SLOTS_MAX; i++)
        last = attach(handle, last);
    picture before = take_picture();
    IS(lm_finalizer_attach(r, DART, handle, 0, &token), LM_OUT_OF_SLOTS);
    IS(lm_finalizer_attach(r, DART, handle, last, &token), LM_OUT_OF_SLOTS);
    assert_int_equal(token, 77);
    token = last;
    IS(lm_finalizer_replace(r, DART, handle, &token, &cancelled), LM_OUT_OF_SLOTS);
    assert_true(token == last && cancelled == 78);
    assert_as_in(&before);
    OK(lm_finalizer_detach(r, last, &cancelled));
    attach(handle, 0);
    assert_holds(LM_SLOTS_MAX, 1);
}

#endif

TEST_MAIN(NULL, NULL)

// Buffers and finalizers in several threads at once: mutators that retain, release, share, transfer
// and attach, a collector that enqueues, a thread that drains, and one that reads views while home
// grows. Compiled twice: as every test, and under ThreadSanitizer.
//
//     finalizer_threads_test [SECONDS]    (default: a fixed number of steps)
#include "alloc/buffers/finalizer.h"
#include "alloc/buffers/view.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern const lm_allocator lm_paged_level1, lm_tlsf_level1;

enum { HOME, OTHER };
enum { LOOKER = 100, GROWER }; // owners
enum { MUTATORS = 2, HELD_MAX = 64, EXCHANGED = 32, MAILED = 256, LATE = 64, STEPS = 30000 };

typedef struct counters {
    uint64_t created, shared, freed, steps, attached, released, failed, by_hand, quarrels;
} counters;

static lm_memory memories[2];
static lm_buffer_table table, *const r = &table;
static uint64_t deadline_ns;          // 0: STEPS decide
static lm_handle exchange[EXCHANGED]; // references without a thread
static lm_token mail[MAILED];         // of objects that have died, to the collector
static uint32_t running = MUTATORS, collecting = 1, growing = 1;

static void check(bool law, const char *what) {
    if (law) return;
    fprintf(stderr, "finalizer_threads_test: %s\n", what);
    abort();
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

// A thread that holds references and counts its calls.
typedef struct mutator {
    uint32_t random, owner, held;
    lm_handle handles[HELD_MAX];
    counters did;
} mutator;

static unsigned char *bytes_of(lm_handle handle, lm_buffer_info *info) {
    lm_status status = lm_buffer_describe(r, lm_handle_owner(handle), handle, info);
    check(status == LM_OK, "describe of a held reference succeeds");
    return lm_memory_base(&memories[info->memory]) + info->start;
}

// Each byte of a buffer is its size. Only the counts order the reads before the free.
static void read_bytes(lm_handle handle) {
    lm_buffer_info info;
    const unsigned char *bytes = bytes_of(handle, &info);
    for (uint32_t i = 0; i < info.size; i++)
        check(bytes[i] == (unsigned char)info.size, "a buffer keeps its bytes");
}
static void write_bytes(lm_handle handle) {
    lm_buffer_info info;
    unsigned char *bytes = bytes_of(handle, &info);
    memset(bytes, (int)(unsigned char)info.size, info.size);
}

static void release(mutator *m, lm_handle handle) {
    lm_status status = lm_buffer_release(r, lm_handle_owner(handle), handle);
    check(!lm_failed(status), "release of a held reference succeeds");
    m->did.freed += status == LM_FREED;
}

static void make(mutator *m) {
    lm_handle handle;
    uint32_t random = next_random(&m->random);
    lm_status status =
        lm_buffer_create(r, m->owner, random & 1, 1 + (random >> 1) % 300, 16, false, &handle);
    check(status == LM_OK, "there is memory");
    write_bytes(handle);
    m->handles[m->held++] = handle;
    m->did.created++;
}

static lm_token attach_and_mail(mutator *m, lm_handle handle) {
    lm_token token;
    lm_status status = lm_finalizer_attach(r, lm_handle_owner(handle), handle, 0, &token);
    check(status == LM_OK, "a reference may be attached");
    m->did.attached++;
    lm_token none = 0, *box = &mail[next_random(&m->random) % MAILED];
    while (!__atomic_compare_exchange_n(box, &none, token, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED)) {
        none = 0;
        sched_yield();
    }
    return token;
}

// Attaches a token whose object dies at once. One in eight is closed or detached by this thread,
// possibly before the collector or the drain gets to it.
static void attach(mutator *m, lm_handle handle) {
    lm_token token = attach_and_mail(m, handle);
    uint32_t choice = next_random(&m->random) % 16;
    if (choice > 1) return;
    lm_status status;
    if (choice == 0)
        status = lm_finalizer_close(r, token);
    else if ((status = lm_finalizer_detach(r, token, &handle)) == LM_OK)
        status = lm_buffer_release(r, lm_handle_owner(handle), handle);
    check(!lm_failed(status) || status == LM_STALE_TOKEN, "by hand, or by the drain");
    m->did.freed += status == LM_FREED;
    m->did.by_hand += !lm_failed(status);
}

// Misuse: releases a buffer's only reference although a token keeps it. The later of this release
// and the drain fails, and takes no reference of a share that has the slot by then.
static void quarrel(mutator *m) {
    make(m);
    lm_handle handle = m->handles[--m->held];
    attach_and_mail(m, handle);
    if (next_random(&m->random) % 2) sched_yield();
    lm_status status = lm_buffer_release(r, lm_handle_owner(handle), handle);
    m->did.freed += status == LM_FREED;
    m->did.failed += lm_failed(status);
    m->did.quarrels++;
}

// Two objects of one registration, which is cancelled.
static void attach_and_detach(mutator *m, lm_handle handle) {
    lm_token first, second;
    uint32_t freed, owner = lm_handle_owner(handle);
    check(lm_buffer_retain(r, owner, handle) == LM_OK, "retain");
    check(lm_finalizer_attach(r, owner, handle, 0, &first) == LM_OK, "attach");
    check(lm_finalizer_attach(r, owner, handle, first, &second) == LM_OK, "attach beside");
    if (next_random(&m->random) & 1) check(lm_finalizer_enqueue(r, second) == LM_OK, "enqueue");
    m->did.attached += 2;
    if (lm_finalizer_detach_all(r, first, &freed) != LM_OK) check(false, "detach");
    m->did.freed += freed;
}

static void share(mutator *m, lm_handle handle) {
    lm_handle shared;
    uint32_t owner = lm_handle_owner(handle), with = next_random(&m->random) % MUTATORS;
    check(lm_buffer_share(r, owner, handle, with, &shared) == LM_OK, "share");
    m->handles[m->held++] = shared;
    m->did.shared++;
}

static void act(mutator *m) {
    uint32_t random = next_random(&m->random), which = (random >> 4) % (m->held ? m->held : 1);
    lm_handle *held = &m->handles[which], handle = *held;
    if (random % 64 == 63 && m->held < HELD_MAX) {
        quarrel(m);
        return;
    }
    if (m->held == 0 || (random % 4 == 0 && m->held < HELD_MAX - 1)) {
        make(m);
        return;
    }
    read_bytes(handle);
    switch (random % 16) {
    case 1:
    case 2:
        if (m->held == HELD_MAX) break;
        check(lm_buffer_retain(r, lm_handle_owner(handle), handle) == LM_OK, "retain");
        m->handles[m->held++] = handle;
        return;
    case 3:
    case 5:
        if (m->held == HELD_MAX) break;
        share(m, handle);
        return;
    case 6:
        check(lm_buffer_transfer(r, lm_handle_owner(handle), handle,
                                 next_random(&m->random) % MUTATORS, held) == LM_OK,
              "transfer");
        return;
    case 7:
    case 9:
    case 10: // to any thread
        *held = __atomic_exchange_n(&exchange[next_random(&m->random) % EXCHANGED], handle,
                                    __ATOMIC_ACQ_REL);
        if (!*held) *held = m->handles[--m->held];
        return;
    default:
        break;
    }
    *held = m->handles[--m->held];
    if (random % 16 == 11)
        attach_and_detach(m, handle);
    else if (random & 1)
        attach(m, handle);
    else
        release(m, handle);
}

static void *mutate(void *argument) {
    mutator *m = argument;
    while (deadline_ns ? m->did.steps % 64 || now_ns() < deadline_ns : m->did.steps < STEPS) {
        act(m);
        m->did.steps++;
    }
    while (m->held)
        release(m, m->handles[--m->held]);
    __atomic_sub_fetch(&running, 1, __ATOMIC_RELEASE);
    return NULL;
}

// Enqueues without a lock: some tokens late, some twice, some after their end.
static void *collect(void *argument) {
    counters *did = argument;
    lm_token late[LATE] = {0};
    uint32_t random = 99;
    for (bool last = false, done = false; !done; done = last) {
        last = __atomic_load_n(&running, __ATOMIC_ACQUIRE) == 0;
        for (uint32_t i = 0; i < MAILED; i++) {
            lm_token token = __atomic_exchange_n(&mail[i], 0, __ATOMIC_ACQUIRE);
            lm_token *one = &late[next_random(&random) % LATE], dead = *one;
            if (!token) continue;
            *one = token;
            lm_status status = dead ? lm_finalizer_enqueue(r, dead) : LM_STALE_TOKEN;
            check(status == LM_OK || status == LM_STALE_TOKEN, "a token is valid or stale");
            if (status == LM_OK) status = lm_finalizer_enqueue(r, dead);
            check(status == LM_ENQUEUED || status == LM_STALE_TOKEN,
                  "a second enqueue has no effect");
            did->steps++;
        }
        sched_yield();
    }
    for (uint32_t i = 0; i < LATE; i++)
        if (late[i]) lm_finalizer_enqueue(r, late[i]);
    __atomic_store_n(&collecting, 0, __ATOMIC_RELEASE);
    return NULL;
}

static void *drain(void *argument) {
    counters *did = argument;
    bool more = true;
    for (bool last = false; !last || more;) {
        last = __atomic_load_n(&collecting, __ATOMIC_ACQUIRE) == 0;
        lm_drained drained = lm_finalizers_drain(r, 1 + (uint32_t)did->steps++ % 32);
        did->released += drained.released;
        did->freed += drained.freed;
        did->failed += drained.failed;
        more = drained.more;
        if (!more) sched_yield();
    }
    return NULL;
}

// Makes home grow during the whole run.
static void *grow(void *argument) {
    enum { GROWN = 400 };
    static lm_handle handles[GROWN];
    for (uint32_t i = 0; i < GROWN; i++) {
        lm_status status = lm_buffer_create(r, GROWER, HOME, 60000, 16, false, &handles[i]);
        check(status == LM_OK, "there is memory");
        sched_yield();
    }
    for (uint32_t i = 0; i < GROWN; i++)
        check(lm_buffer_release(r, GROWER, handles[i]) == LM_FREED, "release");
    __atomic_store_n(&growing, 0, __ATOMIC_RELEASE);
    return NULL;
}

// Uses pointers to views, without a lock, in memories that other threads grow.
static void *look(void *argument) {
    counters *did = argument;
    lm_handle handles[2];
    lm_view views[2], sub, gone = {0};
    lm_pointer pointer;
    int64_t value;
    for (uint32_t i = 0; i < 2; i++) {
        check(lm_buffer_create(r, LOOKER, i, 64, 16, true, &handles[i]) == LM_OK, "create");
        check(lm_view_make(r, LOOKER, handles[i], LM_U32, 0, 16, &views[i]) == LM_OK, "view");
    }
    while (__atomic_load_n(&growing, __ATOMIC_ACQUIRE)) {
        lm_view *view = &views[did->steps % 2];
        check(lm_view_point(r, view, &pointer) == LM_OK, "a pointer");
        ++*(uint32_t *)pointer.address;
        lm_status status = lm_pointer_check(r, &pointer);
        check(status == LM_OK || status == LM_OLD_POINTER,
              "a pointer is valid, or the memory has grown");
        check(lm_view_get_integer(r, &gone, 0, &value) != LM_OK, "an ended view is not accessible");
        if (did->steps++ % 16) continue;
        gone = *view;
        check(lm_view_sub(r, view, LM_U8, 0, 4, &sub) == LM_OK, "sub");
        check(lm_view_end(r, view) == LM_OK, "end");
        check(lm_view_sub(r, &sub, LM_U32, 0, 1, view) == LM_OK, "sub of sub");
        check(lm_view_end(r, &sub) == LM_OK, "end");
    }
    for (uint32_t i = 0; i < 2; i++) {
        check(lm_view_end(r, &views[i]) == LM_OK, "end");
        check(lm_buffer_release(r, LOOKER, handles[i]) == LM_FREED,
              "the view had a reference of its own");
    }
    return NULL;
}

// A thread writes to the bytes, then enqueues the token. Whatever enqueue returns and however the
// token ends, the free of the bytes must be ordered after the write, which ThreadSanitizer checks.
// Only enqueue orders them: the thread reports its end by a relaxed store.
typedef enum end_of_token { BY_DRAIN, BY_CLOSE, BY_DETACH_ALL, ENDS } end_of_token;
static struct {
    lm_token token;
    lm_status expected;
    unsigned char *bytes;
    uint32_t size, done;
} one;

static void *write_and_enqueue(void *nothing) {
    memset(one.bytes, 7, one.size);
    check(lm_finalizer_enqueue(r, one.token) == one.expected, "enqueue returns its status");
    __atomic_store_n(&one.done, 1, __ATOMIC_RELAXED);
    return nothing;
}

static void end_one(end_of_token by) {
    uint32_t freed = 0;
    if (by == BY_DRAIN)
        freed = lm_finalizers_drain(r, 1).freed;
    else if (by == BY_CLOSE)
        freed = lm_finalizer_close(r, one.token) == LM_FREED;
    else
        check(lm_finalizer_detach_all(r, one.token, &freed) == LM_OK, "detach all");
    check(freed == 1, "its reference was the last");
}

static void writes_precede_the_free(bool enqueued, end_of_token by) {
    lm_handle handle;
    lm_buffer_info info;
    pthread_t thread;
    check(lm_buffer_create(r, GROWER, OTHER, 200, 16, false, &handle) == LM_OK, "create");
    one.bytes = bytes_of(handle, &info);
    one.size = info.size;
    one.done = 0;
    check(lm_finalizer_attach(r, GROWER, handle, 0, &one.token) == LM_OK, "attach");
    one.expected = enqueued ? LM_ENQUEUED : LM_OK;
    if (enqueued) check(lm_finalizer_enqueue(r, one.token) == LM_OK, "enqueue");
    check(pthread_create(&thread, NULL, write_and_enqueue, NULL) == 0, "thread");
    while (!__atomic_load_n(&one.done, __ATOMIC_RELAXED))
        sched_yield();
    end_one(by);
    check(lm_buffer_create(r, GROWER, OTHER, 200, 16, false, &handle) == LM_OK, "create");
    write_bytes(handle); // where those bytes were
    pthread_join(thread, NULL);
    check(lm_buffer_release(r, GROWER, handle) == LM_FREED, "release");
    lm_finalizers_drain(r, 1); // the token that was detached while queued
}

static void set_up(void) {
    const lm_memory_options options = {.pages = 1, .pages_max = 16384};
    for (int i = 0; i < 2; i++)
        check(lm_memory_create(&memories[i], &options), "memory");
    check(lm_paged_level1.start(&memories[HOME]), "home");
    check(lm_tlsf_level1.start(&memories[OTHER]), "the other");
    check(lm_buffer_table_start(r, &lm_counts_atomic, &lm_paged_level1, &memories[HOME]),
          "buffers");
    check(lm_buffer_table_add(r, &lm_tlsf_level1, &memories[OTHER]) == OTHER, "two memories");
    check(lm_finalizers_start(r), "finalizers");
}

// Nothing is live, no token is armed, and each buffer was freed once.
static void settle(const counters *all) {
    uint32_t armed;
    lm_census census;
    const char *broken = lm_buffer_table_validate(r, &census);
    check(!broken, broken);
    broken = lm_finalizers_validate(r, &armed);
    check(!broken, broken);
    check(census.live_blocks == 0 && armed == 0, "nothing is live");
    for (uint32_t i = 0; i < 2; i++)
        check(lm_buffer_table_live_in(r, i).bytes == 0, "no byte is live");
    check(all->created == all->freed, "each buffer was freed once");
    check(all->failed == all->quarrels, "one of two releases of a reference failed");
    check(all->released > 0 && all->by_hand > 0, "tokens were drained, and closed by mutators");
    check(lm_tlsf_level1.validate(&memories[OTHER], &census) == NULL, "the other's laws");
    check(census.live_blocks == 0, "no block is live");
    check(lm_paged_level1.validate(&memories[HOME], NULL) == NULL, "home's laws");
    printf(
        "%llu steps, %llu buffers, %llu shares, %llu tokens: %llu drained, %llu closed by hand\n",
        (unsigned long long)all->steps, (unsigned long long)all->created,
        (unsigned long long)all->shared, (unsigned long long)all->attached,
        (unsigned long long)all->released, (unsigned long long)all->by_hand);
}

int main(int argc, char **argv) {
    static mutator mutators[MUTATORS];
    counters collector = {0}, drainer = {0}, looker = {0};
    pthread_t threads[MUTATORS + 4];
    uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    if (seconds) deadline_ns = now_ns() + seconds * 1000000000u;
    alarm(600 + (unsigned)seconds); // threads that wait for each other may wait for ever
    set_up();
    for (uint32_t way = 0; way < 2 * ENDS; way++)
        writes_precede_the_free(way % 2, way / 2);
    for (uint32_t t = 0; t < MUTATORS; t++) {
        mutators[t] = (mutator){.random = t + 1, .owner = t};
        check(pthread_create(&threads[t], NULL, mutate, &mutators[t]) == 0, "thread");
    }
    check(pthread_create(&threads[MUTATORS], NULL, collect, &collector) == 0, "thread");
    check(pthread_create(&threads[MUTATORS + 1], NULL, drain, &drainer) == 0, "thread");
    check(pthread_create(&threads[MUTATORS + 2], NULL, look, &looker) == 0, "thread");
    check(pthread_create(&threads[MUTATORS + 3], NULL, grow, NULL) == 0, "thread");
    for (uint32_t t = 0; t < MUTATORS + 4; t++)
        pthread_join(threads[t], NULL);
    static mutator heir; // of the references that no thread held
    for (uint32_t i = 0; i < EXCHANGED; i++)
        if (exchange[i]) release(&heir, exchange[i]);
    counters all = drainer;
    all.steps = 0;
    all.freed += heir.did.freed;
    for (uint32_t t = 0; t < MUTATORS; t++) {
        const counters *did = &mutators[t].did;
        all.steps += did->steps;
        all.created += did->created;
        all.shared += did->shared;
        all.freed += did->freed;
        all.attached += did->attached;
        all.by_hand += did->by_hand;
        all.failed += did->failed;
        all.quarrels += did->quarrels;
    }
    settle(&all);
    lm_memory_destroy(&memories[HOME]);
    lm_memory_destroy(&memories[OTHER]);
    return 0;
}

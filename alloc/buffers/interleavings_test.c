// Runs every interleaving of short calls on one buffer. alloc/buffers/counts.c is compiled here,
// atomic, with a scheduler at each of its atomic accesses and at its lock. Threads are coroutines;
// a schedule is a sequence of choices of the thread that runs next, and every schedule is run from
// the same state.
//
// The oracle needs no model. First the calls are run in every order, without interruption. The
// results of an interleaving, and the state after it, must be those of one of these orders:
//
//     thread 0   transfer          [ lock ][ load ][ compare and swap ][ unlock ]
//     thread 1   retain, release       ^ retain may run here ^ and release here
//
// During a resize a call may return LM_BUSY instead, and release_all may skip the buffer; they then
// change nothing.
//
// So no reference is lost or made, not even by threads that hold none and use a handle that they
// know. The exploration is sequentially consistent; ThreadSanitizer checks weaker orders
// (alloc/buffers/orders_test.c, alloc/buffers/finalizer_threads_test.c).
#include "alloc/buffers/buffer_table_state.h"

#include "alloc/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

static void yield(void);
static void take_lock(uint32_t *lock);

#define LM_ATOMIC_COUNTS
#define lm_counts_atomic                 lm_counts_explored
#define lm_lock(lock)                    take_lock(lock)
#define __atomic_load_n(...)             (yield(), __atomic_load_n(__VA_ARGS__))
#define __atomic_store_n(...)            (yield(), __atomic_store_n(__VA_ARGS__))
#define __atomic_exchange_n(...)         (yield(), __atomic_exchange_n(__VA_ARGS__))
#define __atomic_compare_exchange_n(...) (yield(), __atomic_compare_exchange_n(__VA_ARGS__))
#include "alloc/buffers/counts.c"
#undef lm_counts_atomic
#undef lm_lock
#undef __atomic_load_n
#undef __atomic_store_n
#undef __atomic_exchange_n
#undef __atomic_compare_exchange_n

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#define UNDER_ASAN __has_feature(address_sanitizer)
#else
#define UNDER_ASAN 0
#endif
#if UNDER_ASAN
#include <sanitizer/common_interface_defs.h>
// Otherwise ASan maps and unmaps a second stack for each coroutine in each schedule.
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_stack_use_after_return=0";
}
#endif

#define MUST(law) ((law) ? (void)0 : failed(#law))

// ---- Scenarios ---------------------------------------------------------------------------------

// Calls on the handle that all threads know.
typedef enum verb { RETAIN, RELEASE, SHARE, TRANSFER, DESCRIBE, RELEASE_ALL, RESIZE, VERBS } verb;
enum { LOCKLESS = SHARE }; // those before it

static const char *const verb_names[] = {"retain",   "release",     "share", "transfer",
                                         "describe", "release_all", "resize"};

enum { THREADS_MAX = 3, CALLS_MAX = 3, OWNERS = 3, STACK_BYTES = 1 << 17, STEPS_MAX = 100 };
enum { OWNER, OTHER_OWNER };

typedef struct scenario {
    uint32_t references; // to begin with
    uint32_t threads;
    struct {
        uint32_t count;
        verb calls[CALLS_MAX];
    } of[THREADS_MAX];
} scenario;

// The results of the calls and the state after them. Compared by its bytes.
typedef struct outcome {
    uint64_t returned[THREADS_MAX][CALLS_MAX]; // a status, or a number
    uint64_t references[OWNERS];
    uint64_t buffers, bytes, blocks;
} outcome;

static lm_memory home;
static lm_buffer_table table, *const r = &table;
static lm_handle known;
static const lm_allocator *heap;
static const scenario *playing;
static outcome seen;

// ---- The scheduler -----------------------------------------------------------------------------

typedef struct thread {
    ucontext_t context;
    uint32_t *waits; // for this lock to be 0; or NULL
    bool done;
    unsigned char stack[STACK_BYTES];
} thread;

// A schedule: at each step, the thread chosen among those that can run.
static struct { uint32_t taken, count; } choices[STEPS_MAX];
static uint32_t choice_count, step;
static uint32_t preemptions, preemptions_max;
static bool whole_calls; // no call is interrupted

static thread threads[THREADS_MAX];
static ucontext_t outside;
static uint32_t running;
static bool exploring;
static uint64_t schedules;

static void print_scenario(void) {
    fprintf(stderr, "the buffer begins with %u references\n", playing->references);
    for (uint32_t t = 0; t < playing->threads; t++)
        for (uint32_t i = 0; i < playing->of[t].count; i++)
            fprintf(stderr, "thread %u: %s returns %llu\n", t, verb_names[playing->of[t].calls[i]],
                    (unsigned long long)seen.returned[t][i]);
    for (uint32_t owner = 0; owner < OWNERS; owner++)
        fprintf(stderr, "owner %u has %llu references\n", owner,
                (unsigned long long)seen.references[owner]);
    fprintf(stderr, "choices:");
    for (uint32_t i = 0; i < step; i++)
        fprintf(stderr, " %u", choices[i].taken);
    fprintf(stderr, "\n");
}

_Noreturn static void failed(const char *law) {
    fprintf(stderr, "interleavings_test: %s\n", law);
    print_scenario();
    exit(1);
}

// Returns the choice of this schedule's next step among `count`; a new step begins with the first.
static uint32_t choose(uint32_t count) {
    if (count == 1) return 0;
    MUST(step < STEPS_MAX);
    if (step == choice_count) {
        choices[choice_count].taken = 0;
        choices[choice_count++].count = count;
    }
    return choices[step++].taken;
}

// Advances to the next schedule: the last step with another choice takes it. Returns false if all
// were run.
static bool next_schedule(void) {
    while (choice_count && choices[choice_count - 1].taken + 1 == choices[choice_count - 1].count)
        choice_count--;
    if (choice_count) choices[choice_count - 1].taken++;
    return choice_count > 0;
}

static bool can_run(const thread *t) {
    return !t->done && !(t->waits && *t->waits);
}

// Chooses the thread that runs next: the current one first; any other costs a preemption if the
// current one can run.
static uint32_t choose_thread(void) {
    uint32_t able[THREADS_MAX], count = 0;
    bool goes_on = can_run(&threads[running]);
    if (goes_on) able[count++] = running;
    for (uint32_t t = 0; t < playing->threads; t++)
        if (t != running && can_run(&threads[t]) && (!goes_on || preemptions < preemptions_max))
            able[count++] = t;
    MUST(count > 0); // else they wait for each other
    uint32_t next = able[choose(count)];
    preemptions += goes_on && next != running;
    return next;
}

// Tell AddressSanitizer the stack that the program switches to. `to`: NULL for the test's own.
#if UNDER_ASAN
static const void *own_stack;
static size_t own_stack_bytes;
static void leave_stack(const thread *to) {
    __sanitizer_start_switch_fiber(NULL, to ? to->stack : own_stack,
                                   to ? STACK_BYTES : own_stack_bytes);
}
static void enter_stack(void) {
    const void *from;
    size_t bytes;
    __sanitizer_finish_switch_fiber(NULL, &from, &bytes);
    if (own_stack) return; // else this is the first switch, which leaves it
    own_stack = from;
    own_stack_bytes = bytes;
}
#else
static void leave_stack(const thread *to) {}
static void enter_stack(void) {}
#endif

static void swap_to(ucontext_t *from, const ucontext_t *context, const thread *to) {
    leave_stack(to);
    swapcontext(from, context);
    enter_stack();
}

static void switch_thread(void) {
    thread *from = &threads[running];
    running = choose_thread();
    thread *to = &threads[running];
    if (from == to) return;
    swap_to(&from->context, &to->context, to);
}

static void yield(void) {
    if (exploring && !whole_calls) switch_thread();
}

static void take_lock(uint32_t *lock) {
    yield();
    if (exploring && *lock) {
        threads[running].waits = lock;
        switch_thread();
        threads[running].waits = NULL;
    }
    MUST(*lock == 0);
    *lock = 1;
}

// ---- Calls -------------------------------------------------------------------------------------

static uint64_t call(verb verb) {
    lm_handle given;
    lm_buffer_info info;
    lm_status status;
    switch (verb) {
    case RETAIN:
        return lm_buffer_retain(r, OWNER, known);
    case RELEASE:
        return lm_buffer_release(r, OWNER, known);
    case SHARE:
        return lm_buffer_share(r, OWNER, known, OTHER_OWNER, &given);
    case TRANSFER:
        return lm_buffer_transfer(r, OWNER, known, OTHER_OWNER, &given);
    case DESCRIBE:
        status = lm_buffer_describe(r, OWNER, known, &info);
        return status == LM_OK ? 100 + info.references : status;
    case RESIZE:
        return lm_buffer_resize(r, OWNER, known, 5000);
    default:
        return lm_buffer_table_release_all(r, OWNER);
    }
}

static bool has_resize(const scenario *s) {
    for (uint32_t t = 0; t < s->threads; t++)
        for (uint32_t i = 0; i < s->of[t].count; i++)
            if (s->of[t].calls[i] == RESIZE) return true;
    return false;
}

static void run_calls(void) {
    enter_stack();
    uint32_t me = running;
    for (uint32_t i = 0; i < playing->of[me].count; i++) {
        verb verb = playing->of[me].calls[i];
        if (whole_calls) switch_thread();
        bool busy = whole_calls && has_resize(playing) && choose(2);
        seen.returned[me][i] = !busy ? call(verb) : verb == RELEASE_ALL ? 0 : LM_BUSY;
    }
    threads[me].done = true;
    for (uint32_t t = 0; t < playing->threads; t++)
        if (!threads[t].done) switch_thread(); // which does not come back
    exploring = false;
    swap_to(&threads[me].context, &outside, NULL);
}

// Records the state, and checks all laws.
static void record_state(void) {
    lm_census census, blocks;
    const char *broken = lm_buffer_table_validate(r, &census);
    if (broken) failed(broken);
    broken = heap->validate(&home, &blocks);
    if (broken) failed(broken);
    seen.buffers = census.live_blocks;
    seen.blocks = blocks.live_blocks;
    seen.bytes = lm_buffer_table_live_in(r, LM_HOME).bytes;
    MUST(lm_buffer_table_live_in(r, LM_HOME).buffers == census.live_blocks);
    for (uint32_t number = 0; number < lm_records_count(&lm_state_of(r)->slots); number++) {
        uint64_t word = lm_slot_at(r, number)->word;
        if (lm_word_count(word))
            seen.references[lm_stamp_owner(lm_word_stamp(word))] += lm_word_count(word);
    }
}

// Foreign code, during which other threads run.
static void *slow_allocate(size_t size, lm_memory *memory) {
    yield();
    return heap->allocate(size, memory);
}
static void *slow_resize(void *block, size_t size, lm_memory *memory) {
    yield();
    return heap->resize(block, size, memory);
}
static void slow_free(void *block, size_t size, lm_memory *memory) {
    yield();
    heap->free(block, size, memory);
}
static const lm_allocator slow = {.capabilities = LM_SHARES_THREADS,
                                  .allocate = slow_allocate,
                                  .resize = slow_resize,
                                  .free = slow_free};

// ---- Exploring ---------------------------------------------------------------------------------

static struct {
    unsigned char bytes[LM_PAGE_BYTES];
    lm_buffer_table table;
} first_state;

static void restore(void) {
    memcpy(lm_memory_base(&home), first_state.bytes, LM_PAGE_BYTES);
    table = first_state.table;
}

static void run_schedule(void) {
    restore();
    memset(&seen, 0, sizeof seen);
    step = preemptions = 0;
    for (uint32_t t = 0; t < playing->threads; t++) {
        thread *made = &threads[t];
        made->done = false;
        made->waits = NULL;
        getcontext(&made->context);
        made->context.uc_stack.ss_sp = made->stack;
        made->context.uc_stack.ss_size = STACK_BYTES;
        made->context.uc_link = NULL;
        makecontext(&made->context, run_calls, 0);
    }
    running = choose(playing->threads);
    exploring = true;
    swap_to(&outside, &threads[running].context, &threads[running]);
    record_state();
    schedules++;
}

static struct {
    outcome *all;
    size_t count, room;
} orders;

static bool is_an_orders_outcome(void) {
    for (size_t i = 0; i < orders.count; i++)
        if (memcmp(&orders.all[i], &seen, sizeof seen) == 0) return true;
    return false;
}

static void add_order(void) {
    if (is_an_orders_outcome()) return;
    if (orders.count == orders.room) {
        orders.room = orders.room * 2 + 16;
        orders.all = realloc(orders.all, orders.room * sizeof *orders.all);
        MUST(orders.all != NULL);
    }
    orders.all[orders.count++] = seen;
}

static void explore(const scenario *s) {
    playing = s;
    orders.count = choice_count = 0;
    whole_calls = true;
    do {
        run_schedule();
        add_order();
    } while (next_schedule());
    whole_calls = false;
    do {
        run_schedule();
        if (!is_an_orders_outcome()) failed("no order of the calls returns and leaves this");
    } while (next_schedule());
}

// ---- The scenarios -----------------------------------------------------------------------------

static void begin(uint32_t references) {
    const lm_memory_options options = {.pages = 1, .pages_max = 1};
    heap = lm_strategy_named("tlsf", 1);
    MUST(lm_memory_create(&home, &options) && heap->start(&home));
    MUST(lm_buffer_table_start(r, &lm_counts_explored, &slow, &home));
    MUST(lm_buffer_create(r, OWNER, LM_HOME, 64, 16, false, &known) == LM_OK);
    for (uint32_t i = 1; i < references; i++)
        MUST(lm_buffer_retain(r, OWNER, known) == LM_OK);
    memcpy(first_state.bytes, lm_memory_base(&home), LM_PAGE_BYTES);
    first_state.table = table;
}

// The n-th sequence of `count` calls.
static void name_calls(scenario *s, uint32_t thread, uint32_t count, uint32_t verbs, uint32_t n) {
    s->of[thread].count = count;
    for (uint32_t i = 0; i < count; i++, n /= verbs)
        s->of[thread].calls[i] = (verb)(n % verbs);
}

// One call in one thread, `calls` of the first `verbs` in the other.
static void explore_two_threads(uint32_t references, uint32_t calls, uint32_t verbs) {
    scenario s = {.references = references, .threads = 2};
    uint32_t sequences = 1;
    for (uint32_t i = 0; i < calls; i++)
        sequences *= verbs;
    for (uint32_t first = 0; first < VERBS; first++)
        for (uint32_t n = 0; n < sequences; n++) {
            name_calls(&s, 0, 1, VERBS, first);
            name_calls(&s, 1, calls, verbs, n);
            explore(&s);
        }
}

// One call in each.
static void explore_three_threads(uint32_t references) {
    scenario s = {.references = references, .threads = 3};
    for (uint32_t a = 0; a < VERBS; a++)
        for (uint32_t b = a; b < VERBS; b++)
            for (uint32_t c = b; c < VERBS; c++) {
                name_calls(&s, 0, 1, VERBS, a);
                name_calls(&s, 1, 1, VERBS, b);
                name_calls(&s, 2, 1, VERBS, c);
                explore(&s);
            }
}

// Most faults of such code need two preemptions; a transfer that reads a word twice needs five, to
// lose what the other thread retains.
int main(void) {
    for (uint32_t references = 1; references <= 2; references++) {
        begin(references);
        preemptions_max = UINT32_MAX;
        explore_two_threads(references, 1, VERBS);
        preemptions_max = 3;
        explore_two_threads(references, 2, VERBS);
        preemptions_max = 5;
        explore_two_threads(references, 3, LOCKLESS);
        preemptions_max = 2;
        explore_three_threads(references);
        lm_memory_destroy(&home);
    }
    printf("%llu schedules\n", (unsigned long long)schedules);
    free(orders.all);
    return 0;
}

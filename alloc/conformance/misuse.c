// Misuse: at check level 1 and above, each call with what is no live block traps, and before it has
// changed anything. The calls are made in a child, which catches its traps one after the other;
// what it sees nothing of, it reports.
//
// What no strategy can promise: that it sees through a block's content made to look like its own
// records, or a use of memory after its free that has written there. The content here is zero, all
// ones, random, or what the memory held before.
#include "alloc/conformance/tested.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 64 };

typedef struct scene {
    lm_memory memory;
    unsigned char *blocks[BLOCKS];
    size_t sizes[BLOCKS];
    bool freed[BLOCKS];
    uint32_t count;
} scene;

// ---- Calls that must trap -----------------------------------------------------------------------

typedef enum call { USABLE_SIZE, FREE, RESIZE, RESIZE_ALIGNED, CALLS } call;

static sigjmp_buf trap;
static unsigned unseen;

static void trapped(int number) {
    (void)number;
    siglongjmp(trap, 1);
}

static void see(scene *s, call made, void *pointer, size_t size, const char *what) {
    if (sigsetjmp(trap, 0)) return;
    switch (made) {
    case USABLE_SIZE:
        tested->usable_size(pointer, &s->memory);
        break;
    case FREE:
        tested->free(pointer, size, &s->memory);
        break;
    case RESIZE:
        tested->resize(pointer, size, &s->memory);
        break;
    default:
        tested->resize_aligned(pointer, size, 64, &s->memory);
        break;
    }
    if (unseen++ < 5 && made == USABLE_SIZE) {
        long long offset = (long long)((intptr_t)pointer - (intptr_t)lm_memory_base(&s->memory));
        law_print(LAW_traps, "usable_size of %s (offset %lld) returned, expected a trap", what,
                  offset);
    } else if (made != USABLE_SIZE) {
        law_print(LAW_traps, "that is %s: returned, expected a trap", what);
    }
    if (made != USABLE_SIZE) _exit(1); // the heap is no longer what it was
}

static void see_all(scene *s, void *pointer, const char *what) {
    for (call made = USABLE_SIZE; made < CALLS; made++)
        see(s, made, pointer, made == FREE ? 0 : 100, what);
}

// Runs the misuse of a scene in a child; what it leaves must still be sound.
static void expect_traps(scene *s, void (*misuse)(scene *)) {
    if (tested->check_level == 0) skip();
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sigaction action = {.sa_handler = trapped, .sa_flags = SA_NODEFER};
        sigaction(SIGILL, &action, NULL);
        sigaction(SIGTRAP, &action, NULL);
        unseen = 0;
        check_blocks(false);
        signal_breaks = LAW_traps; // but for those of a trap
        misuse(s);
        const char *broken = tested->validate(&s->memory, NULL);
        if (broken) law_print(LAW_traps, "after the trap validate returned \"%s\"", broken);
        _exit(unseen || broken);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    require_as(traps, WIFEXITED(status), "the misuse ended with %s", strsignal(WTERMSIG(status)));
    law_checked(LAW_traps, true);
    assert_int_equal(WEXITSTATUS(status), 0); // the child has printed what did not trap
    lm_memory_destroy(&s->memory);
}

// ---- Scenes -------------------------------------------------------------------------------------

static const size_t magnitudes[] = {1, 24, 40, 100, 200, 500, 1000, 3000, 5000, 20000, 70000};

static void content(unsigned char *block, size_t size, uint32_t kind) {
    uint64_t random = size;
    for (size_t i = 0; i < size && kind == 1; i++)
        block[i] = (unsigned char)random_next(&random);
    if (kind > 1) memset(block, kind == 2 ? 0 : 0xff, size);
}

static void add(scene *s, size_t size, size_t alignment, uint32_t kind) {
    unsigned char *block = alignment > LM_BLOCK_ALIGNMENT
                               ? tested->allocate_aligned(alignment, size, &s->memory)
                               : tested->allocate(size, &s->memory);
    require_served(block);
    content(block, size, kind);
    s->blocks[s->count] = block;
    s->freed[s->count] = false;
    s->sizes[s->count++] = size;
}

// Blocks of all magnitudes, twice, among them aligned ones; somebody else's page lies between.
static void add_all(scene *s) {
    for (uint32_t i = 0; i < 22; i++)
        add(s, magnitudes[i % 11], 16, i % 4);
    assert_true(lm_memory_grow_foreign(&s->memory, 1));
    content(lm_memory_base(&s->memory) + (s->memory.pages - 1) * LM_PAGE_BYTES, LM_PAGE_BYTES,
            s->count % 3 + 1);
    for (uint32_t i = 0; i < 11; i++)
        add(s, magnitudes[i], (size_t)32 << i, (i + 1) % 4);
    add(s, 90000, 16, 1);
}

static scene fresh(void) {
    scene s = {.memory = make(1, 100, 4096)};
    require(start, tested->start(&s.memory));
    add_all(&s);
    return s;
}

// Some blocks are freed, and those before them grow where they lie, or shrink.
static void resize_some(scene *s) {
    for (uint32_t i = 1; i < s->count; i++) {
        size_t size = s->sizes[i] / 2;
        if (i % 3 == 1) {
            tested->free(s->blocks[i], s->sizes[i], &s->memory);
            s->freed[i] = true;
            size = s->sizes[i - 1] + s->sizes[i] / 2;
        }
        uint32_t j = i % 3 == 1 ? i - 1 : i;
        if (i % 3 == 0) continue;
        s->blocks[j] = tested->resize(s->blocks[j], size, &s->memory);
        require_served(s->blocks[j]);
        s->sizes[j] = size;
    }
}

// The same where others have lived and died before: their marks are in the ground.
static scene used_after(bool reset) {
    scene s = fresh();
    for (uint32_t i = 0; i < s.count; i++)
        if (i % 3) tested->free(s.blocks[i], 0, &s.memory);
    for (uint32_t i = 0; i < s.count; i++)
        if (i % 3 == 0 && !reset) tested->free(s.blocks[i], 0, &s.memory);
    if (reset) tested->reset(&s.memory);
    s.count = 0;
    for (uint32_t i = 0; i < 22; i++)
        add(&s, magnitudes[10 - i % 11] * 2, 16, i % 4);
    if (can(LM_FREES_BLOCKS)) resize_some(&s);
    return s;
}

static scene used(void) {
    return used_after(false);
}
static scene used_after_reset(void) {
    return used_after(true);
}

// ---- Pointers that are no block -----------------------------------------------------------------

static bool is_block(const scene *s, const unsigned char *pointer) {
    for (uint32_t i = 0; i < s->count; i++)
        if (!s->freed[i] && s->blocks[i] == pointer) return true;
    return false;
}

// How far from a block's start or end, or a page's, an address lies at least.
static uint64_t distance(const scene *s, const unsigned char *pointer) {
    uint64_t least = (uintptr_t)(pointer - lm_memory_base(&s->memory)) % 4096;
    if (4096 - least < least) least = 4096 - least;
    for (uint32_t i = 0; i < s->count; i++) {
        uint64_t from_start = (uint64_t)llabs(pointer - s->blocks[i]);
        uint64_t from_end = (uint64_t)llabs(pointer - s->blocks[i] - (ptrdiff_t)s->sizes[i]);
        if (from_start < least) least = from_start;
        if (from_end < least) least = from_end;
    }
    return least;
}

// Each multiple of 16 from the start of the memory to beyond its end; far inside of large blocks,
// and of somebody else's pages, each eleventh.
static void misuse_everywhere(scene *s) {
    unsigned char *base = lm_memory_base(&s->memory);
    uint64_t end = (uint64_t)s->memory.pages * LM_PAGE_BYTES + 4096;
    for (uint64_t offset = 0, step; offset < end; offset += step) {
        step = distance(s, base + offset) < 256 ? LM_BLOCK_ALIGNMENT : 11 * LM_BLOCK_ALIGNMENT;
        if (!is_block(s, base + offset)) see(s, USABLE_SIZE, base + offset, 0, "no block");
    }
    if (unseen) return;
    for (uint64_t offset = 0; offset < end; offset += 97 * LM_BLOCK_ALIGNMENT)
        if (!is_block(s, base + offset)) see_all(s, base + offset, "no block");
}

static void misuse_near_blocks(scene *s) {
    for (uint32_t i = 0; i < s->count; i++) {
        unsigned char *block = s->blocks[i];
        for (int off = 1; off < LM_BLOCK_ALIGNMENT; off++) {
            see_all(s, block + off, "misaligned");
            see_all(s, block - off, "misaligned");
        }
    }
}

static void misuse_far_away(scene *s) {
    _Alignas(16) unsigned char foreign[64] = {0};
    unsigned char *base = lm_memory_base(&s->memory), *block = s->blocks[0];
    uintptr_t beyond = (uintptr_t)1 << 32;
    see_all(s, foreign + 16, "the stack");
    see_all(s, base - 16, "before the memory");
    see_all(s, base + s->memory.pages_max * (uint64_t)LM_PAGE_BYTES, "behind the memory");
    for (int i = -2; i <= 2; i++)
        if (i) see_all(s, (void *)((uintptr_t)block + (uintptr_t)i * beyond), "2^32 further");
    see_all(s, (void *)16, "address 16");
    see_all(s, (void *)(uintptr_t)-16, "the last address");
    see(s, USABLE_SIZE, NULL, 0, "NULL");
    see(s, RESIZE, NULL, 100, "NULL");
}

static void misuse_sizes(scene *s) {
    for (uint32_t i = 0; i < s->count; i++) {
        size_t usable = tested->usable_size(s->blocks[i], &s->memory);
        const size_t wrong[] = {usable + 1, usable + 16, 2 * usable + 4096, (size_t)1 << 32,
                                SIZE_MAX};
        for (int j = 0; j < 5; j++)
            see(s, FREE, s->blocks[i], wrong[j], "a size too large");
        tested->free(s->blocks[i], usable, &s->memory);
    }
}

// ---- Blocks that were freed ---------------------------------------------------------------------

static void free_and_see(scene *s, uint32_t i) {
    tested->free(s->blocks[i], i % 2 ? s->sizes[i] : 0, &s->memory);
    s->freed[i] = true;
    for (uint32_t j = 0; j < s->count; j++)
        if (s->freed[j] && !is_block(s, s->blocks[j])) see_all(s, s->blocks[j], "a freed block");
}

static void misuse_freed_first_to_last(scene *s) {
    for (uint32_t i = 0; i < s->count; i++)
        free_and_see(s, i);
}
static void misuse_freed_last_to_first(scene *s) {
    for (uint32_t i = s->count; i-- > 0;)
        free_and_see(s, i);
}
static void misuse_freed_at_random(scene *s) {
    uint64_t random = 9;
    for (uint32_t turns = 0; turns < 8 * s->count; turns++) {
        uint32_t i = random_below(&random, s->count);
        if (!s->freed[i]) free_and_see(s, i);
    }
}
static void misuse_moved(scene *s) {
    for (uint32_t i = s->count; i-- > 0;) { // the last one first, which the arenas lay again
        if (i % 3 == 0) lm_memory_grow_foreign(&s->memory, 1);
        unsigned char *block = s->blocks[i];
        size_t size = i % 3 ? s->sizes[i] * 3 + 50 : s->sizes[i] + 2 * LM_PAGE_BYTES;
        unsigned char *moved = tested->resize(block, size, &s->memory);
        if (!moved) continue; // the memory is full, and the block is as it was
        s->blocks[i] = moved;
        if (moved != block && !is_block(s, block)) see_all(s, block, "a moved block");
    }
}
static void misuse_after_reset(scene *s) {
    tested->reset(&s->memory);
    for (uint32_t i = 0; i < s->count; i++)
        see_all(s, s->blocks[i], "a block before the reset");
}
static void misuse_scopes(scene *s) {
    scene inner = {.memory = s->memory};
    if (!tested->open_scope(&inner.memory)) abort();
    add_all(&inner);
    tested->close_scope(&inner.memory);
    for (uint32_t i = 0; i < inner.count; i++)
        see_all(&inner, inner.blocks[i], "a closed scope's block");
    s->memory = inner.memory;
    if (!sigsetjmp(trap, 0)) {
        tested->close_scope(&s->memory);
        unseen++;
        law_print(LAW_traps, "no scope is open: returned, expected a trap");
    }
}

// A test: in the scene, every call of the misuse must trap.
typedef struct trap_test {
    scene (*make)(void);
    void (*misuse)(scene *);
} trap_test;

static void traps(void **state) {
    const trap_test *test = *state;
    scene s = test->make();
    expect_traps(&s, test->misuse);
}
#define TRAPS(make, misuse)                                                                        \
    traps, &(trap_test) {                                                                          \
        make, misuse                                                                               \
    }

static void scopes_that_were_closed(void **state) {
    if (!can(LM_NESTS_SCOPES)) skip();
    scene s = fresh();
    expect_traps(&s, misuse_scopes);
}

int run_misuse(void) {
    const law_test tests[] = {
        {"everywhere_in_a_fresh_heap", TRAPS(fresh, misuse_everywhere)},
        {"everywhere_in_a_used_heap", TRAPS(used, misuse_everywhere)},
        {"everywhere_after_a_reset", TRAPS(used_after_reset, misuse_everywhere)},
        {"near_blocks", TRAPS(fresh, misuse_near_blocks)},
        {"far_away", TRAPS(fresh, misuse_far_away)},
        {"sizes_too_large", TRAPS(fresh, misuse_sizes)},
        {"freed_first_to_last", TRAPS(fresh, misuse_freed_first_to_last)},
        {"freed_last_to_first", TRAPS(fresh, misuse_freed_last_to_first)},
        {"freed_at_random", TRAPS(used, misuse_freed_at_random)},
        {"moved_by_a_resize", TRAPS(fresh, misuse_moved)},
        {"blocks_before_a_reset", TRAPS(fresh, misuse_after_reset)},
        LAW_TEST(scopes_that_were_closed),
    };
    return run_law_tests("misuse", tests, sizeof tests / sizeof *tests);
}

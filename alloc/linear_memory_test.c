// The contract of alloc/linear_memory.h: growth and its failures, faults, moves, commit policies,
// an embedder's memory, views.
#include "alloc/linear_memory.h"
#include "cli/test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static lm_memory make(uint32_t pages, uint32_t pages_max, bool moving) {
    lm_memory memory;
    assert_true(lm_memory_create(
        &memory, &(lm_memory_options){.pages = pages, .pages_max = pages_max, .moving = moving}));
    assert_int_equal(lm_memory_pages(&memory), pages);
    assert_int_equal((uintptr_t)lm_memory_base(&memory) % LM_PAGE_BYTES, 0);
    return memory;
}

TEST(grows_at_its_end) {
    lm_memory memory = make(1, 10, false);
    unsigned char *base = lm_memory_base(&memory);
    base[LM_PAGE_BYTES - 1] = 7;
    assert_false(test_readable(base + LM_PAGE_BYTES));
    assert_int_equal(lm_memory_grow(&memory, 2), 1);
    assert_int_equal(lm_memory_pages(&memory), 3);
    assert_ptr_equal(lm_memory_base(&memory), base);
    assert_int_equal(base[LM_PAGE_BYTES - 1], 7);
    for (uint32_t i = LM_PAGE_BYTES; i < 3 * LM_PAGE_BYTES; i++)
        assert_int_equal(base[i], 0);
    base[3 * LM_PAGE_BYTES - 1] = 9;
    assert_false(test_readable(base + 3 * LM_PAGE_BYTES));
    assert_int_equal(lm_memory_grow(&memory, 0), 3);
    assert_int_equal(lm_memory_grow(&memory, 8), LM_GROW_REFUSED);
    assert_int_equal(lm_memory_grow(&memory, UINT32_MAX), LM_GROW_REFUSED);
    assert_int_equal(lm_memory_pages(&memory), 3);
    assert_int_equal(lm_memory_grow(&memory, 7), 3);
    assert_int_equal(lm_memory_grow(&memory, 0), 10);
    assert_int_equal(lm_memory_grow(&memory, 1), LM_GROW_REFUSED);
    assert_false(test_readable(base + 10 * LM_PAGE_BYTES));
    lm_memory_destroy(&memory);
    assert_false(test_readable(base));
}

TEST(refuses_on_demand) {
    lm_memory memory = make(0, 100, false);
    lm_memory_refuse(&memory, 2);
    assert_int_equal(lm_memory_grow(&memory, 1), LM_GROW_REFUSED);
    assert_true(lm_memory_grow_foreign(&memory, 3));
    assert_int_equal(lm_memory_grow(&memory, 1), LM_GROW_REFUSED);
    assert_int_equal(lm_memory_grow(&memory, 1), 3);
    lm_memory_refuse(&memory, LM_REFUSE_ALL);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(lm_memory_grow(&memory, 1), LM_GROW_REFUSED);
    lm_memory_refuse(&memory, 0);
    assert_int_equal(lm_memory_grow(&memory, 1), 4);
    assert_false(lm_memory_grow_foreign(&memory, 96));
    assert_int_equal(lm_memory_pages(&memory), 5);
    lm_memory_destroy(&memory);
}

TEST(moves_with_its_content) {
    lm_memory memory = make(3, 20, false);
    unsigned char *old = lm_memory_base(&memory);
    memset(old, 0xa5, 4096);
    old[3 * LM_PAGE_BYTES - 1] = 1; // the other bytes of its page are zero
    assert_true(lm_memory_move(&memory));
    unsigned char *base = lm_memory_base(&memory);
    assert_ptr_not_equal(base, old);
    assert_int_equal((uintptr_t)base % LM_PAGE_BYTES, 0);
    assert_false(test_readable(old));
    assert_int_equal(lm_memory_pages(&memory), 3);
    for (int i = 0; i < 4096; i++)
        assert_int_equal(base[i], 0xa5);
    for (int i = 4096; i < 3 * LM_PAGE_BYTES - 1; i++)
        assert_int_equal(base[i], 0);
    assert_int_equal(base[3 * LM_PAGE_BYTES - 1], 1);
    assert_false(test_readable(base + 3 * LM_PAGE_BYTES));
    lm_memory_destroy(&memory);
}

// All earlier addresses of the memory fault, not only the last one.
TEST(every_growth_moves_in_the_moving_mode) {
    lm_memory memory = make(1, 40, true);
    unsigned char *had[30];
    for (int i = 0; i < 30; i++) {
        had[i] = lm_memory_base(&memory);
        had[i][i] = (unsigned char)(i + 1);
        assert_int_equal(lm_memory_grow(&memory, 0), i + 1);
        assert_ptr_equal(lm_memory_base(&memory), had[i]);
        if (i % 2)
            assert_int_equal(lm_memory_grow(&memory, 1), i + 1);
        else
            assert_true(lm_memory_grow_foreign(&memory, 1));
        for (int j = 0; j <= i; j++)
            assert_false(test_readable(had[j]));
        for (int j = 0; j <= i; j++)
            assert_int_equal(lm_memory_base(&memory)[j], j + 1);
    }
    unsigned char *base = lm_memory_base(&memory);
    assert_int_equal(lm_memory_grow(&memory, 10), LM_GROW_REFUSED);
    assert_ptr_equal(lm_memory_base(&memory), base);
    lm_memory_destroy(&memory);
}

TEST(ends_at_two_to_the_32) {
    for (int moving = 0; moving < 2; moving++) {
        lm_memory memory = make(1, LM_PAGES_MAX, moving);
        assert_int_equal(lm_memory_grow(&memory, LM_PAGES_MAX - 2), 1);
        assert_int_equal(lm_memory_grow(&memory, 2), LM_GROW_REFUSED);
        if (!moving) assert_int_equal(lm_memory_grow(&memory, 1), LM_PAGES_MAX - 1);
        uint64_t end = (uint64_t)lm_memory_pages(&memory) * LM_PAGE_BYTES;
        if (!moving) assert_true(end == (uint64_t)1 << 32);
        lm_memory_base(&memory)[end - 1] = 1;
        assert_false(test_readable(lm_memory_base(&memory) + end));
        lm_memory_destroy(&memory);
    }
}

TEST(options_that_contradict) {
    const lm_memory_options wrong[] = {
        {.pages = 0, .pages_max = 0},
        {.pages = 2, .pages_max = 1},
        {.pages = 0, .pages_max = LM_PAGES_MAX + 1},
        {.pages = 1, .pages_max = 1, .heap_start = 8},
        {.pages = 1, .pages_max = 1, .commit = LM_COMMIT_HUGE + 1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        lm_memory memory;
        errno = 0;
        assert_false(lm_memory_create(&memory, &wrong[i]));
        assert_int_equal(errno, EINVAL);
    }
    lm_memory memory;
    assert_true(lm_memory_create(&memory, &(lm_memory_options){.pages_max = 1}));
    assert_int_equal(memory.heap_start, LM_BLOCK_ALIGNMENT);
    assert_false(test_readable(lm_memory_base(&memory)));
    lm_memory_destroy(&memory);
}

// ---- Commit policies ----------------------------------------------------------------------------

enum { STEP_BYTES = LM_COMMIT_STEP_BYTES, STEP_PAGES = STEP_BYTES / LM_PAGE_BYTES };

static const lm_memory_commit commits[] = {LM_COMMIT_4K, LM_COMMIT_2M, LM_COMMIT_HUGE};
enum { COMMITS = sizeof commits / sizeof *commits };

static lm_memory make_committing(lm_memory_commit commit, uint32_t pages, uint32_t pages_max,
                                 bool moving) {
    lm_memory memory;
    assert_true(lm_memory_create(
        &memory, &(lm_memory_options){
                     .pages = pages, .pages_max = pages_max, .moving = moving, .commit = commit}));
    assert_int_equal(lm_memory_pages(&memory), pages);
    return memory;
}

static uint32_t alignment_of(lm_memory_commit commit) {
    return commit == LM_COMMIT_HUGE ? STEP_BYTES : LM_PAGE_BYTES;
}

// Sizes, failures, content and an aligned base that stays are the same with every policy.
TEST(every_commit_grows_alike) {
    for (size_t c = 0; c < COMMITS; c++)
        for (uint32_t pages_max = 1; pages_max < 3 * STEP_PAGES; pages_max += 21) {
            lm_memory memory = make_committing(commits[c], 1, pages_max, false);
            unsigned char *base = lm_memory_base(&memory);
            assert_int_equal((uintptr_t)base % alignment_of(commits[c]), 0);
            for (uint32_t size = 1; size <= pages_max; size++) {
                uint64_t end = (uint64_t)size * LM_PAGE_BYTES;
                for (uint64_t i = end - LM_PAGE_BYTES; i < end; i++)
                    if (base[i] != 0) fail_msg("commit %zu: not zero", c);
                base[end - 1] = (unsigned char)size;
                assert_int_equal(lm_memory_grow(&memory, pages_max - size + 1), LM_GROW_REFUSED);
                assert_int_equal(lm_memory_pages(&memory), size);
                assert_int_equal(lm_memory_grow(&memory, size < pages_max), size);
                assert_ptr_equal(lm_memory_base(&memory), base);
            }
            assert_int_equal(lm_memory_grow(&memory, 1), LM_GROW_REFUSED);
            for (uint32_t size = 1; size <= pages_max; size++)
                assert_int_equal(base[(uint64_t)size * LM_PAGE_BYTES - 1], size);
            assert_false(test_readable(base + (uint64_t)pages_max * LM_PAGE_BYTES));
            lm_memory_destroy(&memory);
        }
}

// Accesses fault after the last step that the size reaches into; with 4K after the size.
TEST(accesses_beyond_the_steps_fault) {
    static const uint32_t sizes[] = {0, 1, STEP_PAGES, STEP_PAGES + 1};
    for (size_t c = 0; c < COMMITS; c++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int grown = 0; grown < 2; grown++) {
                lm_memory memory =
                    make_committing(commits[c], grown ? 0 : sizes[i], 3 * STEP_PAGES, false);
                if (grown) assert_int_equal(lm_memory_grow(&memory, sizes[i]), 0);
                uint32_t steps = (sizes[i] + STEP_PAGES - 1) / STEP_PAGES;
                uint32_t end = commits[c] == LM_COMMIT_4K ? sizes[i] : steps * STEP_PAGES;
                unsigned char *beyond = lm_memory_base(&memory) + (uint64_t)end * LM_PAGE_BYTES;
                assert_false(test_readable(beyond));
                if (end) assert_true(test_readable(beyond - 1));
                lm_memory_destroy(&memory);
            }
}

TEST(every_commit_moves_with_its_content) {
    for (size_t c = 0; c < COMMITS; c++) {
        lm_memory memory = make_committing(commits[c], 1, 3 * STEP_PAGES, true);
        for (uint32_t i = 1; i < 3 * STEP_PAGES; i += 5) {
            unsigned char *old = lm_memory_base(&memory);
            old[i - 1] = (unsigned char)i;
            assert_int_equal(lm_memory_grow(&memory, 5), i);
            unsigned char *base = lm_memory_base(&memory);
            assert_ptr_not_equal(base, old);
            assert_false(test_readable(old));
            assert_int_equal((uintptr_t)base % alignment_of(commits[c]), 0);
            for (uint32_t j = 0; j < i + 4; j++)
                assert_int_equal(base[j], j % 5 == 0 ? j + 1 : 0);
            base[(uint64_t)(i + 5) * LM_PAGE_BYTES - 1] = 0; // the new pages are accessible
        }
        assert_int_equal(lm_memory_grow(&memory, 1), LM_GROW_REFUSED);
        lm_memory_destroy(&memory);
    }
}

// Returns how many of the 4 KiB pages from `address` on are present.
static size_t present(const unsigned char *address, size_t bytes) {
    unsigned char pages[3 * STEP_BYTES / 4096];
    assert_in_range(bytes / 4096, 1, sizeof pages);
    assert_int_equal(mincore((void *)(uintptr_t)address, bytes, pages), 0);
    size_t count = 0;
    for (size_t i = 0; i < bytes / 4096; i++)
        count += pages[i] & 1;
    return count;
}

// Whether, after each growth, the steps up to the size are present and no others.
static bool steps_are_present(void) {
    bool holds = true;
    lm_memory memory = make_committing(LM_COMMIT_2M, 0, 2 * STEP_PAGES + 3, false);
    const unsigned char *base = lm_memory_base(&memory);
    for (uint32_t step = 0; step < 2; step++) {
        holds &= present(base + (size_t)step * STEP_BYTES, STEP_BYTES) == 0;
        lm_memory_grow(&memory, 1);
        holds &= present(base + (size_t)step * STEP_BYTES, STEP_BYTES) == STEP_BYTES / 4096;
        lm_memory_grow(&memory, STEP_PAGES - 1);
    }
    holds &= present(base + 2 * STEP_BYTES, 3 * LM_PAGE_BYTES) == 0;
    lm_memory_grow(&memory, 1); // the last step, which the maximum cuts
    holds &= present(base + 2 * STEP_BYTES, 3 * LM_PAGE_BYTES) == 3 * LM_PAGE_BYTES / 4096;
    lm_memory_destroy(&memory);
    return holds;
}

TEST(steps_of_2m_are_present_at_once) {
    assert_true(steps_are_present());
    lm_memory memory = make_committing(LM_COMMIT_4K, 1, 10, false);
    assert_int_equal(present(lm_memory_base(&memory), LM_PAGE_BYTES), 0);
    lm_memory_base(&memory)[5000] = 1;
    assert_int_equal(present(lm_memory_base(&memory), LM_PAGE_BYTES), 1);
    lm_memory_destroy(&memory);
}

// Makes MADV_POPULATE_WRITE fail with `error` in this process, irrevocably.
static bool deny_populating(unsigned error) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_POPULATE_WRITE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

static bool a_growth_is_refused(void) {
    lm_memory memory = make_committing(LM_COMMIT_2M, 0, 100, false);
    bool holds = lm_memory_grow(&memory, 1) == LM_GROW_REFUSED && lm_memory_pages(&memory) == 0;
    lm_memory_destroy(&memory);
    return holds &&
           !lm_memory_create(
               &memory, &(lm_memory_options){.pages = 1, .pages_max = 1, .commit = LM_COMMIT_2M}) &&
           errno == ENOMEM;
}

// If the system has no call to make memory present, each page is written to; if it has no memory,
// the growth fails.
TEST(populating_may_be_denied) {
    static const struct {
        unsigned error;
        bool (*holds)(void);
    } rows[] = {{EINVAL, steps_are_present}, {ENOMEM, a_growth_is_refused}};
    for (size_t i = 0; i < 2; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(!deny_populating(rows[i].error) ? 2 : rows[i].holds() ? 0 : 1);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 2) {
            print_message("skipped: no seccomp filter can be installed\n");
            skip();
        }
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

// Returns the bytes in huge pages of the mapping that contains `address`.
static unsigned long huge_bytes(const void *address) {
    FILE *maps = fopen("/proc/self/smaps", "r");
    assert_non_null(maps);
    unsigned long from, to, kib, bytes = 0;
    char line[512];
    bool inside = false;
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = from <= (uintptr_t)address && (uintptr_t)address < to;
        else if (inside && sscanf(line, "AnonHugePages: %lu kB", &kib) == 1)
            bytes = kib * 1024;
    }
    fclose(maps);
    return bytes;
}

// The first access to a step makes all of it present, although the size reaches only one page into
// it.
TEST(growth_is_backed_by_huge_pages) {
    char enabled[64] = "[never]";
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    if (file && !fgets(enabled, sizeof enabled, file)) strcpy(enabled, "[never]");
    if (file) fclose(file);
    if (strstr(enabled, "[never]") || prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) != 0) {
        print_message("skipped: the system has no huge pages\n");
        skip();
    }
    lm_memory memory = make_committing(LM_COMMIT_HUGE, 0, 4 * STEP_PAGES, false);
    unsigned char *base = lm_memory_base(&memory);
    for (uint32_t step = 0; step < 3; step++) {
        assert_int_equal(lm_memory_grow(&memory, 1), step * STEP_PAGES);
        base[(size_t)step * STEP_BYTES] = 1;
        assert_int_equal(huge_bytes(base), (step + 1) * STEP_BYTES);
        assert_int_equal(lm_memory_grow(&memory, STEP_PAGES - 1), step * STEP_PAGES + 1);
    }
    lm_memory_destroy(&memory);
}

// ---- An embedder's memory -----------------------------------------------------------------------

// Places of 5 pages, as an engine might have them. A growth to 4 pages moves the memory anyway.
_Alignas(16) static unsigned char places[3][5 * LM_PAGE_BYTES];
static int place;

static bool provide_place(lm_memory *memory, uint32_t pages, bool moves) {
    if (pages == 5) return false;
    if (moves || pages == 4) {
        place = (place + 1) % 3;
        memset(places[place], 0, sizeof *places);
        memcpy(places[place], memory->base, (size_t)memory->pages * LM_PAGE_BYTES);
        memory->base = places[place];
    }
    return true;
}

TEST(an_embedder_provides_the_memory) {
    for (int moving = 0; moving < 2; moving++) {
        place = 0;
        memset(places, 0, sizeof places);
        lm_memory memory = {.heap_start = LM_BLOCK_ALIGNMENT,
                            .pages_max = 6,
                            .base = places[0],
                            .pages = 1,
                            .moving = moving,
                            .provide = provide_place};
        lm_memory view;
        errno = 0;
        assert_false(lm_memory_share(&memory, &view, 0));
        assert_int_equal(errno, EINVAL);
        memory.base[LM_PAGE_BYTES - 1] = 7;
        lm_memory_refuse(&memory, 1);
        assert_int_equal(lm_memory_grow(&memory, 1), LM_GROW_REFUSED);
        assert_int_equal(lm_memory_grow(&memory, 0), 1);
        assert_ptr_equal(lm_memory_base(&memory), places[0]);
        uint32_t epoch = lm_memory_epoch(&memory);
        assert_int_equal(lm_memory_grow(&memory, 2), 1);
        assert_int_equal(lm_memory_pages(&memory), 3);
        assert_ptr_equal(lm_memory_base(&memory), places[moving]);
        assert_int_equal(memory.moves, moving);
        assert_true(lm_memory_grow_foreign(&memory, 1));
        assert_ptr_equal(lm_memory_base(&memory), places[moving + 1]);
        assert_int_equal(memory.moves, moving + 1);
        assert_true(lm_memory_move(&memory));
        assert_ptr_equal(lm_memory_base(&memory), places[(moving + 2) % 3]);
        assert_int_equal(lm_memory_pages(&memory), 4);
        assert_int_not_equal(lm_memory_epoch(&memory), epoch);
        assert_int_equal(lm_memory_grow(&memory, 1), LM_GROW_REFUSED); // by the embedder
        assert_int_equal(lm_memory_grow(&memory, 3), LM_GROW_REFUSED); // by the maximum
        assert_int_equal(memory.moves, moving + 2);
        assert_int_equal(lm_memory_base(&memory)[LM_PAGE_BYTES - 1], 7);
    }
}

// ---- Views --------------------------------------------------------------------------------------

TEST(views_that_cannot_be) {
    lm_memory memory = make(1, 10, false), moving = make(1, 10, true), view;
    errno = 0;
    assert_false(lm_memory_share(&memory, &view, LM_THREADS_MAX));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_false(lm_memory_share(&moving, &view, 0));
    assert_int_equal(errno, EINVAL);
    assert_true(lm_memory_share(&memory, &view, LM_THREADS_MAX - 1));
    lm_memory_destroy(&memory);
    lm_memory_destroy(&moving);
}

TEST(views_see_one_memory) {
    lm_memory memory, first, second;
    assert_true(lm_memory_create(
        &memory, &(lm_memory_options){.pages = 1, .pages_max = 10, .heap_start = 64}));
    assert_true(lm_memory_share(&memory, &first, 3));
    assert_true(lm_memory_share(&first, &second, 4)); // a view of a view is one of the memory
    assert_int_equal(first.thread, 3);
    assert_int_equal(second.thread, 4);
    assert_int_equal(second.heap_start, 64);
    assert_int_equal(lm_memory_grow(&first, 2), 1);
    assert_true(lm_memory_grow_foreign(&second, 1));
    assert_int_equal(lm_memory_pages(&memory), 4);
    assert_int_equal(lm_memory_pages(&second), 4);
    lm_memory_refuse(&second, 1);
    assert_int_equal(lm_memory_grow(&second, 1), LM_GROW_REFUSED);
    assert_false(lm_memory_grow_foreign(&second, 7));
    assert_int_equal(lm_memory_grow(&second, 7), LM_GROW_REFUSED);
    assert_int_equal(lm_memory_grow(&second, 6), 4);
    assert_int_equal(lm_memory_grow(&first, 0), 10);
    assert_ptr_equal(lm_memory_base(&second), lm_memory_base(&memory));
    lm_memory_base(&second)[10 * LM_PAGE_BYTES - 1] = 7;
    assert_int_equal(lm_memory_base(&first)[10 * LM_PAGE_BYTES - 1], 7);
    lm_memory_destroy(&memory);
}

enum { GROWERS = 4, GROWERS_PAGES = 40 * STEP_PAGES + 5 };

typedef struct grower {
    lm_memory view;
    pthread_barrier_t *start;
    unsigned char *owner; // by page: the thread that it was given to, or 0
    uint32_t pages;
    bool wrong;
} grower;

// Grows by 3, 2 and 1 pages until that fails, and writes to each page that it is given.
static void *grow_to_the_end(void *argument) {
    grower *g = argument;
    unsigned char me = (unsigned char)(g->view.thread + 1);
    pthread_barrier_wait(g->start);
    for (uint32_t want = 3; want > 0;) {
        uint32_t at = lm_memory_grow(&g->view, want);
        if (at == LM_GROW_REFUSED) {
            want--; // there may be room for less
            continue;
        }
        g->wrong |= at + want > GROWERS_PAGES || lm_memory_pages(&g->view) < at + want;
        for (uint32_t page = at; page < at + want && !g->wrong; page++) {
            unsigned char *byte = lm_memory_base(&g->view) + (uint64_t)page * LM_PAGE_BYTES;
            g->wrong |= __atomic_exchange_n(&g->owner[page], me, __ATOMIC_RELAXED) != 0;
            g->wrong |= *byte != 0;
            *byte = me;
        }
        g->pages += want;
    }
    return NULL;
}

// Concurrent growths are given disjoint pages, which are zero, and all pages together.
TEST(concurrent_growths_lose_nothing) {
    for (size_t round = 0; round < 30; round++) {
        lm_memory_commit commit = commits[round % COMMITS];
        lm_memory memory = make_committing(commit, 5, GROWERS_PAGES, false);
        unsigned char owner[GROWERS_PAGES] = {0};
        grower growers[GROWERS];
        pthread_t threads[GROWERS];
        pthread_barrier_t start;
        assert_int_equal(pthread_barrier_init(&start, NULL, GROWERS), 0);
        for (uint32_t i = 0; i < GROWERS; i++) {
            growers[i] = (grower){.start = &start, .owner = owner};
            assert_true(lm_memory_share(&memory, &growers[i].view, i));
            assert_int_equal(pthread_create(&threads[i], NULL, grow_to_the_end, &growers[i]), 0);
        }
        uint32_t sum = 5;
        for (uint32_t i = 0; i < GROWERS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_false(growers[i].wrong);
            sum += growers[i].pages;
        }
        assert_int_equal(sum, GROWERS_PAGES);
        assert_int_equal(lm_memory_pages(&memory), GROWERS_PAGES);
        assert_int_equal(memory.pages_committed, commit == LM_COMMIT_4K ? 0 : GROWERS_PAGES);
        for (uint32_t page = 5; page < GROWERS_PAGES; page++)
            assert_int_equal(lm_memory_base(&memory)[(uint64_t)page * LM_PAGE_BYTES], owner[page]);
        pthread_barrier_destroy(&start);
        lm_memory_destroy(&memory);
    }
}

TEST_MAIN(NULL, NULL)

// Corruption: whatever a word of the heap has been overwritten with, the walk returns, with the
// name of a law or NULL (the word may have been a block's content), and touches nothing. That makes
// it a witness that can be asked when all else is in doubt.
#include "alloc/conformance/tested.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCKS = 300, PAGES = 8, SECONDS_MAX = 20, STATE_WORDS = 1024 };

static sigjmp_buf crash;

static void crashed(int number) {
    siglongjmp(crash, number);
}

// A heap with live and free blocks, large and small, that somebody else's pages cut in two.
static void populate(lm_memory *memory, uint64_t *random) {
    void *blocks[BLOCKS] = {0};
    for (uint32_t i = 0; i < 4 * BLOCKS; i++) {
        uint32_t at = random_below(random, BLOCKS);
        if (i == BLOCKS) lm_memory_grow_foreign(memory, 1);
        if (blocks[at] && can(LM_FREES_BLOCKS)) {
            tested->free(blocks[at], 0, memory);
            blocks[at] = NULL;
        } else {
            uint32_t size = random_below(random, i % 16 ? 200 : 3000);
            if (can(LM_NESTS_SCOPES) && i % 32 == 0) tested->open_scope(memory);
            blocks[at] = i % 8 ? tested->allocate(size, memory)
                               : tested->allocate_aligned(256, size, memory);
        }
    }
}

// Walks with a word overwritten. Returns whether a law was found broken.
static bool walk_over(lm_memory *memory, uint32_t *word, uint32_t value) {
    uint32_t before = *word;
    int number = sigsetjmp(crash, 1);
    *word = value;
    const char *broken = number ? NULL : tested->validate(memory, NULL);
    if (number || *word != value)
        law_fail(LAW_survives, __FILE__, __LINE__,
                 "the word at offset %lld was overwritten with %#x (it was %#x): validate %s %s",
                 (long long)((uintptr_t)word - (uintptr_t)lm_memory_base(memory)), value, before,
                 number ? "ended with" : "wrote to it", number ? strsignal(number) : "");
    *word = before;
    return broken != NULL;
}

static void each_word_may_be_broken(void **state) {
    uint64_t random = 5, seen = 0;
    lm_memory memory = started(1, PAGES);
    populate(&memory, &random);
    walk(&memory);
    uint32_t *words = (uint32_t *)(void *)lm_memory_base(&memory);
    uint32_t count = lm_memory_pages(&memory) * (LM_PAGE_BYTES / 4);
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGALRM};
    struct sigaction action = {.sa_handler = crashed}, before[6];
    for (int i = 0; i < 6; i++)
        sigaction(signals[i], &action, &before[i]);
    alarm(SECONDS_MAX);
    uint32_t first = memory.heap_start / 4;
    for (uint32_t i = first; i < count; i++) {
        // Of the many zeroes some will do, but for those of the heap's state.
        if (words[i] == 0 && i - first >= STATE_WORDS && random_below(&random, 64)) continue;
        const uint32_t values[] = {
            0,
            UINT32_MAX,
            words[i] + 1,
            words[i] + 16,
            words[i] - 16,
            words[i] ^ 2,
            words[random_below(&random, count)],
            random_below(&random, count) * 4,
            (uint32_t)random_next(&random),
        };
        for (size_t v = 0; v < sizeof values / sizeof *values; v++)
            seen += walk_over(&memory, &words[i], values[v]);
    }
    alarm(0);
    for (int i = 0; i < 6; i++)
        sigaction(signals[i], &before[i], NULL);
    require_as(survives, seen > 0, "validate returned NULL for every overwritten word");
    print_message("             %llu broken words were seen\n", (unsigned long long)seen);
    lm_memory_destroy(&memory);
}

int run_corruption(void) {
    static const law_test tests[] = {
        LAW_TEST(each_word_may_be_broken),
    };
    return run_law_tests("corruption", tests, sizeof tests / sizeof *tests);
}

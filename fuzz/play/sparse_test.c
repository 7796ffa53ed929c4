// Clears, zeroes and copies of dirty pages, compared with the C library's functions.
#include "cli/test.h"
#include "fuzz/play/dirty.h"
#include "fuzz/play/fuzz_memory.h"
#include "fuzz/play/record_mutator.h"
#include "fuzz/play/sparse.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 8 << 20, ROUNDS = 60 };

static lm_memory make(void) {
    lm_memory memory;
    assert_true(fuzz_memory_create(
        &memory, &(lm_memory_options){.pages = BYTES / LM_PAGE_BYTES, .pages_max = LM_PAGES_MAX}));
    return memory;
}

// Writes to the same places of the memory and the model.
static void scribble(unsigned char *bytes, unsigned char *model, uint64_t *random) {
    for (uint32_t i = random_below(random, 40); i > 0; i--) {
        uint32_t at = random_below(random, BYTES - 9000);
        uint32_t count = random_below(random, random_below(random, 4) ? 20 : 9000);
        dirty_mark(bytes + at, count);
        memset(bytes + at, (int)(i + 1), count);
        memset(model + at, (int)(i + 1), count);
    }
}

// Makes the same calls on a memory and on its model.
static void play(unsigned char *bytes, unsigned char *model, uint64_t *random) {
    uint32_t count = random_below(random, BYTES / 2 + 1), to = random_below(random, BYTES / 2);
    switch (random_below(random, 3)) {
    case 0:
        assert_ptr_equal(sparse_memset(bytes + to, 0, count), bytes + to);
        memset(model + to, 0, count);
        break;
    case 1:
        assert_ptr_equal(sparse_memset(bytes + to, 0x5a, count), bytes + to);
        memset(model + to, 0x5a, count);
        break;
    default:
        if (to < count) to = count;
        assert_ptr_equal(sparse_memcpy(bytes + to, bytes, count), bytes + to);
        memcpy(model + to, model, count);
        break;
    }
}

TEST(does_what_the_library_does) {
    for (int is_watched = 0; is_watched < 2; is_watched++) {
        uint64_t random = 5;
        lm_memory memory = make();
        if (is_watched) dirty_watch(&memory);
        unsigned char *model = calloc(BYTES, 1);
        for (int round = 0; round < ROUNDS; round++) {
            unsigned char *bytes = lm_memory_base(&memory);
            scribble(bytes, model, &random);
            play(bytes, model, &random);
            assert_memory_equal(bytes, model, BYTES);
            if (round % 7 == 0) lm_memory_move(&memory);
        }
        free(model);
        dirty_watch_none();
        fuzz_memory_destroy(&memory);
    }
}

static bool is_zero(const unsigned char *bytes, size_t count) {
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

// With few and with more dirty pages than are listed.
TEST(clears_all_that_was_written) {
    lm_memory memory = make(), other = make();
    dirty_watch(&memory);
    assert_false(dirty_clear(&other));
    unsigned char *bytes = lm_memory_base(&memory);
    uint64_t random = 3;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 50; i++) {
            uint32_t at = random_below(&random, BYTES - 1);
            dirty_mark(bytes + at, 1);
            bytes[at] = 1;
        }
        assert_true(dirty_clear(&memory));
        assert_true(is_zero(bytes, BYTES));
    }
    uint64_t many = UINT64_C(40) << 20;
    assert_int_not_equal(lm_memory_grow(&memory, (uint32_t)(many / LM_PAGE_BYTES)),
                         LM_GROW_REFUSED);
    for (int round = 0; round < 3; round++) {
        dirty_mark(bytes, many);
        memset(bytes, 7, many);
        assert_true(dirty_clear(&memory));
        assert_true(is_zero(bytes, many));
    }
    dirty_watch_none();
    fuzz_memory_destroy(&memory);
    fuzz_memory_destroy(&other);
}

// A move takes the content along and leaves zeroes: with few dirty pages and with so many that the
// memory is remapped, when it moves back, and when it is reset.
TEST(moves_what_was_written) {
    lm_memory memory = make();
    lm_memory_options again = {.pages = memory.pages, .pages_max = memory.pages_max};
    unsigned char *first = lm_memory_base(&memory);
    dirty_watch(&memory);
    uint64_t random = 8;
    for (int round = 0; round < 40; round++) {
        unsigned char *model = calloc(BYTES, 1);
        for (int move = 0; move < 1 + round % 9; move++) {
            unsigned char *left = lm_memory_base(&memory);
            scribble(left, model, &random);
            assert_true(lm_memory_move(&memory));
            unsigned char *base = lm_memory_base(&memory);
            assert_ptr_not_equal(left, base);
            assert_memory_equal(base, model, BYTES);
        }
        free(model);
        assert_true(fuzz_memory_reset(&memory, &again));
        assert_ptr_equal(lm_memory_base(&memory), first);
        assert_true(is_zero(lm_memory_base(&memory), BYTES));
    }
    dirty_watch_none();
    fuzz_memory_destroy(&memory);
}

// A store through a pointer kept across a move traps.
TEST(traps_where_the_memory_was) {
    lm_memory memory = make();
    dirty_watch(&memory);
    unsigned char *left = lm_memory_base(&memory);
    for (int move = 0; move < 3; move++) {
        assert_true(lm_memory_move(&memory));
        pid_t child = fork();
        if (child == 0) {
            signal(SIGILL, SIG_DFL);
            signal(SIGTRAP, SIG_DFL);
            dirty_mark(left + 5000 * move, 8);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        // After three moves the memory is back at this place.
        assert_true(move < 2 ? WIFSIGNALED(status) : WIFEXITED(status));
    }
    dirty_watch_none();
    fuzz_memory_destroy(&memory);
}

TEST_MAIN(NULL, NULL)

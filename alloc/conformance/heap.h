// Helpers for tests of strategies: start a heap, walk it, and check that misuse traps. A broken law
// fails the test.
#pragma once

#include "alloc/allocator.h"
#include "cli/test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

// Returns a memory in which the allocator has started. The caller destroys it.
static inline lm_memory heap_started(const lm_allocator *allocator, uint32_t pages,
                                     uint32_t pages_max) {
    lm_memory memory;
    assert_true(
        lm_memory_create(&memory, &(lm_memory_options){.pages = pages, .pages_max = pages_max}));
    assert_true(allocator->start(&memory));
    return memory;
}

static inline lm_census heap_walk(const lm_allocator *allocator, lm_memory *memory) {
    lm_census census;
    const char *broken = allocator->validate(memory, &census);
    if (broken) fail_msg("law broken: %s", broken);
    return census;
}

// The statement, made in a child process, must trap.
#define HEAP_TRAPS(statement)                                                                      \
    do {                                                                                           \
        pid_t child_ = fork();                                                                     \
        assert_true(child_ >= 0);                                                                  \
        if (child_ == 0) {                                                                         \
            signal(SIGILL, SIG_DFL);                                                               \
            signal(SIGTRAP, SIG_DFL);                                                              \
            statement;                                                                             \
            _exit(0);                                                                              \
        }                                                                                          \
        int status_ = 0;                                                                           \
        assert_int_equal(waitpid(child_, &status_, 0), child_);                                    \
        assert_true(WIFSIGNALED(status_));                                                         \
        assert_true(WTERMSIG(status_) == SIGILL || WTERMSIG(status_) == SIGTRAP);                  \
    } while (0)

// An invalid free must trap.
static inline void heap_traps(const lm_allocator *allocator, lm_memory *memory, void *pointer,
                              size_t size) {
    HEAP_TRAPS(allocator->free(pointer, size, memory));
}

// In a function that breaks the law of each `number` and returns its name: breaks it.
#define HEAP_BREAK(law, statement)                                                                 \
    do {                                                                                           \
        if (number-- == 0) {                                                                       \
            statement;                                                                             \
            return law;                                                                            \
        }                                                                                          \
    } while (0)

// The walk must find the law broken. Destroys the memory.
static inline void heap_broken(const lm_allocator *allocator, lm_memory *memory, const char *law) {
    const char *seen = allocator->validate(memory, NULL);
    if (!seen) fail_msg("%s does not see that \"%s\" is broken", allocator->name, law);
    assert_string_equal(seen, law);
    lm_memory_destroy(memory);
}

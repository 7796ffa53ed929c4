// Helpers for tests of strategies: start a heap, walk it, and check that misuse traps. A broken law
// fails the test.
#pragma once

#include "alloc/allocator.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

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

// Makes an invalid free in a child process, which must trap.
static inline void heap_traps(const lm_allocator *allocator, lm_memory *memory, void *pointer,
                              size_t size) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGILL, SIG_DFL);
        signal(SIGTRAP, SIG_DFL);
        allocator->free(pointer, size, memory);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP);
}

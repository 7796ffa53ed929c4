// Misuse, each in a process of its own, which must die of the trap.
#include "alloc/conformance/subject.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct victim {
    unsigned char *block, *next;
    lm_memory *memory;
} victim;

static void expect_trap(void (*misuse)(victim *)) {
    if (subject->check_level == 0) skip();
    lm_memory memory = started(1, 10);
    victim v = {.memory = &memory};
    subject->allocate(40, &memory);
    v.block = subject->allocate_zeroed(200, &memory);
    v.next = subject->allocate(200, &memory);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGILL, SIG_DFL); // cmocka's handlers would make a failure of it
        signal(SIGTRAP, SIG_DFL);
        misuse(&v);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGTRAP);
    lm_memory_destroy(&memory);
}

static void free_twice(victim *v) {
    subject->free(v->block, 0, v->memory);
    subject->free(v->block, 0, v->memory);
}
static void free_twice_merged(victim *v) {
    subject->free(v->block, 0, v->memory);
    subject->free(v->next, 0, v->memory);
    subject->free(v->next, 0, v->memory);
}
static void free_foreign(victim *v) {
    _Alignas(16) unsigned char foreign[64] = {0};
    subject->free(foreign + 16, 0, v->memory);
}
static void free_beyond_32_bits(victim *v) {
    subject->free((void *)((uintptr_t)v->block + ((uintptr_t)1 << 32)), 0, v->memory);
}
static void free_before_the_heap(victim *v) {
    subject->free(lm_memory_base(v->memory), 0, v->memory);
}
static void free_misaligned(victim *v) {
    subject->free(v->block + 8, 0, v->memory);
}
static void free_with_too_large_a_size(victim *v) {
    size_t usable = subject->usable_size(v->block, v->memory);
    subject->free(v->block, usable + 1, v->memory);
}
static void resize_after_free(victim *v) {
    subject->free(v->block, 0, v->memory);
    subject->resize(v->block, 300, v->memory);
}
static void usable_size_after_free(victim *v) {
    subject->free(v->block, 0, v->memory);
    subject->usable_size(v->block, v->memory);
}

#define TRAP_TEST(misuse)                                                                          \
    static void traps_##misuse(void **state) {                                                     \
        (void)state;                                                                               \
        expect_trap(misuse);                                                                       \
    }
TRAP_TEST(free_twice)
TRAP_TEST(free_twice_merged)
TRAP_TEST(free_foreign)
TRAP_TEST(free_beyond_32_bits)
TRAP_TEST(free_before_the_heap)
TRAP_TEST(free_misaligned)
TRAP_TEST(free_with_too_large_a_size)
TRAP_TEST(resize_after_free)
TRAP_TEST(usable_size_after_free)


int run_misuse(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traps_free_twice),
        cmocka_unit_test(traps_free_twice_merged),
        cmocka_unit_test(traps_free_foreign),
        cmocka_unit_test(traps_free_beyond_32_bits),
        cmocka_unit_test(traps_free_before_the_heap),
        cmocka_unit_test(traps_free_misaligned),
        cmocka_unit_test(traps_free_with_too_large_a_size),
        cmocka_unit_test(traps_resize_after_free),
        cmocka_unit_test(traps_usable_size_after_free),
    };
    return cmocka_run_group_tests_name("misuse", tests, NULL, NULL);
}

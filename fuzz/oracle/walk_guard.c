#include "fuzz/oracle/walk_guard.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { HOW_BYTES = 160, STACK_BYTES = 1 << 16 };

static const int signals[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGVTALRM};
enum { SIGNALS = sizeof signals / sizeof *signals };

static struct guard {
    struct sigaction before[SIGNALS];
    struct itimerval timer_before;
    pthread_t walker;
    sigjmp_buf ended;
    volatile sig_atomic_t ticks, walks;
} guard;

void walk_guard_use_stack(void) {
    static unsigned char stack[STACK_BYTES];
    stack_t there;
    bool has_one = sigaltstack(NULL, &there) == 0 && !(there.ss_flags & SS_DISABLE);
    if (!has_one) sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
}

static void on_signal(int number) {
    if (!pthread_equal(pthread_self(), guard.walker)) { // the timer may interrupt any thread
        pthread_kill(guard.walker, number);
        return;
    }
    if (number == SIGVTALRM && (!guard.walks || ++guard.ticks < 2)) return;
    if (guard.walks) siglongjmp(guard.ended, number);
    signal(number, SIG_DFL); // not caused by a walk
}

void walk_guard_begin(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_NODEFER | SA_ONSTACK};
    guard.walker = pthread_self();
    walk_guard_use_stack();
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &guard.before[i]);
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){{1, 0}, {1, 0}}, &guard.timer_before);
}

void walk_guard_end(void) {
    setitimer(ITIMER_VIRTUAL, &guard.timer_before, NULL);
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &guard.before[i], NULL);
}

void walk_guard_print(const lm_memory *memory, walk_damage damage, const char *what, char *how) {
    uint32_t was;
    memcpy(&was, lm_memory_base(memory) + damage.offset, sizeof was);
    snprintf(how, HOW_BYTES, "validate %s, over a heap whose word at %u is %#x instead of %#x",
             what, damage.offset, damage.value, was);
}

// Walks. Returns the signal that ended the walk, or 0.
static int walk(const lm_allocator *allocator, lm_memory *memory) {
    int number = sigsetjmp(guard.ended, 0);
    if (number == 0) {
        guard.ticks = 0;
        guard.walks = 1;
        allocator->validate(memory, NULL);
    }
    guard.walks = 0;
    return number;
}

bool walk_guarded(const lm_allocator *allocator, lm_memory *memory, walk_damage damage, char *how) {
    volatile uint32_t *word = (uint32_t *)(void *)(lm_memory_base(memory) + damage.offset);
    const uint32_t was = *word;
    *word = damage.value;
    int number = walk(allocator, memory);
    bool written = *word != damage.value;
    *word = was;
    if (number == 0 && !written) return true;
    char what[80];
    bool traps = number == SIGILL || number == SIGTRAP;
    snprintf(what, sizeof what, "%s",
             number == SIGVTALRM ? "does not return"
             : traps             ? "traps"
             : number            ? "crashes"
                                 : "writes to the heap");
    if (number && !traps && number != SIGVTALRM)
        snprintf(what, sizeof what, "crashes (%s)", strsignal(number));
    walk_guard_print(memory, damage, what, how);
    return false;
}

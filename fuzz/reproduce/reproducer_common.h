// This part is the same in every reproducer: how it reports what is broken.
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wunused-function" // few reproducers need all

typedef unsigned long long ull;
enum { SECONDS_MAX = 10 };
static uint32_t call;             // the number of calls made
static const char *unit = "call"; // what is counted
static bool damaged;              // a damaged heap is being walked

_Noreturn static void broken(const char *law, const char *how, ...) {
    va_list arguments;
    va_start(arguments, how);
    printf("%s %u: broken %s: ", unit, call, law);
    vprintf(how, arguments);
    putchar('\n');
    fflush(stdout);
    va_end(arguments);
    _Exit(1);
}

static void died_by(int number) {
    if (damaged) broken("survives", "validate over a damaged heap: signal %d", number);
    if (number == SIGILL || number == SIGTRAP) broken("returns", "a right call trapped");
    if (number == SIGPROF) broken("hang", "a call takes more than %d s", SECONDS_MAX);
    broken("crash", "signal %d", number);
}

// On a stack of their own, because a call may have overflowed the other.
static void catch_signals(void) {
    static const int signals[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGPROF};
    static unsigned char stack[1 << 16];
    struct sigaction action = {.sa_handler = died_by, .sa_flags = SA_ONSTACK};
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {SECONDS_MAX, 0}}, NULL);
}

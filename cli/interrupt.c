#include "cli/interrupt.h"

#include "cli/file.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t interrupt_caught;

static void interrupt_on_signal(int signal_number) {
    int saved_errno = errno;
    if (interrupt_caught) {
        // A second signal ends the process, so half-written files are removed here.
        whole_file_abandon_all();
        signal(signal_number, SIG_DFL);
        raise(signal_number); // delivered when this handler returns
    }
    interrupt_caught = 1;
    errno = saved_errno;
}

void interrupt_catch(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    // No SA_RESTART, so that system calls return. Each signal is blocked while another is handled.
    struct sigaction action = {.sa_handler = interrupt_on_signal}, before;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&action.sa_mask, signals[i]);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], NULL, &before);
        bool by_nohup = signals[i] == SIGHUP && before.sa_handler == SIG_IGN;
        if (!by_nohup) sigaction(signals[i], &action, NULL);
    }
}

bool interrupted(void) {
    return interrupt_caught;
}

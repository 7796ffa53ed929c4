#include "cli/interrupt.h"

#include "cli/file.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t caught;

static void on_signal(int signal_number) {
    int saved_errno = errno;
    if (caught) {
        // The first was not heeded. Nobody cleans up after us, so what is half-written goes here.
        whole_file_abandon_all();
        signal(signal_number, SIG_DFL);
        raise(signal_number); // delivered when this handler returns
    }
    caught = 1;
    errno = saved_errno;
}

void interrupt_catch(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    // No SA_RESTART: what waits is to be woken. Each signal waits while another is handled.
    struct sigaction action = {.sa_handler = on_signal}, before;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&action.sa_mask, signals[i]);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], NULL, &before);
        bool by_nohup = signals[i] == SIGHUP && before.sa_handler == SIG_IGN;
        if (!by_nohup) sigaction(signals[i], &action, NULL);
    }
}

bool interrupted(void) {
    return caught;
}

#include "cli/interrupt.h"

#include "cli/file.h"

#include <errno.h>
#include <signal.h>

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
    // No SA_RESTART: what waits is to be woken. Each signal waits while the other is handled.
    struct sigaction action = {.sa_handler = on_signal};
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool interrupted(void) {
    return caught;
}

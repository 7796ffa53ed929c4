#include "cli/streams.h"

#include "cli/file.h"
#include "cli/verb.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t streams_reader_gone;

static void streams_die(int number) {
    whole_file_abandon_all();
    signal(number, SIG_DFL);
    raise(number); // delivered when this handler returns
}

static void streams_ignore(int number) {
    if (number == SIGPIPE) streams_reader_gone = 1;
}

// Sets a handler, not SIG_IGN, so that child processes start with the default.
static void streams_on(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, before;
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

static void streams_close_output(void) {
    bool failed = ferror(stdout);
    errno = 0;
    failed |= fclose(stdout) != 0;
    if (!failed) return;
    if (streams_reader_gone) streams_die(SIGPIPE);
    const char *why = errno ? strerror(errno) : "a write failed";
    fprintf(stderr, "linmem: standard output: %s\n", why);
    _exit(EXIT_USAGE);
}

void streams_guard(void) {
    for (int number = 0; number <= STDERR_FILENO; number++) {
        if (fcntl(number, F_GETFD) >= 0 || errno != EBADF) continue;
        // open returns the lowest free descriptor, which is this one.
        open("/dev/null", (number == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
    }
    atexit(streams_close_output);
    static const int deadly[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        streams_on(deadly[i], streams_die);
    streams_on(SIGXFSZ, streams_ignore);
}

void streams_outlive_reader(void) {
    streams_on(SIGPIPE, streams_ignore);
}

#include "cli/child.h"

#include "cli/clock.h"
#include "cli/interrupt.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_DESCRIPTOR = 3 };

// Returns this process's environment with `set` added or replaced, as an array to be freed of
// strings that are not; NULL if out of memory.
static char **child_merge_environment(const char *const *set) {
    size_t inherited = 0, added = 0, count = 0;
    while (environ && environ[inherited])
        inherited++;
    while (set && set[added])
        added++;
    char **merged = calloc(inherited + added + 1, sizeof *merged);
    for (size_t i = 0; merged && i < inherited; i++) {
        bool replaced = false;
        for (size_t j = 0; j < added && !replaced; j++) {
            size_t name = strcspn(set[j], "=");
            replaced = strncmp(environ[i], set[j], name) == 0 && environ[i][name] == '=';
        }
        if (!replaced) merged[count++] = environ[i];
    }
    for (size_t i = 0; merged && i < added; i++)
        merged[count++] = (char *)set[i];
    return merged;
}

char *child_beside(const char *name) {
    char path[PATH_MAX] = "";
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    const char *started = (const char *)getauxval(AT_EXECFN); // if there is no /proc
    if (length > 0)
        path[length] = '\0';
    else if (started)
        snprintf(path, sizeof path, "%s", started);
    char *slash = strrchr(path, '/');
    return text_format("%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, name);
}

// The functions from here to child_start run in the child between fork and exec and are
// async-signal-safe. They return false with errno set on failure.

static bool child_move_descriptors(const child_options *options) {
    // First above all targets, then into place: dup2 also clears close-on-exec.
    int count = options->descriptor_count, end = FIRST_DESCRIPTOR + count;
    int moved[count + 1];
    for (int i = 0; i < count; i++)
        if ((moved[i] = fcntl(options->descriptors[i], F_DUPFD_CLOEXEC, end)) < 0) return false;
    for (int i = 0; i < count; i++)
        if (dup2(moved[i], FIRST_DESCRIPTOR + i) < 0) return false;
    return close_range((unsigned)end, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
}

// Replaces standard output by `output`. Replaces it or standard error by /dev/null if it is to be
// discarded, or closed (or replaced by streams_guard), so that no file that the child opens takes
// its number.
static bool child_set_output(const child_options *options, int stream, int null) {
    if (stream == STDOUT_FILENO && options->output) return dup2(options->output, stream) >= 0;
    int flags = fcntl(stream, F_GETFD);
    bool closed = !options->foreground && (flags < 0 || flags & FD_CLOEXEC);
    return !(options->quiet || closed) || dup2(null, stream) >= 0;
}

static bool child_set_standard_streams(const child_options *options) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    return null >= 0 && (options->foreground || dup2(null, STDIN_FILENO) >= 0) &&
           child_set_output(options, STDOUT_FILENO, null) &&
           child_set_output(options, STDERR_FILENO, null);
}

static bool child_set_limits(const child_options *options) {
    struct rlimit no_core = {0, 0};
    if (!options->foreground && setrlimit(RLIMIT_CORE, &no_core) != 0) return false;
    struct rlimit space = {options->address_space_bytes, options->address_space_bytes};
    if (options->address_space_bytes && setrlimit(RLIMIT_AS, &space) != 0) return false;
    if (options->no_huge_pages && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0) return false;
    if (options->cpu < 0) return true;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((unsigned)options->cpu, &cpus);
    return sched_setaffinity(0, sizeof cpus, &cpus) == 0;
}

_Noreturn static void child_become(const child_options *options, char **environment, pid_t parent,
                                   int failure) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127); // the parent ended before prctl
    if (!options->foreground) setpgid(0, 0);
    // The pipe's number must be above the targets of move_descriptors.
    int high = fcntl(failure, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR + options->descriptor_count);
    if (high >= 0 && child_set_standard_streams(options) && child_move_descriptors(options) &&
        child_set_limits(options))
        execvpe(options->argv[0], (char **)options->argv, environment);
    int error = errno;
    if (write(high >= 0 ? high : failure, &error, sizeof error) < 0) _exit(126);
    _exit(127);
}

// Returns the errno that the child wrote, or 0 if exec closed the pipe.
static int child_read_failure(int descriptor) {
    int error = 0;
    ssize_t count;
    do
        count = read(descriptor, &error, sizeof error);
    while (count < 0 && errno == EINTR);
    return count == sizeof error ? error : 0;
}

pid_t child_start(const child_options *options) {
    char **environment = child_merge_environment(options->environment);
    int failure[2];
    if (!environment || pipe2(failure, O_CLOEXEC) != 0) {
        free(environment);
        return -1;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) child_become(options, environment, parent, failure[1]);
    int error = pid < 0 ? errno : 0;
    free(environment);
    close(failure[1]);
    if (pid > 0) error = child_read_failure(failure[0]);
    close(failure[0]);
    if (!error) return pid;
    if (pid > 0) waitpid(pid, NULL, 0);
    errno = error;
    return -1;
}

pid_t child_call(int (*run)(void *context), void *context, bool quiet) {
    child_options options = {.cpu = -1, .quiet = quiet};
    fflush(NULL); // else both processes would write the buffers
    pid_t parent = getpid(), pid = fork();
    if (pid > 0) setpgid(pid, pid); // in both processes, because either may run first
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); // as exec does with handlers
    if (getppid() != parent || !child_set_standard_streams(&options) || !child_set_limits(&options))
        _exit(127);
    int status = run(context);
    fflush(NULL);
    _exit(status);
}

// Waits until the process has ended, the time limit is reached or, if `heed` is set, the user
// interrupts; sets timed_out or interrupted in `end`.
static void child_await(int descriptor, double seconds, bool heed, child_end *end) {
    // Signals are blocked except in ppoll, so that none is missed between interrupted() and ppoll.
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    double deadline = clock_seconds() + seconds;
    for (bool ended = false; !ended && !end->timed_out && !end->interrupted;) {
        double left = seconds > 0 ? deadline - clock_seconds() : 3600;
        if (left > 1) left = 1; // another thread may have received the signal
        if (left < 0) left = 0;
        struct timespec timeout = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
        struct pollfd watched = {.fd = descriptor, .events = POLLIN};
        if (heed && interrupted()) timeout = (struct timespec){0}; // before they were blocked
        ended = ppoll(&watched, 1, &timeout, &before) == 1;
        end->interrupted = !ended && heed && interrupted();
        end->timed_out = !ended && !end->interrupted && seconds > 0 && clock_seconds() >= deadline;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void child_explain(int status, child_end *end) {
    *end = (child_end){.exit_status = -1};
    if (WIFSIGNALED(status))
        end->signal = WTERMSIG(status);
    else
        end->exit_status = WEXITSTATUS(status);
    end->ok = end->exit_status == 0;
    const char *name = sigabbrev_np(end->signal);
    if (end->signal && name)
        snprintf(end->text, sizeof end->text, "killed by SIG%s", name);
    else if (end->signal)
        snprintf(end->text, sizeof end->text, "killed by signal %d", end->signal);
    else
        snprintf(end->text, sizeof end->text, "exit status %d", end->exit_status);
}

void child_wait(pid_t pid, double seconds, child_end *end) {
    child_end broken_off = {0};
    bool own_group = getpgid(pid) == pid;
    int descriptor = pidfd_open(pid, 0);
    if (descriptor >= 0) {
        child_await(descriptor, seconds, own_group, &broken_off);
        close(descriptor);
    }
    // The pid is not reused, because the child has not been waited for.
    if (broken_off.timed_out || broken_off.interrupted) kill(pid, SIGKILL);
    if (own_group && descriptor >= 0) kill(-pid, SIGKILL);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    child_explain(status, end);
    end->timed_out = broken_off.timed_out;
    end->interrupted = broken_off.interrupted;
    end->ok &= !end->timed_out && !end->interrupted;
    if (end->timed_out) snprintf(end->text, sizeof end->text, "timed out after %g s", seconds);
    if (end->interrupted) snprintf(end->text, sizeof end->text, "interrupted");
}

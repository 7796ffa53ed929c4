#include "corpus/record/recorded_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BUSY_RECORDS = RECORDING_RECORDS / 16, // after a drain of so many, more follow soon
    NAP_LEAST_NS = 250 * 1000,
    NAP_MOST_NS = 4 * 1000 * 1000,
    NOT_FOUND = 127, // as of env, nohup and sh
    NOT_EXECUTABLE = 126,
    SIGNAL_BASE = 128,
};

// ---- State of this process, which the child restores --------------------------------------------

// Limits that the recorder itself could reach: its soft ones are raised.
static const int limit_kinds[] = {RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_NOFILE};
enum { LIMITS = sizeof limit_kinds / sizeof *limit_kinds };

static struct inherited {
    struct rlimit limits[LIMITS];
    struct sigaction actions[NSIG];
    bool changed[NSIG];
    sigset_t mask;
} inherited;

static volatile sig_atomic_t command_pid; // 0: it has ended

enum { REPEATED_SECONDS = 1 };

// Called before a signal ends this process, after the command has ended: removes its files.
static void (*abandon)(void);
static time_t passed_at[NSIG]; // when a signal was passed on last, by the monotonic clock

static void recorded_raise_limits(void) {
    for (int i = 0; i < LIMITS; i++) {
        getrlimit((__rlimit_resource_t)limit_kinds[i], &inherited.limits[i]);
        struct rlimit most = {inherited.limits[i].rlim_max, inherited.limits[i].rlim_max};
        setrlimit((__rlimit_resource_t)limit_kinds[i], &most);
    }
}

static time_t recorded_seconds_now(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

// Returns whether a signal is to be passed on. Of the kernel's signals these are those of the
// terminal, if the command left the process group, and those of timers, which a fork does not
// inherit.
static bool recorded_is_for_command(int number, const siginfo_t *info) {
    if (info->si_code != SI_KERNEL) return true;
    switch (number) {
    case SIGINT:
    case SIGQUIT:
    case SIGHUP:
    case SIGWINCH:
        return getpgid(command_pid) != getpgrp();
    default:
        return number == SIGALRM || number == SIGVTALRM || number == SIGPROF;
    }
}

// A process in the process group that blocks all signals and counts them: a signal that it received
// too was sent to the group, and so has reached the command. Without a witness all signals are
// passed on. If this process is killed before the command ends, the witness removes the ring.
static struct witness {
    _Atomic uint32_t seen[NSIG]; // shared
    _Atomic int answered;
} * witness;
static pid_t witness_pid; // 0: none
static uint32_t accounted[NSIG];

// Standard signals are delivered before SIGRTMAX, because their numbers are smaller.
_Noreturn static void recorded_be_witness(pid_t recorder, const struct recorder *shared) {
    sigset_t all;
    sigfillset(&all);
    prctl(PR_SET_PDEATHSIG, SIGRTMAX); // wakes this process
    close_range(0, ~0u, 0);
    while (getppid() == recorder) {
        siginfo_t info;
        int number = sigwaitinfo(&all, &info);
        if (number == SIGRTMAX && info.si_code == SI_QUEUE && info.si_pid == recorder)
            witness->answered = info.si_value.sival_int;
        else if (number > 0)
            witness->seen[number]++;
    }
    recorder_unlink(shared); // the recorder was killed
    _exit(0);
}

// Call with all signals blocked.
static void recorded_start_witness(const recorder *shared) {
    pid_t recorder = getpid();
    void *page =
        mmap(NULL, sizeof *witness, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return;
    witness = page;
    witness_pid = fork();
    if (witness_pid == 0) recorded_be_witness(recorder, shared);
    if (witness_pid < 0) witness_pid = 0;
}

static void recorded_end_witness(void) {
    pid_t pid = witness_pid;
    witness_pid = 0;
    if (pid == 0) return;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

// Returns whether the witness received the signal too. Waits for it briefly: it may be stopped.
static bool recorded_is_of_group(int number) {
    enum { WAITS_MAX = 100 };
    static int asked;
    struct timespec millisecond = {.tv_nsec = 1000000};
    if (witness_pid == 0) return false;
    nanosleep(&millisecond, NULL); // the kernel signals the members of a group one by one
    if (sigqueue(witness_pid, SIGRTMAX, (union sigval){.sival_int = ++asked}) != 0) return false;
    for (int waits = 0; waits < WAITS_MAX && witness->answered != asked; waits++)
        nanosleep(&millisecond, NULL);
    uint32_t seen = witness->seen[number];
    bool is = seen != accounted[number];
    accounted[number] =
        is && number >= SIGRTMIN ? accounted[number] + 1 : seen; // real-time signals queue
    return is && getpgid(command_pid) == getpgrp();
}

static void recorded_pass_on(int number, const siginfo_t *info) {
    passed_at[number] = recorded_seconds_now();
    if (info->si_code == SI_QUEUE)
        sigqueue(command_pid, number, info->si_value);
    else if (!recorded_is_of_group(number) && recorded_is_for_command(number, info))
        kill(command_pid, number);
}

// Handles a signal after the command has ended. timeout(1) sends its signal twice, to its child and
// to the process group: the second one must not end the recording.
static void recorded_die(int number) {
    if (number == SIGCONT || number == SIGWINCH || number == SIGURG) return; // ignored by default
    if (inherited.actions[number].sa_handler == SIG_IGN) return;
    if (passed_at[number] != 0 && recorded_seconds_now() - passed_at[number] <= REPEATED_SECONDS)
        return;
    abandon();
    signal(number, SIG_DFL);
    raise(number); // delivered when this handler returns
}

static void recorded_on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    int kept = errno;
    // A signal from this process itself is SIGPIPE or SIGXFSZ, whose call fails, or abort's.
    bool own = info->si_code != SI_KERNEL && info->si_pid == getpid();
    if (!own && command_pid > 0) recorded_pass_on(number, info);
    if (!own && command_pid <= 0) recorded_die(number);
    errno = kept;
}

static void recorded_change_action(int number, const struct sigaction *action) {
    inherited.changed[number] = sigaction(number, action, &inherited.actions[number]) == 0;
}

// Handles all signals except those of faults of this process. SIGCHLD gets its default action.
static void recorded_take_signals(void) {
    static const int left[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
    struct sigaction take = {.sa_sigaction = recorded_on_signal,
                             .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigfillset(&take.sa_mask);
    for (int number = 1; number <= SIGRTMAX; number++) {
        bool is_left = false;
        for (size_t i = 0; i < sizeof left / sizeof *left; i++)
            is_left = is_left || number == left[i];
        if (!is_left) recorded_change_action(number, number == SIGCHLD ? &standard : &take);
    }
}

// After the command has ended, Ctrl-Z may stop this process, but output to the terminal must not.
static void recorded_release_stops(void) {
    sigaction(SIGTSTP, &inherited.actions[SIGTSTP], NULL);
    signal(SIGTTIN, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
}

void recorded_command_prepare(void (*abandon_all)(void)) {
    abandon = abandon_all;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &inherited.mask); // until the command has started
    recorded_raise_limits();
    recorded_take_signals();
}

// If exec fails, stores errno in shared memory: a pipe would need two descriptors, of which there
// may be few.
_Noreturn static void recorded_become(char **command, int output, int *failure) {
    for (int i = 0; i < LIMITS; i++)
        setrlimit((__rlimit_resource_t)limit_kinds[i], &inherited.limits[i]);
    for (int number = 1; number < NSIG; number++)
        if (inherited.changed[number]) sigaction(number, &inherited.actions[number], NULL);
    pthread_sigmask(SIG_SETMASK, &inherited.mask, NULL);
    if (output != STDOUT_FILENO) dup2(output, STDOUT_FILENO);
    execvp(command[0], command);
    *failure = errno;
    _exit(NOT_FOUND);
}

static int *recorded_shared_failure(void) {
    void *page = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED ? page : NULL;
}

static bool recorded_start(char **command, int output, int *failure, const recorder *shared,
                           recorded_command *end) {
    if (failure == NULL) return false;
    end->pid = fork();
    if (end->pid == 0) recorded_become(command, output, failure);
    int error = errno;
    command_pid = end->pid;
    if (end->pid > 0) recorded_start_witness(shared);
    pthread_sigmask(SIG_SETMASK, &inherited.mask, NULL);
    errno = error;
    return end->pid > 0;
}

// ---- Waiting for the end ------------------------------------------------------------------------

static void recorded_read_name(recorded_command *end) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/comm", (long)end->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return;
    if (fgets(end->name, sizeof end->name, file) != NULL)
        end->name[strcspn(end->name, "\n")] = '\0';
    fclose(file);
}

// Returns a process's state as in /proc: 'T' is stopped; 0 if there is no such process.
static char recorded_state_of(pid_t pid) {
    char path[64], text[256], state = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = file >= 0 ? read(file, text, sizeof text - 1) : 0;
    if (file >= 0) close(file);
    text[count > 0 ? count : 0] = '\0';
    const char *name_end = strrchr(text, ')');
    if (name_end != NULL && name_end[1] == ' ') state = name_end[2];
    return state;
}

// Continues the stopped recorder when the command alone is continued.
_Noreturn static void recorded_watch(pid_t recorder, pid_t command) {
    struct timespec nap = {.tv_nsec = NAP_MOST_NS};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == recorder) {
        if (recorded_state_of(recorder) == 'T' && recorded_state_of(command) != 'T')
            kill(recorder, SIGCONT);
        nanosleep(&nap, NULL);
    }
    _exit(0);
}

// Stops this process if the command has stopped, as its parent expects. A SIGCONT to this process
// is passed on.
static void recorded_stop_alike(pid_t pid) {
    siginfo_t stopped = {0};
    if (waitid(P_PID, (id_t)pid, &stopped, WSTOPPED | WNOHANG) != 0 || stopped.si_pid == 0) return;
    pid_t recorder = getpid();
    sigset_t all, kept;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &kept); // in the watcher
    pid_t watcher = fork();
    if (watcher == 0) recorded_watch(recorder, pid);
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    if (watcher < 0) return;
    raise(SIGSTOP);
    kill(watcher, SIGKILL);
    waitpid(watcher, NULL, 0);
}

static bool recorded_has_ended(recorded_command *end) {
    siginfo_t ended = {0};
    if (waitid(P_PID, (id_t)end->pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        ended.si_pid == 0)
        return false;
    recorded_read_name(end); // a zombie still has one
    command_pid = 0;
    recorded_end_witness();
    recorded_release_stops();
    while (waitpid(end->pid, &end->status, 0) < 0 && errno == EINTR)
        ;
    return true;
}

bool recorded_command_run(char **command, int output, recorder *recorder, recorded_command *end) {
    *end = (recorded_command){0};
    int *failure = recorded_shared_failure();
    if (!recorded_start(command, output, failure, recorder, end)) return false;
    struct pollfd process = {.fd = pidfd_open(end->pid, 0), .events = POLLIN};
    struct timespec nap = {.tv_nsec = NAP_LEAST_NS};
    while (!recorded_has_ended(end)) {
        recorded_stop_alike(end->pid);
        uint64_t moved = recorder_drain(recorder);
        if (moved > BUSY_RECORDS) continue;
        nap.tv_nsec = moved != 0 ? NAP_LEAST_NS : 2 * nap.tv_nsec;
        if (nap.tv_nsec > NAP_MOST_NS) nap.tv_nsec = NAP_MOST_NS;
        ppoll(&process, 1, &nap, NULL); // ignores a descriptor of −1
    }
    if (process.fd >= 0) close(process.fd);
    end->exec_error = *failure;
    munmap(failure, sizeof *failure);
    return true;
}

void recorded_command_end_alike(const recorded_command *end) {
    if (end->exec_error != 0) exit(end->exec_error == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
    if (!WIFSIGNALED(end->status)) exit(WEXITSTATUS(end->status));
    fflush(NULL);
    int number = WTERMSIG(end->status);
    struct rlimit no_core = {0, 0}; // the command has dumped its own
    setrlimit(RLIMIT_CORE, &no_core);
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigaction(number, &standard, NULL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    raise(number);
    exit(SIGNAL_BASE + number);
}

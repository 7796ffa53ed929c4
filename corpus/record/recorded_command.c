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
    BUSY_RECORDS = RECORDING_RECORDS / 16, // where a drain moves so many there are more soon
    NAP_LEAST_NS = 250 * 1000,
    NAP_MOST_NS = 4 * 1000 * 1000,
    NOT_FOUND = 127, // as env, nohup and sh end
    NOT_EXECUTABLE = 126,
    SIGNAL_BASE = 128,
};

// ---- what is ours, and is put back in the child ----

// Limits that our own work, added to the command's, could meet: our soft ones are raised.
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

// What a signal that ends us does once the command has ended: removes what would be left behind.
static void (*abandon)(void);
static time_t passed_at[NSIG]; // when a signal was passed on last, by the monotonic clock

static void raise_limits(void) {
    for (int i = 0; i < LIMITS; i++) {
        getrlimit((__rlimit_resource_t)limit_kinds[i], &inherited.limits[i]);
        struct rlimit most = {inherited.limits[i].rlim_max, inherited.limits[i].rlim_max};
        setrlimit((__rlimit_resource_t)limit_kinds[i], &most);
    }
}

static time_t seconds_now(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

// What the kernel sends: the terminal's signals reach the command too unless it left our process
// group; timers are still ours after a fork; the rest is about this process.
static bool is_for_command(int number, const siginfo_t *info) {
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

// A process in our process group that blocks all signals and counts them: what it got as well was
// sent to the group, and so has reached the command. Where there is none, all is passed on. If this
// process is killed before the command has ended, the witness removes the ring.
static struct witness {
    _Atomic uint32_t seen[NSIG]; // shared
    _Atomic int answered;
} * witness;
static pid_t witness_pid; // 0: none
static uint32_t accounted[NSIG];

// Standard signals come before the question, as their numbers are smaller.
_Noreturn static void be_witness(pid_t recorder, const struct recorder *shared) {
    sigset_t all;
    sigfillset(&all);
    prctl(PR_SET_PDEATHSIG, SIGRTMAX); // wakes us
    close_range(0, ~0u, 0);
    while (getppid() == recorder) {
        siginfo_t info;
        int number = sigwaitinfo(&all, &info);
        if (number == SIGRTMAX && info.si_code == SI_QUEUE && info.si_pid == recorder)
            witness->answered = info.si_value.sival_int;
        else if (number > 0)
            witness->seen[number]++;
    }
    recorder_unlink(shared); // it was killed
    _exit(0);
}

// All signals are blocked.
static void start_witness(const recorder *shared) {
    pid_t recorder = getpid();
    void *page =
        mmap(NULL, sizeof *witness, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return;
    witness = page;
    witness_pid = fork();
    if (witness_pid == 0) be_witness(recorder, shared);
    if (witness_pid < 0) witness_pid = 0;
}

static void end_witness(void) {
    pid_t pid = witness_pid;
    witness_pid = 0;
    if (pid == 0) return;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

// Asks the witness; it may be stopped, and then it is not waited for for long.
static bool is_of_group(int number) {
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
    accounted[number] = is && number >= SIGRTMIN ? accounted[number] + 1 : seen; // those queue
    return is && getpgid(command_pid) == getpgrp();
}

static void pass_on(int number, const siginfo_t *info) {
    passed_at[number] = seconds_now();
    if (info->si_code == SI_QUEUE)
        sigqueue(command_pid, number, info->si_value);
    else if (!is_of_group(number) && is_for_command(number, info))
        kill(command_pid, number);
}

// The command has ended, and so the signal is ours. timeout sends its signal twice, to us and to
// our process group: the second one must not cost the recording.
static void die(int number) {
    if (number == SIGCONT || number == SIGWINCH || number == SIGURG) return; // they end nobody
    if (inherited.actions[number].sa_handler == SIG_IGN) return;
    if (passed_at[number] != 0 && seconds_now() - passed_at[number] <= REPEATED_SECONDS) return;
    abandon();
    signal(number, SIG_DFL);
    raise(number); // blocked until we return
}

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    int kept = errno;
    // Ours are errors that the call tells, of a closed pipe or a file too large; or abort's.
    bool own = info->si_code != SI_KERNEL && info->si_pid == getpid();
    if (!own && command_pid > 0) pass_on(number, info);
    if (!own && command_pid <= 0) die(number);
    errno = kept;
}

static void change_action(int number, const struct sigaction *action) {
    inherited.changed[number] = sigaction(number, action, &inherited.actions[number]) == 0;
}

// All but what a fault of ours raises, and SIGCHLD, which tells of our own child.
static void take_signals(void) {
    static const int left[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
    struct sigaction take = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigfillset(&take.sa_mask);
    for (int number = 1; number <= SIGRTMAX; number++) {
        bool is_left = false;
        for (size_t i = 0; i < sizeof left / sizeof *left; i++)
            is_left = is_left || number == left[i];
        if (!is_left) change_action(number, number == SIGCHLD ? &standard : &take);
    }
}

// Once the command has ended, the terminal may stop us, but not for what we write to it.
static void release_stops(void) {
    sigaction(SIGTSTP, &inherited.actions[SIGTSTP], NULL);
    signal(SIGTTIN, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
}

void recorded_command_prepare(void (*abandon_all)(void)) {
    abandon = abandon_all;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &inherited.mask); // until there is somebody to pass them to
    raise_limits();
    take_signals();
}

// Where the command cannot be run, says why in memory that both share: a pipe would take two
// descriptors of the few that there may be.
_Noreturn static void become(char **command, int output, int *failure) {
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

static int *shared_failure(void) {
    void *page = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED ? page : NULL;
}

static bool start(char **command, int output, int *failure, const recorder *shared,
                  recorded_command *end) {
    if (failure == NULL) return false;
    end->pid = fork();
    if (end->pid == 0) become(command, output, failure);
    int error = errno;
    command_pid = end->pid;
    if (end->pid > 0) start_witness(shared);
    pthread_sigmask(SIG_SETMASK, &inherited.mask, NULL);
    errno = error;
    return end->pid > 0;
}

// ---- until it ends ----

static void read_name(recorded_command *end) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/comm", (long)end->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return;
    if (fgets(end->name, sizeof end->name, file) != NULL)
        end->name[strcspn(end->name, "\n")] = '\0';
    fclose(file);
}

// A process's state, as /proc has it: 'T' is stopped; 0: there is none.
static char state_of(pid_t pid) {
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

// Continues the stopped recorder once somebody has continued the command alone.
_Noreturn static void watch(pid_t recorder, pid_t command) {
    struct timespec nap = {.tv_nsec = NAP_MOST_NS};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == recorder) {
        if (state_of(recorder) == 'T' && state_of(command) != 'T') kill(recorder, SIGCONT);
        nanosleep(&nap, NULL);
    }
    _exit(0);
}

// Stops as the command did, so that who waits for us sees it. A SIGCONT that is sent to us is
// passed on.
static void stop_alike(pid_t pid) {
    siginfo_t stopped = {0};
    if (waitid(P_PID, (id_t)pid, &stopped, WSTOPPED | WNOHANG) != 0 || stopped.si_pid == 0) return;
    pid_t recorder = getpid();
    sigset_t all, kept;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &kept); // for the watcher
    pid_t watcher = fork();
    if (watcher == 0) watch(recorder, pid);
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    if (watcher < 0) return;
    raise(SIGSTOP);
    kill(watcher, SIGKILL);
    waitpid(watcher, NULL, 0);
}

static bool has_ended(recorded_command *end) {
    siginfo_t ended = {0};
    if (waitid(P_PID, (id_t)end->pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        ended.si_pid == 0)
        return false;
    read_name(end); // a zombie still has one
    command_pid = 0;
    end_witness();
    release_stops();
    while (waitpid(end->pid, &end->status, 0) < 0 && errno == EINTR)
        ;
    return true;
}

bool recorded_command_run(char **command, int output, recorder *recorder, recorded_command *end) {
    *end = (recorded_command){0};
    int *failure = shared_failure();
    if (!start(command, output, failure, recorder, end)) return false;
    struct pollfd process = {.fd = pidfd_open(end->pid, 0), .events = POLLIN};
    struct timespec nap = {.tv_nsec = NAP_LEAST_NS};
    while (!has_ended(end)) {
        stop_alike(end->pid);
        uint64_t moved = recorder_drain(recorder);
        if (moved > BUSY_RECORDS) continue;
        nap.tv_nsec = moved != 0 ? NAP_LEAST_NS : 2 * nap.tv_nsec;
        if (nap.tv_nsec > NAP_MOST_NS) nap.tv_nsec = NAP_MOST_NS;
        ppoll(&process, 1, &nap, NULL); // a descriptor of −1 is passed over
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
    struct rlimit no_core = {0, 0}; // the command's is there already
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

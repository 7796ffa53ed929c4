#include "corpus/recorded_command.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
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

// The terminal sends its signals to the command, too.
static bool is_from_terminal(int number, const siginfo_t *info) {
    return info->si_code == SI_KERNEL &&
           (number == SIGINT || number == SIGQUIT || number == SIGHUP);
}

static time_t seconds_now(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void pass_on(int number, const siginfo_t *info) {
    passed_at[number] = seconds_now();
    if (info->si_code == SI_QUEUE)
        sigqueue(command_pid, number, info->si_value);
    else if (!is_from_terminal(number, info))
        kill(command_pid, number);
}

// The command has ended, and so the signal is ours. timeout sends its signal twice, to us and to
// our process group: the second one must not cost the recording.
static void die(int number) {
    if (inherited.actions[number].sa_handler == SIG_IGN) return;
    if (passed_at[number] != 0 && seconds_now() - passed_at[number] <= REPEATED_SECONDS) return;
    abandon();
    signal(number, SIG_DFL);
    raise(number); // blocked until we return
}

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    int kept = errno;
    if (command_pid > 0)
        pass_on(number, info);
    else
        die(number);
    errno = kept;
}

static void change_action(int number, const struct sigaction *action) {
    inherited.changed[number] = sigaction(number, action, &inherited.actions[number]) == 0;
}

static void take_signals(void) {
    static const int passed[] = {SIGHUP,  SIGINT,  SIGQUIT,   SIGTERM, SIGUSR1,
                                 SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF};
    // We stop when the command does; a full disk or a closed pipe is an error of ours to tell.
    static const int ignored[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE, SIGXFSZ};
    struct sigaction pass = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, standard = {.sa_handler = SIG_DFL};
    sigfillset(&pass.sa_mask);
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
        change_action(passed[i], &pass);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        change_action(number, &pass);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        change_action(ignored[i], &ignore);
    change_action(SIGCHLD, &standard); // else, where it was ignored, there is nobody to wait for
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

static bool start(char **command, int output, int *failure, recorded_command *end) {
    if (failure == NULL) return false;
    end->pid = fork();
    if (end->pid == 0) become(command, output, failure);
    int error = errno;
    command_pid = end->pid;
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

// Stops with the command where the terminal stopped it, so that the shell takes over.
static void stop_alike(pid_t pid) {
    siginfo_t stopped = {0};
    if (waitid(P_PID, (id_t)pid, &stopped, WSTOPPED | WNOHANG) != 0 || stopped.si_pid == 0) return;
    int by = stopped.si_status;
    if (by == SIGTSTP || by == SIGTTIN || by == SIGTTOU) raise(SIGSTOP);
}

static bool has_ended(recorded_command *end) {
    siginfo_t ended = {0};
    if (waitid(P_PID, (id_t)end->pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        ended.si_pid == 0)
        return false;
    read_name(end); // a zombie still has one
    command_pid = 0;
    while (waitpid(end->pid, &end->status, 0) < 0 && errno == EINTR)
        ;
    return true;
}

bool recorded_command_run(char **command, int output, recorder *recorder, recorded_command *end) {
    *end = (recorded_command){0};
    int *failure = shared_failure();
    if (!start(command, output, failure, end)) return false;
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

#include "corpus/record_command.h"

#include "cli/child.h"
#include "cli/options.h"
#include "corpus/recording.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIBRARY "linmem-record.so"

enum {
    REMOVE_TRIES_MAX = 1000,
    TITLE_BYTES = 4096,
    ARGUMENT_BYTES = 1000, // of the command, in the preamble
    OTHERS_MAX = 12,       // programs that are named to choose from
};

typedef struct record_options {
    const char *output, *process, *note;
    char **command;
} record_options;

// ---- options ----

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), end_length = strlen(end);
    return length > end_length && strcmp(text + length - end_length, end) == 0;
}

// A long recording is not to be lost to a file that can't be written: that is found out before.
static void check_output(const char *output) {
    if (!ends_with(output, ".lmt") && !ends_with(output, ".lmt.zst"))
        options_fail("%s: a trace ends with .lmt or .lmt.zst", output);
    const char *slash = strrchr(output, '/');
    char folder[PATH_MAX] = ".";
    if (slash != NULL) snprintf(folder, sizeof folder, "%.*s", (int)(slash - output) + 1, output);
    if (access(folder, W_OK | X_OK) != 0) options_fail("%s: %s", output, strerror(errno));
}

static error_t parse_option(int key, char *argument, struct argp_state *state) {
    record_options *options = state->input;
    switch (key) {
    case 'o':
        options->output = argument;
        return 0;
    case 'p':
        options->process = argument;
        return 0;
    case 'n':
        options->note = argument;
        return 0;
    case ARGP_KEY_ARG:
        options->command = &state->argv[state->next - 1];
        state->next = state->argc; // the rest is the command's
        return 0;
    case ARGP_KEY_END:
        if (options->command == NULL) options_fail("which command is to be recorded?");
        if (options->output == NULL) options_fail("-o FILE is missing: where does the trace go?");
        check_output(options->output);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option record_argp_options[] = {
    {"output", 'o', "FILE", 0, "Write the trace here (.lmt or .lmt.zst)", 0},
    {"process", 'p', "NAME", 0,
     "Record the program of this name that COMMAND starts (the largest where there are several)",
     0},
    {"note", 'n', "TEXT", 0, "Say this in the trace's preamble", 0},
    {0}};

static const struct argp record_argp = {
    .options = record_argp_options,
    .parser = parse_option,
    .args_doc = "-- COMMAND…",
    .doc = "Run COMMAND and keep its heap calls as a trace.",
};

// ---- once the options are understood: one line, and no file ----

_Noreturn static void stop(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void stop(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("linmem record: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_USAGE);
}

// ---- the temporary directory of streams: gone however we exit ----

static char directory[PATH_MAX - 300]; // "" where there is none; room for names behind it

// What the command left running may still open a stream while we remove them, and then the
// directory is not empty; once it is gone, nobody can.
static void remove_directory(void) {
    for (int tries = 0; directory[0] != '\0' && tries < REMOVE_TRIES_MAX; tries++) {
        DIR *entries = opendir(directory);
        if (entries != NULL) {
            for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
                unlinkat(dirfd(entries), entry->d_name, 0);
            closedir(entries);
        }
        if (rmdir(directory) == 0 || (errno != ENOTEMPTY && errno != EEXIST)) directory[0] = '\0';
    }
}

static void make_directory(void) {
    static bool registered;
    if (!registered) registered = atexit(remove_directory) == 0;
    const char *parent = getenv("TMPDIR");
    char whole[PATH_MAX];
    if (parent == NULL || parent[0] == '\0') parent = "/tmp";
    if (realpath(parent, whole) == NULL) stop("%s: %s", parent, strerror(errno));
    int length = snprintf(directory, sizeof directory, "%s/linmem-record-XXXXXX", whole);
    if (length < 0 || (size_t)length >= sizeof directory || mkdtemp(directory) == NULL) {
        directory[0] = '\0';
        stop("%s: can't make a temporary directory: %s", whole, strerror(errno));
    }
}

// ---- the command ----

static volatile sig_atomic_t command_pid; // 0: it has not started, or has ended
static volatile sig_atomic_t unsent;      // a signal that came before it started

// The terminal's signals reach the command by themselves; what somebody sent us alone is passed on.
static void pass_on(int number, siginfo_t *info, void *context) {
    (void)context;
    if (info->si_code == SI_KERNEL) return;
    int kept = errno;
    if (command_pid > 0)
        kill(command_pid, number);
    else
        unsent = number;
    errno = kept;
}

static void outlive_signals(void) {
    static const int signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}

// LD_PRELOAD with the recorder before whatever the user preloads.
static void name_library(char *variable, size_t bytes) {
    char library[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", library, sizeof library - sizeof LIBRARY);
    if (length < 0) stop("/proc/self/exe: %s", strerror(errno));
    library[length] = '\0';
    strcpy(strrchr(library, '/') + 1, LIBRARY);
    if (access(library, R_OK) != 0) stop("%s: %s", library, strerror(errno));
    if (strpbrk(library, " :") != NULL)
        stop("%s: the loader takes no path with a space or colon", library);
    const char *others = getenv("LD_PRELOAD");
    bool alone = others == NULL || others[0] == '\0';
    int written = snprintf(variable, bytes, "LD_PRELOAD=%s%s%s", library, alone ? "" : ":",
                           alone ? "" : others);
    if (written < 0 || (size_t)written >= bytes) stop("LD_PRELOAD is too long");
}

static pid_t run(char **command, child_end *end) {
    char preload[2 * PATH_MAX], where[PATH_MAX];
    name_library(preload, sizeof preload);
    snprintf(where, sizeof where, "%s=%s", RECORDING_DIRECTORY, directory);
    const char *environment[] = {preload, where, NULL};
    child_options options = {.argv = (const char *const *)command,
                             .environment = environment,
                             .cpu = -1,
                             .foreground = true};
    outlive_signals();
    pid_t pid = child_start(&options);
    if (pid < 0) stop("%s: %s", command[0], strerror(errno));
    command_pid = pid;
    if (unsent != 0) kill(pid, unsent);
    child_wait(pid, 0, end);
    command_pid = 0;
    return pid;
}

// ---- the streams ----

// The programs that were seen, with the largest stream of each.
typedef struct program_seen {
    char name[sizeof(((recording_header *)0)->program)];
    uint64_t records;
    unsigned images;
    char stream[NAME_MAX + 1];
} program_seen;

typedef struct programs_seen {
    program_seen *items;
    size_t count;
} programs_seen;

static void see(programs_seen *seen, const recording *stream, const char *file_name) {
    size_t at = 0;
    while (at < seen->count && strcmp(seen->items[at].name, stream->header->program) != 0)
        at++;
    if (at == seen->count) {
        seen->items = reallocarray(seen->items, at + 1, sizeof *seen->items);
        if (seen->items == NULL) stop("out of memory");
        seen->items[at] = (program_seen){0};
        strcpy(seen->items[at].name, stream->header->program);
        seen->count++;
    }
    program_seen *program = &seen->items[at];
    if (program->images++ != 0 && program->records >= stream->count) return;
    program->records = stream->count;
    snprintf(program->stream, sizeof program->stream, "%s", file_name);
}

static int by_records(const void *left, const void *right) {
    uint64_t a = ((const program_seen *)left)->records, b = ((const program_seen *)right)->records;
    return (a < b) - (a > b);
}

static programs_seen list_programs(void) {
    programs_seen seen = {0};
    DIR *entries = opendir(directory);
    if (entries == NULL) stop("%s: %s", directory, strerror(errno));
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char path[PATH_MAX];
        recording stream;
        trace_error error;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] == '.' || !recording_open(path, &stream, &error)) continue;
        see(&seen, &stream, entry->d_name);
        recording_close(&stream);
    }
    closedir(entries);
    if (seen.count != 0) qsort(seen.items, seen.count, sizeof *seen.items, by_records);
    return seen;
}

static void fail_unknown_process(const char *process, const programs_seen *seen) {
    const char **names = calloc(seen->count + 1, sizeof *names);
    if (names == NULL) stop("out of memory");
    for (size_t i = 0; i < seen->count; i++)
        names[i] = seen->items[i].name;
    options_unknown("process", process, names, seen->count);
}

// The stream's file name: the named process's largest, or that of the command's own first image.
static void choose_stream(const record_options *options, const programs_seen *seen, pid_t pid,
                          char *name, size_t bytes) {
    snprintf(name, bytes, "%ld.0", (long)pid);
    if (options->process == NULL) return;
    for (size_t i = 0; i < seen->count; i++) {
        if (strcmp(seen->items[i].name, options->process) != 0) continue;
        snprintf(name, bytes, "%s", seen->items[i].stream);
        return;
    }
    if (seen->count == 0) stop("no program was seen, so none named '%s'", options->process);
    fail_unknown_process(options->process, seen);
}

static void list_others(const programs_seen *seen, const char *chosen) {
    bool first = true;
    for (size_t i = 0; i < seen->count && i < OTHERS_MAX; i++) {
        const program_seen *program = &seen->items[i];
        if (program->images == 1 && strcmp(program->name, chosen) == 0) continue;
        fprintf(stderr,
                first ? "linmem record: seen as well (choose with --process NAME): " : ", ");
        fprintf(stderr, "%s %" PRIu64 " calls", program->name, program->records);
        if (program->images > 1) fprintf(stderr, " in the largest of %u", program->images);
        first = false;
    }
    if (first) return;
    if (seen->count > OTHERS_MAX) fprintf(stderr, ", and %zu more", seen->count - OTHERS_MAX);
    fputc('\n', stderr);
}

// ---- the trace ----

// The command as given, but for the folder it lies in, which is this machine's.
static void title_of(const record_options *options, const recording *stream, char *title) {
    const char *slash = strrchr(options->command[0], '/');
    FILE *text = fmemopen(title, TITLE_BYTES, "w");
    if (text == NULL) stop("out of memory");
    if (options->note != NULL) fprintf(text, "%.*s\n", ARGUMENT_BYTES, options->note);
    fprintf(text, "command: %s", slash != NULL ? slash + 1 : options->command[0]);
    long start = ftell(text);
    for (char **argument = options->command + 1; *argument != NULL; argument++) {
        if (ftell(text) - start > ARGUMENT_BYTES) {
            fputs(" …", text);
            break;
        }
        bool plain = (*argument)[0] != '\0' && strpbrk(*argument, " \t\n\"'$*;&|<>()") == NULL;
        fprintf(text, plain ? " %.*s" : " '%.*s'", ARGUMENT_BYTES, *argument);
    }
    if (options->process != NULL) fprintf(text, "\nprocess: %s", stream->header->program);
    fprintf(text, "\nrecorded by linmem record");
    fclose(text);
}

static void say_summary(const recording_summary *summary, const trace *made, const char *output) {
    struct stat status = {0};
    stat(output, &status);
    fprintf(stderr,
            "linmem record: %" PRIu64 " operations, %" PRIu64 " blocks, peak live %" PRIu64
            " bytes in %" PRIu64 " blocks, %u lane%s; %s: %jd bytes\n",
            summary->operations, summary->blocks, summary->peak_live_bytes,
            summary->peak_live_blocks, made->lanes, made->lanes == 1 ? "" : "s", output,
            (intmax_t)status.st_size);
}

static void keep(const record_options *options, const recording *stream) {
    char title[TITLE_BYTES];
    trace made;
    trace_error error;
    recording_summary summary;
    title_of(options, stream, title);
    if (stream->count == 0)
        stop("%s made no heap call that could be seen: it has a malloc of its own, or "
             "needs none",
             stream->header->program);
    if (!recording_to_trace(stream, title, &made, &summary, &error) ||
        !trace_write(&made, options->output, &error))
        stop("%s: %s", options->output, error.text);
    say_summary(&summary, &made, options->output);
    trace_free(&made);
}

static exit_status finish(const record_options *options, pid_t pid, const child_end *end) {
    char name[NAME_MAX + 1], path[PATH_MAX];
    recording stream;
    trace_error error;
    programs_seen seen = list_programs();
    choose_stream(options, &seen, pid, name, sizeof name);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (!recording_open(path, &stream, &error)) {
        list_others(&seen, "");
        if (access(path, F_OK) == 0)
            stop("%s: the recording could not begin: no room in %s?", options->command[0],
                 directory);
        stop("%s: no heap call was seen: a static or setuid program? (%s)", options->command[0],
             end->text);
    }
    keep(options, &stream);
    list_others(&seen, stream.header->program);
    free(seen.items);
    int cut_off = stream.header->cut_off;
    recording_close(&stream);
    if (cut_off != 0) fprintf(stderr, "linmem record: cut off early: %s\n", strerror(cut_off));
    if (!end->ok) fprintf(stderr, "linmem record: %s: %s\n", options->command[0], end->text);
    return end->ok && cut_off == 0 ? EXIT_HELD : EXIT_BROKEN;
}

exit_status record_command(int argc, char **argv) {
    record_options options = {0};
    options_parse(&record_argp, argc, argv, &options);
    make_directory();
    child_end end;
    pid_t pid = run(options.command, &end);
    return finish(&options, pid, &end);
}

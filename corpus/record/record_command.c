#include "corpus/record/record_command.h"

#include "cli/file.h"
#include "cli/options.h"
#include "corpus/record/executable.h"
#include "corpus/record/recorded_command.h"
#include "corpus/record/recording.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIBRARY "linmem-record.so"

enum {
    ARGUMENT_BYTES = 1000, // of the command, in the preamble
    COMM_BYTES = 15,       // of a program's name, by the kernel
    OTHERS_MAX = 12,       // programs that are named to choose from
};

typedef struct record_options {
    const char *output, *process, *note;
    recording_limits limits;
    char **command;
} record_options;

// ---- options ----

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), end_length = strlen(end);
    return length > end_length && strcmp(text + length - end_length, end) == 0;
}

static bool is_standard_output(const char *output) {
    return strcmp(output, "-") == 0;
}

// A long recording is not to be lost to a file that can't be written: that is found out before.
static void check_output(const char *output) {
    if (is_standard_output(output)) {
        int flags = fcntl(STDOUT_FILENO, F_GETFL);
        if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
            options_fail("standard output: %s", strerror(EBADF));
        return;
    }
    if (!ends_with(output, ".lmt") && !ends_with(output, ".lmt.zst"))
        options_fail("%s: a trace ends with .lmt or .lmt.zst, or is '-'", output);
    struct stat status;
    if (stat(output, &status) == 0) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : 0;
        if (errno != 0 || access(output, W_OK) != 0)
            options_fail("%s: %s", output, strerror(errno));
        if (!S_ISREG(status.st_mode)) return; // written to, not replaced
    }
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
    case 'l':
        options->limits.calls = options_number("--limit", argument, 1, UINT64_MAX);
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
    {"output", 'o', "FILE", 0,
     "Write the trace here (.lmt or .lmt.zst; '-': standard output, and what COMMAND writes to its "
     "own goes to standard error)",
     0},
    {"process", 'p', "NAME[:N]", 0,
     "Record the program of this name that COMMAND starts: its process with the most calls, or the "
     "Nth that started (default: the program that COMMAND's own process became in the end)",
     0},
    {"limit", 'l', "N", 0, "Keep the first N calls (default: what a trace has room for)", 0},
    {"note", 'n', "TEXT", 0, "Say this in the trace's preamble", 0},
    {0}};

// What stands below the options; argp frees nothing, as it exits.
static char *help(int key, const char *text, void *input) {
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC) return (char *)text;
    char *runtimes = executable_runtimes(), *whole = NULL;
    if (runtimes == NULL || asprintf(&whole, "%s\n%s", text, runtimes) < 0) return (char *)text;
    free(runtimes);
    return whole;
}

static const struct argp record_argp = {
    .options = record_argp_options,
    .parser = parse_option,
    .args_doc = "-- COMMAND…",
    .doc =
        "Run COMMAND and keep its heap calls as a trace.\v"
        "COMMAND runs in the same environment as without linmem, except for the variables "
        "LD_PRELOAD, LINMEM_RECORD and ASAN_OPTIONS (verify_asan_link_order=0). The exit status is "
        "its own: 127 if it is not found, 126 if it cannot be run; a signal that kills it kills "
        "linmem record as well. If it succeeds, the status is 1 if the trace cannot be written, "
        "and 2 if no recorded program matches --process: the trace is then of the default "
        "program.\n\n"
        "Children that it forks and programs that it starts are recorded too; one of them "
        "becomes the trace. A forked child's trace begins with its parent's calls before the "
        "fork. The recording ends when COMMAND does.\n\n"
        "They share a file of 6 MiB, /dev/shm/linmem-record-*, or in TMPDIR if there is no room. "
        "It "
        "is removed at the end, and by a helper process if linmem record is killed (SIGKILL). If "
        "that is killed too, as with the whole process group, the file stays until the same user's "
        "next recording.\n\n"
        "Each recorded process maps 6 MiB more, which count against RLIMIT_MEMLOCK and RLIMIT_AS: "
        "mlockall may fail under a small limit.\n\n"
        "Not recorded: static programs, programs of another C library (musl), setuid programs "
        "(unless root runs them), programs that are started without LD_PRELOAD in their "
        "environment, in another file system tree or by another user, and executables that define "
        "a malloc of their own.\n\n"
        "Nor is what runtimes keep in heaps of their own:",
    .help_filter = help,
};

// ---- once the options are understood: one line, and no file ----

static recorder shared; // gone however we exit

static void remove_recorder(void) {
    recorder_close(&shared);
}

static const recorded_command *ended; // NULL: the command has not ended

// Ends with the command's status where that is not 0, and as the command was killed.
_Noreturn static void end(exit_status status) {
    remove_recorder();
    if (ended == NULL || (ended->status == 0 && status != EXIT_PASSED)) exit((int)status);
    recorded_command_end_alike(ended);
}

_Noreturn static void stop(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void stop(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("linmem record: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    end(ended == NULL ? EXIT_USAGE : EXIT_FAILED);
}

// ---- getting ready ----

static void abandon_all(void) {
    whole_file_abandon_all();
    remove_recorder();
}

static void open_recorder(void) {
    trace_error error;
    if (!recorder_open(&shared, &error)) stop("%s", error.text);
    atexit(remove_recorder);
}

// Where a standard stream is closed, none of our files may take its place; the command finds it
// closed.
static void hold_standard_streams(void) {
    int file;
    do
        file = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (file >= 0 && file <= STDERR_FILENO);
    if (file >= 0) close(file);
}

// The loader splits LD_PRELOAD at spaces and colons: replaces a path that has one by a link to it.
static void link_library(char library[PATH_MAX]) {
    if (strpbrk(library, " :") == NULL) return;
    if (strpbrk(shared.link, " :") != NULL)
        stop("%s and %s: the loader takes no path with a space or colon", library, shared.path);
    if (symlink(library, shared.link) != 0) stop("%s: %s", shared.link, strerror(errno));
    strcpy(library, shared.link);
}

// Sets a variable of our own environment, which is the command's, to two parts.
static void set_variable(const char *name, const char *first, const char *separator,
                         const char *second) {
    char *value;
    if (asprintf(&value, "%s%s%s", first, separator, second) < 0 || setenv(name, value, 1) != 0)
        stop("out of memory");
    free(value);
}

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value != NULL ? value : "";
}

// Puts the recorder's library before what the user preloads. AddressSanitizer's runtime ends a
// program in which another library precedes it, unless it is told not to look.
static void preload_library(void) {
    static const char order[] = "verify_asan_link_order";
    char library[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", library, sizeof library - sizeof LIBRARY);
    if (length < 0) stop("/proc/self/exe: %s", strerror(errno));
    library[length] = '\0';
    strcpy(strrchr(library, '/') + 1, LIBRARY);
    if (access(library, R_OK) != 0) stop("%s: %s", library, strerror(errno));
    link_library(library);
    const char *others = variable("LD_PRELOAD"), *asan = variable("ASAN_OPTIONS");
    set_variable("LD_PRELOAD", library, others[0] != '\0' ? ":" : "", others);
    set_variable(RECORDING_RING, shared.path, "", "");
    if (strstr(asan, order) == NULL)
        set_variable("ASAN_OPTIONS", asan, asan[0] != '\0' ? ":" : "", "verify_asan_link_order=0");
}

// ---- text that people read ----

// The bytes of the UTF-8 character that text begins with; 0: it is none, or a control character.
static int character(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int bytes = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (bytes < 2) return bytes == 1 && at[0] >= ' ' && at[0] != 0x7f;
    uint32_t code = at[0] & (0x7fu >> bytes);
    for (int i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    bool sound = code >= least[bytes] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return sound && code >= 0xa0 ? bytes : 0;
}

// Writes text with what is no character replaced; lines stay lines where `lines` is set.
static void put_text(FILE *stream, const char *text, bool lines) {
    for (long left = ARGUMENT_BYTES; *text != '\0' && left > 0;) {
        int bytes = character(text);
        if (bytes == 0) fputs(lines && *text == '\n' ? "\n" : "\uFFFD", stream);
        fwrite(text, 1, (size_t)bytes, stream);
        text += bytes != 0 ? bytes : 1;
        left -= bytes != 0 ? bytes : 1;
    }
}

// Writes an argument as a shell reads it, at most about `most` bytes of it.
static void put_argument(FILE *stream, const char *argument, long most) {
    bool odd = false;
    for (const char *at = argument; *at != '\0' && !odd; at += character(at))
        odd = character(at) == 0;
    bool plain =
        !odd && argument[0] != '\0' && strpbrk(argument, " \"'\\`$*?[]#~!{}&;|<>()") == NULL;
    bool escaped = odd || strchr(argument, '\'') != NULL;
    fputs(plain ? "" : escaped ? "$'" : "'", stream);
    const char *at = argument;
    while (*at != '\0' && at - argument < most) {
        int bytes = character(at);
        if (bytes == 0) fprintf(stream, "\\x%02x", (unsigned char)*at);
        if (escaped && (*at == '\'' || *at == '\\')) fputc('\\', stream);
        fwrite(at, 1, (size_t)bytes, stream);
        at += bytes != 0 ? bytes : 1;
    }
    if (*at != '\0') fputs("…", stream);
    if (!plain) fputc('\'', stream);
}

// ---- what was seen ----

static const recording_process *process_of(const recording *seen, uint32_t number) {
    return &seen->processes[number];
}

// A program's name, and the processes that ran it: the chosen one is left out.
typedef struct program_seen {
    uint32_t largest; // the process with the most calls
    uint32_t count;
} program_seen;

typedef struct programs_seen {
    program_seen *items;
    size_t count;
} programs_seen;

static void see(programs_seen *programs, const recording *seen, uint32_t number) {
    const recording_process *process = process_of(seen, number);
    size_t at = 0;
    while (at < programs->count &&
           strcmp(process_of(seen, programs->items[at].largest)->name, process->name) != 0)
        at++;
    if (at == programs->count) {
        programs->items = reallocarray(programs->items, at + 1, sizeof *programs->items);
        if (programs->items == NULL) stop("out of memory");
        programs->items[programs->count++] = (program_seen){.largest = number};
    }
    program_seen *program = &programs->items[at];
    program->count++;
    if (process->calls > process_of(seen, program->largest)->calls) program->largest = number;
}

// By calls, the most first; those that have as many stay in the order of their start.
static void sort_programs(programs_seen *programs, const recording *seen) {
    for (size_t i = 1; i < programs->count; i++) {
        program_seen moved = programs->items[i];
        size_t at = i;
        for (; at > 0 && process_of(seen, programs->items[at - 1].largest)->calls <
                             process_of(seen, moved.largest)->calls;
             at--)
            programs->items[at] = programs->items[at - 1];
        programs->items[at] = moved;
    }
}

static programs_seen list_programs(const recording *seen, uint32_t except) {
    programs_seen programs = {0};
    for (uint32_t i = 1; i < seen->processes_end; i++)
        if (process_of(seen, i)->known && i != except) see(&programs, seen, i);
    sort_programs(&programs, seen);
    return programs;
}

// ---- choosing ----

static uint32_t last_image(const recording *seen, pid_t pid) {
    uint32_t last = 0;
    for (uint32_t i = 1; i < seen->processes_end; i++) {
        const recording_process *process = process_of(seen, i);
        if (process->known && process->parent == 0 && process->pid == pid) last = i;
    }
    return last;
}

// The process with the most calls of a program: of its image and what that has forked, and their
// children; of all where `image` is 0.
static uint32_t largest_of(const recording *seen, uint32_t image) {
    bool *is_its = calloc((size_t)seen->processes_end + 1, sizeof *is_its);
    if (is_its == NULL) stop("out of memory");
    uint32_t largest = image;
    for (uint32_t i = 1; i < seen->processes_end; i++) {
        const recording_process *process = process_of(seen, i);
        is_its[i] = image == 0 || i == image || (process->parent < i && is_its[process->parent]);
        if (is_its[i] && process->known && process->calls > process_of(seen, largest)->calls)
            largest = i;
    }
    free(is_its);
    return largest;
}

// The process that NAME or NAME:N means, or 0.
static uint32_t find_process(const char *wanted, const programs_seen *programs,
                             const recording *seen) {
    for (size_t i = 0; i < programs->count; i++)
        if (strcmp(process_of(seen, programs->items[i].largest)->name, wanted) == 0)
            return programs->items[i].largest;
    const char *colon = strrchr(wanted, ':');
    if (colon == NULL) return 0;
    size_t length = (size_t)(colon - wanted);
    char *end;
    unsigned long number = strtoul(colon + 1, &end, 10), count = 0;
    if (*end != '\0' || !isdigit((unsigned char)colon[1])) return 0; // strtoul takes a sign
    for (uint32_t i = 1; i < seen->processes_end; i++) {
        const recording_process *process = process_of(seen, i);
        if (!process->known || strlen(process->name) != length ||
            strncmp(process->name, wanted, length) != 0)
            continue;
        if (++count == number) return i;
    }
    return 0;
}

// No recorded program is named as --process wants it: the recording is kept all the same.
static void say_unknown_process(const char *wanted, const programs_seen *programs,
                                const recording *seen, uint32_t chosen) {
    const char **names = calloc(programs->count + 1, sizeof *names);
    if (names == NULL) stop("out of memory");
    for (size_t i = 0; i < programs->count; i++)
        names[i] = process_of(seen, programs->items[i].largest)->name;
    const char *nearest = options_nearest(wanted, names, programs->count);
    fputs("linmem record: unknown process '", stderr);
    put_text(stderr, wanted, false);
    fputs("'", stderr);
    if (nearest != NULL) {
        fputs("; did you mean '", stderr);
        put_text(stderr, nearest, false);
        fputs("'?", stderr);
    }
    if (chosen != 0) {
        fputs(nearest != NULL ? " The trace is of " : ": the trace is of ", stderr);
        put_text(stderr, process_of(seen, chosen)->name, false);
    }
    fputc('\n', stderr);
    free(names);
}

// The process that becomes the trace where none is wanted or the one wanted is not known, or 0:
// there is none with a call.
static uint32_t choose_default(const recording *seen, pid_t command) {
    uint32_t image = last_image(seen, command), chosen = image != 0 ? largest_of(seen, image) : 0;
    if (process_of(seen, chosen)->calls == 0) chosen = largest_of(seen, 0);
    return process_of(seen, chosen)->calls != 0 ? chosen : 0;
}

// The same, of the process that --process names. Sets `known` to whether there is one.
static uint32_t choose(const char *wanted, const programs_seen *programs, const recording *seen,
                       pid_t command, bool *known) {
    uint32_t chosen = wanted != NULL ? find_process(wanted, programs, seen) : 0;
    *known = wanted == NULL || chosen != 0;
    if (chosen == 0) return choose_default(seen, command);
    return process_of(seen, chosen)->calls != 0 ? chosen : 0;
}

// ---- saying what was not recorded ----

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

// Notes are lines for standard error and for the preamble.
typedef struct notes {
    FILE *stream;
    char *text;
    size_t bytes;
} notes;

// The command started, and nothing was heard of it.
static void note_unrecorded(notes *notes, const char *command) {
    char path[PATH_MAX];
    executable executable;
    put_text(notes->stream, base_name(command), false);
    fputs(" was not recorded: ", notes->stream);
    bool found = executable_find(command, path, sizeof path);
    if (found) executable_inspect(path, &executable);
    if (!found)
        fputs("it took no preloaded library\n", notes->stream);
    else if (executable.is_privileged)
        fputs("it is setuid, setgid or has capabilities, and so takes no preloaded library\n",
              notes->stream);
    else if (executable.readable && executable.is_foreign)
        fputs("it is built for another machine or C library than the recorder\n", notes->stream);
    else if (executable.readable && executable.is_static)
        fputs("it is statically linked, and so takes no preloaded library\n", notes->stream);
    else
        fputs("its loader took no preloaded library, or it could not open the recording\n",
              notes->stream);
}

static void note_silent(notes *notes, const recording_process *image) {
    put_text(notes->stream, image->name, false);
    fputs(" made no heap call\n", notes->stream);
}

// The command's process recorded a program, and then became another that did not.
static void note_lost_exec(notes *notes, const recording_process *image,
                           const recorded_command *end) {
    const char *name = image->name;
    if (end->name[0] == '\0' || strncmp(name, end->name, COMM_BYTES) == 0) return;
    put_text(notes->stream, name, false);
    fputs(" was replaced by '", notes->stream);
    put_text(notes->stream, end->name, false);
    fputs("' (exec), which was not recorded (static, setuid, or started without LD_PRELOAD), "
          "unless ",
          notes->stream);
    put_text(notes->stream, name, false);
    fputs(" renamed itself\n", notes->stream);
}

static void note_own_mallocs(notes *notes, const programs_seen *programs, const recording *seen) {
    for (size_t i = 0; i < programs->count; i++) {
        const recording_process *process = process_of(seen, programs->items[i].largest);
        if (!process->own_malloc) continue;
        put_text(notes->stream, process->name, false);
        fputs(" was not recorded: its executable has a malloc of its own\n", notes->stream);
    }
}

// Whether a process has our ring mapped: a pid alone may be another process's by now, in another
// namespace, or a zombie's. False too where we may not look.
static bool maps_ring(pid_t pid) {
    char path[64], *line = NULL;
    size_t bytes = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
    FILE *maps = fopen(path, "re");
    while (maps != NULL && !found && getline(&line, &bytes, maps) > 0)
        found = strstr(line, base_name(shared.path)) != NULL;
    free(line);
    if (maps != NULL) fclose(maps);
    return found;
}

static bool is_running(const recording *seen, uint32_t number) {
    const recording_process *process = process_of(seen, number);
    if (!process->known || process->pid <= 0 || (kill(process->pid, 0) != 0 && errno != EPERM))
        return false; // most have ended
    for (uint32_t i = number + 1; i < seen->processes_end; i++)
        if (process_of(seen, i)->pid == process->pid) return false; // it became another program
    return maps_ring(process->pid);
}

static void note_running(notes *notes, const recording *seen, pid_t command) {
    unsigned running = 0;
    for (uint32_t i = 1; i < seen->processes_end; i++) {
        const recording_process *process = process_of(seen, i);
        if (process->pid == command || !is_running(seen, i)) continue;
        if (running++ < OTHERS_MAX) {
            fputs(running == 1 ? "still running when the recording ended: " : ", ", notes->stream);
            put_text(notes->stream, process->name, false);
            fprintf(notes->stream, " (pid %ld)", (long)process->pid);
        }
    }
    if (running > OTHERS_MAX) fprintf(notes->stream, ", and %u more", running - OTHERS_MAX);
    if (running != 0) fputc('\n', notes->stream);
}

static void note_runtime(notes *notes, const recording_process *process) {
    executable executable;
    executable_inspect(process->file, &executable);
    if (executable.hidden == NULL) return;
    put_text(notes->stream, process->name, false);
    fprintf(notes->stream, "'s own heap is not recorded: %s\n", executable.hidden);
}

static void note_losses(notes *notes, const recording *seen, const programs_seen *programs,
                        uint32_t chosen, const char *command, const recorded_command *end) {
    uint32_t image = last_image(seen, end->pid);
    note_own_mallocs(notes, programs, seen);
    if (image == 0)
        note_unrecorded(notes, command);
    else if (chosen == 0 && !process_of(seen, image)->own_malloc)
        note_silent(notes, process_of(seen, image));
    if (image != 0) note_lost_exec(notes, process_of(seen, image), end);
    note_running(notes, seen, end->pid);
    if (chosen != 0) note_runtime(notes, process_of(seen, chosen));
}

static void say_lines(const char *line) {
    while (*line != '\0') {
        size_t length = strcspn(line, "\n");
        fprintf(stderr, "linmem record: %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

static void say_others(const programs_seen *others, const recording *seen) {
    size_t named = 0, left = 0;
    for (size_t i = 0; i < others->count; i++) {
        const program_seen *program = &others->items[i];
        const recording_process *process = process_of(seen, program->largest);
        if (process->calls == 0) continue;
        if (named == OTHERS_MAX) {
            left++;
            continue;
        }
        fputs(named++ == 0 ? "linmem record: other programs recorded (select with --process NAME): "
                           : ", ",
              stderr);
        put_text(stderr, process->name, false);
        if (program->count == 1)
            fprintf(stderr, " %" PRIu64 " calls (pid %ld)", process->calls, (long)process->pid);
        else
            fprintf(stderr, " (%u processes, at most %" PRIu64 " calls each)", program->count,
                    process->calls);
    }
    if (left != 0) fprintf(stderr, ", and %zu more", left);
    if (named != 0) fputc('\n', stderr);
}

// ---- the trace ----

// The command as given, but for the folder it lies in, which is this machine's.
static void put_title(FILE *text, const record_options *options, const recording *seen,
                      uint32_t chosen) {
    const recording_process *process = process_of(seen, chosen);
    const char *command = base_name(options->command[0]);
    if (options->note != NULL) {
        put_text(text, options->note, true);
        fputc('\n', text);
    }
    fputs("command: ", text);
    long start = ftell(text);
    put_argument(text, command, ARGUMENT_BYTES);
    for (char **argument = options->command + 1; *argument != NULL; argument++) {
        long left = ARGUMENT_BYTES - (ftell(text) - start);
        fputs(left > 0 ? " " : " …", text);
        if (left <= 0) break;
        put_argument(text, *argument, left);
    }
    if (options->process != NULL || process->parent != 0 || strcmp(process->name, command) != 0) {
        fputs("\nprocess: ", text);
        put_text(text, process->name, false);
        if (process->parent != 0) fputs(", a forked child, after its parent's calls", text);
    }
    fputs("\nrecorded by linmem record\n", text);
}

static void say_summary(const recording_summary *summary, const trace *made, const char *output) {
    fprintf(stderr,
            "linmem record: %" PRIu64 " operations, %" PRIu64 " blocks, peak live %" PRIu64
            " bytes in %" PRIu64 " blocks, %u lane%s",
            summary->operations, summary->blocks, summary->peak_live_bytes,
            summary->peak_live_blocks, made->lanes, made->lanes == 1 ? "" : "s");
    struct stat status;
    if (!is_standard_output(output) && stat(output, &status) == 0)
        fprintf(stderr, "; %s: %jd bytes", output, (intmax_t)status.st_size);
    fputc('\n', stderr);
}

static bool write_trace(const trace *made, const char *output) {
    trace_error error;
    if (!is_standard_output(output)) {
        if (trace_write(made, output, &error)) return true;
        fprintf(stderr, "linmem record: %s: %s\n", output, error.text);
        return false;
    }
    trace_print(made, stdout);
    if (fflush(stdout) == 0 && !ferror(stdout)) return true;
    fprintf(stderr, "linmem record: standard output: %s\n", strerror(errno));
    return false;
}

static char *title_of(const record_options *options, const recording *seen, uint32_t chosen,
                      const char *notes) {
    char *title = NULL;
    size_t bytes;
    FILE *text = open_memstream(&title, &bytes);
    if (text == NULL) stop("out of memory");
    put_title(text, options, seen, chosen);
    fputs(notes, text);
    if (fclose(text) != 0) stop("out of memory");
    return title;
}

// Makes the trace and writes it. What was lost is added to the notes.
static bool keep(const record_options *options, recording *seen, uint32_t chosen, notes *notes) {
    trace made;
    trace_error error;
    recording_summary summary;
    fflush(notes->stream);
    char *title = title_of(options, seen, chosen, notes->text);
    bool kept = recording_to_trace(seen, chosen, title, &options->limits, &made, &summary, &error);
    free(title);
    if (!kept) {
        fprintf(stderr, "linmem record: %s\n", error.text);
        return false;
    }
    recording_describe_losses(&summary, notes->stream);
    recording_free_records(seen); // its disk may be what the trace needs
    kept = write_trace(&made, options->output);
    if (kept) say_summary(&summary, &made, options->output);
    trace_free(&made);
    return kept;
}

// EXIT_PASSED where the trace is written, or there is nothing to write.
static exit_status finish(const record_options *options, const recorded_command *end) {
    recording seen;
    trace_error error;
    notes notes = {0};
    int cut_off = recorder_end(&shared), log = shared.log;
    shared.log = -1;
    if (!recording_open(log, &seen, &error)) stop("%s", error.text);
    seen.cut_off = cut_off;
    seen.moved = shared.ring->moved;
    programs_seen programs = list_programs(&seen, 0);
    bool known;
    uint32_t chosen = choose(options->process, &programs, &seen, end->pid, &known);
    if (!known) say_unknown_process(options->process, &programs, &seen, chosen);
    notes.stream = open_memstream(&notes.text, &notes.bytes);
    if (notes.stream == NULL) stop("out of memory");
    note_losses(&notes, &seen, &programs, chosen, options->command[0], end);
    bool kept = chosen == 0 || keep(options, &seen, chosen, &notes);
    fclose(notes.stream);
    if (chosen == 0) fputs("linmem record: no heap call was recorded: no trace\n", stderr);
    say_lines(notes.text);
    programs_seen others = list_programs(&seen, chosen);
    say_others(&others, &seen);
    free(others.items);
    free(programs.items);
    free(notes.text);
    recording_close(&seen);
    return !kept ? EXIT_FAILED : known ? EXIT_PASSED : EXIT_USAGE;
}

static void say_end(const char *command, const recorded_command *end) {
    int status = end->status;
    if (status == 0) return;
    fputs("linmem record: ", stderr);
    put_text(stderr, command, false);
    if (end->exec_error != 0)
        fprintf(stderr, ": %s\n", strerror(end->exec_error));
    else if (!WIFSIGNALED(status))
        fprintf(stderr, ": exit status %d\n", WEXITSTATUS(status));
    else if (sigabbrev_np(WTERMSIG(status)) != NULL)
        fprintf(stderr, ": killed by SIG%s\n", sigabbrev_np(WTERMSIG(status)));
    else
        fprintf(stderr, ": killed by signal %d\n", WTERMSIG(status));
}

exit_status record_command(int argc, char **argv) {
    record_options options = {.limits = {UINT64_MAX, TRACE_OPERATIONS_MAX}};
    options_parse(&record_argp, argc, argv, &options);
    hold_standard_streams();
    recorded_command_prepare(abandon_all);
    open_recorder();
    preload_library();
    recorded_command command;
    int output = is_standard_output(options.output) ? STDERR_FILENO : STDOUT_FILENO;
    if (!recorded_command_run(options.command, output, &shared, &command))
        stop("%s: %s", options.command[0], strerror(errno));
    ended = &command;
    exit_status status = command.exec_error != 0 ? EXIT_PASSED : finish(&options, &command);
    say_end(options.command[0], &command);
    end(status);
}

#include "corpus/record/record_command.h"

#include "cli/child.h"
#include "cli/file.h"
#include "cli/options.h"
#include "cli/text.h"
#include "corpus/record/executable.h"
#include "corpus/record/recorded_command.h"
#include "corpus/record/recording.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIBRARY "linmem-record.so"

enum {
    COMMAND_COLUMNS = 1000, // in the preamble
    COMM_BYTES = 15,        // the kernel's limit on a program's name
    OTHERS_MAX = 12,        // programs that a message lists
};

typedef struct record_options {
    const char *output, *process, *note;
    recording_limits limits;
    char **command;
    int words; // of the command
} record_options;

// ---- Options ------------------------------------------------------------------------------------

// Fails before a long recording if its trace cannot be written.
static void record_check_output(const char *output) {
    if (!trace_is_file_name(output))
        options_fail("%s: a trace ends with .lmt or .lmt.zst, or is '-'", output);
    if (!file_is_writable(output))
        options_fail("%s: %s", file_is_standard(output) ? "standard output" : output,
                     strerror(errno));
}

static error_t record_parse_option(int key, char *argument, struct argp_state *state) {
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
        options->words = state->argc - state->next + 1;
        state->next = state->argc; // the rest is the command's
        return 0;
    case ARGP_KEY_END:
        if (options->command == NULL) options_fail("missing COMMAND, the command to record");
        if (options->output == NULL) options_fail("missing option -o FILE, the trace file");
        record_check_output(options->output);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option record_argp_options[] = {
    {"output", 'o', "FILE", 0,
     "Trace file, .lmt or .lmt.zst; '-': standard output, and COMMAND's output is written to "
     "standard "
     "error",
     0},
    {"process", 'p', "NAME[:N]", 0,
     "Program to record, by its name: its process with the most calls, or the Nth that started "
     "(default: the program that COMMAND's own process executed last)",
     0},
    {"limit", 'l', "N", 0,
     "Number of calls to keep, the first ones (default: the maximum of a trace)", 0},
    {"note", 'n', "TEXT", 0, "Comment at the start of the trace", 0},
    {0}};

// Adds the list of runtimes to the end of --help.
static char *record_help(int key, const char *text, void *input) {
    (void)input;
    char *runtimes = key == ARGP_KEY_HELP_POST_DOC ? executable_runtimes() : NULL;
    if (runtimes == NULL) return (char *)text;
    char *whole = text_format("%s\n%s", text, runtimes);
    free(runtimes);
    return whole;
}

static const struct argp record_argp = {
    .options = record_argp_options,
    .parser = record_parse_option,
    .args_doc = "-- COMMAND…",
    .doc =
        "Runs COMMAND and writes its heap calls to a trace.\v"
        "COMMAND runs in the same environment as without linmem, except for the variables "
        "LD_PRELOAD, LINMEM_RECORD and ASAN_OPTIONS (verify_asan_link_order=0). The exit status is "
        "its own: 127 if it is not found, 126 if it cannot be run; a signal that kills it kills "
        "linmem record as well. If COMMAND exits with 0, the status is 1 if the trace cannot be "
        "written, and 2 if no recorded program matches --process: the trace is then of the default "
        "program.\n\n"
        "The children that it forks and the programs that it starts are recorded too; one of them "
        "becomes the trace. A forked child's trace begins with its parent's calls before the "
        "fork. The recording ends when COMMAND does.\n\n"
        "All processes share a file of 6 MiB, /dev/shm/linmem-record-*, or in TMPDIR if /dev/shm "
        "is "
        "full. The file is removed at the end, and by a helper process if linmem record is killed "
        "(SIGKILL). If the helper is killed as well, the same user's next recording removes the "
        "file.\n\n"
        "Each recorded process maps 6 MiB more, which count against RLIMIT_MEMLOCK and RLIMIT_AS: "
        "mlockall may fail under a small limit.\n\n"
        "Not recorded: static programs, programs of another C library (musl), setuid programs "
        "(unless root runs them), programs that are started without LD_PRELOAD in their "
        "environment, in another file system tree or by another user, and executables that define "
        "a malloc of their own.\n\n"
        "Runtimes with heaps of their own are recorded in part. Not recorded:",
    .help_filter = record_help,
};

// ---- Messages -----------------------------------------------------------------------------------

static recorder record_shared; // removed at every exit

static void record_remove_recorder(void) {
    recorder_close(&record_shared);
}

static const recorded_command *record_ended; // NULL: the command has not ended

// Exits with the command's status if it is not 0, or by the command's signal.
_Noreturn static void record_end(exit_status status) {
    record_remove_recorder();
    if (record_ended == NULL || (record_ended->status == 0 && status != EXIT_PASSED))
        exit((int)status);
    recorded_command_end_alike(record_ended);
}

_Noreturn static void record_stop(char *message) {
    options_warn("%s", message);
    free(message);
    record_end(record_ended == NULL ? EXIT_USAGE : EXIT_FAILED);
}

_Noreturn static void record_stop_for_memory(void) {
    record_stop(text_format("out of memory"));
}

static FILE *record_open_text(char **text, size_t *bytes) {
    FILE *stream = open_memstream(text, bytes);
    if (stream == NULL) record_stop_for_memory();
    return stream;
}

// Writes text chosen by users, and then `rest`.
static void record_put_text(FILE *stream, const char *text, const char *rest) {
    char *printable = text_printable(text);
    fprintf(stream, "%s%s", printable, rest);
    free(printable);
}

// ---- Preparation --------------------------------------------------------------------------------

static void record_abandon_all(void) {
    whole_file_abandon_all();
    record_remove_recorder();
}

static void record_open_recorder(void) {
    trace_error error;
    if (!recorder_open(&record_shared, &error)) record_stop(text_format("%s", error.text));
    atexit(record_remove_recorder);
}

// If a standard stream is closed, keeps later files from taking its number. The command finds it
// closed.
static void record_hold_standard_streams(void) {
    int file;
    do
        file = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (file >= 0 && file <= STDERR_FILENO);
    if (file >= 0) close(file);
}

// The loader splits LD_PRELOAD at spaces and colons: returns a link to a library whose path has
// one, or the path itself.
static const char *record_link_library(const char *library) {
    if (strpbrk(library, " :") == NULL) return library;
    if (strpbrk(record_shared.link, " :") != NULL)
        record_stop(text_format("%s and %s: the loader accepts no path with a space or colon",
                                library, record_shared.path));
    if (symlink(library, record_shared.link) != 0)
        record_stop(text_format("%s: %s", record_shared.link, strerror(errno)));
    return record_shared.link;
}

// Sets an environment variable, which the command inherits, to two parts.
static void record_set_variable(const char *name, const char *first, const char *separator,
                                const char *second) {
    char *value = text_format("%s%s%s", first, separator, second);
    if (setenv(name, value, 1) != 0) record_stop_for_memory();
    free(value);
}

static const char *record_variable(const char *name) {
    const char *value = getenv(name);
    return value != NULL ? value : "";
}

// Preloads the recorder's library, before the user's own. AddressSanitizer's runtime ends a program
// in which another library precedes it, unless verify_asan_link_order is 0.
static void record_preload_library(void) {
    static const char order[] = "verify_asan_link_order";
    char *library = child_beside(LIBRARY);
    if (access(library, R_OK) != 0) record_stop(text_format("%s: %s", library, strerror(errno)));
    const char *others = record_variable("LD_PRELOAD"), *asan = record_variable("ASAN_OPTIONS");
    record_set_variable("LD_PRELOAD", record_link_library(library), others[0] != '\0' ? ":" : "",
                        others);
    record_set_variable(RECORDING_RING, record_shared.path, "", "");
    if (strstr(asan, order) == NULL)
        record_set_variable("ASAN_OPTIONS", asan, asan[0] != '\0' ? ":" : "",
                            "verify_asan_link_order=0");
    free(library);
}

// ---- Recorded programs --------------------------------------------------------------------------

static const recording_process *record_process_of(const recording *seen, uint32_t number) {
    return &seen->processes[number];
}

// A program, by its name: its processes, without the one that is the trace.
typedef struct program_seen {
    uint32_t largest; // the process with the most calls
    uint32_t count;
} program_seen;

typedef struct programs_seen {
    program_seen *items;
    size_t count;
} programs_seen;

static void record_see(programs_seen *programs, const recording *seen, uint32_t number) {
    const recording_process *process = record_process_of(seen, number);
    size_t at = 0;
    while (at < programs->count &&
           strcmp(record_process_of(seen, programs->items[at].largest)->name, process->name) != 0)
        at++;
    if (at == programs->count) {
        programs->items = reallocarray(programs->items, at + 1, sizeof *programs->items);
        if (programs->items == NULL) record_stop_for_memory();
        programs->items[programs->count++] = (program_seen){.largest = number};
    }
    program_seen *program = &programs->items[at];
    program->count++;
    if (process->calls > record_process_of(seen, program->largest)->calls)
        program->largest = number;
}

// Sorts by the number of calls, descending; stable.
static void record_sort_programs(programs_seen *programs, const recording *seen) {
    for (size_t i = 1; i < programs->count; i++) {
        program_seen moved = programs->items[i];
        size_t at = i;
        for (; at > 0 && record_process_of(seen, programs->items[at - 1].largest)->calls <
                             record_process_of(seen, moved.largest)->calls;
             at--)
            programs->items[at] = programs->items[at - 1];
        programs->items[at] = moved;
    }
}

static programs_seen record_list_programs(const recording *seen, uint32_t except) {
    programs_seen programs = {0};
    for (uint32_t i = 1; i < seen->processes_end; i++)
        if (record_process_of(seen, i)->known && i != except) record_see(&programs, seen, i);
    record_sort_programs(&programs, seen);
    return programs;
}

// ---- Choice of the process ----------------------------------------------------------------------

static uint32_t record_last_image(const recording *seen, pid_t pid) {
    uint32_t last = 0;
    for (uint32_t i = 1; i < seen->processes_end; i++) {
        const recording_process *process = record_process_of(seen, i);
        if (process->known && process->parent == 0 && process->pid == pid) last = i;
    }
    return last;
}

// Returns the process with the most calls among an image and its forked descendants; among all if
// `image` is 0.
static uint32_t record_largest_of(const recording *seen, uint32_t image) {
    bool *is_its = calloc((size_t)seen->processes_end + 1, sizeof *is_its);
    if (is_its == NULL) record_stop_for_memory();
    uint32_t largest = image;
    for (uint32_t i = 1; i < seen->processes_end; i++) {
        const recording_process *process = record_process_of(seen, i);
        is_its[i] = image == 0 || i == image || (process->parent < i && is_its[process->parent]);
        if (is_its[i] && process->known && process->calls > record_process_of(seen, largest)->calls)
            largest = i;
    }
    free(is_its);
    return largest;
}

// Returns the process that NAME or NAME:N names, or 0.
static uint32_t record_find_process(const char *wanted, const programs_seen *programs,
                                    const recording *seen) {
    for (size_t i = 0; i < programs->count; i++)
        if (strcmp(record_process_of(seen, programs->items[i].largest)->name, wanted) == 0)
            return programs->items[i].largest;
    const char *colon = strrchr(wanted, ':');
    if (colon == NULL) return 0;
    size_t length = (size_t)(colon - wanted);
    char *end;
    unsigned long number = strtoul(colon + 1, &end, 10), count = 0;
    if (*end != '\0' || !isdigit((unsigned char)colon[1])) return 0; // strtoul accepts a sign
    for (uint32_t i = 1; i < seen->processes_end; i++) {
        const recording_process *process = record_process_of(seen, i);
        if (!process->known || strlen(process->name) != length ||
            strncmp(process->name, wanted, length) != 0)
            continue;
        if (++count == number) return i;
    }
    return 0;
}

// Says that no recorded program matches --process, and which one is the trace.
static void record_say_unknown_process(const char *wanted, const programs_seen *programs,
                                       const recording *seen, uint32_t chosen) {
    const char **names = calloc(programs->count + 1, sizeof *names);
    if (names == NULL) record_stop_for_memory();
    for (size_t i = 0; i < programs->count; i++)
        names[i] = record_process_of(seen, programs->items[i].largest)->name;
    const char *nearest = options_nearest(wanted, names, programs->count);
    char *hint =
        nearest != NULL ? text_format("; did you mean '%s'?", nearest) : text_format("%s", "");
    const char *of = chosen == 0       ? ""
                     : nearest != NULL ? " The trace is of "
                                       : ": the trace is of ";
    options_warn("unknown process '%s'%s%s%s", wanted, hint, of,
                 chosen != 0 ? record_process_of(seen, chosen)->name : "");
    free(hint);
    free(names);
}

// Returns the process that is the trace by default, or 0 if none has a call.
static uint32_t record_choose_default(const recording *seen, pid_t command) {
    uint32_t image = record_last_image(seen, command),
             chosen = image != 0 ? record_largest_of(seen, image) : 0;
    if (record_process_of(seen, chosen)->calls == 0) chosen = record_largest_of(seen, 0);
    return record_process_of(seen, chosen)->calls != 0 ? chosen : 0;
}

// Returns the process that --process names, else the default. Sets `known` to whether it was found.
static uint32_t record_choose(const char *wanted, const programs_seen *programs,
                              const recording *seen, pid_t command, bool *known) {
    uint32_t chosen = wanted != NULL ? record_find_process(wanted, programs, seen) : 0;
    *known = wanted == NULL || chosen != 0;
    if (chosen == 0) return record_choose_default(seen, command);
    return record_process_of(seen, chosen)->calls != 0 ? chosen : 0;
}

// ---- Notes on what was not recorded -------------------------------------------------------------

static const char *record_base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

// Lines for standard error and for the preamble.
typedef struct notes {
    FILE *stream;
    char *text;
    size_t bytes;
} notes;

// The command started, but recorded nothing.
static void record_note_unrecorded(notes *notes, const char *command) {
    char path[PATH_MAX];
    executable executable;
    record_put_text(notes->stream, record_base_name(command), " was not recorded: ");
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

static void record_note_silent(notes *notes, const recording_process *image) {
    record_put_text(notes->stream, image->name, " made no heap call\n");
}

// The command's process executed a recorded program, and later one that was not recorded.
static void record_note_lost_exec(notes *notes, const recording_process *image,
                                  const recorded_command *end) {
    const char *name = image->name;
    if (end->name[0] == '\0' || strncmp(name, end->name, COMM_BYTES) == 0) return;
    record_put_text(notes->stream, name, " was replaced by '");
    record_put_text(
        notes->stream, end->name,
        "' (exec), which was not recorded (static, setuid, or started without LD_PRELOAD), "
        "unless ");
    record_put_text(notes->stream, name, " renamed itself\n");
}

static void record_note_own_mallocs(notes *notes, const programs_seen *programs,
                                    const recording *seen) {
    for (size_t i = 0; i < programs->count; i++) {
        const recording_process *process = record_process_of(seen, programs->items[i].largest);
        if (!process->own_malloc) continue;
        record_put_text(notes->stream, process->name,
                        " was not recorded: its executable has a malloc of its own\n");
    }
}

// Returns whether a process has the ring mapped: its pid alone may be reused by now, of another
// namespace, or a zombie's. Returns false if its maps cannot be read.
static bool record_maps_ring(pid_t pid) {
    char path[64], *line = NULL;
    size_t bytes = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
    FILE *maps = fopen(path, "re");
    while (maps != NULL && !found && getline(&line, &bytes, maps) > 0)
        found = strstr(line, record_base_name(record_shared.path)) != NULL;
    free(line);
    if (maps != NULL) fclose(maps);
    return found;
}

static bool record_is_running(const recording *seen, uint32_t number) {
    const recording_process *process = record_process_of(seen, number);
    if (!process->known || process->pid <= 0 || (kill(process->pid, 0) != 0 && errno != EPERM))
        return false; // most have ended
    for (uint32_t i = number + 1; i < seen->processes_end; i++)
        if (record_process_of(seen, i)->pid == process->pid)
            return false; // it became another program
    return record_maps_ring(process->pid);
}

static void record_note_running(notes *notes, const recording *seen, pid_t command) {
    unsigned running = 0;
    for (uint32_t i = 1; i < seen->processes_end; i++) {
        const recording_process *process = record_process_of(seen, i);
        if (process->pid == command || !record_is_running(seen, i)) continue;
        if (running++ < OTHERS_MAX) {
            fputs(running == 1 ? "still running when the recording ended: " : ", ", notes->stream);
            record_put_text(notes->stream, process->name, "");
            fprintf(notes->stream, " (pid %ld)", (long)process->pid);
        }
    }
    if (running > OTHERS_MAX) fprintf(notes->stream, ", and %u more", running - OTHERS_MAX);
    if (running != 0) fputc('\n', notes->stream);
}

static void record_note_runtime(notes *notes, const recording_process *process) {
    executable executable;
    executable_inspect(process->file, &executable);
    if (executable.hidden == NULL) return;
    record_put_text(notes->stream, process->name, "'s own heap is not recorded: ");
    fprintf(notes->stream, "%s\n", executable.hidden);
}

static void record_note_losses(notes *notes, const recording *seen, const programs_seen *programs,
                               uint32_t chosen, const char *command, const recorded_command *end) {
    uint32_t image = record_last_image(seen, end->pid);
    record_note_own_mallocs(notes, programs, seen);
    if (image == 0)
        record_note_unrecorded(notes, command);
    else if (chosen == 0 && !record_process_of(seen, image)->own_malloc)
        record_note_silent(notes, record_process_of(seen, image));
    if (image != 0) record_note_lost_exec(notes, record_process_of(seen, image), end);
    record_note_running(notes, seen, end->pid);
    if (chosen != 0) record_note_runtime(notes, record_process_of(seen, chosen));
}

static void record_say_lines(const char *line) {
    while (*line != '\0') {
        size_t length = strcspn(line, "\n");
        fprintf(stderr, "linmem record: %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

static void record_say_others(const programs_seen *others, const recording *seen) {
    size_t named = 0, left = 0;
    for (size_t i = 0; i < others->count; i++) {
        const program_seen *program = &others->items[i];
        const recording_process *process = record_process_of(seen, program->largest);
        if (process->calls == 0) continue;
        if (named == OTHERS_MAX) {
            left++;
            continue;
        }
        fputs(named++ == 0 ? "linmem record: other programs recorded (select with --process NAME): "
                           : ", ",
              stderr);
        record_put_text(stderr, process->name, "");
        if (program->count == 1)
            fprintf(stderr, " %" PRIu64 " calls (pid %ld)", process->calls, (long)process->pid);
        else
            fprintf(stderr, " (%u processes, at most %" PRIu64 " calls each)", program->count,
                    process->calls);
    }
    if (left != 0) fprintf(stderr, ", and %zu more", left);
    if (named != 0) fputc('\n', stderr);
}

// ---- The trace ----------------------------------------------------------------------------------

// Writes the preamble: the note, the command without its folder, and the process.
static void record_put_title(FILE *text, const record_options *options, const recording *seen,
                             uint32_t chosen) {
    const recording_process *process = record_process_of(seen, chosen);
    char *command = (char *)record_base_name(options->command[0]);
    if (options->note != NULL) {
        char *note = text_format("%s", options->note), *rest = note;
        for (char *line; (line = strsep(&rest, "\n")) != NULL;)
            record_put_text(text, line, "\n");
        free(note);
    }
    char *name = text_shell_command(1, &command);
    char *arguments = text_shell_command(options->words - 1, options->command + 1);
    char *whole = text_format("%s%s%s", name, arguments[0] != '\0' ? " " : "", arguments);
    char *shortened = text_shorten(whole, COMMAND_COLUMNS);
    fprintf(text, "command: %s\n", shortened);
    free(shortened);
    free(whole);
    free(arguments);
    free(name);
    if (options->process != NULL || process->parent != 0 || strcmp(process->name, command) != 0) {
        fputs("process: ", text);
        record_put_text(text, process->name,
                        process->parent != 0 ? ", a forked child, after its parent's calls\n"
                                             : "\n");
    }
    fputs("recorded by linmem record\n", text);
}

static void record_say_summary(const recording_summary *summary, const trace *made,
                               const char *output) {
    fprintf(stderr,
            "linmem record: %" PRIu64 " operations, %" PRIu64 " blocks, peak live %" PRIu64
            " bytes in %" PRIu64 " blocks, %u lane%s",
            summary->operations, summary->blocks, summary->peak_live_bytes,
            summary->peak_live_blocks, made->lanes, made->lanes == 1 ? "" : "s");
    struct stat status;
    if (!file_is_standard(output) && stat(output, &status) == 0)
        fprintf(stderr, "; %s: %jd bytes", output, (intmax_t)status.st_size);
    fputc('\n', stderr);
}

static bool record_write_trace(const trace *made, const char *output) {
    trace_error error;
    if (trace_write(made, output, &error)) return true;
    options_warn("%s: %s", file_is_standard(output) ? "standard output" : output, error.text);
    return false;
}

static char *record_title_of(const record_options *options, const recording *seen, uint32_t chosen,
                             const char *notes) {
    char *title = NULL;
    size_t bytes;
    FILE *text = record_open_text(&title, &bytes);
    record_put_title(text, options, seen, chosen);
    fputs(notes, text);
    if (fclose(text) != 0) record_stop_for_memory();
    return title;
}

// Makes the trace and writes it. Adds the losses to the notes. Returns false if that fails.
static bool record_keep(const record_options *options, recording *seen, uint32_t chosen,
                        notes *notes) {
    trace made;
    trace_error error;
    recording_summary summary;
    fflush(notes->stream);
    char *title = record_title_of(options, seen, chosen, notes->text);
    bool kept = recording_to_trace(seen, chosen, title, &options->limits, &made, &summary, &error);
    free(title);
    if (!kept) {
        options_warn("%s", error.text);
        return false;
    }
    recording_describe_losses(&summary, notes->stream);
    recording_free_records(seen); // their disk space may be needed for the trace
    kept = record_write_trace(&made, options->output);
    if (kept) record_say_summary(&summary, &made, options->output);
    trace_free(&made);
    return kept;
}

// Returns EXIT_PASSED if the trace is written, or if there is nothing to write.
static exit_status record_finish(const record_options *options, const recorded_command *end) {
    recording seen;
    trace_error error;
    notes notes = {0};
    int cut_off = recorder_end(&record_shared), log = record_shared.log;
    record_shared.log = -1;
    if (!recording_open(log, &seen, &error)) record_stop(text_format("%s", error.text));
    seen.cut_off = cut_off;
    seen.moved = record_shared.ring->moved;
    programs_seen programs = record_list_programs(&seen, 0);
    bool known;
    uint32_t chosen = record_choose(options->process, &programs, &seen, end->pid, &known);
    if (!known) record_say_unknown_process(options->process, &programs, &seen, chosen);
    notes.stream = record_open_text(&notes.text, &notes.bytes);
    record_note_losses(&notes, &seen, &programs, chosen, options->command[0], end);
    bool kept = chosen == 0 || record_keep(options, &seen, chosen, &notes);
    fclose(notes.stream);
    if (chosen == 0) options_warn("no heap call was recorded: no trace");
    record_say_lines(notes.text);
    programs_seen others = record_list_programs(&seen, chosen);
    record_say_others(&others, &seen);
    free(others.items);
    free(programs.items);
    free(notes.text);
    recording_close(&seen);
    return !kept ? EXIT_FAILED : known ? EXIT_PASSED : EXIT_USAGE;
}

static void record_say_end(const char *command, const recorded_command *end) {
    child_end how;
    child_explain(end->status, &how);
    if (end->status != 0)
        options_warn("%s: %s", command,
                     end->exec_error != 0 ? strerror(end->exec_error) : how.text);
}

exit_status record_command(int argc, char **argv) {
    record_options options = {.limits = {UINT64_MAX, TRACE_OPERATIONS_MAX}};
    options_parse(&record_argp, argc, argv, &options);
    record_hold_standard_streams();
    recorded_command_prepare(record_abandon_all);
    record_open_recorder();
    record_preload_library();
    recorded_command command;
    int output = file_is_standard(options.output) ? STDERR_FILENO : STDOUT_FILENO;
    if (!recorded_command_run(options.command, output, &record_shared, &command))
        record_stop(text_format("%s: %s", options.command[0], strerror(errno)));
    record_ended = &command;
    exit_status status = command.exec_error != 0 ? EXIT_PASSED : record_finish(&options, &command);
    record_say_end(options.command[0], &command);
    record_end(status);
}

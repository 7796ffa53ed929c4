#include "reports/output.h"

#include "cli/file.h"
#include "cli/options.h"
#include "cli/text.h"
#include "reports/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDERS "linmem-results"

static const char results_name[] = "results.json", report_name[] = "report.md";

// ---- Before the comparison ----------------------------------------------------------------------

// Makes a folder named after the time (UTC). Returns NULL with errno set on failure.
static char *output_new_folder(void) {
    char stamp[32];
    time_t now = time(NULL);
    strftime(stamp, sizeof stamp, "%Y-%m-%d-%H%M%S", gmtime(&now));
    if (!file_make_directory(FOLDERS)) return NULL;
    for (int i = 1;; i++) {
        char *folder =
            i == 1 ? text_format(FOLDERS "/%s", stamp) : text_format(FOLDERS "/%s-%d", stamp, i);
        if (mkdir(folder, 0777) == 0) return folder;
        free(folder);
        if (errno != EEXIST) return NULL;
    }
}

static bool output_lock_folder(report_output *output) {
    output->lock = open(output->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (output->lock < 0) return false;
    return flock(output->lock, LOCK_EX | LOCK_NB) == 0 ||
           errno != EWOULDBLOCK; // not all file systems can lock
}

// Returns whether so many bytes can be written to a file, without changing it.
static bool output_has_room(const char *path, size_t bytes) {
    whole_file file;
    if (!whole_file_open(&file, path)) return false;
    while (bytes-- > 0 && putc('\n', file.stream) != EOF)
        ;
    bool written = fflush(file.stream) == 0 && !ferror(file.stream);
    int error = errno;
    whole_file_abandon(&file);
    errno = error;
    return written;
}

static void output_need_room(const report_output *output, const char *name, size_t bytes) {
    char *path = text_format("%s/%s", output->folder, name);
    if (!output_has_room(path, bytes)) options_fail("%s: %s", path, strerror(errno));
    free(path);
}

void report_output_open(report_output *output, const char *folder, size_t bytes) {
    *output = (report_output){.lock = -1, .table = stdout};
    if (folder && file_is_standard(folder)) {
        output->table = stderr;
        return;
    }
    output->folder = folder ? text_format("%s", folder) : output_new_folder();
    if (!output->folder)
        options_fail(FOLDERS ": %s; choose another folder with --out", strerror(errno));
    if (folder && !file_make_directory(folder)) options_fail("%s: %s", folder, strerror(errno));
    if (!output_lock_folder(output))
        options_fail("%s: %s", output->folder,
                     output->lock < 0 ? strerror(errno) : "another comparison is writing there");
    output_need_room(output, results_name, bytes);
    output_need_room(output, report_name, bytes / 8);
}

// ---- After the comparison -----------------------------------------------------------------------

static bool output_write_report(const char *path, const json_t *results) {
    whole_file file;
    if (!whole_file_open(&file, path)) return false;
    report_print(results, TABLE_MARKDOWN, file.stream);
    return whole_file_commit(&file);
}

// Returns false with errno set on failure.
static bool output_write_files(const char *folder, const json_t *results) {
    char *results_path = text_format("%s/%s", folder, results_name);
    char *report_path = text_format("%s/%s", folder, report_name);
    bool written =
        file_write_json(results_path, results) && output_write_report(report_path, results);
    int error = errno;
    free(results_path);
    free(report_path);
    errno = error;
    return written;
}

static char *output_fallback_folder(void) {
    const char *folder = getenv("TMPDIR");
    char *made = text_format("%s/linmem-results-XXXXXX", folder && *folder ? folder : "/tmp");
    if (mkdtemp(made)) return made;
    free(made);
    return NULL;
}

// Called when the output's folder failed for this reason.
static void output_write_elsewhere(report_output *output, const json_t *results,
                                   const char *reason) {
    char *instead = output_fallback_folder();
    if (instead && output_write_files(instead, results)) {
        options_warn("%s: %s; %s and %s are written to %s", output->folder, reason, results_name,
                     report_name, instead);
        free(output->folder);
        output->folder = instead;
        return;
    }
    options_warn("%s: %s; %s: %s; %s follows on standard output", output->folder, reason,
                 instead ? instead : "no temporary folder", strerror(errno), results_name);
    if (instead) rmdir(instead);
    free(instead);
    free(output->folder);
    output->folder = NULL;
}

bool report_output_write(report_output *output, const json_t *results, const char *summary) {
    bool to_stream = !output->folder;
    report_print(results, TABLE_TERMINAL, output->table);
    fflush(output->table);
    bool written = to_stream || output_write_files(output->folder, results);
    if (!written) output_write_elsewhere(output, results, strerror(errno));
    if (output->folder) {
        char *folder = text_printable(output->folder);
        fprintf(output->table, "\n%s. Full results: %s/%s, %s/%s\n", summary, folder, report_name,
                folder, results_name);
        free(folder);
    } else {
        fprintf(output->table, "\n%s.\n", summary);
        if (!file_write_json("-", results)) {
            options_warn("standard output: %s", strerror(errno));
            written = false;
        }
    }
    if (output->lock >= 0) close(output->lock);
    free(output->folder);
    return written;
}

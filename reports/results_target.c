// Fuzz target: the reader of results.json, and the report. Results that the reader accepts are
// equal after they are written and read again, and each of their comparisons has an ordered
// interval in both directions. The message about any other input is one line.
#include "cli/file.h"
#include "fuzz/targets/target.h"
#include "reports/report.h"
#include "reports/results_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int file; // in memory, for the reader

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    target_begin(*argc, *argv);
    file = memfd_create("results.json", MFD_CLOEXEC);
    if (file < 0) {
        perror("linmem-fuzz: no file");
        return 2;
    }
    target_measure();
    return 0;
}

static void fail(const char *how) {
    target_fail(LAW_reader, how);
}

static void check_message(const char *reason) {
    if (!reason[0]) fail("rejected without a message");
    for (const char *c = reason; *c; c++)
        if ((unsigned char)*c < ' ') fail("the message has several lines");
}

static json_t *read_bytes(const void *bytes, size_t count) {
    char path[40], reason[200] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (ftruncate(file, 0) != 0 || pwrite(file, bytes, count, 0) != (ssize_t)count) abort();
    json_t *json = file_read_json(path, reason);
    if (!json) check_message(reason);
    return json;
}

// Returns whether the text contains what printf prints for NULL.
static bool check_written(const json_t *json) {
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY);
    if (!text) abort();
    bool has_null = strstr(text, "(null)");
    json_t *again = read_bytes(text, strlen(text));
    if (!again || !json_equal(json, again)) fail("the written results cannot be read back");
    json_decref(again);
    free(text);
    return has_null;
}

static void check_report(const json_t *json, table_form form, bool accepted, bool has_null) {
    char *text = NULL;
    size_t count;
    FILE *stream = open_memstream(&text, &count);
    if (!stream) abort();
    bool printed = report_print(json, form, stream);
    if (fclose(stream) != 0) abort();
    if (printed != accepted) fail("the report and its reader do not accept the same results");
    if (!accepted && count) fail("rejected, but printed");
    if (!has_null && strstr(text, "(null)")) fail("a missing text is printed as (null)");
    free(text);
}

static const char *text_of(const json_t *row, const char *key) {
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

static void check_interval(view_ratio r) {
    if (r.low > r.ratio || r.ratio > r.high || r.low > r.high)
        fail("an interval that is not ordered");
}

static void check_intervals(const results_view *view) {
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(view->results, "comparisons"), i, row) {
        const char *a = text_of(row, "a"), *b = text_of(row, "b");
        const char *workload = text_of(row, "workload"), *pass = text_of(row, "pass");
        check_interval(view_compare(view, a, b, workload, pass));
        check_interval(view_compare(view, b, a, workload, pass));
    }
}

void target_input(const uint8_t *bytes, size_t count) {
    json_t *json = read_bytes(bytes, count);
    if (!json) return;
    results_view view;
    const char *reason = results_view_open(&view, json);
    if (reason) {
        check_message(reason);
    } else {
        check_intervals(&view);
        results_view_close(&view);
    }
    bool has_null = check_written(json);
    check_report(json, TABLE_TERMINAL, !reason, has_null);
    check_report(json, TABLE_MARKDOWN, !reason, has_null);
    json_decref(json);
    target_operations++;
}

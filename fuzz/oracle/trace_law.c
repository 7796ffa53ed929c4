#include "fuzz/oracle/trace_law.h"

#include "corpus/trace/trace_form.h"

#include <stdlib.h>
#include <string.h>

const trace_form_calls trace_forms = {trace_parse, trace_print, trace_binary_form};

enum { FINDING_BYTES = 300 };

static bool same(const trace *a, const trace *b) {
    return a->count == b->count && strcmp(a->preamble, b->preamble) == 0 &&
           a->blocks == b->blocks && a->references == b->references && a->tokens == b->tokens &&
           a->lanes == b->lanes && a->memories == b->memories &&
           (a->count == 0 ||
            memcmp(a->operations, b->operations, a->count * sizeof *a->operations) == 0);
}

// Checks that a written form reads as its trace. Frees the form.
static bool holds_form(const trace_form_calls *forms, const trace *original, void *form,
                       size_t count, const char *what, char *finding) {
    trace again;
    trace_error error;
    bool read = forms->parse(form, count, &again, &error);
    bool holds = read && same(original, &again);
    if (!read)
        snprintf(finding, FINDING_BYTES, "the %s form cannot be read back: %s", what, error.text);
    else if (!holds)
        snprintf(finding, FINDING_BYTES, "the %s form reads back as another trace", what);
    if (read) trace_free(&again);
    free(form);
    return holds;
}

static bool holds_forms(const trace_form_calls *forms, const trace *trace, char *finding) {
    char *text = NULL;
    size_t count;
    FILE *stream = open_memstream(&text, &count);
    if (!stream) abort();
    forms->print(trace, stream);
    if (fclose(stream) != 0) abort();
    if (!holds_form(forms, trace, text, count, "text", finding)) return false;
    unsigned char *binary = forms->binary_form(trace, &count);
    if (!binary) abort();
    return holds_form(forms, trace, binary, count, "binary", finding);
}

static bool holds_refusal(const trace *trace, const trace_error *error, char *finding) {
    const char *how = NULL;
    if (trace->operations || trace->preamble) how = "rejected, but the trace is not empty";
    if (!error->text[0]) how = "rejected without a message";
    if (strpbrk(error->text, "\n\r")) how = "the message has several lines";
    if (how) snprintf(finding, FINDING_BYTES, "%s", how);
    return !how;
}

bool trace_law_holds(const trace_form_calls *forms, const void *bytes, size_t count,
                     size_t *operations, char *finding) {
    trace trace;
    trace_error error = {""};
    bool taken = forms->parse(bytes, count, &trace, &error);
    *operations = taken ? trace.count : 0;
    bool holds =
        taken ? holds_forms(forms, &trace, finding) : holds_refusal(&trace, &error, finding);
    if (taken) trace_free(&trace);
    return holds;
}

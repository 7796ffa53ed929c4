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

// ---- An independent reading of the numbers of the binary form -----------------------------------

enum { NUMBER_BYTES_MAX = 5, NUMBER_BITS = 32 };

typedef struct reading {
    const uint8_t *at, *end;
} reading;

// Reads a LEB128 number. Returns false if it is cut off, or has more than 5 bytes or 32 bits.
static bool read_number(reading *from, uint64_t *number) {
    *number = 0;
    for (int i = 0; i < NUMBER_BYTES_MAX && from->at < from->end; i++) {
        uint8_t byte = *from->at++;
        *number += (uint64_t)(byte % 128) << (7 * i);
        if (byte < 128) return *number >> NUMBER_BITS == 0;
    }
    return false;
}

// Returns whether all lengths and values of a binary trace are numbers.
static bool has_sound_numbers(const uint8_t *bytes, size_t count) {
    enum { HEAD_BYTES = sizeof TRACE_BINARY_MAGIC, VERBS = 1, PARTS_MAX = 256 };
    reading rest = {bytes + HEAD_BYTES, bytes + count};
    uint64_t lengths[PARTS_MAX], number;
    int parts = 1 + trace_binary_columns(bytes[HEAD_BYTES - 1]); // the preamble, then the columns
    if (parts > PARTS_MAX) abort();
    for (int i = 0; i < parts; i++)
        if (!read_number(&rest, &lengths[i])) return false;
    for (int i = 0; i < parts; i++) {
        if (lengths[i] > (uint64_t)(rest.end - rest.at)) return false;
        reading part = {rest.at, rest.at + lengths[i]};
        rest.at = part.end;
        while (i > VERBS && part.at < part.end)
            if (!read_number(&part, &number)) return false;
    }
    return rest.at == rest.end;
}

static bool holds_numbers(const void *bytes, size_t count, char *finding) {
    size_t magic = strlen(TRACE_BINARY_MAGIC);
    if (count <= magic || memcmp(bytes, TRACE_BINARY_MAGIC, magic) != 0) return true;
    if (has_sound_numbers(bytes, count)) return true;
    snprintf(finding, FINDING_BYTES, "accepted, but a number of the binary form exceeds 32 bits");
    return false;
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
    bool holds = taken ? holds_numbers(bytes, count, finding) && holds_forms(forms, &trace, finding)
                       : holds_refusal(&trace, &error, finding);
    if (taken) trace_free(&trace);
    return holds;
}

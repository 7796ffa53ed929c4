// Fuzz target: the reader of traces. What it takes is the same again when it is written in text and
// in binary; why it takes nothing else is one line.
//
// Mutated are a text form's lines and a binary form's columns. A compressed input is unpacked
// first, and packed again, else nothing would get past its checksum.
#include "corpus/trace_form.h"
#include "fuzz/target.h"
#include "fuzz/trace_mutator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    target_begin(*argc, *argv);
    target_measure();
    return 0;
}

static bool held(void) {
    return !(target.without & LAW_BIT(LAW_reader));
}

static bool same(const trace *a, const trace *b) {
    return a->count == b->count && strcmp(a->preamble, b->preamble) == 0 &&
           a->blocks == b->blocks && a->references == b->references && a->tokens == b->tokens &&
           a->lanes == b->lanes && a->memories == b->memories &&
           (a->count == 0 ||
            memcmp(a->operations, b->operations, a->count * sizeof *a->operations) == 0);
}

// Whether a form that was written reads as the trace it was written from. Frees the form.
static void hold_form(const trace *original, void *form, size_t count, const char *what) {
    trace again;
    trace_error error;
    char how[300];
    if (!trace_parse(form, count, &again, &error)) {
        snprintf(how, sizeof how, "the %s form is not read again: %s", what, error.text);
        target_fail(LAW_reader, how);
    }
    if (!same(original, &again)) {
        snprintf(how, sizeof how, "the %s form is another trace", what);
        target_fail(LAW_reader, how);
    }
    trace_free(&again);
    free(form);
}

static void hold_forms(const trace *trace) {
    char *text = NULL;
    size_t count;
    FILE *stream = open_memstream(&text, &count);
    trace_print(trace, stream);
    if (fclose(stream) != 0) abort();
    hold_form(trace, text, count, "text");
    unsigned char *binary = trace_binary_form(trace, &count);
    if (!binary) abort();
    hold_form(trace, binary, count, "binary");
}

static void hold_refusal(const trace *trace, const trace_error *error) {
    if (trace->operations || trace->preamble) target_fail(LAW_reader, "refused, and kept");
    if (!error->text[0]) target_fail(LAW_reader, "refused without a reason");
    if (strpbrk(error->text, "\n\r")) target_fail(LAW_reader, "a reason of several lines");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    trace trace;
    trace_error error = {""};
    bool taken = trace_parse(bytes, count, &trace, &error);
    if (taken) target_operations += trace.count;
    if (held() && taken) hold_forms(&trace);
    if (held() && !taken) hold_refusal(&trace, &error);
    if (taken) trace_free(&trace);
    return 0;
}

// ---- Mutation -----------------------------------------------------------------------------------

static size_t mutate_plain(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    size_t magic = strlen(TRACE_BINARY_MAGIC);
    bool binary = count >= magic && memcmp(bytes, TRACE_BINARY_MAGIC, magic) == 0;
    if (seed % 16 == 0) return LLVMFuzzerMutate(bytes, count, max);
    return (binary ? trace_columns_mutate : trace_lines_mutate)(bytes, count, max, seed);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    static uint8_t plain[TRACE_MUTATOR_BYTES_MAX];
    if (seed % 8 == 0) {
        size_t built = trace_operations_mutate(bytes, count, max, seed);
        if (built) return built;
    }
    size_t unpacked = ZSTD_decompress(plain, sizeof plain, bytes, count);
    bool packed = !ZSTD_isError(unpacked);
    if (!packed && seed % 64 != 1) return mutate_plain(bytes, count, max, seed);
    if (!packed) {
        unpacked = count < sizeof plain ? count : sizeof plain;
        memcpy(plain, bytes, unpacked);
    }
    size_t mutated = mutate_plain(plain, unpacked, sizeof plain, seed);
    if (ZSTD_compressBound(mutated) > max) return LLVMFuzzerMutate(bytes, count, max);
    return ZSTD_compress(bytes, max, plain, mutated, 1);
}

// The binary form, for compression: in columns, so that similar values are adjacent.
//
//     magic and version        8 bytes
//     preamble bytes           varint
//     column bytes             varint each: the verbs, then a column for each argument of each verb
//     preamble, columns
//
// The verbs' column has a byte an operation. Values are varints (LEB128); an alignment is stored as
// its logarithm. An object that begins has no value, because numbers are assigned in order; for one
// that is used it is its age: how many of its space began after it.
//
// The columns follow trace_grammar. Version 1 has the verbs up to `d`, and is written if they
// suffice. A new verb needs a new version.
#include "corpus/trace/trace.h"
#include "corpus/trace/trace_form.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 2, COLUMNS = 1 + TRACE_VERBS * TRACE_ARGUMENTS_MAX, VARINT_BYTES_MAX = 5 };

// The number of verbs of each version.
static const int version_verbs[VERSION + 1] = {0, TRACE_DRAIN + 1, TRACE_VERBS};

static const char magic[] = TRACE_BINARY_MAGIC;
enum { MAGIC_BYTES = sizeof magic - 1 };

static int trace_binary_column_of(trace_verb verb, int argument) {
    return 1 + (int)verb * TRACE_ARGUMENTS_MAX + argument;
}

static const trace_argument_rule *trace_binary_rule_of(trace_verb verb, int argument) {
    return &trace_argument_rules[trace_grammar[verb].arguments[argument]];
}

// Returns whether a column can have content; the lengths of the others are not stored.
static bool trace_binary_column_is_used(int column, int verbs) {
    if (column == 0) return true;
    trace_verb verb = (trace_verb)((column - 1) / TRACE_ARGUMENTS_MAX);
    if ((int)verb >= verbs) return false;
    int argument = (column - 1) % TRACE_ARGUMENTS_MAX;
    return trace_grammar[verb].arguments[argument] != TRACE_NONE &&
           trace_binary_rule_of(verb, argument)->role != TRACE_ROLE_BEGIN;
}

int trace_binary_columns(unsigned version) {
    int count = 0;
    for (int i = 0; i < COLUMNS && version > 0 && version <= VERSION; i++)
        count += trace_binary_column_is_used(i, version_verbs[version]);
    return count;
}

// A part of the file that is read; `start` is the file's first byte, for messages.
typedef struct input {
    const unsigned char *start, *at, *end;
} input;

static bool trace_binary_fail_at(const input *input, trace_error *error, const char *reason) {
    return trace_fail(error, "byte %zu: %s", (size_t)(input->at - input->start), reason);
}

static bool trace_binary_read_varint(input *input, uint32_t *value, trace_error *error) {
    uint64_t number = 0;
    for (int i = 0; i < VARINT_BYTES_MAX; i++) {
        if (input->at == input->end)
            return trace_binary_fail_at(input, error, "a number is cut off");
        unsigned char byte = *input->at++;
        number |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) break;
        if (i == VARINT_BYTES_MAX - 1)
            return trace_binary_fail_at(input, error, "a number of more than 5 bytes");
    }
    if (number > UINT32_MAX) return trace_binary_fail_at(input, error, "a number above 4294967295");
    *value = (uint32_t)number;
    return true;
}

static bool trace_binary_take(input *from, uint32_t bytes, input *part, trace_error *error) {
    if (bytes > (size_t)(from->end - from->at))
        return trace_binary_fail_at(from, error, "the file is shorter than its columns");
    *part = (input){from->start, from->at, from->at + bytes};
    from->at += bytes;
    return true;
}

// Reads the lengths, and sets the preamble and the columns by them.
static bool trace_binary_read_layout(input *file, int verbs, input *preamble,
                                     input columns[COLUMNS], trace_error *error) {
    uint32_t preamble_bytes, bytes[COLUMNS] = {0};
    if (!trace_binary_read_varint(file, &preamble_bytes, error)) return false;
    for (int i = 0; i < COLUMNS; i++)
        if (trace_binary_column_is_used(i, verbs) &&
            !trace_binary_read_varint(file, &bytes[i], error))
            return false;
    if (!trace_binary_take(file, preamble_bytes, preamble, error)) return false;
    for (int i = 0; i < COLUMNS; i++)
        if (!trace_binary_take(file, bytes[i], &columns[i], error)) return false;
    if (file->at < file->end)
        return trace_binary_fail_at(file, error, "bytes after the end of the trace");
    return true;
}

static bool trace_binary_read_preamble(input *preamble, trace_builder *builder,
                                       trace_error *error) {
    while (preamble->at < preamble->end) {
        size_t room = (size_t)(preamble->end - preamble->at);
        const unsigned char *newline = memchr(preamble->at, '\n', room);
        if (!newline || *preamble->at != '#' ||
            !trace_builder_hash_line(builder, (const char *)preamble->at,
                                     (size_t)(newline - preamble->at)))
            return trace_binary_fail_at(preamble, error, "a line of the preamble is not a comment");
        preamble->at = newline + 1;
    }
    return true;
}

static bool trace_binary_read_argument(const trace_argument_rule *rule, input *column,
                                       uint32_t begun, uint32_t *value, trace_error *error) {
    if (rule->role == TRACE_ROLE_BEGIN) {
        *value = begun;
        return true;
    }
    if (!trace_binary_read_varint(column, value, error)) return false;
    if (rule->role != TRACE_ROLE_NONE) {
        if (*value >= begun)
            return trace_binary_fail_at(column, error, "a use of an object that has not begun");
        *value = begun - 1 - *value;
    } else if (rule->power_of_two) {
        if (*value > 31) return trace_binary_fail_at(column, error, "an alignment above 2^31");
        *value = UINT32_C(1) << *value;
    }
    return true;
}

static bool trace_binary_read_operation(input columns[COLUMNS], int verbs,
                                        uint32_t begun[TRACE_SPACES], trace_builder *builder,
                                        trace_error *error) {
    const input verb_at = columns[0];
    trace_operation operation = {.verb = *columns[0].at++};
    if ((int)operation.verb >= verbs)
        return trace_binary_fail_at(&verb_at, error, "unknown operation");
    const trace_argument *arguments = trace_grammar[operation.verb].arguments;
    for (int i = 0; i < TRACE_ARGUMENTS_MAX && arguments[i] != TRACE_NONE; i++) {
        const trace_argument_rule *rule = &trace_argument_rules[arguments[i]];
        uint32_t count = rule->space == TRACE_SPACE_NONE ? 0 : begun[rule->space];
        if (!trace_binary_read_argument(rule, &columns[trace_binary_column_of(operation.verb, i)],
                                        count, &operation.argument[i], error))
            return false;
    }
    trace_error reason;
    if (!trace_builder_append(builder, &operation, &reason))
        return trace_binary_fail_at(&verb_at, error, reason.text);
    for (int i = 0; i < TRACE_ARGUMENTS_MAX && arguments[i] != TRACE_NONE; i++)
        if (trace_argument_rules[arguments[i]].role == TRACE_ROLE_BEGIN)
            begun[trace_argument_rules[arguments[i]].space]++;
    return true;
}

bool trace_binary_parse(const unsigned char *bytes, size_t count, trace_builder *builder,
                        trace_error *error) {
    input file = {bytes, bytes, bytes + count}, preamble = file, columns[COLUMNS];
    if (count <= MAGIC_BYTES || memcmp(bytes, magic, MAGIC_BYTES) != 0)
        return trace_fail(error, "byte 0: the first bytes of the binary form are wrong");
    file.at += MAGIC_BYTES;
    unsigned version = *file.at++;
    if (version == 0 || version > VERSION)
        return trace_fail(error, "byte %d: version %u of the binary form; 1 to %d are known",
                          MAGIC_BYTES, version, VERSION);
    if (!trace_binary_read_layout(&file, version_verbs[version], &preamble, columns, error))
        return false;
    if (!trace_binary_read_preamble(&preamble, builder, error)) return false;
    uint32_t begun[TRACE_SPACES] = {0};
    while (columns[0].at < columns[0].end)
        if (!trace_binary_read_operation(columns, version_verbs[version], begun, builder, error))
            return false;
    for (int i = 0; i < COLUMNS; i++)
        if (columns[i].at < columns[i].end)
            return trace_binary_fail_at(&columns[i], error, "more values than operations");
    return true;
}

typedef struct output {
    unsigned char *bytes;
    size_t count, capacity;
    bool failed;
} output;

static void trace_binary_write_bytes(output *output, const void *bytes, size_t count) {
    if (count > output->capacity - output->count && !output->failed) {
        size_t capacity = 2 * output->capacity + count + 64;
        unsigned char *moved = realloc(output->bytes, capacity);
        output->failed = !moved;
        if (moved) {
            output->bytes = moved;
            output->capacity = capacity;
        }
    }
    if (output->failed || count == 0) return;
    memcpy(output->bytes + output->count, bytes, count);
    output->count += count;
}

static void trace_binary_write_varint(output *output, uint64_t value) {
    unsigned char bytes[VARINT_BYTES_MAX];
    size_t count = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[count++] = (unsigned char)(value | 0x80);
    bytes[count++] = (unsigned char)value;
    trace_binary_write_bytes(output, bytes, count);
}

static void trace_binary_write_operation(output columns[COLUMNS], uint32_t begun[TRACE_SPACES],
                                         const trace_operation *operation) {
    trace_verb verb = (trace_verb)operation->verb;
    trace_binary_write_bytes(&columns[0], &(unsigned char){(unsigned char)verb}, 1);
    trace_space begins = TRACE_SPACE_NONE;
    for (int i = 0; i < TRACE_ARGUMENTS_MAX && trace_grammar[verb].arguments[i] != TRACE_NONE;
         i++) {
        const trace_argument_rule *rule = trace_binary_rule_of(verb, i);
        uint32_t value = operation->argument[i];
        if (rule->role == TRACE_ROLE_BEGIN) {
            begins = rule->space;
            continue;
        }
        if (rule->role != TRACE_ROLE_NONE) value = begun[rule->space] - 1 - value;
        if (rule->power_of_two) value = (uint32_t)__builtin_ctz(value);
        trace_binary_write_varint(&columns[trace_binary_column_of(verb, i)], value);
    }
    if (begins != TRACE_SPACE_NONE) begun[begins]++; // ages count from before the operation
}

unsigned char *trace_binary_form(const trace *trace, size_t *count) {
    output file = {0}, columns[COLUMNS] = {0};
    uint32_t begun[TRACE_SPACES] = {0};
    unsigned char version = 1;
    for (size_t i = 0; i < trace->count; i++) {
        trace_binary_write_operation(columns, begun, &trace->operations[i]);
        if ((int)trace->operations[i].verb >= version_verbs[version]) version = VERSION;
    }

    trace_binary_write_bytes(&file, magic, MAGIC_BYTES);
    trace_binary_write_bytes(&file, &version, 1);
    trace_binary_write_varint(&file, strlen(trace->preamble));
    for (int i = 0; i < COLUMNS; i++)
        if (trace_binary_column_is_used(i, version_verbs[version]))
            trace_binary_write_varint(&file, columns[i].count);
    trace_binary_write_bytes(&file, trace->preamble, strlen(trace->preamble));
    for (int i = 0; i < COLUMNS; i++) {
        trace_binary_write_bytes(&file, columns[i].bytes, columns[i].count);
        file.failed |= columns[i].failed;
        free(columns[i].bytes);
    }
    *count = file.count;
    if (!file.failed) return file.bytes;
    free(file.bytes);
    return NULL;
}

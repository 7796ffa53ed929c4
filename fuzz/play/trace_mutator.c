#include "fuzz/play/trace_mutator.h"

#include "corpus/trace/trace_form.h"
#include "fuzz/play/record_mutator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 256, LINE_BYTES_MAX = 128, STACKED_LOG2_MAX = 3 };

typedef struct buffer {
    uint8_t bytes[TRACE_MUTATOR_BYTES_MAX];
    size_t count;
} buffer;

static uint64_t state;

static size_t below(size_t bound) {
    return random_below(&state, (uint32_t)bound);
}

static void splice(buffer *b, size_t at, size_t removed, const void *bytes, size_t count) {
    size_t rest = b->count - at - removed;
    if (count > sizeof b->bytes - (b->count - removed)) return;
    memmove(b->bytes + at + count, b->bytes + at + removed, rest);
    memcpy(b->bytes + at, bytes, count);
    b->count += count - removed;
}

// Object numbers are mostly small, since a large one costs the builder memory.
static uint32_t random_number(const trace_argument_rule *rule) {
    static const uint32_t edges[] = {0,     1,      7,        15,       16,         17,
                                     254,   255,    4095,     4096,     65535,      65536,
                                     65537, 131072, 16777215, 16777216, 2147483648, UINT32_MAX};
    bool small = rule && rule->space != TRACE_SPACE_NONE ? below(256) : below(2);
    if (small) return (uint32_t)below(12);
    return below(2) ? edges[below(sizeof edges / sizeof *edges)]
                    : (uint32_t)random_next(&state) >> below(32);
}

// ---- Text ---------------------------------------------------------------------------------------

static size_t line_at(const buffer *b, size_t at) {
    while (at > 0 && b->bytes[at - 1] != '\n')
        at--;
    return at;
}

static size_t random_line(const buffer *b) {
    return line_at(b, below(b->count + 1));
}

static size_t line_end(const buffer *b, size_t at) {
    while (at < b->count && b->bytes[at++] != '\n') {
    }
    return at;
}

static size_t write_argument(char *line, const trace_argument_rule *rule) {
    if (rule->optional && below(2)) return 0;
    uint32_t value = random_number(rule);
    if (rule->words) return (size_t)sprintf(line, " %s", rule->words[value % (rule->maximum + 1)]);
    if (rule->star && below(4) == 0) return (size_t)sprintf(line, " *");
    if (rule->power_of_two && below(16)) value = 1u << below(17);
    return (size_t)sprintf(line, " %u", value);
}

// A line that the grammar accepts, with any numbers.
static size_t write_line(char *line) {
    const trace_grammar_rule *rule = &trace_grammar[below(TRACE_VERBS)];
    size_t count = (size_t)sprintf(line, "%c", rule->letter);
    for (int i = 0; i < TRACE_ARGUMENTS_MAX && rule->arguments[i] != TRACE_NONE; i++)
        count += write_argument(line + count, &trace_argument_rules[rule->arguments[i]]);
    line[count++] = '\n';
    return count;
}

static void insert_line(buffer *b) {
    char line[LINE_BYTES_MAX];
    size_t count = write_line(line);
    splice(b, random_line(b), 0, line, count);
}

static void replace_number(buffer *b) {
    char number[16];
    size_t from = below(b->count + 1);
    while (from < b->count && (b->bytes[from] < '0' || b->bytes[from] > '9'))
        from++;
    size_t to = from;
    while (to < b->count && b->bytes[to] >= '0' && b->bytes[to] <= '9')
        to++;
    int count = sprintf(number, below(32) ? "%u" : "-%u", random_number(NULL));
    splice(b, from, to - from, number, (size_t)count);
}

static void move_line(buffer *b, bool copied) {
    uint8_t line[LINE_BYTES_MAX];
    size_t at = random_line(b), count = line_end(b, at) - at;
    if (count > sizeof line) return;
    memcpy(line, b->bytes + at, count);
    if (!copied) splice(b, at, count, "", 0);
    splice(b, random_line(b), 0, line, count);
}

static void change_byte(buffer *b) {
    static const uint8_t extremes[] = {0, '\t', '\n', '\r', ' ', '#', '*', '9', 0x7f, 0xff};
    size_t at = below(b->count + 1), removed = at < b->count ? below(2) : 0;
    splice(b, at, removed, &extremes[below(sizeof extremes)], below(4) != 0);
}

static void mutate_text(buffer *b) {
    size_t at = random_line(b);
    switch (below(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        insert_line(b);
        break;
    case 4:
    case 5:
        splice(b, at, line_end(b, at) - at, "", 0);
        break;
    case 6:
        move_line(b, true);
        break;
    case 7:
        move_line(b, false);
        break;
    case 8:
        change_byte(b);
        break;
    default:
        replace_number(b);
        break;
    }
}

static size_t take(const buffer *b, uint8_t *bytes, size_t max) {
    size_t count = b->count < max ? b->count : max;
    memcpy(bytes, b->bytes, count);
    return count;
}

static void give(buffer *b, const uint8_t *bytes, size_t count) {
    b->count = count < sizeof b->bytes ? count : sizeof b->bytes;
    memcpy(b->bytes, bytes, b->count);
}

size_t trace_lines_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    static const char header[] = TRACE_TEXT_MAGIC " 1\n";
    static buffer b;
    state = seed;
    give(&b, bytes, count);
    for (size_t times = (size_t)1 << below(STACKED_LOG2_MAX + 1); times > 0; times--)
        mutate_text(&b);
    bool headed = b.count >= sizeof header - 1 && memcmp(b.bytes, header, sizeof header - 1) == 0;
    if (!headed && below(16)) splice(&b, 0, 0, header, sizeof header - 1);
    return take(&b, bytes, max);
}

// ---- Binary -------------------------------------------------------------------------------------

enum { HEAD_BYTES = sizeof TRACE_BINARY_MAGIC }; // with the version

// Part 0 is the preamble; the others are the columns.
typedef struct parts {
    int count;
    size_t at[COLUMNS_MAX], bytes[COLUMNS_MAX];
} parts;

static bool read_length(const buffer *b, size_t *at, size_t *length) {
    *length = 0;
    for (unsigned shift = 0; shift < 32 && *at < b->count; shift += 7) {
        uint8_t byte = b->bytes[(*at)++];
        *length |= (size_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

// Finds the parts; `at` is set to the start of the first one.
static bool find_parts(const buffer *b, parts *p, size_t *at) {
    *at = HEAD_BYTES;
    if (b->count < HEAD_BYTES) return false;
    p->count = 1 + trace_binary_columns(b->bytes[HEAD_BYTES - 1]);
    if (p->count == 1) return false; // unknown version
    for (int i = 0; i < p->count; i++)
        if (!read_length(b, at, &p->bytes[i])) return false;
    size_t next = *at;
    for (int i = 0; i < p->count; i++) {
        if (p->bytes[i] > b->count - next) return false;
        p->at[i] = next;
        next += p->bytes[i];
    }
    return true;
}

static size_t write_number(uint8_t *bytes, uint64_t value) {
    size_t count = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[count++] = (uint8_t)(value | 0x80);
    bytes[count++] = (uint8_t)value;
    return count;
}

// A number of a column, in a few cases one of 2^32 or more, which the reader must reject.
static uint64_t random_value(void) {
    return random_number(NULL) + ((uint64_t)!below(64) << (32 + below(3)));
}

// Rewrites the lengths, which end at `behind`; the parts do not change.
static void write_lengths(buffer *b, const parts *p, size_t behind) {
    uint8_t lengths[COLUMNS_MAX * 5];
    size_t count = 0;
    for (int i = 0; i < p->count; i++)
        count += write_number(lengths + count, p->bytes[i]);
    splice(b, HEAD_BYTES, behind - HEAD_BYTES, lengths, count);
}

// Inserts, removes or replaces a number of a column, or a verb of the first column.
static bool mutate_columns(buffer *b) {
    static parts p;
    uint8_t number[8];
    size_t behind;
    if (!find_parts(b, &p, &behind)) return false;
    int part = below(3) ? 1 + (int)below((size_t)p.count - 1) : 1;
    for (int tries = 0; tries < 8 && p.bytes[part] == 0 && below(8); tries++)
        part = 1 + (int)below((size_t)p.count - 1);
    size_t count = part == 1 ? 1 : write_number(number, random_value());
    if (part == 1) number[0] = (uint8_t)below(TRACE_VERBS);
    size_t at = below(p.bytes[part] + 1), kind = below(4);
    size_t removed = kind && at < p.bytes[part] ? 1 : 0;
    size_t inserted = kind == 1 ? 0 : count;
    size_t before = b->count;
    splice(b, p.at[part] + at, removed, number, inserted);
    if (b->count - before != inserted - removed) return true; // no room
    p.bytes[part] += inserted - removed;
    write_lengths(b, &p, behind);
    return true;
}

size_t trace_columns_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    static buffer b;
    state = seed;
    give(&b, bytes, count);
    for (size_t times = (size_t)1 << below(STACKED_LOG2_MAX + 1); times > 0; times--)
        if (!mutate_columns(&b)) return trace_lines_mutate(bytes, count, max, seed);
    if (below(16) == 0) change_byte(&b);
    return take(&b, bytes, max);
}

// ---- Operations ---------------------------------------------------------------------------------

static trace_operation random_operation(void) {
    trace_operation operation = {.verb = (uint32_t)below(TRACE_VERBS)};
    for (int i = 0; i < TRACE_ARGUMENTS_MAX; i++) {
        const trace_argument_rule *rule =
            &trace_argument_rules[trace_grammar[operation.verb].arguments[i]];
        operation.argument[i] = random_number(rule);
        if (rule->words) operation.argument[i] %= rule->maximum + 1;
        if (rule->power_of_two) operation.argument[i] = 1u << below(17);
    }
    return operation;
}

static bool append(trace_builder *builder, trace_operation operation) {
    trace_error error;
    return trace_builder_append(builder, &operation, &error);
}

// Appends several operations, so that some use what others begin; most are invalid and retried.
static void append_burst(trace_builder *builder) {
    for (size_t count = 1 + below(16); count > 0; count--)
        for (int tries = 0; tries < 32 && !append(builder, random_operation()); tries++) {
        }
}

// Ends the live objects with small numbers.
static void close_all(trace_builder *builder, const trace *trace) {
    while (append(builder, (trace_operation){.verb = TRACE_CLOSE})) {
    }
    static const uint32_t endings[] = {TRACE_FREE, TRACE_COLLECT, TRACE_RELEASE};
    uint32_t most = trace->blocks + trace->references + trace->tokens + 16;
    for (uint32_t i = 0; i < 3 * most; i++)
        append(builder, (trace_operation){endings[i % 3], {i / 3}});
    append(builder, (trace_operation){TRACE_DRAIN, {TRACE_COUNT_ALL}});
}

static size_t write_form(const trace *trace, bool text, uint8_t *bytes, size_t max) {
    size_t count = 0;
    char *form = NULL;
    if (text) {
        FILE *stream = open_memstream(&form, &count);
        if (!stream) return 0;
        trace_print(trace, stream);
        fclose(stream);
    } else {
        form = (char *)trace_binary_form(trace, &count);
    }
    if (form && count <= max) memcpy(bytes, form, count);
    free(form);
    return count <= max ? count : 0;
}

size_t trace_operations_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    trace before, after;
    trace_error error;
    state = seed;
    if (!trace_parse(bytes, count, &before, &error)) before = (trace){0};
    trace_builder *builder = trace_builder_new();
    size_t sparsely = 2 + below(64); // at least 2, so that the bursts end
    bool room = builder != NULL;
    for (size_t i = 0; room && i <= before.count; i++) {
        while (below(sparsely) == 0)
            append_burst(builder);
        if (i < before.count && below(sparsely)) append(builder, before.operations[i]);
    }
    if (room) close_all(builder, &before);
    trace_free(&before);
    if (!room || !trace_builder_finish(builder, &after, &error)) return 0;
    size_t written = write_form(&after, below(2), bytes, max);
    trace_free(&after);
    return written;
}

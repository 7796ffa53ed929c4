// Mutates valid traces in every form and parses them: each is accepted, and then survives a round
// through text and binary unchanged, or is refused with one line. Arguments: how many (20,000),
// and the first seed (1). A failure names its seed, and leaves the input in /tmp.
#include "cli/random.h"
#include "corpus/trace/trace.h"
#include "corpus/trace/trace_form.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { ROOM = 1 << 16, OPERATIONS = 120 };

typedef struct input {
    unsigned char bytes[ROOM];
    size_t count;
} input;

typedef enum form { TEXT, BINARY, PACKED, FORMS } form;
enum { TRACES = 8 };
static input valid[TRACES][FORMS];
static uint64_t state;

static size_t below(size_t count) {
    return (size_t)(random_next(&state) % count);
}

static char *print(const trace *trace, size_t *count) {
    char *text = NULL;
    FILE *stream = open_memstream(&text, count);
    trace_print(trace, stream);
    fclose(stream);
    return text;
}

// Replaces `removed` bytes at `at`, where there is room.
static void splice(input *input, size_t at, size_t removed, const void *bytes, size_t count) {
    if (input->count - removed + count > ROOM) return;
    unsigned char *place = input->bytes + at;
    memmove(place + count, place + removed, input->count - at - removed);
    memcpy(place, bytes, count);
    input->count += count - removed;
}

static void replace_number(input *input) {
    static const char *const numbers[] = {"0",           "1",          "2",
                                          "7",           "15",         "16",
                                          "17",          "254",        "255",
                                          "4095",        "4096",       "65535",
                                          "65536",       "65537",      "131072",
                                          "16777215",    "16777216",   "2147483648",
                                          "4294967295",  "4294967296", "18446744073709551616",
                                          "-1",          "*",          "",
                                          "00000000001", "1e9"};
    size_t from = below(input->count + 1);
    while (from < input->count && (input->bytes[from] < '0' || input->bytes[from] > '9'))
        from++;
    size_t to = from;
    while (to < input->count && input->bytes[to] >= '0' && input->bytes[to] <= '9')
        to++;
    const char *number = numbers[below(sizeof numbers / sizeof *numbers)];
    splice(input, from, to - from, number, strlen(number));
}

static size_t line_at(const input *input, size_t at) {
    while (at > 0 && input->bytes[at - 1] != '\n')
        at--;
    return at;
}

// Takes a line out, or puts it somewhere else, or puts a line of another trace in.
static void move_line(input *to, const input *from, bool remove) {
    size_t start = line_at(from, below(from->count + 1)), end = start;
    while (end < from->count && from->bytes[end++] != '\n') {
    }
    if (remove && to->count >= end) {
        splice(to, start, end - start, "", 0);
    } else {
        splice(to, line_at(to, below(to->count + 1)), 0, from->bytes + start, end - start);
    }
}

static void mutate(input *input, form form) {
    const struct input *other = &valid[below(TRACES)][form];
    static const unsigned char extremes[] = {0, 1, 0x7f, 0x80, 0xff, '\n', '#', ' '};
    size_t at = below(input->count + 1), from = below(other->count), room = input->count - at;
    switch (below(form == TEXT ? 10 : 6)) {
    case 0:
        if (room) input->bytes[at] ^= (unsigned char)(1 << below(8));
        break;
    case 1:
        if (room) input->bytes[at] = extremes[below(sizeof extremes)];
        break;
    case 2:
        input->count = at;
        break;
    case 3:
        splice(input, at, below(room + 1), other->bytes + from, below(other->count - from));
        break;
    case 4:
        splice(input, at, below((room < 8 ? room : 8) + 1), "", 0);
        break;
    case 5:
        splice(input, at, 0, &extremes[below(sizeof extremes)], 1);
        break;
    case 6:
        move_line(input, input, true);
        break;
    case 7:
        move_line(input, other, false);
        break;
    default:
        replace_number(input);
    }
}

static void pack(input *packed, const input *plain) {
    packed->count = ZSTD_compress(packed->bytes, ROOM, plain->bytes, plain->count, 1);
    if (ZSTD_isError(packed->count)) abort();
}

// A valid trace of every verb: random operations, of which the builder keeps the good ones.
static void make_valid(size_t index) {
    trace_builder *builder = trace_builder_new();
    trace_error error;
    trace trace;
    trace_builder_comment(builder, "a comment\nand more");
    while (below(OPERATIONS)) {
        trace_operation operation = {.verb = (uint32_t)below(TRACE_VERBS)};
        for (int i = 0; i < TRACE_ARGUMENTS_MAX; i++)
            operation.argument[i] = (uint32_t)below(12);
        if (trace_grammar[operation.verb].arguments[1] == TRACE_SIZE && below(3))
            operation.argument[1] = (uint32_t)(random_next(&state) >> below(64));
        if (operation.verb == TRACE_EXIT) continue;
        if (trace_grammar[operation.verb].arguments[2] == TRACE_ALIGNMENT)
            operation.argument[2] = 1U << below(32);
        if (trace_grammar[operation.verb].arguments[2] == TRACE_BUFFER_ALIGNMENT)
            operation.argument[2] = 1U << below(17);
        trace_builder_append(builder, &operation, &error);
    }
    if (index % 2) trace_builder_append(builder, &(trace_operation){.verb = TRACE_EXIT}, &error);
    while (trace_builder_append(builder, &(trace_operation){.verb = TRACE_CLOSE}, &error)) {
    }
    const trace_verb closing[] = {TRACE_FREE, TRACE_COLLECT, TRACE_RELEASE};
    for (uint32_t i = 0; i < 12; i++)
        for (int j = 0; j < 3; j++)
            trace_builder_append(builder, &(trace_operation){closing[j], {i}}, &error);
    trace_builder_append(builder, &(trace_operation){TRACE_DRAIN, {TRACE_COUNT_ALL}}, &error);
    if (!trace_builder_finish(builder, &trace, &error)) abort();
    size_t count;
    char *text = print(&trace, &count);
    splice(&valid[index][TEXT], 0, 0, text, count);
    unsigned char *binary = trace_binary_form(&trace, &count);
    splice(&valid[index][BINARY], 0, 0, binary, count);
    pack(&valid[index][PACKED], &valid[index][BINARY]);
    free(text);
    free(binary);
    trace_free(&trace);
}

static bool survives(const trace *original, const void *bytes, size_t count) {
    trace again;
    trace_error error;
    if (!bytes || !trace_parse(bytes, count, &again, &error)) return false;
    bool same = original->count == again.count && strcmp(original->preamble, again.preamble) == 0 &&
                original->blocks == again.blocks && original->references == again.references &&
                original->tokens == again.tokens && original->lanes == again.lanes &&
                original->memories == again.memories &&
                (original->count == 0 || memcmp(original->operations, again.operations,
                                                original->count * sizeof *again.operations) == 0);
    trace_free(&again);
    return same;
}

// Returns what is wrong, or NULL.
static const char *judge(const input *input, uint64_t *accepted) {
    trace trace;
    trace_error error = {""};
    unsigned char *exact = malloc(input->count + !input->count); // its end is the sanitizer's
    memcpy(exact, input->bytes, input->count);
    bool good = trace_parse(exact, input->count, &trace, &error);
    free(exact);
    if (!good) {
        if (trace.operations || trace.preamble) return "refused, and something was kept";
        return error.text[0] && !strchr(error.text, '\n') ? NULL : "not one line";
    }
    ++*accepted;
    size_t count;
    char *text = print(&trace, &count);
    bool text_survives = survives(&trace, text, count);
    free(text);
    unsigned char *binary = trace_binary_form(&trace, &count);
    bool binary_survives = survives(&trace, binary, count);
    free(binary);
    trace_free(&trace);
    return !text_survives ? "lost in text" : !binary_survives ? "lost in binary" : NULL;
}

static void leave_input(const input *input) {
    FILE *file = fopen("/tmp/trace_mutation.input", "wb");
    if (!file) return;
    fwrite(input->bytes, 1, input->count, file);
    fclose(file);
}

int main(int argc, char **argv) {
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000, accepted[FORMS] = {0};
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (size_t i = 0; i < TRACES; i++)
        make_valid(i);
    for (uint64_t seed = first; seed < first + count; seed++) {
        static input input, packed;
        state = seed * UINT64_C(0xd1342543de82ef95);
        form form = (enum form)below(FORMS);
        bool packed_after = form == PACKED && below(2); // else nothing gets past its frame
        if (packed_after) form = BINARY;
        input = valid[below(TRACES)][form];
        for (size_t i = 1 + below(4); i > 0; i--)
            mutate(&input, form);
        if (packed_after) pack(&packed, &input);
        const char *wrong = judge(packed_after ? &packed : &input, &accepted[form]);
        if (!wrong) continue;
        leave_input(packed_after ? &packed : &input);
        fprintf(stderr, "seed %" PRIu64 ": %s\n", seed, wrong);
        return 1;
    }
    printf("%" PRIu64 " mutated; accepted: %" PRIu64 " text, %" PRIu64 " binary, %" PRIu64
           " compressed\n",
           count, accepted[TEXT], accepted[BINARY], accepted[PACKED]);
    return accepted[TEXT] && accepted[BINARY] ? 0 : 1; // where none is, nothing was tried
}

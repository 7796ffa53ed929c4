#include "fuzz/play/buffers_input.h"
#include "alloc/buffers/view.h"
#include "fuzz/play/record_mutator.h"

#include <string.h>

enum {
    ALIGNMENTS_LOG2_MAX = 16,
    DEFAULT_LOG2 = 4,
    PLACES = 256,      // numbers of a record's place byte
    VIEW_PLACES = 192, // of these, for a copy, the ones that name views only, if there are any
    SPAN_MAX = 64,     // a heap's pages at most, to bound the time of a call
    WORLD_BYTES = 8,
    HEAP_BYTES = 8,
};

// By a record's first byte modulo 64; a verb's entries are its weight.
static const uint8_t verbs[64] = {
    TRACE_BUFFER,   TRACE_BUFFER,  TRACE_BUFFER,  TRACE_BUFFER,   TRACE_BUFFER,   TRACE_BUFFER,
    TRACE_BUFFER,   TRACE_BUFFER,  TRACE_BUFFER,  TRACE_RETAIN,   TRACE_RETAIN,   TRACE_RETAIN,
    TRACE_RETAIN,   TRACE_RETAIN,  TRACE_RETAIN,  TRACE_RELEASE,  TRACE_RELEASE,  TRACE_RELEASE,
    TRACE_RELEASE,  TRACE_RELEASE, TRACE_RELEASE, TRACE_WRONG,    TRACE_WRONG,    TRACE_WRONG,
    TRACE_VIEW,     TRACE_VIEW,    TRACE_VIEW,    TRACE_VIEW,     TRACE_VIEW,     TRACE_COPY,
    TRACE_COPY,     TRACE_COPY,    TRACE_COPY,    TRACE_TRANSFER, TRACE_TRANSFER, TRACE_TRANSFER,
    TRACE_TRANSFER, TRACE_ATTACH,  TRACE_ATTACH,  TRACE_ATTACH,   TRACE_ATTACH,   TRACE_ATTACH,
    TRACE_ATTACH,   TRACE_DETACH,  TRACE_DETACH,  TRACE_DETACH,   TRACE_COLLECT,  TRACE_COLLECT,
    TRACE_COLLECT,  TRACE_COLLECT, TRACE_DRAIN,   TRACE_DRAIN,    TRACE_DRAIN,    TRACE_MEMORY,
    TRACE_MEMORY,   TRACE_MEMORY,  TRACE_MEMORY,  TRACE_ALLOCATE, TRACE_FREE,     TRACE_RESIZE,
    TRACE_ZEROED,   TRACE_REFUSE,  TRACE_GROW,    TRACE_MOVE,
};

// ---- Live objects -------------------------------------------------------------------------------

// Numbers of live objects, in the order that decoding and encoding share.
typedef struct names {
    uint16_t numbers[BUFFERS_INPUT_OPERATIONS_MAX];
    uint32_t live, begun;
} names;

typedef struct roll {
    names blocks, tokens;
    names references, attached; // attached: kept by a token; begun counts in references
    names views;                // the references that are views
    uint16_t of_token[BUFFERS_INPUT_OPERATIONS_MAX];
} roll;

static void roll_clear(roll *r) {
    r->blocks.live = r->blocks.begun = r->tokens.live = r->tokens.begun = 0;
    r->references.live = r->references.begun = r->attached.live = r->views.live = 0;
}

static void names_add(names *n, uint32_t number) {
    n->numbers[n->live++] = (uint16_t)number;
}
static uint32_t names_find(const names *n, uint32_t number) {
    uint32_t place = 0;
    while (place < n->live && n->numbers[place] != number)
        place++;
    return place;
}
// Removes a number if it is there.
static void names_remove(names *n, uint32_t number) {
    uint32_t place = names_find(n, number);
    if (place < n->live) n->numbers[place] = n->numbers[--n->live];
}

static void roll_play(roll *r, const trace_operation *operation) {
    const uint32_t *argument = operation->argument;
    switch (operation->verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
        names_add(&r->blocks, r->blocks.begun++);
        break;
    case TRACE_FREE:
        names_remove(&r->blocks, argument[0]);
        break;
    case TRACE_VIEW:
        names_add(&r->views, r->references.begun);
        names_add(&r->references, r->references.begun++);
        break;
    case TRACE_BUFFER:
    case TRACE_RETAIN:
        names_add(&r->references, r->references.begun++);
        break;
    case TRACE_RELEASE:
        names_remove(&r->views, argument[0]);
        names_remove(&r->references, argument[0]);
        break;
    case TRACE_ATTACH:
        names_remove(&r->references, argument[1]);
        names_add(&r->attached, argument[1]);
        names_add(&r->tokens, r->tokens.begun);
        r->of_token[r->tokens.begun++] = (uint16_t)argument[1];
        break;
    case TRACE_DETACH:
    case TRACE_COLLECT:
        names_remove(&r->tokens, argument[0]);
        names_remove(&r->attached, r->of_token[argument[0]]);
        if (operation->verb == TRACE_DETACH)
            names_add(&r->references, r->of_token[argument[0]]);
        else
            names_remove(&r->views, r->of_token[argument[0]]);
        break;
    default:
        break;
    }
}

// The kinds of a verb's arguments, the number of live objects of a kind, and the one at a place.

typedef enum kind { NO_NAME, BLOCK, TOKEN, REFERENCE, ANY_REFERENCE, VIEW } kind;

static const uint8_t name_kinds[TRACE_VERBS][2] = {
    [TRACE_FREE] = {BLOCK},
    [TRACE_RESIZE] = {BLOCK},
    [TRACE_RETAIN] = {NO_NAME, ANY_REFERENCE},
    [TRACE_RELEASE] = {REFERENCE},
    [TRACE_VIEW] = {NO_NAME, ANY_REFERENCE},
    [TRACE_COPY] = {VIEW, VIEW},
    [TRACE_TRANSFER] = {REFERENCE},
    [TRACE_ATTACH] = {NO_NAME, REFERENCE},
    [TRACE_DETACH] = {TOKEN},
    [TRACE_COLLECT] = {TOKEN},
};

static const names *names_of(const roll *r, kind kind) {
    return kind == BLOCK ? &r->blocks : kind == TOKEN ? &r->tokens : &r->references;
}

// Returns false if none is live.
static bool name_at(const roll *r, kind kind, uint32_t place, uint32_t *number) {
    const names *n = names_of(r, kind);
    uint32_t others = kind >= ANY_REFERENCE ? r->attached.live : 0, live = n->live + others;
    if (kind == NO_NAME) return true;
    if (kind == VIEW && place < VIEW_PLACES && r->views.live) {
        *number = r->views.numbers[place % r->views.live];
        return true;
    }
    if (live == 0) return false;
    place %= live;
    *number = place < n->live ? n->numbers[place] : r->attached.numbers[place - n->live];
    return true;
}

// Returns PLACES if no record can name it.
static uint32_t place_of(const roll *r, kind kind, uint32_t number) {
    const names *n = names_of(r, kind);
    if (kind == NO_NAME) return 0;
    uint32_t place = names_find(n, number);
    if (kind >= ANY_REFERENCE && place == n->live) place += names_find(&r->attached, number);
    if (kind != VIEW || r->views.live == 0) return place;
    uint32_t view = names_find(&r->views, number), live = n->live + r->attached.live;
    if (view < r->views.live && view < VIEW_PLACES) return view;
    while (place < VIEW_PLACES)
        place += live;
    return place;
}

// ---- Decoding -----------------------------------------------------------------------------------

static void decode_world(const uint8_t *head, buffers_world_choice *choice) {
    choice->count = 1 + head[0] % BUFFERS_MEMORIES_MAX;
    choice->atomic = head[0] >> 2 & 1;
    choice->moving = head[0] >> 3 & !choice->atomic;
    choice->budget = head[0] >> 4 & (BUFFERS_BUDGETS - 1);
    choice->skipped = head[5] % (BUFFERS_SKIPPED_MAX + 1);
    for (uint32_t i = 0; i < BUFFERS_MEMORIES_MAX; i++)
        choice->servers[i] = i < choice->count ? head[1 + i] % (uint32_t)buffers_servers() : 0;
}

// Returns false if the head does not say where the heap starts.
static bool decode_heap(const uint8_t *bytes, trace_operation *heap) {
    uint32_t start = record_load(bytes, 4) & ~(uint32_t)(TRACE_ALIGNMENT_DEFAULT - 1);
    uint32_t pages = record_load(bytes + 4, 2), span = record_load(bytes + 6, 2);
    if (start == 0 && pages == 0 && span == 0) return false;
    if (start == 0) start = TRACE_ALIGNMENT_DEFAULT;
    uint32_t first = start / LM_PAGE_BYTES, room = LM_PAGES_MAX - first;
    span = span == 0 ? 1 : span > SPAN_MAX ? 1 + span % SPAN_MAX : span;
    if (span > room) span = room;
    if (pages > span) pages %= span + 1;
    *heap = (trace_operation){TRACE_HEAP, {start, first + pages, first + span}};
    return true;
}

static size_t decode_head(const uint8_t *head, buffers_world_choice *choice,
                          trace_operation *operations, size_t max) {
    size_t decoded = 0;
    decode_world(head, choice);
    for (uint32_t i = 0; i < choice->count && max - decoded >= 2; i++) {
        trace_operation heap;
        if (!decode_heap(head + WORLD_BYTES + i * HEAP_BYTES, &heap)) continue;
        operations[decoded++] = (trace_operation){TRACE_MEMORY, {i}};
        operations[decoded++] = heap;
    }
    return decoded;
}

// Wrong calls on buffers, cyclically.
static uint32_t wrong_of(uint32_t place) {
    uint32_t found = 0;
    for (uint32_t i = 0;; i = (i + 1) % WRONG_CALLS)
        if (!trace_wrong_call_is_of_heap[i] && found++ == place) return i;
}

// Decodes the arguments that are not numbers of live objects.
static void decode_values(const uint8_t *record, const roll *r, trace_operation *operation) {
    uint32_t *argument = operation->argument, x = record_load(record + 4, 4);
    uint32_t log2 = record[3] <= ALIGNMENTS_LOG2_MAX ? record[3] : DEFAULT_LOG2;
    switch (operation->verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
    case TRACE_BUFFER:
        argument[0] = operation->verb == TRACE_BUFFER ? r->references.begun : r->blocks.begun;
        argument[1] = x;
        argument[2] = (uint32_t)1 << log2;
        break;
    case TRACE_RETAIN:
        argument[0] = r->references.begun;
        break;
    case TRACE_VIEW:
        argument[0] = r->references.begun;
        argument[2] = record[3] % TRACE_VIEW_KINDS;
        argument[3] = x;
        argument[4] = record_load(record + 8, 4);
        break;
    case TRACE_COPY:
        argument[2] = x;
        argument[3] = record_load(record + 8, 4);
        argument[4] = record_load(record + 12, 4);
        break;
    case TRACE_TRANSFER:
        argument[1] = record[3] % TRACE_MEMORIES_MAX;
        break;
    case TRACE_MEMORY:
        argument[0] = record[3] % TRACE_MEMORIES_MAX;
        break;
    case TRACE_ATTACH:
        argument[0] = r->tokens.begun;
        break;
    case TRACE_WRONG:
        argument[0] = wrong_of(record[3]);
        argument[1] = record_load(record + 8, 4);
        argument[2] = x;
        break;
    case TRACE_RESIZE:
        argument[1] = x;
        break;
    case TRACE_GROW:
        argument[0] = x % (LM_PAGES_MAX + 1);
        break;
    case TRACE_REFUSE:
    case TRACE_DRAIN:
        argument[0] = x;
        break;
    default:
        break;
    }
}

// Returns false if the operation is impossible in this state.
static bool decode_record(const uint8_t *record, roll *r, trace_operation *operation) {
    *operation = (trace_operation){.verb = verbs[record[0] % 64]};
    for (uint32_t i = 0; i < 2; i++)
        if (!name_at(r, name_kinds[operation->verb][i], record[1 + i], &operation->argument[i]))
            return false;
    decode_values(record, r, operation);
    roll_play(r, operation);
    return true;
}

size_t buffers_input_decode(const uint8_t *bytes, size_t count, buffers_world_choice *choice,
                            trace_operation *operations, size_t max) {
    uint8_t head[BUFFERS_INPUT_HEAD_BYTES] = {0};
    roll r;
    roll_clear(&r);
    size_t at = count < sizeof head ? count : sizeof head;
    for (size_t i = 0; i < at; i++)
        head[i] = bytes[i];
    if (max > BUFFERS_INPUT_OPERATIONS_MAX) max = BUFFERS_INPUT_OPERATIONS_MAX;
    size_t decoded = decode_head(head, choice, operations, max);
    for (; decoded < max && count - at >= BUFFERS_INPUT_RECORD_BYTES;
         at += BUFFERS_INPUT_RECORD_BYTES)
        decoded += decode_record(bytes + at, &r, &operations[decoded]);
    return decoded;
}

// ---- Encoding -----------------------------------------------------------------------------------

static void encode_world(const buffers_world_choice *choice, uint8_t *head) {
    head[0] = (uint8_t)((choice->count - 1) | (uint32_t)choice->atomic << 2 |
                        (uint32_t)choice->moving << 3 | choice->budget << 4);
    for (uint32_t i = 0; i < choice->count; i++)
        head[1 + i] = (uint8_t)choice->servers[i];
    head[5] = (uint8_t)choice->skipped;
}

static bool encode_heap(const trace_operation *heap, uint8_t *bytes) {
    uint32_t start = heap->argument[0], first = start / LM_PAGE_BYTES;
    if (heap->argument[1] < first) return false;
    record_store(bytes, 4, start);
    record_store(bytes + 4, 2, heap->argument[1] - first);
    record_store(bytes + 6, 2, heap->argument[2] - first);
    trace_operation decoded;
    return decode_heap(bytes, &decoded) && memcmp(&decoded, heap, sizeof decoded) == 0;
}

// Encodes the heaps at a trace's beginning, each after its `m`. Returns the number of operations.
static size_t encode_heaps(const buffers_world_choice *choice, const trace_operation *operations,
                           size_t count, uint8_t *head) {
    size_t encoded = 0;
    uint32_t before = UINT32_MAX;
    while (count - encoded >= 2 && operations[encoded].verb == TRACE_MEMORY &&
           operations[encoded + 1].verb == TRACE_HEAP) {
        uint32_t memory = operations[encoded].argument[0];
        if (memory >= choice->count || memory + 1 <= before + 1 ||
            !encode_heap(&operations[encoded + 1], head + WORLD_BYTES + memory * HEAP_BYTES))
            break;
        before = memory;
        encoded += 2;
    }
    return encoded;
}

// Returns the first byte that decodes to the verb, or 64.
static unsigned byte_of(uint32_t verb) {
    unsigned byte = 0;
    while (byte < 64 && verbs[byte] != verb)
        byte++;
    return byte;
}

static void encode_values(const trace_operation *operation, uint8_t *record) {
    const uint32_t *argument = operation->argument;
    switch (operation->verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
    case TRACE_BUFFER:
        record[3] = (uint8_t)__builtin_ctz(argument[2]);
        record_store(record + 4, 4, argument[1]);
        break;
    case TRACE_VIEW:
        record[3] = (uint8_t)argument[2];
        record_store(record + 4, 4, argument[3]);
        record_store(record + 8, 4, argument[4]);
        break;
    case TRACE_COPY:
        record_store(record + 4, 4, argument[2]);
        record_store(record + 8, 4, argument[3]);
        record_store(record + 12, 4, argument[4]);
        break;
    case TRACE_TRANSFER:
        record[3] = (uint8_t)argument[1];
        break;
    case TRACE_MEMORY:
        record[3] = (uint8_t)argument[0];
        break;
    case TRACE_WRONG:
        while (wrong_of(record[3]) != argument[0])
            record[3]++;
        record_store(record + 4, 4, argument[2]);
        record_store(record + 8, 4, argument[1]);
        break;
    case TRACE_RESIZE:
        record_store(record + 4, 4, argument[1]);
        break;
    case TRACE_GROW:
    case TRACE_REFUSE:
    case TRACE_DRAIN:
        record_store(record + 4, 4, argument[0]);
        break;
    default:
        break;
    }
}

static bool encode_record(const trace_operation *operation, roll *r, uint8_t *record) {
    unsigned byte = byte_of(operation->verb);
    if (byte == 64) return false;
    if (operation->verb == TRACE_WRONG && trace_wrong_call_is_of_heap[operation->argument[0]])
        return false;
    memset(record, 0, BUFFERS_INPUT_RECORD_BYTES);
    record[0] = (uint8_t)byte;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t place = place_of(r, name_kinds[operation->verb][i], operation->argument[i]);
        if (place >= PLACES) return false;
        record[1 + i] = (uint8_t)place;
    }
    encode_values(operation, record);
    roll_play(r, operation);
    return true;
}

size_t buffers_input_encode(const buffers_world_choice *choice, const trace_operation *operations,
                            size_t count, uint8_t *bytes, size_t max) {
    roll r;
    size_t at = BUFFERS_INPUT_HEAD_BYTES;
    roll_clear(&r);
    if (count > BUFFERS_INPUT_OPERATIONS_MAX || max < at) return 0;
    memset(bytes, 0, at);
    encode_world(choice, bytes);
    for (size_t i = encode_heaps(choice, operations, count, bytes); i < count; i++) {
        if (max - at < BUFFERS_INPUT_RECORD_BYTES || !encode_record(&operations[i], &r, bytes + at))
            return 0;
        at += BUFFERS_INPUT_RECORD_BYTES;
    }
    return at;
}

// ---- Mutation -----------------------------------------------------------------------------------

static uint32_t any_of(uint64_t *random, const uint32_t *values, size_t count) {
    return values[random_below(random, (uint32_t)count)];
}

// A few common sizes, so that views of small buffers often end where these end, and sizes near
// powers of two.
static uint32_t random_size(uint64_t *random) {
    static const uint32_t common[] = {0, 1, 7, 8, 16, 24, 32, 64, 100, 256, 300};
    switch (random_below(random, 8)) {
    case 0:
        return random_below(random, 5000);
    case 1:
        return ((uint32_t)1 << random_below(random, 32)) + random_below(random, 3) - 1;
    case 2:
        return random_below(random, 4)   ? random_below(random, 1000)
               : random_below(random, 2) ? random_below(random, 100000)
                                         : UINT32_MAX - random_below(random, 40);
    default:
        return any_of(random, common, sizeof common / sizeof *common);
    }
}

// Offsets and lengths, mostly small.
static uint32_t random_extent(uint64_t *random) {
    switch (random_below(random, 16)) {
    case 0:
        return (uint32_t)random_next(random);
    case 1:
        return ((uint32_t)1 << random_below(random, 32)) - random_below(random, 3);
    case 2:
        return UINT32_MAX - random_below(random, 16);
    case 3:
        return random_below(random, 300);
    case 4:
    case 5:
        return 0;
    case 6:
    case 7:
        return random_below(random, 70);
    default:
        return random_below(random, 9) * (random_below(random, 2) ? 1 : 8);
    }
}

static uint32_t random_value(uint64_t *random, uint32_t verb) {
    static const uint32_t counts[] = {0, 1, 1, 1, 2, 3, 5, UINT32_MAX};
    switch (verb) {
    case TRACE_DRAIN:
    case TRACE_REFUSE:
    case TRACE_GROW:
        return any_of(random, counts, sizeof counts / sizeof *counts);
    case TRACE_VIEW:
    case TRACE_COPY:
        return random_extent(random);
    case TRACE_WRONG: // variants of few calls, offsets near the memory's end and 4 GiB
        return random_below(random, 2)   ? random_below(random, 32)
               : random_below(random, 2) ? UINT32_MAX - random_below(random, 16)
                                         : random_size(random);
    default:
        return random_size(random);
    }
}

static uint8_t random_kind(uint64_t *random, uint32_t verb) {
    static const uint32_t log2s[] = {0, 1, 2, 3, 4, 4, 4, 4, 4, 5, 6, 8, 12, 16};
    static const uint32_t memories[] = {0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 254};
    static const uint32_t kinds[] = {LM_I8, LM_U8, LM_C8, LM_I16, LM_F32, LM_F64};
    if (verb == TRACE_VIEW && random_below(random, 4)) // narrow or rounding ones
        return (uint8_t)any_of(random, kinds, sizeof kinds / sizeof *kinds);
    if (verb == TRACE_VIEW) return (uint8_t)random_below(random, TRACE_VIEW_KINDS);
    if (verb == TRACE_WRONG) return (uint8_t)random_below(random, WRONG_CALLS);
    if (verb == TRACE_MEMORY || verb == TRACE_TRANSFER)
        return (uint8_t)any_of(random, memories, sizeof memories / sizeof *memories);
    return (uint8_t)any_of(random, log2s, sizeof log2s / sizeof *log2s);
}

// A place, mostly of an object begun early or late.
static uint8_t random_place(uint64_t *random) {
    uint32_t kind = random_below(random, 4);
    return (uint8_t)(kind == 0 ? random_next(random) : random_below(random, kind == 1 ? 3 : 12));
}

// Moving a memory takes as long as a hundred other operations, so it is rare; a copy needs two
// views that match, so views and copies are frequent.
static uint8_t random_verb(uint64_t *random) {
    if (random_below(random, 8) == 0)
        return (uint8_t)byte_of(random_below(random, 2) ? TRACE_COPY : TRACE_VIEW);
    uint8_t verb = (uint8_t)random_below(random, 64);
    return verbs[verb] == TRACE_MOVE && random_below(random, 16) ? 0 : verb;
}

static void random_record(uint8_t *record, uint64_t *random) {
    uint32_t verb = verbs[record[0] = random_verb(random)];
    record[1] = random_place(random);
    record[2] = random_place(random);
    record[3] = random_kind(random, verb);
    for (uint32_t i = 4; i < BUFFERS_INPUT_RECORD_BYTES; i += 4)
        record_store(record + i, 4, random_value(random, verb));
    if (verb == TRACE_WRONG) record_store(record + 8, 4, random_place(random)); // mostly begun
    uint32_t fits = random_below(random, 8);
    if (fits == 0) return;
    // Views of 4 GiB and a little more: their sizes in bytes overflow to small ones.
    if (fits == 1 && verb == TRACE_VIEW)
        record_store(record + 8, 4,
                     ((uint32_t)1 << (29 + random_below(random, 3))) + random_below(random, 4));
    if (fits == 1) return;
    if (verb == TRACE_VIEW) record_store(record + 4, 4, 8 * random_below(random, 4)); // fits
    if (verb == TRACE_VIEW) record_store(record + 8, 4, random_below(random, 9));
    for (uint32_t i = 4; verb == TRACE_COPY && i < BUFFERS_INPUT_RECORD_BYTES; i += 4)
        record_store(record + i, 4, random_below(random, 5));
}

static void tweak_record(uint8_t *record, uint64_t *random) {
    uint32_t verb = verbs[record[0] % 64], field = 4 + 4 * random_below(random, 3);
    uint32_t value = record_load(record + field, 4);
    switch (random_below(random, 8)) {
    case 0:
        record[0] = random_verb(random);
        break;
    case 1:
        record[3] = random_kind(random, verb);
        break;
    case 2:
        record[1] = random_place(random);
        break;
    case 3:
        record[2] = random_place(random);
        break;
    case 4:
        record_store(record + field, 4, random_below(random, 2) ? value * 2 : value / 2);
        break;
    case 5:
        record_store(record + field, 4, value + random_below(random, 3) - 1);
        break;
    default:
        record_store(record + field, 4, random_value(random, verb));
        break;
    }
}

// One to four memories, mostly not moving and without a budget; sometimes with memory numbers
// around 128. Most heaps have no start of their own; others start with little left of the page or
// of 4 GiB.
static void random_head(uint8_t *head, uint64_t *random) {
    memset(head, 0, BUFFERS_INPUT_HEAD_BYTES);
    uint32_t flags = random_below(random, 4) | random_below(random, 2) << 2;
    if (random_below(random, 24) == 0) flags |= 1 << 3;
    if (random_below(random, 4) == 0) flags |= random_below(random, BUFFERS_BUDGETS) << 4;
    head[0] = (uint8_t)flags;
    if (random_below(random, 16) == 0)
        head[5] = (uint8_t)(BUFFERS_SKIPPED_MAX - random_below(random, 12));
    for (uint32_t i = 0; i < BUFFERS_MEMORIES_MAX; i++) {
        uint8_t *heap = head + WORLD_BYTES + i * HEAP_BYTES;
        head[1 + i] = (uint8_t)random_below(random, (uint32_t)buffers_servers());
        if (random_below(random, 4)) continue;
        uint32_t pages = random_below(random, 3), span = 1 + random_below(random, 5);
        uint32_t page = random_below(random, 2) ? 0 : LM_PAGES_MAX - 5;
        record_store(heap, 4, page * LM_PAGE_BYTES + 16 * random_below(random, LM_PAGE_BYTES / 16));
        record_store(heap + 4, 2, pages);
        record_store(heap + 6, 2, span);
    }
}

static const record_format format = {.head_bytes = BUFFERS_INPUT_HEAD_BYTES,
                                     .record_bytes = BUFFERS_INPUT_RECORD_BYTES,
                                     .records_max =
                                         BUFFERS_INPUT_OPERATIONS_MAX - 2 * BUFFERS_MEMORIES_MAX,
                                     .place = 1,
                                     .random_head = random_head,
                                     .random_record = random_record,
                                     .tweak_record = tweak_record};

size_t buffers_input_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    return records_mutate(&format, bytes, count, max, seed);
}

size_t buffers_input_cross(const uint8_t *first, size_t first_count, const uint8_t *second,
                           size_t second_count, uint8_t *bytes, size_t max, unsigned seed) {
    return records_cross(&format, first, first_count, second, second_count, bytes, max, seed);
}

#include "fuzz/play/heap_input.h"

#include "fuzz/play/record_mutator.h"

#include <string.h>

// Alignments above LIKELY_LOG2_MAX are rare, since most memories have no room for them.
enum { ALIGNMENTS_LOG2_MAX = 31, LIKELY_LOG2_MAX = 16, DEFAULT_LOG2 = 4, SCOPES_MAX = 64 };

// By a record's first byte modulo VERBS; a verb's entries are its weight.
enum { VERBS = 33 };
static const uint8_t verbs[VERBS] = {
    TRACE_ALLOCATE, TRACE_ALLOCATE, TRACE_ALLOCATE, TRACE_ALLOCATE, TRACE_ALLOCATE, TRACE_ALLOCATE,
    TRACE_ALLOCATE, TRACE_ALLOCATE, TRACE_ALLOCATE, TRACE_ALLOCATE, TRACE_ALLOCATE, TRACE_ZEROED,
    TRACE_ZEROED,   TRACE_FREE,     TRACE_FREE,     TRACE_FREE,     TRACE_FREE,     TRACE_FREE,
    TRACE_FREE,     TRACE_FREE,     TRACE_FREE,     TRACE_RESIZE,   TRACE_RESIZE,   TRACE_RESIZE,
    TRACE_RESIZE,   TRACE_RESIZE,   TRACE_REFUSE,   TRACE_GROW,     TRACE_MOVE,     TRACE_OPEN,
    TRACE_CLOSE,    TRACE_RESET,    TRACE_LANE,
};

// First bytes from here on are wrong calls.
enum { WRONG_BYTE = 0x80 };

// ---- Live blocks --------------------------------------------------------------------------------

// The live blocks and their scopes, in the order that decoding and encoding share.
typedef struct roll {
    uint16_t numbers[HEAP_INPUT_OPERATIONS_MAX], scopes[HEAP_INPUT_OPERATIONS_MAX];
    uint32_t live, begun, depth;
    uint64_t huge; // sum of the huge requests
} roll;

static void roll_remove(roll *r, uint32_t place) {
    r->live--;
    r->numbers[place] = r->numbers[r->live];
    r->scopes[place] = r->scopes[r->live];
}

static void roll_end(roll *r, uint32_t scope) {
    for (uint32_t i = r->live; i-- > 0;)
        if (r->scopes[i] >= scope) roll_remove(r, i);
}

// Updates the roll by an operation on the block at `place`.
static void roll_play(roll *r, uint32_t verb, uint32_t place) {
    switch (verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
        r->scopes[r->live] = (uint16_t)r->depth;
        r->numbers[r->live++] = (uint16_t)r->begun++;
        break;
    case TRACE_RESIZE:
        r->scopes[place] = (uint16_t)r->depth;
        break;
    case TRACE_FREE:
        roll_remove(r, place);
        break;
    case TRACE_OPEN:
        r->depth++;
        break;
    case TRACE_CLOSE:
        roll_end(r, r->depth--);
        break;
    case TRACE_RESET:
        roll_end(r, r->depth = 0);
        break;
    default:
        break;
    }
}

// ---- Decoding -----------------------------------------------------------------------------------

static trace_operation decode_head(const uint8_t *head) {
    uint32_t start = record_load(head, 4) & ~(uint32_t)(TRACE_ALIGNMENT_DEFAULT - 1);
    uint32_t pages = record_load(head + 4, 2), max = record_load(head + 6, 2);
    if (max == 0) max = 65536;
    if (pages == UINT16_MAX) pages = 65536;
    if (pages > max) pages = max;
    if (start >= (uint64_t)max * 65536) start %= max * 65536;
    if (start == 0) start = TRACE_ALIGNMENT_DEFAULT;
    return (trace_operation){.verb = TRACE_HEAP, .argument = {start, pages, max}};
}

// Some strategies take time in proportion to a huge size or alignment, so an input makes few huge
// requests.
static uint32_t decode_alignment(roll *r, uint8_t log2) {
    uint32_t alignment = (uint32_t)1 << (log2 > ALIGNMENTS_LOG2_MAX ? DEFAULT_LOG2 : log2);
    if (alignment < HEAP_INPUT_HUGE_BYTES) return alignment;
    if (r->huge + alignment > HEAP_INPUT_HUGE_BYTES_MAX) return TRACE_ALIGNMENT_DEFAULT;
    r->huge += alignment;
    return alignment;
}

static uint32_t decode_size(roll *r, uint32_t size) {
    if (size < HEAP_INPUT_HUGE_BYTES) return size;
    if (r->huge + size > HEAP_INPUT_HUGE_BYTES_MAX) return size % HEAP_INPUT_HUGE_BYTES;
    r->huge += size;
    return size;
}

// The block has begun or would be the next; wrong calls on buffers are replaced by ones on heaps.
static trace_operation decode_wrong(const uint8_t *record, const roll *r) {
    uint32_t call = record[1] % WRONG_CALLS, number = record_load(record + 2, 2) % (r->begun + 1);
    while (!trace_wrong_call_is_of_heap[call])
        call = (call + 1) % WRONG_CALLS;
    return (trace_operation){TRACE_WRONG, {call, number, record_load(record + 4, 4)}};
}

// Returns false if the operation is impossible in this state.
static bool decode_record(const uint8_t *record, roll *r, trace_operation *operation) {
    if (record[0] >= WRONG_BYTE) {
        *operation = decode_wrong(record, r);
        return true;
    }
    uint32_t verb = verbs[record[0] % VERBS], place = record_load(record + 2, 2),
             value = record_load(record + 4, 4);
    *operation = (trace_operation){.verb = verb};
    switch (verb) {
    case TRACE_ALLOCATE:
        operation->argument[2] = decode_alignment(r, record[1]);
        operation->argument[1] = decode_size(r, value);
        operation->argument[0] = r->begun;
        break;
    case TRACE_ZEROED:
        operation->argument[2] = TRACE_ALIGNMENT_DEFAULT;
        operation->argument[1] = decode_size(r, value);
        operation->argument[0] = r->begun;
        break;
    case TRACE_RESIZE:
    case TRACE_FREE:
        if (r->live == 0) return false;
        place %= r->live;
        operation->argument[0] = r->numbers[place];
        if (verb == TRACE_RESIZE) operation->argument[1] = decode_size(r, value);
        break;
    case TRACE_GROW:
        operation->argument[0] = value % 65537;
        break;
    case TRACE_REFUSE:
        operation->argument[0] = value;
        break;
    case TRACE_LANE:
        operation->argument[0] = value % HEAP_INPUT_LANES;
        break;
    case TRACE_OPEN:
        if (r->depth == SCOPES_MAX) return false;
        break;
    case TRACE_CLOSE:
        if (r->depth == 0) return false;
        break;
    default:
        break;
    }
    roll_play(r, verb, place);
    return true;
}

size_t heap_input_decode(const uint8_t *bytes, size_t count, trace_operation *operations,
                         size_t max) {
    uint8_t head[HEAP_INPUT_HEAD_BYTES] = {0};
    roll r;
    r.live = r.begun = r.depth = 0;
    r.huge = 0;
    size_t at = count < sizeof head ? count : sizeof head, decoded = 0;
    for (size_t i = 0; i < at; i++)
        head[i] = bytes[i];
    if (max > HEAP_INPUT_OPERATIONS_MAX) max = HEAP_INPUT_OPERATIONS_MAX;
    if (max > 0) operations[decoded++] = decode_head(head);
    for (; decoded < max && count - at >= HEAP_INPUT_RECORD_BYTES; at += HEAP_INPUT_RECORD_BYTES)
        decoded += decode_record(bytes + at, &r, &operations[decoded]);
    return decoded;
}

// ---- Encoding -----------------------------------------------------------------------------------

static bool encode_head(const trace_operation *heap, uint8_t *head) {
    record_store(head, 4, heap->argument[0]);
    record_store(head + 4, 2, heap->argument[1] == 65536 ? UINT16_MAX : heap->argument[1]);
    record_store(head + 6, 2, heap->argument[2] % 65536);
    trace_operation decoded = decode_head(head);
    return memcmp(&decoded, heap, sizeof decoded) == 0;
}

static uint32_t place_of(const roll *r, uint32_t number) {
    uint32_t place = 0;
    while (place < r->live && r->numbers[place] != number)
        place++;
    return place;
}

// Returns the first byte that decodes to the verb, or VERBS.
static unsigned byte_of(uint32_t verb) {
    unsigned byte = 0;
    while (byte < VERBS && verbs[byte] != verb)
        byte++;
    return byte;
}

static bool encode_wrong(const trace_operation *operation, const roll *r, uint8_t *record) {
    record[0] = WRONG_BYTE;
    record[1] = (uint8_t)operation->argument[0];
    record_store(record + 2, 2, operation->argument[1]);
    record_store(record + 4, 4, operation->argument[2]);
    trace_operation decoded = decode_wrong(record, r);
    return memcmp(&decoded, operation, sizeof decoded) == 0;
}

static bool encode_record(const trace_operation *operation, roll *r, uint8_t *record) {
    if (operation->verb == TRACE_WRONG) return encode_wrong(operation, r, record);
    const uint32_t *argument = operation->argument;
    uint32_t verb = operation->verb;
    bool begins = verb == TRACE_ALLOCATE || verb == TRACE_ZEROED;
    bool uses = verb == TRACE_RESIZE || verb == TRACE_FREE;
    if (byte_of(verb) == VERBS) return false;
    memset(record, 0, HEAP_INPUT_RECORD_BYTES);
    record[0] = (uint8_t)byte_of(verb);
    if (begins && argument[2]) record[1] = (uint8_t)__builtin_ctz(argument[2]);
    if (uses) record_store(record + 2, 2, place_of(r, argument[0]));
    record_store(record + 4, 4, begins || uses ? argument[1] : argument[0]);
    trace_operation decoded;
    return decode_record(record, r, &decoded) && memcmp(&decoded, operation, sizeof decoded) == 0;
}

size_t heap_input_encode(const trace_operation *operations, size_t count, uint8_t *bytes,
                         size_t max) {
    static const trace_operation plain = {.verb = TRACE_HEAP,
                                          .argument = {TRACE_ALIGNMENT_DEFAULT, 1, 65536}};
    size_t placed = count && operations[0].verb == TRACE_HEAP;
    size_t records = count - placed,
           needed = HEAP_INPUT_HEAD_BYTES + records * HEAP_INPUT_RECORD_BYTES;
    if (records >= HEAP_INPUT_OPERATIONS_MAX || needed > max) return 0;
    if (!encode_head(placed ? operations : &plain, bytes)) return 0;
    roll r;
    r.live = r.begun = r.depth = 0;
    r.huge = 0;
    for (size_t i = 0; i < records; i++)
        if (!encode_record(&operations[placed + i], &r,
                           bytes + HEAP_INPUT_HEAD_BYTES + i * HEAP_INPUT_RECORD_BYTES))
            return 0;
    return needed;
}

// ---- Mutation -----------------------------------------------------------------------------------

// Sizes to be near: powers of two and the strategies' limits. heap.dict has the same for
// libFuzzer's own mutations.
static const uint32_t bounds[] = {
    0,          16,         32,         48,         64,         96,         128,        192,
    256,        320,        384,        448,        512,        1008,       1024,       1536,
    2032,       2048,       3072,       4080,       4096,       6144,       8192,       12288,
    16384,      32768,      65520,      65536,      98304,      131072,     262144,     524288,
    1048576,    2097152,    4194304,    16777216,   67108864,   268435456,  536870912,  1073741824,
    2147483648, 3221225472, 4026531840, 4227858432, 4290772992, 4294901760, 4294963200, 4294967280,
};
static const int32_t nearby[] = {0,  -1, 1,  -4,  4,   -5,  -8,  8,   -12, -13, -15, -16,
                                 15, 16, 17, -17, -20, -24, -31, -32, 32,  -64, 64};

// A memory's maximum in pages; 0: 4 GiB.
static uint32_t random_maximum(uint64_t *random) {
    static const uint32_t maxima[] = {0,  0,  1,  2,   3,   4,   8,    12,
                                      20, 30, 40, 100, 200, 300, 1000, 4096};
    if (random_below(random, 4) == 0) return 1 + random_below(random, 512);
    return maxima[random_below(random, sizeof maxima / sizeof *maxima)];
}

static uint32_t random_size(uint64_t *random) {
    uint32_t kind = random_below(random, 32);
    if (kind < 16) return random_below(random, 16u << random_below(random, 9)); // up to 4 KiB
    if (kind < 18) return (uint32_t)random_next(random) >> random_below(random, 32);
    if (kind < 19) { // near the limit of what a memory has room for
        uint32_t pages = random_maximum(random);
        return pages ? random_below(random, pages * 65536) : 0;
    }
    uint32_t count = sizeof bounds / sizeof *bounds;
    uint32_t bound = bounds[random_below(random, kind < 28 ? 30 : count)];
    return bound + (uint32_t)nearby[random_below(random, sizeof nearby / sizeof *nearby)];
}

static uint32_t random_value(uint64_t *random, uint32_t verb) {
    switch (verb) {
    case TRACE_GROW:
        return random_below(random, 16) ? 1 + random_below(random, 3)
                                        : (uint32_t)random_next(random) >> random_below(random, 32);
    case TRACE_REFUSE:
        return random_below(random, 4) ? random_below(random, 5) : UINT32_MAX;
    case TRACE_LANE:
        return random_below(random, HEAP_INPUT_LANES);
    default:
        return random_size(random);
    }
}

static uint8_t random_alignment(uint64_t *random) {
    if (random_below(random, 8)) return DEFAULT_LOG2;
    bool large = random_below(random, 16) == 0;
    return (uint8_t)random_below(random, 1 + (large ? ALIGNMENTS_LOG2_MAX : LIKELY_LOG2_MAX));
}

static void random_record(uint8_t *record, uint64_t *random) {
    record[0] = (uint8_t)random_below(random, VERBS);
    // Failures, growths, moves, scopes, resets and lanes are rarer than their weights.
    if (record[0] >= 26 && random_below(random, 2)) record[0] = (uint8_t)random_below(random, 26);
    // Resets are expensive and add little.
    if (verbs[record[0]] == TRACE_RESET && random_below(random, 3)) record[0] = 0;
    record[1] = random_alignment(random);
    record_store(record + 2, 2,
                 random_below(random, 4) ? (uint32_t)random_next(random) : random_below(random, 3));
    record_store(record + 4, 4, random_value(random, verbs[record[0]]));
}

// OFFSET of a wrong call: a size, an offset in a block, or one in the memory.
static uint32_t random_offset(uint64_t *random) {
    switch (random_below(random, 4)) {
    case 0:
        return random_below(random, 64);
    case 1:
        return 16u * random_below(random, 16u << random_below(random, 13));
    case 2:
        return random_size(random);
    default:
        return (uint32_t)-(int32_t)(1 + random_below(random, 64)); // before the block
    }
}

static void random_wrong(uint8_t *record, uint64_t *random) {
    record[0] = WRONG_BYTE;
    record[1] = (uint8_t)random_below(random, WRONG_CALLS);
    record_store(record + 2, 2, (uint32_t)random_next(random));
    record_store(record + 4, 4, random_offset(random));
}

static void random_record_or_wrong(uint8_t *record, uint64_t *random) {
    if (random_below(random, 3))
        random_record(record, random);
    else
        random_wrong(record, random);
}

static void tweak_record(uint8_t *record, uint64_t *random) {
    uint32_t verb = verbs[record[0] % VERBS], value = record_load(record + 4, 4);
    switch (random_below(random, 8)) {
    case 0:
        record[0] = (uint8_t)random_below(random, 28);
        break;
    case 1:
        record[1] = random_alignment(random);
        break;
    case 2:
        record_store(record + 2, 2, (uint32_t)random_next(random));
        break;
    case 3:
        record_store(record + 2, 2, record_load(record + 2, 2) + random_below(random, 3) - 1);
        break;
    case 4:
        record_store(record + 4, 4, random_below(random, 2) ? value * 2 : value / 2);
        break;
    case 5:
        record_store(record + 4, 4,
                     value +
                         (uint32_t)nearby[random_below(random, sizeof nearby / sizeof *nearby)]);
        break;
    default:
        record_store(record + 4, 4, random_value(random, verb));
        break;
    }
}

// Where a heap starts: mostly at 16; else with little left of its page, of the memory or of 4 GiB,
// or where offsets are negative as signed integers.
static void random_head(uint8_t *head, uint64_t *random) {
    uint32_t start = 16, pages = random_below(random, 3), max = random_maximum(random);
    switch (random_below(random, 8)) {
    case 0:
        start = 65536 - 16 * (1 + random_below(random, 512));
        break;
    case 1:
        start = 16 * random_below(random, 4097);
        break;
    case 2: // near the end
        start = (max ? max * 65536 : 0) - 65536 * (1 + random_below(random, 6)) +
                (random_below(random, 2) ? 16 * random_below(random, 4096) : 0);
        pages = max ? max : UINT16_MAX;
        pages -= random_below(random, 2);
        break;
    case 3:
        pages = random_below(random, random_below(random, 2) && max && max <= 512 ? max + 1 : 8);
        break;
    case 4:
        start = (1u << 31) - 65536 * random_below(random, 4) + 16 * random_below(random, 4096);
        pages = 32768 + random_below(random, 3);
        max = random_below(random, 2) ? pages + random_below(random, 40) : 0;
        break;
    default:
        break;
    }
    record_store(head, 4, start);
    record_store(head + 4, 2, pages);
    record_store(head + 6, 2, max);
}

static const record_format format = {.head_bytes = HEAP_INPUT_HEAD_BYTES,
                                     .record_bytes = HEAP_INPUT_RECORD_BYTES,
                                     .records_max = HEAP_INPUT_OPERATIONS_MAX - 1,
                                     .place = 2,
                                     .random_head = random_head,
                                     .random_record = random_record,
                                     .tweak_record = tweak_record};

size_t heap_input_mutate(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    return records_mutate(&format, bytes, count, max, seed);
}

size_t heap_input_mutate_wrong(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    record_format wrong = format;
    wrong.random_record = random_record_or_wrong;
    return records_mutate(&wrong, bytes, count, max, seed);
}

size_t heap_input_cross(const uint8_t *first, size_t first_count, const uint8_t *second,
                        size_t second_count, uint8_t *bytes, size_t max, unsigned seed) {
    return records_cross(&format, first, first_count, second, second_count, bytes, max, seed);
}

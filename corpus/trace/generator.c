// Generates synthetic traces. The live blocks are in a priority queue, ordered by their ends. Only
// integers and IEEE sums and products are used, and no log or exp of a library, so that every
// machine makes the same trace.
#include "corpus/trace/generator.h"
#include "cli/random.h"
#include "corpus/trace/trace_form.h"

#include <stdlib.h>
#include <string.h>

enum { CHOICES_MAX = 64, OPERATIONS_MAX = 1 << 24 };
#define FOREVER   UINT64_MAX
#define BYTES_MAX (UINT64_C(1) << 32) // of a linear memory

typedef enum choice_kind {
    SIZE_RANGE,
    LIFETIME_GEOMETRIC,
    LIFETIME_FIXED,
    LIFETIME_BATCH,
    LIFETIME_FOREVER,
} choice_kind;

typedef struct choice {
    double weight;
    choice_kind kind;
    uint64_t from, to; // of sizes; lifetimes use `from`
} choice;

typedef struct choices {
    choice items[CHOICES_MAX];
    size_t count;
    double weight;
} choices;

typedef struct description {
    uint64_t seed, operations, live_blocks, live_bytes;
    choices sizes, lifetimes;
    uint32_t lanes, alignments; // alignments: the number of powers of two from 32 on
    double resize, zeroed, aligned, remote;
} description;

typedef struct block {
    uint64_t dies;
    uint32_t id, bytes, lane;
} block;

typedef struct generator {
    const description *description;
    uint64_t state; // of cli/random.h
    trace_builder *builder;
    block *heap; // the earliest end first
    size_t count;
    uint64_t live_bytes, now;
    uint32_t next_id, lane;
} generator;

// Uniform in [0, 1).
static double generator_next_share(generator *generator) {
    return (double)(random_next(&generator->state) >> 11) * 0x1p-53;
}

// Uniform in 0 … count − 1.
static uint64_t generator_next_below(generator *generator, uint64_t count) {
    return (uint64_t)((unsigned __int128)random_next(&generator->state) * count >> 64);
}

static uint64_t generator_bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

// Log-uniform in from … to. The bits of an IEEE number, as an integer, are its logarithm,
// interpolated linearly between the powers of two.
static uint64_t generator_next_in_range(generator *generator, uint64_t from, uint64_t to) {
    uint64_t low = generator_bits_of((double)from), high = generator_bits_of((double)to + 1);
    uint64_t bits = low + generator_next_below(generator, high - low);
    double value;
    memcpy(&value, &bits, sizeof value);
    return (uint64_t)value;
}

// Geometric: −log2 of a uniform number by the same interpolation, which makes its mean 1.5.
static uint64_t generator_next_geometric(generator *generator, uint64_t mean) {
    double uniform = 1 - generator_next_share(generator);
    double logarithm = (double)(generator_bits_of(1.0) - generator_bits_of(uniform)) * 0x1p-52;
    return (uint64_t)(logarithm / 1.5 * (double)mean + 0.5);
}

static const choice *generator_choose(generator *generator, const choices *choices) {
    double at = generator_next_share(generator) * choices->weight;
    size_t i = 0;
    while (i + 1 < choices->count && at >= choices->items[i].weight)
        at -= choices->items[i++].weight;
    return &choices->items[i];
}

static uint32_t generator_next_size(generator *generator) {
    const choice *choice = generator_choose(generator, &generator->description->sizes);
    return (uint32_t)generator_next_in_range(generator, choice->from, choice->to);
}

static uint64_t generator_next_death(generator *generator) {
    const choice *choice = generator_choose(generator, &generator->description->lifetimes);
    switch (choice->kind) {
    case LIFETIME_GEOMETRIC:
        return generator->now + 1 + generator_next_geometric(generator, choice->from);
    case LIFETIME_FIXED:
        return generator->now + choice->from;
    case LIFETIME_BATCH:
        return (generator->now / choice->from + 1) * choice->from;
    default:
        return FOREVER;
    }
}

static bool generator_sooner(block a, block b) {
    return a.dies != b.dies ? a.dies < b.dies : a.id < b.id;
}

static void generator_heap_add(generator *generator, block block) {
    size_t at = generator->count++;
    for (; at > 0 && generator_sooner(block, generator->heap[(at - 1) / 2]); at = (at - 1) / 2)
        generator->heap[at] = generator->heap[(at - 1) / 2];
    generator->heap[at] = block;
}

static block generator_heap_take(generator *generator) {
    block *heap = generator->heap, first = heap[0], last = heap[--generator->count];
    size_t at = 0;
    for (size_t child = 1; child < generator->count; child = 2 * at + 1) {
        if (child + 1 < generator->count && generator_sooner(heap[child + 1], heap[child])) child++;
        if (!generator_sooner(heap[child], last)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

static bool generator_append(generator *generator, trace_verb verb, uint32_t id, uint32_t bytes,
                             uint32_t alignment, trace_error *error) {
    trace_operation operation = {.verb = verb, .argument = {id, bytes, alignment}};
    return trace_builder_append(generator->builder, &operation, error);
}

// Changes to a lane.
static bool generator_go_to_lane(generator *generator, uint32_t lane, trace_error *error) {
    if (lane == generator->lane) return true;
    generator->lane = lane;
    return generator_append(generator, TRACE_LANE, lane, 0, 0, error);
}

static bool generator_free_first(generator *generator, trace_error *error) {
    block block = generator_heap_take(generator);
    generator->live_bytes -= block.bytes;
    uint32_t lanes = generator->description->lanes, lane = block.lane;
    if (lanes > 1 && generator_next_share(generator) < generator->description->remote)
        lane = (lane + 1 + (uint32_t)generator_next_below(generator, lanes - 1)) % lanes;
    return generator_go_to_lane(generator, lane, error) &&
           generator_append(generator, TRACE_FREE, block.id, 0, 0, error);
}

static bool generator_resize_any(generator *generator, trace_error *error) {
    block *block = &generator->heap[generator_next_below(generator, generator->count)];
    uint32_t bytes = generator_next_size(generator);
    generator->live_bytes += (uint64_t)bytes - block->bytes;
    block->bytes = bytes;
    return generator_go_to_lane(generator, block->lane, error) &&
           generator_append(generator, TRACE_RESIZE, block->id, bytes, 0, error);
}

static bool generator_allocate(generator *generator, uint32_t bytes, trace_error *error) {
    const description *description = generator->description;
    bool zeroed = generator_next_share(generator) < description->zeroed;
    uint32_t alignment = TRACE_ALIGNMENT_DEFAULT;
    if (generator_next_share(generator) < description->aligned)
        alignment = UINT32_C(32) << generator_next_below(generator, description->alignments);
    uint32_t lane =
        description->lanes > 1 ? (uint32_t)generator_next_below(generator, description->lanes) : 0;
    block block = {generator_next_death(generator), generator->next_id++, bytes, lane};
    generator->live_bytes += bytes;
    generator_heap_add(generator, block);
    return generator_go_to_lane(generator, lane, error) &&
           generator_append(generator, zeroed ? TRACE_ZEROED : TRACE_ALLOCATE, block.id, bytes,
                            alignment, error);
}

static bool generator_step(generator *generator, trace_error *error) {
    const description *description = generator->description;
    if (generator->count && generator->heap[0].dies <= generator->now)
        return generator_free_first(generator, error);
    if (generator->count && generator_next_share(generator) < description->resize)
        return generator_resize_any(generator, error);
    uint32_t bytes = generator_next_size(generator);
    bool full = generator->count == description->live_blocks ||
                generator->live_bytes + bytes > description->live_bytes;
    return generator->count && full ? generator_free_first(generator, error)
                                    : generator_allocate(generator, bytes, error);
}

static bool generator_generate(generator *generator, trace_error *error) {
    for (; generator->now < generator->description->operations; generator->now++)
        if (!generator_step(generator, error)) return false;
    if (!generator_append(generator, TRACE_EXIT, 0, 0, 0, error)) return false;
    while (generator->count)
        if (!generator_free_first(generator, error)) return false;
    return true;
}

// Reads a size or a lifetime; its key determines the kind.
static bool generator_read_choice(json_t *json, choice *choice, trace_error *error) {
    static const struct {
        const char *key;
        choice_kind kind;
        uint64_t minimum;
    } keys[] = {{"bytes", SIZE_RANGE, 0},
                {"from", SIZE_RANGE, 1},
                {"geometric", LIFETIME_GEOMETRIC, 1},
                {"fixed", LIFETIME_FIXED, 1},
                {"batch", LIFETIME_BATCH, 1},
                {"forever", LIFETIME_FOREVER, 0}};
    double weight = 0;
    if (json_unpack(json, "{s:F}", "weight", &weight) != 0 || !(weight > 0 && weight < 1e9))
        return trace_fail(error, "a weight must be above 0 and below 10^9");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(json, keys[i].key);
        if (!value) continue;
        json_int_t number = json_integer_value(value), to = number;
        if (keys[i].kind == LIFETIME_FOREVER ? !json_is_true(value) : !json_is_integer(value))
            return trace_fail(error, "\"%s\" has the wrong type", keys[i].key);
        json_unpack(json, "{s?I}", "to", &to);
        bool ranged = strcmp(keys[i].key, "from") == 0;
        if (number < (json_int_t)keys[i].minimum || to < number || to > UINT32_MAX)
            return trace_fail(error, "\"%s\" is out of range", keys[i].key);
        if (json_object_size(json) != (ranged ? 3 : 2) || (ranged && !json_object_get(json, "to")))
            return trace_fail(error,
                              "\"%s\" has a key beside it that it must not have, or lacks one",
                              keys[i].key);
        *choice = (struct choice){weight, keys[i].kind, (uint64_t)number, (uint64_t)to};
        return true;
    }
    return trace_fail(error, "a size has bytes, or from and to; a lifetime has geometric, fixed, "
                             "batch or forever");
}

static bool generator_read_choices(json_t *array, bool sizes, choices *choices,
                                   trace_error *error) {
    const char *name = sizes ? "sizes" : "lifetimes";
    choices->count = json_array_size(array);
    if (choices->count < 1 || choices->count > CHOICES_MAX)
        return trace_fail(error, "%s must be an array of 1 to %d", name, CHOICES_MAX);
    for (size_t i = 0; i < choices->count; i++) {
        trace_error reason;
        if (!generator_read_choice(json_array_get(array, i), &choices->items[i], &reason))
            return trace_fail(error, "%s[%zu]: %s", name, i, reason.text);
        if ((choices->items[i].kind == SIZE_RANGE) != sizes)
            return trace_fail(error, "%s[%zu] is not one of the %s", name, i, name);
        choices->weight += choices->items[i].weight;
    }
    return true;
}

static bool generator_read_alignment_max(json_int_t most, description *description,
                                         trace_error *error) {
    if (most < 32 || most > INT64_C(1) << 31 || (most & (most - 1)) != 0)
        return trace_fail(error, "alignment_max must be a power of two in 32 ... 2^31");
    description->alignments = (uint32_t)__builtin_ctzll((unsigned long long)most) - 4;
    return true;
}

static bool generator_read_description(json_t *json, description *description, trace_error *error) {
    json_t *sizes, *lifetimes;
    json_error_t reason;
    const char *about, *source;
    json_int_t seed, operations, live_blocks = OPERATIONS_MAX, live_bytes = (json_int_t)BYTES_MAX,
                                 lanes = 1, alignment_max = 4096;
    *description = (struct description){0};
    if (json_unpack_ex(json, &reason, JSON_STRICT,
                       "{ss ss sI sI s?I s?I so so s?F s?F s?F s?I s?I s?F}", "about", &about,
                       "source", &source, "seed", &seed, "operations", &operations, "live_blocks",
                       &live_blocks, "live_bytes", &live_bytes, "sizes", &sizes, "lifetimes",
                       &lifetimes, "resize", &description->resize, "zeroed", &description->zeroed,
                       "aligned", &description->aligned, "alignment_max", &alignment_max, "lanes",
                       &lanes, "remote", &description->remote) != 0)
        return trace_fail(error, "%s", reason.text);
    if (operations < 1 || operations > OPERATIONS_MAX)
        return trace_fail(error, "operations must be in 1 ... %d", OPERATIONS_MAX);
    if (live_blocks < 1 || live_bytes < 1)
        return trace_fail(error, "live_blocks and live_bytes must be at least 1");
    if (lanes < 1 || lanes > TRACE_LANES_MAX)
        return trace_fail(error, "lanes must be in 1 ... %d", TRACE_LANES_MAX);
    if (!generator_read_alignment_max(alignment_max, description, error)) return false;
    const double shares[] = {description->resize, description->zeroed, description->aligned,
                             description->remote};
    for (int i = 0; i < 4; i++)
        if (!(shares[i] >= 0 && shares[i] <= 1))
            return trace_fail(error, "resize, zeroed, aligned and remote are shares, in 0 ... 1");
    description->lanes = (uint32_t)lanes;
    description->seed = (uint64_t)seed;
    description->operations = (uint64_t)operations;
    description->live_blocks = (uint64_t)live_blocks;
    description->live_bytes = (uint64_t)live_bytes;
    return generator_read_choices(sizes, true, &description->sizes, error) &&
           generator_read_choices(lifetimes, false, &description->lifetimes, error);
}

static void generator_comment(trace_builder *builder, json_t *json,
                              const description *description) {
    char seed[80];
    snprintf(seed, sizeof seed, "synthetic: seed %lld, %llu operations",
             (long long)description->seed, (unsigned long long)description->operations);
    trace_builder_comment(builder, seed);
    trace_builder_comment(builder, json_string_value(json_object_get(json, "about")));
    trace_builder_comment(builder, json_string_value(json_object_get(json, "source")));
}

bool generator_run(json_t *json, trace *trace, trace_error *error) {
    description description;
    if (!generator_read_description(json, &description, error)) return false;
    generator generator = {.description = &description, .state = description.seed};
    generator.builder = trace_builder_new();
    generator.heap = calloc(description.operations, sizeof *generator.heap);
    bool room = generator.builder && generator.heap;
    if (!room) trace_fail(error, "out of memory");
    if (room) generator_comment(generator.builder, json, &description);
    bool good = room && generator_generate(&generator, error);
    free(generator.heap);
    if (good) return trace_builder_finish(generator.builder, trace, error);
    if (generator.builder) trace_builder_abandon(generator.builder);
    return false;
}

#include "fuzz/reproduce/shrinker.h"

#include <stdlib.h>
#include <string.h>

typedef struct shrinker {
    const shrinker_options *options;
    trace *best;
    size_t count; // operations of the best before its exit
    trace_operation *candidate;
    size_t tries;
    bool stopped;
    bool is_wrong;        // the trace makes wrong calls
    uint32_t room;        // numbers of blocks, references and tokens are less
    uint32_t *renamed[3]; // the number in the candidate, by kind and number in the best
} shrinker;

// Returns the kind of object that a wrong call names, an index of `renamed`.
static int shrinker_named_by(uint32_t wrong) {
    if (trace_wrong_call_is_of_heap[wrong]) return 0;
    return wrong == WRONG_detach_twice || wrong == WRONG_late_enqueue ? 2 : 1;
}

// Returns the kind of object that an operation begins, or −1.
static int shrinker_begins(const trace_operation *operation) {
    trace_argument first = trace_grammar[operation->verb].arguments[0];
    return first == TRACE_BLOCK_BEGIN       ? 0
           : first == TRACE_REFERENCE_BEGIN ? 1
           : first == TRACE_TOKEN_BEGIN     ? 2
                                            : -1;
}

// Renumbers the objects of wrong calls, because removed operations that began objects change the
// numbers of later ones. A wrong call whose object was removed names any other.
static void shrinker_rename_wrong_calls(shrinker *s, size_t count) {
    uint32_t next[3] = {0};
    for (uint32_t i = 0; i < s->room; i++)
        s->renamed[0][i] = s->renamed[1][i] = s->renamed[2][i] = i;
    for (size_t i = 0; i < count; i++) {
        int kind = shrinker_begins(&s->candidate[i]);
        if (kind >= 0) s->renamed[kind][s->candidate[i].argument[0]] = next[kind]++;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t *argument = s->candidate[i].argument;
        if (s->candidate[i].verb != TRACE_WRONG || argument[1] >= s->room) continue;
        argument[1] = s->renamed[shrinker_named_by(argument[0])][argument[1]];
    }
}

// Returns the number of operations before the exit. trace_make adds the exit and the operations
// that close the trace.
static size_t shrinker_count_open(const trace *trace) {
    size_t count = 0;
    while (count < trace->count && trace->operations[count].verb != TRACE_EXIT)
        count++;
    return count;
}

static bool shrinker_may_try(shrinker *s) {
    const shrinker_options *o = s->options;
    s->stopped |=
        s->tries == o->tries_max || (o->goes_on && !o->goes_on(o->context, s->tries, s->count));
    return !s->stopped;
}

static void shrinker_take(shrinker *s, trace *better) {
    char *preamble = s->best->preamble;
    s->best->preamble = NULL;
    trace_free(s->best);
    free(better->preamble);
    better->preamble = preamble;
    *s->best = *better;
    s->count = shrinker_count_open(s->best);
}

// Tries the first `count` operations of the candidate. If they fail, they become the best; returns
// true.
static bool shrinker_try(shrinker *s, size_t count) {
    trace made;
    trace_error error;
    if (!shrinker_may_try(s)) return false;
    if (s->is_wrong) shrinker_rename_wrong_calls(s, count);
    if (!trace_make(s->candidate, count, NULL, &made, &error)) return false;
    s->tries++;
    bool fails = s->options->fails(s->options->context, &made);
    if (fails)
        shrinker_take(s, &made);
    else
        trace_free(&made);
    return fails;
}

// Tries the best without `count` operations from `first` on.
static bool shrinker_try_without(shrinker *s, size_t first, size_t count) {
    const trace_operation *operations = s->best->operations;
    size_t behind = s->count - first - count;
    memcpy(s->candidate, operations, first * sizeof *operations);
    memcpy(s->candidate + first, operations + first + count, behind * sizeof *operations);
    return shrinker_try(s, first + behind);
}

// Tries the best with another operation at `at`.
static bool shrinker_try_with(shrinker *s, size_t at, const trace_operation *operation) {
    memcpy(s->candidate, s->best->operations, s->count * sizeof *s->candidate);
    s->candidate[at] = *operation;
    return shrinker_try(s, s->count);
}

// From the end, because operations after the failure are the easiest to remove.
static void shrinker_drop_runs(shrinker *s, size_t length) {
    for (size_t end = s->count; end > 0 && !s->stopped;) {
        size_t first = end > length ? end - length : 0;
        shrinker_try_without(s, first, end - first);
        end = first < s->count ? first : s->count; // trace_make may have removed more
    }
}

static void shrinker_drop(shrinker *s) {
    for (size_t length = s->count; length > 1; length /= 2)
        shrinker_drop_runs(s, (length + 1) / 2);
    for (size_t before = s->count + 1; s->count < before && !s->stopped;) {
        before = s->count;
        shrinker_drop_runs(s, 1);
    }
}

static uint32_t shrinker_least(trace_argument argument) {
    return argument == TRACE_ALIGNMENT || argument == TRACE_BUFFER_ALIGNMENT ||
                   argument == TRACE_HEAP_START
               ? TRACE_ALIGNMENT_DEFAULT
               : 0;
}

static bool shrinker_is_lowered(trace_argument argument) {
    bool names = argument == TRACE_BLOCK_USE || argument == TRACE_REFERENCE_USE; // an older object
    return names || (argument >= TRACE_SIZE && argument != TRACE_VIEW_KIND);
}

// Tries the best with an argument lowered to `value`.
static bool shrinker_try_value(shrinker *s, size_t at, int argument, uint32_t value) {
    trace_operation lowered = s->best->operations[at];
    lowered.argument[argument] = value;
    return shrinker_try_with(s, at, &lowered);
}

static uint32_t shrinker_value_of(const shrinker *s, size_t at, int argument) {
    return s->best->operations[at].argument[argument];
}

// Lowers an argument to its least value or, if the trace then does not fail, by a half, a quarter
// and so on of the difference.
static void shrinker_lower(shrinker *s, size_t at, int argument, trace_argument kind) {
    uint32_t floor = shrinker_least(kind), value = shrinker_value_of(s, at, argument),
             verb = s->best->operations[at].verb;
    if (value <= floor || shrinker_try_value(s, at, argument, floor)) return;
    bool power = kind == TRACE_ALIGNMENT || kind == TRACE_BUFFER_ALIGNMENT;
    uint32_t step = power ? value / 2 : (value - floor) / 2;
    uint32_t unit = kind == TRACE_HEAP_START ? TRACE_ALIGNMENT_DEFAULT : 1;
    while (step >= unit && !s->stopped) {
        if (at >= s->count || s->best->operations[at].verb != verb) return; // it was removed
        value = shrinker_value_of(s, at, argument);
        uint32_t down = step & ~(unit - 1);
        bool lowered = value - floor >= down && shrinker_try_value(s, at, argument, value - down);
        step = power && lowered ? (value - down) / 2 : power ? 0 : step / 2;
    }
}

// Replaces a zeroed allocation by a plain one.
static void shrinker_simplify_verb(shrinker *s, size_t at) {
    trace_operation plain = s->best->operations[at];
    if (plain.verb != TRACE_ZEROED) return;
    plain.verb = TRACE_ALLOCATE;
    shrinker_try_with(s, at, &plain);
}

static void shrinker_simplify(shrinker *s) {
    for (size_t at = 0; at < s->count && !s->stopped; at++) {
        shrinker_simplify_verb(s, at);
        const trace_grammar_rule *rule = &trace_grammar[s->best->operations[at].verb];
        for (int i = 0; i < TRACE_ARGUMENTS_MAX && at < s->count; i++)
            if (shrinker_is_lowered(rule->arguments[i]))
                shrinker_lower(s, at, i, rule->arguments[i]);
    }
}

// Returns the sum of the numbers that shrinking lowers.
static uint64_t shrinker_weight(const shrinker *s) {
    uint64_t sum = 0;
    for (size_t at = 0; at < s->count; at++) {
        const trace_operation *operation = &s->best->operations[at];
        for (int i = 0; i < TRACE_ARGUMENTS_MAX; i++)
            if (shrinker_is_lowered(trace_grammar[operation->verb].arguments[i]))
                sum += operation->argument[i];
    }
    return sum;
}

size_t shrinker_run(trace *trace, const shrinker_options *options) {
    shrinker s = {.options = options, .best = trace, .count = shrinker_count_open(trace)};
    s.room = (uint32_t)s.count + 1;
    s.candidate = calloc(s.room, sizeof *s.candidate);
    uint32_t *numbers = calloc(s.room, 3 * sizeof *numbers);
    for (int kind = 0; kind < 3 && numbers; kind++)
        s.renamed[kind] = numbers + kind * (ptrdiff_t)s.room;
    for (size_t i = 0; i < s.count; i++)
        s.is_wrong |= trace->operations[i].verb == TRACE_WRONG;
    if (!s.candidate || !numbers) s.stopped = true;
    while (!s.stopped) {
        size_t count = s.count;
        uint64_t before = shrinker_weight(&s);
        shrinker_drop(&s);
        shrinker_simplify(&s);
        if (s.count == count && shrinker_weight(&s) == before) break;
    }
    free(s.candidate);
    free(numbers);
    return s.tries;
}

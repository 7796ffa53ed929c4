// The grammar of traces, and the builder, which is also the only validator.
//
// A space of IDs (blocks, references, tokens) is a table of pages, each allocated when one of its
// IDs begins: IDs need not be dense, and a huge one costs no more than a page. Laws:
// - an ID begins while it is not live, and is used and ended while it is live;
// - only its token ends an attached reference, whose owner does not change;
// - after the exit only operations that close the trace follow;
// - a block ends with the scope that it was allocated or last resized in (a resize may move it
//   there);
// - at the end nothing is live, and no collected token waits to be drained.
#include "corpus/trace/trace.h"
#include "corpus/trace/trace_form.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_NAMES = 1024,
    IDS_MAX = 1 << 24, // a larger ID must not exceed the number of IDs begun
    GROWTH_PAGES_MAX = 65536,
};

const trace_grammar_rule trace_grammar[TRACE_VERBS] = {
    [TRACE_ALLOCATE] = {'a', "allocate", {TRACE_BLOCK_BEGIN, TRACE_SIZE, TRACE_ALIGNMENT}},
    [TRACE_ZEROED] = {'z', "zeroed", {TRACE_BLOCK_BEGIN, TRACE_SIZE, TRACE_ALIGNMENT}},
    [TRACE_RESIZE] = {'r', "resize", {TRACE_BLOCK_USE, TRACE_SIZE}},
    [TRACE_FREE] = {'f', "free", {TRACE_BLOCK_END}},
    [TRACE_LANE] = {'t', "lane", {TRACE_LANE_NUMBER}},
    [TRACE_MEMORY] = {'m', "memory", {TRACE_MEMORY_NUMBER}},
    [TRACE_EXIT] = {'e', "exit", {TRACE_NONE}},
    [TRACE_GROW] = {'g', "grow", {TRACE_PAGES}},
    [TRACE_REFUSE] = {'n', "refuse", {TRACE_COUNT_OR_ALL}},
    [TRACE_MOVE] = {'w', "move", {TRACE_NONE}},
    [TRACE_BUFFER] = {'b', "buffer", {TRACE_REFERENCE_BEGIN, TRACE_SIZE, TRACE_BUFFER_ALIGNMENT}},
    [TRACE_RETAIN] = {'+', "retain", {TRACE_REFERENCE_BEGIN, TRACE_REFERENCE_USE}},
    [TRACE_RELEASE] = {'-', "release", {TRACE_REFERENCE_END}},
    [TRACE_VIEW] = {'v',
                    "view",
                    {TRACE_REFERENCE_BEGIN, TRACE_REFERENCE_USE, TRACE_VIEW_KIND, TRACE_SIZE,
                     TRACE_SIZE}},
    [TRACE_COPY] = {'y',
                    "copy",
                    {TRACE_REFERENCE_USE, TRACE_REFERENCE_USE, TRACE_SIZE, TRACE_SIZE, TRACE_SIZE}},
    [TRACE_TRANSFER] = {'>', "transfer", {TRACE_REFERENCE_USE, TRACE_MEMORY_NUMBER}},
    [TRACE_ATTACH] = {'@', "attach", {TRACE_TOKEN_BEGIN, TRACE_REFERENCE_USE}},
    [TRACE_DETACH] = {'~', "detach", {TRACE_TOKEN_END}},
    [TRACE_COLLECT] = {'c', "collect", {TRACE_TOKEN_END}},
    [TRACE_DRAIN] = {'d', "drain", {TRACE_COUNT_OPTIONAL}},
    [TRACE_OPEN] = {'(', "open", {TRACE_NONE}},
    [TRACE_CLOSE] = {')', "close", {TRACE_NONE}},
    [TRACE_RESET] = {'x', "reset", {TRACE_NONE}},
    [TRACE_HEAP] = {'h', "heap", {TRACE_HEAP_START, TRACE_PAGES, TRACE_PAGES}},
    [TRACE_WRONG] = {'!', "wrong call", {TRACE_WRONG_CALL, TRACE_NUMBER, TRACE_NUMBER}},
};

static const char closing_letters[] = "ftm-cd)x"; // what may follow the exit

const char *const trace_view_kinds[TRACE_VIEW_KINDS] = {
    "i8", "u8", "c8", "i16", "u16", "i32", "u32", "f32", "f64", "i64", "u64", "bytes",
};

const char *const trace_wrong_calls[WRONG_CALLS] = {
#define WRONG_CALL(word, of_heap, call) #word,
#include "corpus/trace/wrong_calls.def"
#undef WRONG_CALL
};

const bool trace_wrong_call_is_of_heap[WRONG_CALLS] = {
#define WRONG_CALL(word, of_heap, call) of_heap,
#include "corpus/trace/wrong_calls.def"
#undef WRONG_CALL
};

#define ID(name, space, role)                                                                      \
    { name, TRACE_SPACE_##space, TRACE_ROLE_##role, UINT32_MAX, .optional = false }
#define NUMBER(name, maximum, ...)                                                                 \
    { name, TRACE_SPACE_NONE, TRACE_ROLE_NONE, maximum, __VA_ARGS__ }

const trace_argument_rule trace_argument_rules[] = {
    [TRACE_NONE] = NUMBER("nothing", 0, .optional = true),
    [TRACE_BLOCK_BEGIN] = ID("block", BLOCKS, BEGIN),
    [TRACE_BLOCK_USE] = ID("block", BLOCKS, USE),
    [TRACE_BLOCK_END] = ID("block", BLOCKS, END),
    [TRACE_REFERENCE_BEGIN] = ID("reference", REFERENCES, BEGIN),
    [TRACE_REFERENCE_USE] = ID("reference", REFERENCES, USE),
    [TRACE_REFERENCE_END] = ID("reference", REFERENCES, END),
    [TRACE_TOKEN_BEGIN] = ID("token", TOKENS, BEGIN),
    [TRACE_TOKEN_USE] = ID("token", TOKENS, USE),
    [TRACE_TOKEN_END] = ID("token", TOKENS, END),
    [TRACE_SIZE] = NUMBER("size", UINT32_MAX, .optional = false),
    [TRACE_ALIGNMENT] = NUMBER("alignment", TRACE_ALIGNMENT_MAX, .power_of_two = true,
                               .optional = true, .left_out = TRACE_ALIGNMENT_DEFAULT),
    [TRACE_BUFFER_ALIGNMENT] = NUMBER("alignment", TRACE_BUFFER_ALIGNMENT_MAX, .power_of_two = true,
                                      .optional = true, .left_out = TRACE_ALIGNMENT_DEFAULT),
    [TRACE_LANE_NUMBER] = NUMBER("lane", TRACE_LANES_MAX - 1, .optional = false),
    [TRACE_MEMORY_NUMBER] = NUMBER("memory", TRACE_MEMORIES_MAX - 1, .optional = false),
    [TRACE_PAGES] = NUMBER("number of pages", GROWTH_PAGES_MAX, .optional = false),
    [TRACE_HEAP_START] = NUMBER("start", UINT32_MAX - 15, .optional = false),
    [TRACE_COUNT_OR_ALL] = NUMBER("count", UINT32_MAX, .star = true),
    [TRACE_COUNT_OPTIONAL] =
        NUMBER("count", UINT32_MAX, .optional = true, .left_out = TRACE_COUNT_ALL),
    [TRACE_VIEW_KIND] = NUMBER("view kind", TRACE_VIEW_KINDS - 1, .words = trace_view_kinds),
    [TRACE_WRONG_CALL] = NUMBER("wrong call", WRONG_CALLS - 1, .words = trace_wrong_calls),
    [TRACE_NUMBER] = NUMBER("number", UINT32_MAX, .optional = false),
};

typedef struct space_words {
    const char *noun, *begun, *ended;
} space_words;

static const space_words words[TRACE_SPACES] = {
    [TRACE_SPACE_BLOCKS] = {"block", "allocated", "freed"},
    [TRACE_SPACE_REFERENCES] = {"reference", "created", "released"},
    [TRACE_SPACE_TOKENS] = {"token", "attached", "detached or collected"},
};

typedef enum life { LIFE_NEVER, LIFE_LIVE, LIFE_ATTACHED, LIFE_ENDED } life;

typedef struct named {
    uint32_t number;
    uint32_t life;
    uint32_t depth, scope; // of a block: the scope with which it ends
} named;

// An open scope, by its depth; the first one is the whole trace, until a reset.
typedef struct open_scope {
    uint32_t number; // how many were open before it
    uint32_t live;   // blocks
} open_scope;

typedef struct id_space {
    named **pages; // of PAGE_NAMES; NULL if none of its IDs began
    size_t page_count;
    uint32_t begun, live;
} id_space;

struct trace_builder {
    trace trace;
    FILE *preamble; // of the trace: a stream in memory
    size_t preamble_bytes;
    id_space spaces[TRACE_SPACES];
    uint32_t *token_references; // by the token's number: the ID of the reference attached to it
    size_t token_capacity;
    uint32_t waiting; // tokens collected and not yet drained
    open_scope *scopes;
    size_t scope_capacity;
    uint32_t depth, scopes_begun; // the scope opened last; the number of others so far
    bool one_heap, several;       // has scopes or resets; has buffers or other memories
    bool begun, exited;
};

bool trace_fail(trace_error *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return false;
}

// Makes room for one item more than `count`. Returns false, with nothing changed, if out of memory.
static bool trace_room_for_one(void **items, size_t *capacity, size_t count, size_t item_bytes) {
    if (count < *capacity) return true;
    size_t larger = *capacity ? *capacity * 2 : 64;
    void *moved = realloc(*items, larger * item_bytes);
    if (!moved) return false;
    *items = moved;
    *capacity = larger;
    return true;
}

trace_builder *trace_builder_new(void) {
    trace_builder *builder = calloc(1, sizeof *builder);
    if (!builder) return NULL;
    builder->scope_capacity = 8;
    builder->scopes = calloc(builder->scope_capacity, sizeof *builder->scopes);
    builder->preamble = open_memstream(&builder->trace.preamble, &builder->preamble_bytes);
    builder->trace.lanes = builder->trace.memories = 1;
    if (builder->scopes && builder->preamble) return builder;
    trace_builder_abandon(builder);
    return NULL;
}

void trace_builder_abandon(trace_builder *builder) {
    for (int i = 0; i < TRACE_SPACES; i++) {
        for (size_t page = 0; page < builder->spaces[i].page_count; page++)
            free(builder->spaces[i].pages[page]);
        free(builder->spaces[i].pages);
    }
    free(builder->token_references);
    free(builder->scopes);
    if (builder->preamble) fclose(builder->preamble);
    trace_free(&builder->trace);
    free(builder);
}

void trace_free(trace *trace) {
    free(trace->preamble);
    free(trace->operations);
    memset(trace, 0, sizeof *trace);
}

static named *trace_find(const id_space *space, uint32_t id) {
    size_t page = id / PAGE_NAMES;
    if (page >= space->page_count || !space->pages[page]) return NULL;
    return &space->pages[page][id % PAGE_NAMES];
}

// The same, but makes the page. Returns NULL if out of memory.
static named *trace_find_or_make(id_space *space, uint32_t id) {
    size_t page = id / PAGE_NAMES;
    if (page >= space->page_count) {
        size_t count = page >= 2 * space->page_count ? page + 1 : 2 * space->page_count;
        named **pages = realloc(space->pages, count * sizeof *pages);
        if (!pages) return NULL;
        memset(pages + space->page_count, 0, (count - space->page_count) * sizeof *pages);
        space->pages = pages;
        space->page_count = count;
    }
    if (!space->pages[page]) space->pages[page] = calloc(PAGE_NAMES, sizeof(named));
    return trace_find(space, id);
}

// Returns the life of an ID. A block ends with its scope.
static life trace_life_of(const trace_builder *builder, trace_space which, const named *named) {
    if (!named || named->life == LIFE_NEVER) return LIFE_NEVER;
    if (which != TRACE_SPACE_BLOCKS || named->life == LIFE_ENDED) return (life)named->life;
    bool open =
        named->depth <= builder->depth && builder->scopes[named->depth].number == named->scope;
    return open ? LIFE_LIVE : LIFE_ENDED;
}

static bool trace_check_begin(trace_builder *builder, trace_space which, uint32_t id,
                              trace_error *error) {
    id_space *space = &builder->spaces[which];
    const space_words *word = &words[which];
    if (id >= IDS_MAX && id > space->begun)
        return trace_fail(error, "%s %u: IDs must be below %u", word->noun, id, (unsigned)IDS_MAX);
    if (space->begun == UINT32_MAX) return trace_fail(error, "too many %ss", word->noun);
    const named *named = trace_find_or_make(space, id);
    if (!named) return trace_fail(error, "out of memory");
    life life = trace_life_of(builder, which, named);
    if (life == LIFE_LIVE || life == LIFE_ATTACHED)
        return trace_fail(error, "%s %u is %s again before it is %s", word->noun, id, word->begun,
                          word->ended);
    return true;
}

static bool trace_check_live(const trace_builder *builder, const trace_argument_rule *rule,
                             uint32_t id, trace_error *error) {
    life life = trace_life_of(builder, rule->space, trace_find(&builder->spaces[rule->space], id));
    const space_words *word = &words[rule->space];
    bool ends = rule->role == TRACE_ROLE_END;
    if (life == LIFE_NEVER)
        return trace_fail(error, "%s %u was never %s", word->noun, id, word->begun);
    if (life == LIFE_ENDED && ends)
        return trace_fail(error, "%s %u is %s twice", word->noun, id, word->ended);
    if (life == LIFE_ENDED)
        return trace_fail(error, "%s %u is used after it was %s", word->noun, id, word->ended);
    if (life == LIFE_ATTACHED && ends)
        return trace_fail(error, "%s %u is attached: only its token ends it", word->noun, id);
    return true;
}

static bool trace_check_argument(trace_builder *builder, const trace_argument_rule *rule,
                                 uint32_t value, trace_error *error) {
    if (rule->role == TRACE_ROLE_BEGIN)
        return trace_check_begin(builder, rule->space, value, error);
    if (rule->role != TRACE_ROLE_NONE) return trace_check_live(builder, rule, value, error);
    if (value > rule->maximum)
        return trace_fail(error, "%s %u is more than %u", rule->name, value, rule->maximum);
    if (rule->power_of_two && (value == 0 || (value & (value - 1)) != 0))
        return trace_fail(error, "%s %u is not a power of two", rule->name, value);
    return true;
}

// Operations for traces of one heap only, and those that such a trace must not have.
static bool trace_is_of_one_heap(trace_verb verb) {
    return verb >= TRACE_OPEN && verb <= TRACE_RESET;
}
static bool trace_is_of_several(const trace_operation *operation) {
    return (operation->verb >= TRACE_BUFFER && operation->verb <= TRACE_DRAIN) ||
           (operation->verb == TRACE_MEMORY && operation->argument[0] != 0);
}

static bool trace_check_scopes(const trace_builder *builder, const trace_operation *operation,
                               trace_error *error) {
    if ((trace_is_of_one_heap(operation->verb) && builder->several) ||
        (trace_is_of_several(operation) && builder->one_heap))
        return trace_fail(error,
                          "scopes and resets need a single heap: no buffers, no other memory");
    if (operation->verb == TRACE_CLOSE && builder->depth == 0)
        return trace_fail(error, "no scope is open");
    return true;
}

static bool trace_check_heap(const trace_builder *builder, const trace_operation *operation,
                             trace_error *error) {
    uint32_t start = operation->argument[0], pages = operation->argument[1];
    if (builder->begun) return trace_fail(error, "only 'm' and 'h' may precede 'h'");
    if (start == 0 || start % TRACE_ALIGNMENT_DEFAULT != 0)
        return trace_fail(error, "start %u must be a multiple of %d above 0", start,
                          TRACE_ALIGNMENT_DEFAULT);
    if (operation->argument[2] == 0 || pages > operation->argument[2])
        return trace_fail(error, "a heap of %u pages cannot have a maximum of %u", pages,
                          operation->argument[2]);
    return true;
}

static bool trace_check_operation(trace_builder *builder, const trace_operation *operation,
                                  trace_error *error) {
    if (operation->verb >= TRACE_VERBS)
        return trace_fail(error, "unknown operation %u", operation->verb);
    const trace_grammar_rule *rule = &trace_grammar[operation->verb];
    if (builder->exited && !strchr(closing_letters, rule->letter))
        return trace_fail(error, "'%c' after the exit: only what closes the trace may follow",
                          rule->letter);
    if (builder->trace.count == TRACE_OPERATIONS_MAX)
        return trace_fail(error, "more than %u operations", (unsigned)TRACE_OPERATIONS_MAX);
    for (int i = 0; i < TRACE_ARGUMENTS_MAX && rule->arguments[i] != TRACE_NONE; i++)
        if (!trace_check_argument(builder, &trace_argument_rules[rule->arguments[i]],
                                  operation->argument[i], error))
            return false;
    if (!trace_check_scopes(builder, operation, error)) return false;
    if (operation->verb == TRACE_HEAP && !trace_check_heap(builder, operation, error)) return false;
    uint32_t reference = operation->argument[operation->verb == TRACE_ATTACH];
    if ((operation->verb == TRACE_ATTACH || operation->verb == TRACE_TRANSFER) &&
        trace_find(&builder->spaces[TRACE_SPACE_REFERENCES], reference)->life == LIFE_ATTACHED)
        return trace_fail(error, "reference %u is attached%s", reference,
                          operation->verb == TRACE_ATTACH ? " twice" : ": its owner cannot change");
    return true;
}

static bool trace_make_room(trace_builder *builder) {
    trace *trace = &builder->trace;
    return trace_room_for_one((void **)&trace->operations, &trace->capacity, trace->count,
                              sizeof *trace->operations) &&
           trace_room_for_one((void **)&builder->token_references, &builder->token_capacity,
                              builder->spaces[TRACE_SPACE_TOKENS].begun,
                              sizeof *builder->token_references) &&
           trace_room_for_one((void **)&builder->scopes, &builder->scope_capacity,
                              (size_t)builder->depth + 1, sizeof *builder->scopes);
}

static void trace_begin_scope(trace_builder *builder) {
    builder->scopes[builder->depth] = (open_scope){.number = ++builder->scopes_begun};
}

// Ends the scope opened last, and its blocks.
static void trace_end_scope(trace_builder *builder) {
    builder->spaces[TRACE_SPACE_BLOCKS].live -= builder->scopes[builder->depth].live;
}

static void trace_commit_scope(trace_builder *builder, trace_verb verb) {
    if (verb == TRACE_OPEN) {
        builder->depth++;
        trace_begin_scope(builder);
    } else if (verb == TRACE_CLOSE) {
        trace_end_scope(builder);
        builder->depth--;
    } else if (verb == TRACE_RESET) {
        for (trace_end_scope(builder); builder->depth > 0; trace_end_scope(builder))
            builder->depth--;
        trace_begin_scope(builder);
    }
}

// Begins, uses or ends what `id` names. Returns its number.
static uint32_t trace_commit_id(trace_builder *builder, const trace_argument_rule *rule,
                                uint32_t id) {
    id_space *space = &builder->spaces[rule->space];
    named *named = trace_find(space, id);
    if (rule->space == TRACE_SPACE_BLOCKS) {
        open_scope *now = &builder->scopes[builder->depth];
        if (rule->role != TRACE_ROLE_BEGIN) builder->scopes[named->depth].live--;
        if (rule->role != TRACE_ROLE_END) now->live++;
        named->depth = builder->depth;
        named->scope = now->number;
    }
    if (rule->role == TRACE_ROLE_BEGIN) {
        named->life = LIFE_LIVE;
        named->number = space->begun++;
        space->live++;
    } else if (rule->role == TRACE_ROLE_END) {
        named->life = LIFE_ENDED;
        space->live--;
    }
    return named->number;
}

// Changes the life of the reference that is attached to a token.
static void trace_commit_token(trace_builder *builder, trace_verb verb, uint32_t token,
                               uint32_t reference) {
    id_space *space = &builder->spaces[TRACE_SPACE_REFERENCES];
    if (verb == TRACE_ATTACH) builder->token_references[token] = reference;
    named *named = trace_find(space, builder->token_references[token]);
    if (verb == TRACE_COLLECT) space->live--;
    named->life = verb == TRACE_ATTACH    ? LIFE_ATTACHED
                  : verb == TRACE_COLLECT ? LIFE_ENDED
                                          : LIFE_LIVE;
}

bool trace_builder_append(trace_builder *builder, const trace_operation *operation,
                          trace_error *error) {
    if (!trace_check_operation(builder, operation, error)) return false;
    if (!trace_make_room(builder)) return trace_fail(error, "out of memory");
    trace *trace = &builder->trace;
    const trace_grammar_rule *rule = &trace_grammar[operation->verb];
    trace_operation *appended = &trace->operations[trace->count++];
    *appended = (trace_operation){.verb = operation->verb};
    for (int i = 0; i < TRACE_ARGUMENTS_MAX && rule->arguments[i] != TRACE_NONE; i++) {
        const trace_argument_rule *kind = &trace_argument_rules[rule->arguments[i]];
        uint32_t value = operation->argument[i];
        if (rule->arguments[i] == TRACE_LANE_NUMBER && value >= trace->lanes)
            trace->lanes = value + 1;
        if (rule->arguments[i] == TRACE_MEMORY_NUMBER && value >= trace->memories)
            trace->memories = value + 1;
        appended->argument[i] =
            kind->role == TRACE_ROLE_NONE ? value : trace_commit_id(builder, kind, value);
    }
    if (trace_argument_rules[rule->arguments[0]].space == TRACE_SPACE_TOKENS)
        trace_commit_token(builder, operation->verb, appended->argument[0], operation->argument[1]);
    builder->waiting += operation->verb == TRACE_COLLECT;
    if (operation->verb == TRACE_DRAIN)
        builder->waiting -=
            operation->argument[0] < builder->waiting ? operation->argument[0] : builder->waiting;
    trace_commit_scope(builder, operation->verb);
    builder->one_heap |= trace_is_of_one_heap(operation->verb);
    builder->several |= trace_is_of_several(operation);
    builder->begun |= operation->verb != TRACE_HEAP && operation->verb != TRACE_MEMORY;
    builder->exited |= operation->verb == TRACE_EXIT;
    return true;
}

// Appends "# LINE\n" without trailing blanks.
void trace_builder_comment_line(trace_builder *builder, const char *line, size_t length) {
    while (length > 0 && strchr(" \t\r", line[length - 1]))
        length--;
    fprintf(builder->preamble, length ? "# %.*s\n" : "#\n", (int)length, line);
}

void trace_builder_comment(trace_builder *builder, const char *text) {
    const char *end;
    while ((end = strchr(text, '\n')) != NULL && end[1] != '\0') {
        trace_builder_comment_line(builder, text, (size_t)(end - text));
        text = end + 1;
    }
    trace_builder_comment_line(builder, text, end ? (size_t)(end - text) : strlen(text));
}

bool trace_builder_hash_line(trace_builder *builder, const char *line, size_t length) {
    if (memchr(line, '\0', length)) return false;
    size_t skip = length > 1 && line[1] == ' ' ? 2 : 1;
    trace_builder_comment_line(builder, line + skip, length - skip);
    return true;
}

static bool trace_check_closed(const trace_builder *builder, trace_error *error) {
    for (int i = TRACE_SPACES - 1; i >= 0; i--) {
        const id_space *space = &builder->spaces[i];
        if (space->live == 0) continue;
        uint32_t id = 0;
        life life;
        while ((life = trace_life_of(builder, (trace_space)i, trace_find(space, id))) !=
                   LIFE_LIVE &&
               life != LIFE_ATTACHED)
            id += trace_find(space, id) ? 1 : PAGE_NAMES;
        const char *more = space->live > 1 ? ", and it is not the only one" : "";
        return trace_fail(error, "at the end: %s %u is never %s%s", words[i].noun, id,
                          words[i].ended, more);
    }
    if (builder->depth) return trace_fail(error, "at the end: a scope is never closed");
    if (builder->waiting)
        return trace_fail(error, "at the end: %u collected token%s never drained", builder->waiting,
                          builder->waiting == 1 ? " is" : "s are");
    return true;
}

bool trace_builder_finish(trace_builder *builder, trace *trace, trace_error *error) {
    bool written = fclose(builder->preamble) == 0;
    builder->preamble = NULL;
    bool whole = trace_check_closed(builder, error);
    if (whole && !written) whole = trace_fail(error, "out of memory");
    if (whole) {
        *trace = builder->trace;
        trace->blocks = builder->spaces[TRACE_SPACE_BLOCKS].begun;
        trace->references = builder->spaces[TRACE_SPACE_REFERENCES].begun;
        trace->tokens = builder->spaces[TRACE_SPACE_TOKENS].begun;
        memset(&builder->trace, 0, sizeof builder->trace);
    }
    trace_builder_abandon(builder);
    return whole;
}

static bool trace_append(trace_builder *builder, trace_verb verb, uint32_t argument,
                         trace_error *error) {
    return trace_builder_append(builder, &(trace_operation){.verb = verb, .argument = {argument}},
                                error);
}

// Ends all live IDs of a space, by one operation each.
static bool trace_close_space(trace_builder *builder, trace_space which, trace_verb verb,
                              trace_error *error) {
    const id_space *space = &builder->spaces[which];
    for (uint32_t id = 0; space->live > 0; id += trace_find(space, id) ? 1 : PAGE_NAMES)
        if (trace_life_of(builder, which, trace_find(space, id)) == LIFE_LIVE &&
            !trace_append(builder, verb, id, error))
            return false;
    return true;
}

bool trace_builder_close(trace_builder *builder, trace_error *error) {
    uint32_t live = builder->waiting + builder->depth;
    for (int i = 0; i < TRACE_SPACES; i++)
        live += builder->spaces[i].live;
    if (live == 0) return true;
    if (!builder->exited && !trace_append(builder, TRACE_EXIT, 0, error)) return false;
    while (builder->depth)
        if (!trace_append(builder, TRACE_CLOSE, 0, error)) return false;
    return trace_close_space(builder, TRACE_SPACE_BLOCKS, TRACE_FREE, error) &&
           trace_close_space(builder, TRACE_SPACE_TOKENS, TRACE_COLLECT, error) &&
           (!builder->waiting || trace_append(builder, TRACE_DRAIN, TRACE_COUNT_ALL, error)) &&
           trace_close_space(builder, TRACE_SPACE_REFERENCES, TRACE_RELEASE, error);
}

bool trace_make(const trace_operation *operations, size_t count, const char *comment, trace *trace,
                trace_error *error) {
    trace_builder *builder = trace_builder_new();
    if (!builder) return trace_fail(error, "out of memory");
    if (comment) trace_builder_comment(builder, comment);
    for (size_t i = 0; i < count; i++)
        trace_builder_append(builder, &operations[i], error);
    if (trace_builder_close(builder, error)) return trace_builder_finish(builder, trace, error);
    trace_builder_abandon(builder);
    return false;
}

#include "fuzz/reproduce/recorder/recorder_state.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

recorder recorded;

typedef unsigned long long ull; // as printf takes it

// ---- Names --------------------------------------------------------------------------------------

__attribute__((format(printf, 1, 2))) static const char *text(const char *format, ...) {
    static char texts[8][200];
    static unsigned turn;
    char *made = texts[turn++ % 8];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(made, sizeof texts[0], format, arguments);
    va_end(arguments);
    return made;
}

// What is no handle is written as one that is nearly it, so that it is none wherever slots lie.
const char *recorder_handle(lm_handle handle) {
    uint32_t nearest = UINT32_MAX;
    int differ = 64;
    for (uint32_t i = recorded.handles_named; i-- > 0;) {
        lm_handle named = recorded.handles[i].handle;
        int bits = named ? __builtin_popcountll(named ^ handle) : 64;
        if (bits < differ) {
            differ = bits;
            nearest = i;
        }
    }
    if (handle < 1 << 24 || nearest == UINT32_MAX) return text("0x%llx", (ull)handle);
    lm_handle change = handle ^ recorded.handles[nearest].handle;
    return change ? text("h%u ^ 0x%llx", nearest, (ull)change) : text("h%u", nearest);
}

const char *recorder_token(lm_token token) {
    for (uint32_t i = recorded.tokens_named; token && i-- > 0;)
        if (recorded.tokens[i] == token) return text("t%u", i);
    return token ? text("0x%llx", (ull)token) : "0";
}

const char *recorder_kind(lm_kind kind) {
    static const char *const names[LM_KINDS] = {"LM_I8",  "LM_U8",  "LM_C8",  "LM_I16",
                                                "LM_U16", "LM_I32", "LM_U32", "LM_F32",
                                                "LM_F64", "LM_I64", "LM_U64", "LM_BYTES"};
    return kind < LM_KINDS ? names[kind] : text("%u", (unsigned)kind);
}

const char *recorder_view(const lm_view *view) {
    for (uint32_t i = recorded.views_named; i-- > 0;) {
        const lm_view *named = &recorded.views[i];
        if (named->handle && named->handle == view->handle && named->owner == view->owner &&
            named->offset == view->offset && named->length == view->length &&
            named->kind == view->kind)
            return text("&v%u", i);
    }
    return text("&(lm_view){%s, %u, %u, %u, %s}", recorder_handle(view->handle), view->owner,
                view->offset, view->length, recorder_kind(view->kind));
}

const char *recorder_new_handle(void) {
    if (recorded.knows_next || recorded.handles_named == RECORDER_NAMES_MAX) return "&none";
    recorder_declare("    lm_handle h%u = 0;\n", recorded.handles_named);
    recorded.handles[recorded.handles_named] = (named_handle){0};
    return text("&h%u", recorded.handles_named++);
}
const char *recorder_new_view(void) {
    if (recorded.knows_next || recorded.views_named == RECORDER_NAMES_MAX) return "&no_view";
    recorder_declare("    lm_view v%u = {0};\n", recorded.views_named);
    recorded.views[recorded.views_named] = (lm_view){0};
    return text("&v%u", recorded.views_named++);
}
const char *recorder_new_token(lm_token first) {
    if (recorded.tokens_named == RECORDER_NAMES_MAX) return "&no_token";
    recorder_declare("    lm_token t%u = %s;\n", recorded.tokens_named, recorder_token(first));
    recorded.tokens[recorded.tokens_named] = 0;
    return text("&t%u", recorded.tokens_named++);
}

void recorder_name_handle(lm_handle handle) {
    if (recorded.handles_named) recorded.handles[recorded.handles_named - 1].handle = handle;
}
void recorder_name_view(const lm_view *view) {
    if (recorded.views_named) recorded.views[recorded.views_named - 1] = *view;
}
void recorder_name_token(lm_token token) {
    if (recorded.tokens_named) recorded.tokens[recorded.tokens_named - 1] = token;
}

// ---- Calls --------------------------------------------------------------------------------------

__attribute__((format(printf, 2, 0))) static void append(char *to, const char *format,
                                                         va_list arguments) {
    size_t length = strlen(to);
    vsnprintf(to + length, RECORDER_TEXT - length, format, arguments);
}

void recorder_declare(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    append(recorded.declared, format, arguments);
    va_end(arguments);
}

void recorder_add(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    append(recorded.pending.after, format, arguments);
    va_end(arguments);
}

_Noreturn void recorder_close(void) {
    fflush(recorded.stream);
    _exit(0);
}

// Some calls return numbers, all else a status.
static const char *value_text(const pending_call *c, uint64_t value) {
    if (c->form == CALL_NUMBER) return text("%llu", (ull)value);
    return lm_status_name((lm_status)value);
}

// Memory may be wanting for what is right.
static bool is_want(const pending_call *c, uint64_t expected) {
    return c->form != CALL_NUMBER && c->got == LM_OUT_OF_MEMORY && expected == LM_OK &&
           recorded.player->watch.refused;
}

static void write_call(const pending_call *c, bool known, uint64_t expected) {
    FILE *stream = recorded.stream;
    const char *value = value_text(c, expected);
    fputs(c->before, stream);
    if (c->wrong)
        fprintf(stream, "    WRONG(%s, %s);\n", value, c->call);
    else if (c->quiet)
        fprintf(stream, "    QUIET(%s, %s, %s);\n", c->quiet, value, c->call);
    else if (c->form == CALL_NUMBER)
        fprintf(stream, "    COUNTS(%s, %s);\n", value, c->call);
    else if (!known && c->form == CALL_RELEASE)
        fprintf(stream, "    RELEASES(%s);\n", c->call);
    else
        fprintf(stream, "    IS(%s, %s);\n", value, c->call);
    if (c->got == expected) fputs(c->after, stream);
    if (c->got == expected && c->tells && !c->wrong && recorded.player->options.budget)
        fprintf(stream, "    told(%u);\n", recorded.player->due);
}

// Puts in place of the call as it was begun, what it was to return.
static void settle(bool known, uint64_t expected) {
    pending_call *c = &recorded.pending;
    if (!c->open) return;
    c->open = false;
    if (!known) expected = c->got;
    if (is_want(c, expected)) expected = LM_OUT_OF_MEMORY;
    fseek(recorded.stream, c->at, SEEK_SET);
    if (ftruncate(fileno(recorded.stream), c->at) != 0) abort();
    bool written = c->form != CALL_POINTER || recorded.failed || c->got != expected ||
                   recorded.pointer_expected != expected;
    if (c->form == CALL_POINTER) recorded.pointer_expected = expected;
    if (written) write_call(c, known, expected);
    fflush(recorded.stream);
    if (c->got != expected) recorder_close();
}

void recorder_call(call_form form, const char *format, ...) {
    pending_call *c = &recorded.pending;
    char chained[RECORDER_TEXT] = "", declared[RECORDER_TEXT] = "";
    if (c->open && c->form == CALL_CHAINED && c->got == LM_OK) {
        snprintf(chained, sizeof chained, "%.*s ?: ", RECORDER_TEXT - 10, c->call);
        strcpy(declared, c->before);
        fseek(recorded.stream, c->at, SEEK_SET);
    } else {
        settle(false, 0);
    }
    *c = (pending_call){.open = true,
                        .form = form,
                        .wrong = recorded.knows_next,
                        .expected = recorded.next_expected,
                        .at = ftell(recorded.stream)};
    strcpy(c->before, chained[0] ? declared : recorded.declared);
    recorded.declared[0] = '\0';
    strcpy(c->call, chained);
    va_list arguments;
    va_start(arguments, format);
    append(c->call, format, arguments);
    va_end(arguments);
    recorded.knows_next = false;
    fprintf(recorded.stream, "%s    ANY(%s);\n", c->before, c->call);
    fflush(recorded.stream);
    recorded.inside = true;
}

uint64_t recorder_returned(uint64_t got) {
    pending_call *c = &recorded.pending;
    recorded.inside = false;
    c->got = got;
    if (recorded.player->watch.broken) recorder_close(); // by the call
    if (c->wrong) settle(true, c->expected);
    return got;
}

void recorder_write(const char *format, ...) {
    settle(false, 0);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(recorded.stream, format, arguments);
    va_end(arguments);
    fflush(recorded.stream);
}

// ---- Operations ---------------------------------------------------------------------------------

static void write_operation(const trace_operation *o) {
    const trace_grammar_rule *rule = &trace_grammar[o->verb];
    char line[200];
    size_t length = (size_t)snprintf(line, sizeof line, "\n    // %c", rule->letter);
    for (int i = 0; i < TRACE_ARGUMENTS_MAX && rule->arguments[i]; i++) {
        uint32_t value = o->argument[i];
        bool is_word =
            rule->arguments[i] == TRACE_VIEW_KIND || rule->arguments[i] == TRACE_WRONG_CALL;
        const char *word = rule->arguments[i] == TRACE_VIEW_KIND ? trace_view_kinds[value]
                           : is_word                             ? trace_wrong_calls[value]
                           : value == TRACE_COUNT_ALL            ? "*"
                                                                 : text("%u", value);
        length += (size_t)snprintf(line + length, sizeof line - length, " %s", word);
    }
    recorder_write("%s\n", line);
}

static uint32_t acting_memory(void) {
    return recorded.player->model.owner % recorded.player->options.count;
}

// What the player does beside the API.
static void write_beside(const trace_operation *o) {
    const uint32_t *a = o->argument;
    switch (o->verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
        recorder_write("    allocate(%u, %u, %u, %u);\n", a[0], acting_memory(), a[1], a[2]);
        return;
    case TRACE_RESIZE:
        recorder_write("    resize(%u, %u);\n", a[0], a[1]);
        return;
    case TRACE_FREE:
        recorder_write("    release(%u);\n", a[0]);
        return;
    case TRACE_GROW:
        recorder_write("    lm_memory_grow_foreign(&memories[%u], %u);\n", acting_memory(), a[0]);
        return;
    case TRACE_REFUSE:
        recorder_write("    lm_memory_refuse(&memories[%u], %u);\n", acting_memory(), a[0]);
        return;
    case TRACE_MOVE:
        recorder_write("    lm_memory_move(&memories[%u]);\n", acting_memory());
        return;
    case TRACE_BUFFER:
        if (buffer_is_adopted(recorded.player))
            recorder_write("    uint32_t b%u = take(%u, %u, %u);\n", recorded.player->model.begun,
                           acting_memory(), a[2], a[1]);
        return;
    default:
        return;
    }
}

static void before(buffer_player *p, const trace_operation *operation) {
    (void)p;
    recorded.operation = operation;
    recorded.fresh = 0;
    write_operation(operation);
    recorder_write("    begin();\n");
    write_beside(operation);
}

static void after(buffer_player *p, const trace_operation *operation) {
    settle(false, 0);
    if (operation->verb == TRACE_DRAIN) recorder_write("    died(%u);\n", p->model.died_count);
    recorder_write_state(recorded.failed);
    if (recorded.failed) recorder_close();
    recorded.knows_next = false;
    recorded.operation = NULL;
}

static void expects(buffer_player *p, uint64_t expected) {
    (void)p;
    if (!recorder_is_on()) return;
    if (recorded.pending.open) {
        settle(true, expected);
        return;
    }
    recorded.knows_next = true;
    recorded.next_expected = expected;
}

// Every broken law is ignored: the operation is played to its end, so that the state expected after
// it is known. A wrong handle or token ends the record at the call that returned it, since every
// later state would be wrong.
static bool ignores(const char *law) {
    recorded.failed = true;
    if (strcmp(law, "status") == 0 && !recorded.pending.open) recorder_close();
    return true;
}

// ---- Plays --------------------------------------------------------------------------------------

void recorder_start(FILE *stream, buffer_player *player, buffer_player_options *options) {
    static const buffer_observer observer = {before, after, expects};
    for (uint32_t i = 0; i < RECORDER_NAMES_MAX; i++)
        free(recorded.contents[i]);
    memset(&recorded, 0, sizeof recorded);
    recorded.stream = stream;
    recorded.player = player;
    recorded.pointer_expected = LM_STATUSES;
    options->observer = &observer;
    options->ignores = ignores;
    rewind(stream);
    if (ftruncate(fileno(stream), 0) != 0) abort();
}

void recorder_play(buffer_player *player, const buffer_player_options *options,
                   const trace_operation *operations, size_t count) {
    bool started;
    recorder_write("    start();\n");
    buffer_player_start(player, options, &started);
    if (recorded.failed) recorder_close();
    if (started) {
        recorder_write_state(true);
        for (size_t i = 0; i < count && operations[i].verb != TRACE_EXIT; i++)
            buffer_player_step(player, &operations[i]);
        recorder_write("\n    // Whatever is left is released, and all ends.\n");
        buffer_player_end(player);
    }
    recorder_write("%s", "");
    recorded.stream = NULL;
}

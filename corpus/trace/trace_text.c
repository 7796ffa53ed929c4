// The text form: one operation a line, by trace_grammar; # starts a comment.
//
// Lines may end with CR LF; the last line may lack its end. Only the comments before the first
// operation are kept.
#include "corpus/trace/scopes.h"
#include "corpus/trace/trace.h"
#include "corpus/trace/trace_form.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = TRACE_TEXT_MAGIC " 1";

typedef struct text {
    const char *at, *end;
} text;

// Takes the next line, without its end.
static text trace_text_next_line(text *rest) {
    const char *newline = memchr(rest->at, '\n', (size_t)(rest->end - rest->at));
    text line = {rest->at, newline ? newline : rest->end};
    rest->at = newline ? newline + 1 : rest->end;
    if (line.end > line.at && line.end[-1] == '\r') line.end--;
    return line;
}

static bool trace_text_blank(char c) {
    return c == ' ' || c == '\t';
}

// Takes the next word of a line; it is empty if only a comment or nothing is left.
static text trace_text_next_word(text *line) {
    while (line->at < line->end && trace_text_blank(*line->at))
        line->at++;
    text word = {line->at, line->at};
    while (word.end < line->end && !trace_text_blank(*word.end) && *word.end != '#')
        word.end++;
    line->at = word.end;
    return word;
}

static bool trace_text_empty(text word) {
    return word.at == word.end;
}

static bool trace_text_equal(text word, const char *string) {
    size_t length = strlen(string);
    return (size_t)(word.end - word.at) == length && memcmp(word.at, string, length) == 0;
}

typedef struct shown {
    char text[32];
} shown;

// Returns a word as shown in messages: short and printable.
static shown trace_text_show(text word) {
    shown shown;
    size_t length = 0;
    for (const char *at = word.at; at < word.end && length < sizeof shown.text - 4; at++)
        shown.text[length++] = *at >= ' ' && *at <= '~' ? *at : '?';
    strcpy(shown.text + length, word.at + length < word.end ? "..." : "");
    return shown;
}

static bool trace_text_read_number(text word, const char *name, uint32_t *value,
                                   trace_error *error) {
    uint64_t number = 0;
    for (const char *at = word.at; at < word.end; at++) {
        if (*at < '0' || *at > '9')
            return trace_fail(error, "'%s' is not a %s", trace_text_show(word).text, name);
        number = number * 10 + (uint64_t)(*at - '0');
        if (number > UINT32_MAX)
            return trace_fail(error, "%s %s is more than %u", name, trace_text_show(word).text,
                              UINT32_MAX);
    }
    *value = (uint32_t)number;
    return true;
}

static bool trace_text_read_argument(text word, const trace_argument_rule *rule, uint32_t *value,
                                     trace_error *error) {
    if (rule->star && trace_text_equal(word, "*")) {
        *value = TRACE_COUNT_ALL;
        return true;
    }
    if (!rule->words) return trace_text_read_number(word, rule->name, value, error);
    for (*value = 0; *value <= rule->maximum; ++*value)
        if (trace_text_equal(word, rule->words[*value])) return true;
    return trace_fail(error, "'%s' is not a %s", trace_text_show(word).text, rule->name);
}

// Returns the verb that a word names, or TRACE_VERBS. O(1), by a table made from the grammar.
static trace_verb trace_text_find_verb(text word) {
    static uint8_t verbs[256]; // by letter: the verb plus one
    if (!verbs[(unsigned char)trace_grammar[0].letter])
        for (int i = TRACE_VERBS; i-- > 0;)
            verbs[(unsigned char)trace_grammar[i].letter] = (uint8_t)(i + 1);
    if (word.end - word.at != 1 || !verbs[(unsigned char)*word.at]) return TRACE_VERBS;
    return (trace_verb)(verbs[(unsigned char)*word.at] - 1);
}

static bool trace_text_read_operation(text line, trace_operation *operation, trace_error *error) {
    text word = trace_text_next_word(&line);
    trace_verb verb = trace_text_find_verb(word);
    if (verb == TRACE_VERBS)
        return trace_fail(error, "unknown operation '%s'", trace_text_show(word).text);
    operation->verb = verb;
    const trace_argument *arguments = trace_grammar[verb].arguments;
    for (int i = 0; i < TRACE_ARGUMENTS_MAX && arguments[i] != TRACE_NONE; i++) {
        const trace_argument_rule *rule = &trace_argument_rules[arguments[i]];
        word = trace_text_next_word(&line);
        if (!trace_text_empty(word)) {
            if (!trace_text_read_argument(word, rule, &operation->argument[i], error)) return false;
        } else if (rule->optional) {
            operation->argument[i] = rule->left_out;
        } else {
            return trace_fail(error, "'%c' lacks its %s", trace_grammar[verb].letter, rule->name);
        }
    }
    word = trace_text_next_word(&line);
    if (!trace_text_empty(word))
        return trace_fail(error, "unexpected '%s' after '%c'", trace_text_show(word).text,
                          trace_grammar[verb].letter);
    return true;
}

static bool trace_text_read_line(text line, bool preamble, trace_builder *builder,
                                 trace_error *error) {
    text rest = line;
    if (trace_text_empty(trace_text_next_word(&rest))) { // a comment or nothing
        if (trace_text_empty(rest) || !preamble) return true;
        if (trace_builder_hash_line(builder, rest.at, (size_t)(rest.end - rest.at))) return true;
        return trace_fail(error, "a NUL in a comment");
    }
    trace_operation operation;
    return trace_text_read_operation(line, &operation, error) &&
           trace_builder_append(builder, &operation, error);
}

static bool trace_text_read_header(text line, trace_error *error) {
    if (trace_text_equal(line, header)) return true;
    text version = {line.at + strlen(TRACE_TEXT_MAGIC), line.end};
    return trace_fail(error, "line 1: the header is not '%s' but '" TRACE_TEXT_MAGIC "%s'", header,
                      trace_text_show(version).text);
}

bool trace_text_parse(const char *bytes, size_t count, trace_builder *builder, trace_error *error) {
    text rest = {bytes, bytes + count};
    if (!trace_text_read_header(trace_text_next_line(&rest), error)) return false;
    bool preamble = true;
    for (size_t number = 2; !trace_text_empty(rest); number++) {
        text line = trace_text_next_line(&rest);
        trace_error reason;
        if (!trace_text_read_line(line, preamble, builder, &reason))
            return trace_fail(error, "line %zu: %s", number, reason.text);
        if (preamble) {
            text start = line;
            preamble = trace_text_empty(trace_text_next_word(&start));
        }
    }
    return true;
}

// The IDs of the file: the ID that ended last is reused first, which keeps them small.
typedef struct names {
    uint32_t *of_number; // by number: the ID
    uint32_t *unused;
    uint32_t unused_count, begun, made;
} names;

static bool trace_text_names_new(names *names, uint32_t count) {
    *names = (struct names){.of_number = calloc((size_t)count + 1, sizeof(uint32_t)),
                            .unused = calloc((size_t)count + 1, sizeof(uint32_t))};
    return names->of_number && names->unused;
}

static void trace_text_names_free(names *names) {
    free(names->of_number);
    free(names->unused);
}

static uint32_t trace_text_name_begin(names *names) {
    uint32_t name = names->unused_count ? names->unused[--names->unused_count] : names->made++;
    return names->of_number[names->begun++] = name;
}

static uint32_t trace_text_name_end(names *names, uint32_t number) {
    return names->unused[names->unused_count++] = names->of_number[number];
}

static uint32_t trace_text_name_of(names *names, trace_role role, uint32_t number) {
    return role == TRACE_ROLE_BEGIN ? trace_text_name_begin(names)
           : role == TRACE_ROLE_END ? trace_text_name_end(names, number)
                                    : names->of_number[number];
}

static void trace_text_write_argument(const trace_argument_rule *rule, uint32_t value, names *names,
                                      FILE *stream) {
    if (rule->optional && value == rule->left_out) return;
    if (rule->space != TRACE_SPACE_NONE)
        value = trace_text_name_of(&names[rule->space], rule->role, value);
    if (rule->words) {
        fprintf(stream, " %s", rule->words[value]);
    } else if (rule->star && value == TRACE_COUNT_ALL) {
        fputs(" *", stream);
    } else {
        fprintf(stream, " %u", value);
    }
}

// A collected token ends the reference attached to it, whose ID becomes free as well.
static void trace_text_follow_token(const trace_operation *operation, names *references,
                                    uint32_t *token_references) {
    if (operation->verb == TRACE_ATTACH)
        token_references[operation->argument[0]] = operation->argument[1];
    if (operation->verb == TRACE_COLLECT)
        trace_text_name_end(references, token_references[operation->argument[0]]);
}

// The end of a scope and a reset end blocks too.
static void trace_text_follow_scope(scopes *scopes, const trace_operation *operation,
                                    names *blocks) {
    scopes_play(scopes, operation);
    for (uint32_t i = 0; i < scopes->ended_count && operation->verb != TRACE_FREE; i++)
        trace_text_name_end(blocks, scopes->ended[i]);
}

static void trace_text_write_operations(const trace *trace, names *names,
                                        uint32_t *token_references, scopes *scopes, FILE *stream) {
    for (size_t i = 0; i < trace->count; i++) {
        const trace_operation *operation = &trace->operations[i];
        const trace_grammar_rule *rule = &trace_grammar[operation->verb];
        putc(rule->letter, stream);
        for (int j = 0; j < TRACE_ARGUMENTS_MAX && rule->arguments[j] != TRACE_NONE; j++)
            trace_text_write_argument(&trace_argument_rules[rule->arguments[j]],
                                      operation->argument[j], names, stream);
        putc('\n', stream);
        trace_text_follow_token(operation, &names[TRACE_SPACE_REFERENCES], token_references);
        trace_text_follow_scope(scopes, operation, &names[TRACE_SPACE_BLOCKS]);
    }
}

bool trace_text_write(const trace *trace, FILE *stream) {
    names names[TRACE_SPACES];
    bool room = trace_text_names_new(&names[TRACE_SPACE_BLOCKS], trace->blocks);
    room &= trace_text_names_new(&names[TRACE_SPACE_REFERENCES], trace->references);
    room &= trace_text_names_new(&names[TRACE_SPACE_TOKENS], trace->tokens);
    uint32_t *token_references = calloc((size_t)trace->tokens + 1, sizeof(uint32_t));
    room &= token_references != NULL;
    scopes scopes;
    room &= scopes_begin(&scopes, trace);
    if (room) {
        fprintf(stream, "%s\n%s", header, trace->preamble);
        trace_text_write_operations(trace, names, token_references, &scopes, stream);
    } else {
        errno = ENOMEM;
    }
    for (int i = 0; i < TRACE_SPACES; i++)
        trace_text_names_free(&names[i]);
    free(token_references);
    scopes_end(&scopes);
    return room && !ferror(stream);
}

void trace_print(const trace *trace, FILE *stream) {
    trace_text_write(trace, stream);
}

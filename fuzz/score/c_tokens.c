#include "fuzz/score/c_tokens.h"

#include "cli/options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 100, CONDITIONS_MAX = 20 };

// The brackets that are open.
typedef struct brackets {
    int at[DEPTH_MAX], depth;
} brackets;

typedef struct reader {
    c_tokens *source;
    const char *at;
    unsigned line;
    bool line_begins, directive;
    int conditions, checks; // how deep in #if; at which depth one asks for the check level, or 0
    brackets open, before[CONDITIONS_MAX]; // each #if
    bool failed;
} reader;

bool token_is(const c_tokens *source, int i, const char *text) {
    if (i < 0 || i >= source->count) return false;
    const token *t = &source->tokens[i];
    return t->length == strlen(text) && memcmp(t->at, text, t->length) == 0;
}

static bool is_word_byte(char byte) {
    return isalnum((unsigned char)byte) || byte == '_';
}

static size_t text_length(const char *at) {
    size_t length = 1;
    while (at[length] && at[length] != '\n' && at[length] != *at)
        length += at[length] == '\\' && at[length + 1] ? 2 : 1;
    return at[length] == *at ? length + 1 : 0;
}

static size_t number_length(const char *at) {
    size_t length = 0;
    while (is_word_byte(at[length]) || at[length] == '.' ||
           ((at[length] == '+' || at[length] == '-') && strchr("eEpP", at[length - 1]) &&
            !(at[0] == '0' && (at[1] == 'x' || at[1] == 'X'))))
        length++;
    return length;
}

static size_t mark_length(const char *at) {
    static const char *const marks[] = {"<<=", ">>=", "...", "->", "++", "--", "<<", ">>",
                                        "<=",  ">=",  "==",  "!=", "&&", "||", "+=", "-=",
                                        "*=",  "/=",  "%=",  "&=", "|=", "^=", "##"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strncmp(at, marks[i], strlen(marks[i])) == 0) return strlen(marks[i]);
    return 1;
}

// Past white space and comments.
static void skip(reader *r) {
    for (;; r->at++) {
        const char *end = NULL;
        if (r->at[0] == '/' && r->at[1] == '*') {
            end = strstr(r->at + 2, "*/");
            r->failed |= !end;
            for (; r->at < (end ? end + 1 : r->at); r->at++)
                r->line += *r->at == '\n';
        } else if (r->at[0] == '/' && r->at[1] == '/') {
            r->at += strcspn(r->at, "\n");
        }
        if (r->failed) return;
        if (r->at[0] == '\\' && r->at[1] == '\n') {
            r->line++;
            r->at++;
        } else if (*r->at == '\n') {
            r->line++;
            r->line_begins = true;
            r->directive = false;
        } else if (!end && !isspace((unsigned char)*r->at)) {
            return;
        }
    }
}

static token *append(reader *r, token_kind kind, size_t length) {
    c_tokens *s = r->source;
    if ((s->count & (s->count - 1)) == 0) {
        size_t room = s->count ? 2 * (size_t)s->count : 1;
        s->tokens = realloc(s->tokens, room * sizeof *s->tokens);
        if (!s->tokens) options_fail("out of memory");
    }
    s->tokens[s->count] = (token){.at = r->at,
                                  .length = length,
                                  .line = r->line,
                                  .kind = kind,
                                  .directive = r->directive,
                                  .checks = r->checks != 0,
                                  .partner = NO_TOKEN,
                                  .function = NO_TOKEN};
    r->at += length;
    r->line_begins = false;
    return &s->tokens[s->count++];
}

static void match(reader *r, token *t) {
    int own = (int)(t - r->source->tokens);
    if (t->directive || t->length != 1) return;
    if (strchr("([{", *t->at)) {
        if (r->open.depth == DEPTH_MAX)
            r->failed = true;
        else
            r->open.at[r->open.depth++] = own;
    } else if (strchr(")]}", *t->at)) {
        int partner = r->open.depth > 0 ? r->open.at[--r->open.depth] : NO_TOKEN;
        char opening = *t->at == ')' ? '(' : *t->at == ']' ? '[' : '{';
        if (partner == NO_TOKEN || *r->source->tokens[partner].at != opening) {
            r->failed = true;
            return;
        }
        t->partner = partner;
        r->source->tokens[partner].partner = own;
    }
}

// "#": which branch begins or ends. Each begins with the brackets that were open before the #if.
static void begin_directive(reader *r) {
    r->directive = true;
    const char *name = r->at + 1 + strspn(r->at + 1, " \t");
    bool begins = strncmp(name, "if", 2) == 0, ends = strncmp(name, "endif", 5) == 0;
    r->failed |= begins ? r->conditions == CONDITIONS_MAX : ends && r->conditions == 0;
    if (r->failed) return;
    if (begins) {
        r->before[r->conditions++] = r->open;
        const char *asked = strstr(name, "LM_CHECK_LEVEL");
        if (!r->checks && asked && asked < name + strcspn(name, "\n")) r->checks = r->conditions;
    } else if (ends || strncmp(name, "el", 2) == 0) {
        if (r->checks == r->conditions) r->checks = 0;
        if (ends)
            r->conditions--;
        else if (r->conditions > 0)
            r->open = r->before[r->conditions - 1];
    }
}

static void read_token(reader *r) {
    if (*r->at == '#' && r->line_begins) begin_directive(r);
    size_t length;
    if (*r->at == '"' || *r->at == '\'') {
        length = text_length(r->at);
        if (length == 0)
            r->failed = true;
        else
            append(r, TOKEN_TEXT, length);
    } else if (isdigit((unsigned char)*r->at)) {
        append(r, TOKEN_NUMBER, number_length(r->at));
    } else if (is_word_byte(*r->at)) {
        for (length = 1; is_word_byte(r->at[length]);)
            length++;
        append(r, TOKEN_WORD, length);
    } else {
        match(r, append(r, TOKEN_MARK, mark_length(r->at)));
    }
}

static void add_function(c_tokens *s, int head, int open) {
    int name = s->tokens[open - 1].partner - 1;
    if ((s->function_count & (s->function_count - 1)) == 0) {
        size_t room = s->function_count ? 2 * (size_t)s->function_count : 1;
        s->functions = realloc(s->functions, room * sizeof *s->functions);
        if (!s->functions) options_fail("out of memory");
    }
    int close = s->tokens[open].partner;
    for (int i = open; i <= close; i++)
        s->tokens[i].function = s->function_count;
    s->functions[s->function_count++] = (function){head, name, open, close};
}

// ") {" outside of all braces opens a function's body.
static void find_functions(c_tokens *s) {
    int head = 0;
    for (int i = 0; i < s->count; i++) {
        if (s->tokens[i].directive) {
            head = i + 1;
        } else if (token_is(s, i, "{")) {
            if (token_is(s, i - 1, ")") && !s->tokens[i - 1].directive) add_function(s, head, i);
            i = s->tokens[i].partner;
            head = i + 1;
        } else if (token_is(s, i, ";")) {
            head = i + 1;
        }
    }
}

bool c_tokens_read(c_tokens *source, const char *text, unsigned *line) {
    *source = (c_tokens){0};
    reader r = {.source = source, .at = text, .line = 1, .line_begins = true};
    for (skip(&r); *r.at && !r.failed; skip(&r))
        read_token(&r);
    if (r.failed || r.open.depth > 0) {
        *line = r.failed ? r.line : source->tokens[r.open.at[r.open.depth - 1]].line;
        c_tokens_free(source);
        return false;
    }
    find_functions(source);
    return true;
}

void c_tokens_free(c_tokens *source) {
    free(source->tokens);
    free(source->functions);
    *source = (c_tokens){0};
}

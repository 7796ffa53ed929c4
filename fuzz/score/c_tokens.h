// C sources as tokens: as much of the language as finding places in it takes.
//
// Comments are none. Directives' tokens are marked, macros are not expanded, and of conditional
// branches all are read.
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum token_kind {
    TOKEN_WORD,   // identifiers and keywords
    TOKEN_NUMBER, // with its suffix
    TOKEN_TEXT,   // "strings" and 'characters'
    TOKEN_MARK,   // operators and brackets
} token_kind;

enum { NO_TOKEN = -1 };

typedef struct token {
    const char *at;
    size_t length;
    unsigned line; // from 1
    token_kind kind;
    bool directive; // in a #line
    bool checks;    // in the first branch of an #if that asks for LM_CHECK_LEVEL
    int partner;    // of a bracket; or NO_TOKEN
    int function;   // whose body it is in; or NO_TOKEN
} token;

// A function's definition: tokens head … name ( … ) open … close.
typedef struct function {
    int head, name, open, close;
} function;

typedef struct c_tokens {
    token *tokens;
    function *functions;
    int count, function_count;
} c_tokens;

// Reads a source, which must outlive the tokens. False: its brackets do not close (`line` says
// which), or a comment or string does not end; nothing is kept then.
bool c_tokens_read(c_tokens *source, const char *text, unsigned *line);
void c_tokens_free(c_tokens *source);

// Whether the token is this word or mark. `i` may lie outside: then it is none.
bool token_is(const c_tokens *source, int i, const char *text);

#include "fuzz/score/mutate.h"

#include "cli/options.h"
#include "cli/random.h"
#include "cli/text.h"
#include "fuzz/score/c_tokens.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const mutation_kinds[MUTATION_KINDS] = {
    "comparison", "logic", "condition", "arithmetic", "operands", "constant", "statement",
};

// What functions are, by name, over all sources.
typedef struct known {
    char *name;
    bool walks; // part of the walk: left alone
    bool pure;  // one `return` of an expression that changes nothing
} known;

typedef struct project {
    const mutate_source *sources;
    c_tokens *tokens;
    size_t count;
    known *names;
    size_t name_count;
} project;

typedef struct finder {
    const project *project;
    const c_tokens *t;
    int source;
    mutations *found;
} finder;

// ---- Functions, by name -------------------------------------------------------------------------

static bool is_any(const c_tokens *t, int i, const char *const *texts) {
    for (; *texts; texts++)
        if (token_is(t, i, *texts)) return true;
    return false;
}

static known *find_known(const project *p, const token *name) {
    for (size_t i = 0; i < p->name_count; i++)
        if (strlen(p->names[i].name) == name->length &&
            memcmp(p->names[i].name, name->at, name->length) == 0)
            return &p->names[i];
    return NULL;
}

static known *function_known(const project *p, const c_tokens *t, int function) {
    return find_known(p, &t->tokens[t->functions[function].name]);
}

// Whether the token lies in the arguments of a check or of a static assertion.
static bool *mark_asserted(const c_tokens *t) {
    static const char *const asserting[] = {"LM_CHECK", "_Static_assert", "static_assert", NULL};
    bool *asserted = calloc((size_t)t->count + 1, sizeof *asserted);
    if (!asserted) options_fail("out of memory");
    for (int i = 0; i < t->count; i++)
        if (is_any(t, i, asserting) && token_is(t, i + 1, "(") && !t->tokens[i].directive)
            memset(asserted + i, 1, (size_t)(t->tokens[i + 1].partner + 1 - i));
    return asserted;
}

// Returns text, or takes a census.
static bool is_walk_by_type(const c_tokens *t, const function *f) {
    for (int i = f->head; i < f->name; i++)
        if (token_is(t, i, "const") && token_is(t, i + 1, "char")) return true;
    for (int i = f->name; i < f->open; i++)
        if (token_is(t, i, "lm_census")) return true;
    return false;
}

static void learn_names(project *p) {
    size_t most = 0;
    for (size_t s = 0; s < p->count; s++)
        most += (size_t)p->tokens[s].function_count;
    p->names = calloc(most + 1, sizeof *p->names);
    if (!p->names) options_fail("out of memory");
    for (size_t s = 0; s < p->count; s++) {
        const c_tokens *t = &p->tokens[s];
        for (int f = 0; f < t->function_count; f++) {
            const token *name = &t->tokens[t->functions[f].name];
            known *k = find_known(p, name);
            if (!k) {
                k = &p->names[p->name_count++];
                *k = (known){.name = strndup(name->at, name->length), .pure = true};
            }
            k->walks |= is_walk_by_type(t, &t->functions[f]);
        }
    }
}

// Marks whom somebody else names than the walk and checks, and in `named` whom anybody does.
static void mark_callers(const project *p, bool *wanted, bool *named) {
    for (size_t s = 0; s < p->count; s++) {
        const c_tokens *t = &p->tokens[s];
        bool *asserted = mark_asserted(t);
        for (int i = 0; i < t->count; i++) {
            const token *token = &t->tokens[i];
            bool declares =
                token->function == NO_TOKEN && !token->directive && token_is(t, i + 1, "(");
            const known *k = token->kind == TOKEN_WORD && !declares ? find_known(p, token) : NULL;
            if (!k) continue;
            const known *by =
                token->function == NO_TOKEN ? NULL : function_known(p, t, token->function);
            named[k - p->names] = true;
            wanted[k - p->names] |= k != by && !(by && by->walks) && !token->checks && !asserted[i];
        }
        free(asserted);
    }
}

// Whom only the walk and checks name is part of the walk, until there are no more.
static void learn_walk(project *p) {
    for (bool more = true; more;) {
        bool *wanted = calloc(2 * p->name_count + 1, sizeof *wanted);
        if (!wanted) options_fail("out of memory");
        bool *named = wanted + p->name_count;
        mark_callers(p, wanted, named);
        more = false;
        for (size_t i = 0; i < p->name_count; i++) {
            if (p->names[i].walks || wanted[i] || !named[i]) continue;
            p->names[i].walks = more = true;
        }
        free(wanted);
    }
}

// ---- Expressions --------------------------------------------------------------------------------

static const char *const assigning[] = {
    "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "++", "--", NULL};

// Whether tokens from … to − 1 can be computed twice: nothing is assigned, and only what is known
// to be pure, builtins and macros of capitals are called.
static bool is_pure(const project *p, const c_tokens *t, int from, int to) {
    for (int i = from; i < to; i++) {
        const token *token = &t->tokens[i];
        if (is_any(t, i, assigning) || token_is(t, i, "{")) return false;
        if (token->kind != TOKEN_WORD || !token_is(t, i + 1, "(")) continue;
        const known *k = find_known(p, token);
        bool macro = true;
        for (size_t c = 0; c < token->length; c++)
            macro &= !islower((unsigned char)token->at[c]);
        bool builtin = token->length > 10 && memcmp(token->at, "__builtin_", 10) == 0;
        if (!(k ? k->pure : macro || builtin || token_is(t, i, "sizeof"))) return false;
    }
    return true;
}

// First all are taken for pure, then they lose it.
static void learn_pure(project *p) {
    for (bool more = true; more;) {
        more = false;
        for (size_t s = 0; s < p->count; s++) {
            const c_tokens *t = &p->tokens[s];
            for (int f = 0; f < t->function_count; f++) {
                const function *function = &t->functions[f];
                known *k = function_known(p, t, f);
                int open = function->open, close = function->close;
                bool one = token_is(t, open + 1, "return") && token_is(t, close - 1, ";");
                for (int i = open + 1; i < close - 1; i++)
                    one &= !token_is(t, i, ";");
                if (!k->pure || (one && is_pure(p, t, open + 2, close - 1))) continue;
                k->pure = false;
                more = true;
            }
        }
    }
}

// "(uint32_t)", "(heap *)": words and stars only.
static bool is_cast(const c_tokens *t, int close) {
    int open = t->tokens[close].partner;
    if (open == NO_TOKEN || open + 1 == close) return false;
    bool called = open > 0 && t->tokens[open - 1].kind == TOKEN_WORD;
    for (int i = open + 1; i < close; i++)
        if (t->tokens[i].kind != TOKEN_WORD && !token_is(t, i, "*")) return false;
    return !called || token_is(t, open - 1, "return");
}

static const char *const stops[] = {"return", "case", "else", "do", "goto", NULL};

// Whether an operator stands between two operands.
static bool is_binary(const c_tokens *t, int i) {
    if (i == 0) return false;
    const token *before = &t->tokens[i - 1];
    if (before->kind == TOKEN_MARK)
        return token_is(t, i - 1, "]") || (token_is(t, i - 1, ")") && !is_cast(t, i - 1));
    return !is_any(t, i - 1, stops);
}

// How tight a binary operator binds; 0: it is none.
static int binding(const c_tokens *t, int i) {
    static const char *const levels[][7] = {
        {"?", ":"},   {"||"},     {"&&"},          {"|"},
        {"^"},        {"&"},      {"==", "!="},    {"<", ">", "<=", ">="},
        {"<<", ">>"}, {"+", "-"}, {"*", "/", "%"},
    };
    if (i < 0 || i >= t->count || t->tokens[i].kind != TOKEN_MARK || !is_binary(t, i)) return 0;
    for (int level = 0; level < (int)(sizeof levels / sizeof *levels); level++)
        if (is_any(t, i, levels[level])) return level + 1;
    return 0;
}

static bool ends_expression(const c_tokens *t, int i) {
    static const char *const marks[] = {",",  ";",  "{",  "}",   "(",   ")",  "[",
                                        "]",  "=",  "+=", "-=",  "*=",  "/=", "%=",
                                        "&=", "|=", "^=", "<<=", ">>=", NULL};
    return i < 0 || i >= t->count || t->tokens[i].directive || is_any(t, i, marks) ||
           is_any(t, i, stops);
}

// The first token of the operand that ends before `i`, whose operators bind at least so tight.
static int operand_begin(const c_tokens *t, int i, int tight) {
    for (i--; i >= 0; i--) {
        bool bracket = token_is(t, i, ")") || token_is(t, i, "]");
        if (bracket && t->tokens[i].partner != NO_TOKEN) {
            i = t->tokens[i].partner;
            continue;
        }
        int binds = binding(t, i);
        if (ends_expression(t, i) || (binds && binds < tight)) return i + 1;
    }
    return 0;
}

// One past the last token of the operand that begins at `i`, whose operators bind tighter.
static int operand_end(const c_tokens *t, int i, int tight) {
    for (; i < t->count; i++) {
        bool bracket = token_is(t, i, "(") || token_is(t, i, "[");
        if (bracket && t->tokens[i].partner != NO_TOKEN) {
            i = t->tokens[i].partner;
            continue;
        }
        int binds = binding(t, i);
        if (ends_expression(t, i) || (binds && binds <= tight)) return i;
    }
    return i;
}

// ---- Finding ------------------------------------------------------------------------------------

// The text of tokens from … to − 1.
static char *text_of(const c_tokens *t, int from, int to) {
    const token *first = &t->tokens[from], *last = &t->tokens[to - 1];
    return text_format("%.*s", (int)(last->at + last->length - first->at), first->at);
}

static void add(finder *f, mutation_kind kind, int at, int from, int to, char *plain,
                char *counted) {
    mutations *found = f->found;
    const mutate_source *source = &f->project->sources[f->source];
    const token *first = &f->t->tokens[from], *last = &f->t->tokens[to - 1];
    if ((found->count & (found->count - 1)) == 0) {
        size_t room = found->count ? 2 * found->count : 1;
        found->at = realloc(found->at, room * sizeof *found->at);
        if (!found->at) options_fail("out of memory");
    }
    found->at[found->count++] = (mutation){
        .source = f->source,
        .line = f->t->tokens[at].line,
        .kind = kind,
        .from = (size_t)(first->at - source->text),
        .to = (size_t)(last->at + last->length - source->text),
        .plain = plain,
        .counted = counted,
    };
}

// An expression, tokens from … to − 1, becomes another one.
static void add_value(finder *f, mutation_kind kind, int at, int from, int to, char *becomes) {
    char *was = text_of(f->t, from, to), *counted;
    if (is_pure(f->project, f->t, from, to))
        counted = text_format("(__extension__({ LM_MUTANT(0); __auto_type lm_wrong = (%s); "
                              "LM_MUTANT(lm_wrong != (%s)); lm_wrong; }))",
                              becomes, was);
    else
        counted = text_format("(__extension__({ LM_MUTANT(1); (%s); }))", becomes);
    free(was);
    add(f, kind, at, from, to, becomes, counted);
}

// A statement, with its semicolon, becomes another one.
static void add_statement(finder *f, mutation_kind kind, int at, int from, int to, char *becomes,
                          const char *triggered) {
    char *counted = text_format("{ LM_MUTANT(%s); %s }", triggered, becomes);
    add(f, kind, at, from, to, becomes, counted);
}

// The operator that a wrong hand writes, or NULL.
static const char *swapped(const c_tokens *t, int i, mutation_kind *kind) {
    static const struct {
        mutation_kind kind;
        const char *one, *other;
    } pairs[] = {
        {MUTATE_COMPARISON, "<", "<="},  {MUTATE_COMPARISON, ">", ">="},
        {MUTATE_COMPARISON, "==", "!="}, {MUTATE_LOGIC, "&&", "||"},
        {MUTATE_ARITHMETIC, "+", "-"},   {MUTATE_ARITHMETIC, "&", "|"},
        {MUTATE_ARITHMETIC, "<<", ">>"}, {MUTATE_ARITHMETIC, "+=", "-="},
        {MUTATE_ARITHMETIC, "|=", "&="}, {MUTATE_ARITHMETIC, "++", "--"},
    };
    for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
        *kind = pairs[p].kind;
        if (token_is(t, i, pairs[p].one)) return pairs[p].other;
        if (token_is(t, i, pairs[p].other)) return pairs[p].one;
    }
    return NULL;
}

static void find_binary(finder *f, int i) {
    static const char *const one_way[] = {"-", "/", "%", "<<", ">>", NULL};
    const c_tokens *t = f->t;
    int tight = binding(t, i);
    if (tight <= 1) return;
    int from = operand_begin(t, i, tight), to = operand_end(t, i + 1, tight);
    if (from >= i || to <= i + 1) return;
    char *left = text_of(t, from, i), *right = text_of(t, i + 1, to);
    mutation_kind kind;
    const char *other = swapped(t, i, &kind);
    if (other) add_value(f, kind, i, from, to, text_format("%s %s %s", left, other, right));
    if (is_any(t, i, one_way))
        add_value(
            f, MUTATE_OPERANDS, i, from, to,
            text_format("(%s) %.*s (%s)", right, (int)t->tokens[i].length, t->tokens[i].at, left));
    free(left);
    free(right);
}

// One past the last token of an operand of ?:, which may hold more of them.
static int arm_end(const c_tokens *t, int i) {
    int open = 0;
    for (i = operand_end(t, i, 1); token_is(t, i, "?") || (open > 0 && token_is(t, i, ":"));) {
        open += token_is(t, i, "?") ? 1 : -1;
        i = operand_end(t, i + 1, 1);
    }
    return i;
}

// c ? a : b
static void find_choice(finder *f, int i) {
    const c_tokens *t = f->t;
    int from = operand_begin(t, i, 2), colon = arm_end(t, i + 1), to = arm_end(t, colon + 1);
    if (from >= i || to <= colon + 1) return;
    char *when = text_of(t, from, i), *then = text_of(t, i + 1, colon),
         *otherwise = text_of(t, colon + 1, to);
    add_value(f, MUTATE_CONDITION, i, from, to, text_format("%s ? %s : %s", when, otherwise, then));
    free(when);
    free(then);
    free(otherwise);
}

static void find_if(finder *f, int i) {
    int open = i + 1, close = f->t->tokens[open].partner;
    char *condition = text_of(f->t, open + 1, close);
    add_value(f, MUTATE_CONDITION, i, open + 1, close, text_format("!(%s)", condition));
    free(condition);
}

static void find_constant(finder *f, int i) {
    char *end, *text = text_of(f->t, i, i + 1);
    unsigned long long value = strtoull(text, &end, 0);
    if (end[strspn(end, "uUlL")] == '\0') {
        add_value(f, MUTATE_CONSTANT, i, i, i + 1, text_format("%llu%s", value + 1, end));
        if (value > 0)
            add_value(f, MUTATE_CONSTANT, i, i, i + 1, text_format("%llu%s", value - 1, end));
    }
    free(text);
}

// ---- Statements ---------------------------------------------------------------------------------

// "= {", "(type){", and such within such.
static bool begins_initialiser(const c_tokens *t, int brace) {
    static const char *const before[] = {"=", ",", "{", NULL};
    return is_any(t, brace - 1, before) || (token_is(t, brace - 1, ")") && is_cast(t, brace - 1));
}

static bool begins_statement(const c_tokens *t, int i) {
    static const char *const first[] = {"*", "(", "++", "--", NULL};
    if (t->tokens[i].kind != TOKEN_WORD && !is_any(t, i, first)) return false;
    if (token_is(t, i - 1, "{") && begins_initialiser(t, i - 1)) return false;
    static const char *const heads[] = {"if", "for", "while", NULL};
    static const char *const before[] = {";", "{", "}", "else", "do", NULL};
    if (is_any(t, i - 1, before)) return true;
    int open = token_is(t, i - 1, ")") ? t->tokens[i - 1].partner : NO_TOKEN;
    return open != NO_TOKEN && is_any(t, open - 1, heads);
}

// "heap *h", "uint32_t n", and what begins with a word of the language.
static bool declares(const c_tokens *t, int i) {
    static const char *const words[] = {"const",    "static", "struct",   "enum",    "union",
                                        "unsigned", "goto",   "continue", "break",   "return",
                                        "if",       "for",    "while",    "do",      "else",
                                        "switch",   "case",   "default",  "typedef", NULL};
    if (t->tokens[i].kind != TOKEN_WORD) return false;
    if (is_any(t, i, words)) return true;
    if (token_is(t, i + 1, "*")) return true;
    return i + 1 < t->count && t->tokens[i + 1].kind == TOKEN_WORD;
}

// One past the semicolon.
static int statement_end(const c_tokens *t, int i) {
    while (i < t->count && !token_is(t, i, ";")) {
        if (t->tokens[i].partner > i) i = t->tokens[i].partner;
        i++;
    }
    return i + 1;
}

// The statement's own operator of assignment; or NO_TOKEN.
static int assignment(const c_tokens *t, int from, int to) {
    for (int i = from; i < to; i++) {
        if (is_any(t, i, assigning)) return i;
        if (t->tokens[i].partner > i) i = t->tokens[i].partner;
    }
    return NO_TOKEN;
}

// x op= y; x++;
static void find_assigning(finder *f, int at, int from, int to) {
    const c_tokens *t = f->t;
    mutation_kind kind;
    const char *other = swapped(t, at, &kind);
    if (!other) return;
    const token *operator= & t->tokens[at], *first = &t->tokens[from], *end = &t->tokens[to - 1];
    const char *rest = operator->at + operator->length;
    add_statement(f, kind, at, from, to,
                  text_format("%.*s%s%.*s;", (int)(operator->at - first->at), first->at, other,
                              (int)(end->at - rest), rest),
                  "1");
}

static void find_statement(finder *f, int i) {
    const c_tokens *t = f->t;
    static const char *const leaving[] = {"return", "break", "continue", NULL};
    int to = statement_end(t, i);
    if (is_any(t, i, leaving)) { // on a condition: else what follows is dead, which is no bug
        if (token_is(t, i - 1, ")"))
            add_statement(f, MUTATE_STATEMENT, i, i, to, text_format(";"), "1");
        return;
    }
    bool discards = token_is(t, i, "(") && token_is(t, i + 1, "void") && token_is(t, i + 2, ")");
    if (declares(t, i) || discards || token_is(t, i, ";")) return;
    int sign = assignment(t, i, to);
    bool compares = sign != NO_TOKEN && token_is(t, sign, "=") && is_pure(f->project, t, i, sign) &&
                    is_pure(f->project, t, sign + 1, to - 1);
    char *triggered = text_format("1");
    if (compares) {
        char *left = text_of(t, i, sign), *right = text_of(t, sign + 1, to - 1);
        free(triggered);
        triggered = text_format("(%s) != (%s)", left, right);
        free(left);
        free(right);
    }
    add_statement(f, MUTATE_STATEMENT, i, i, to, text_format(";"), triggered);
    free(triggered);
    if (sign != NO_TOKEN && !token_is(t, sign, "=")) find_assigning(f, sign, i, to);
}

// ---- All of it ----------------------------------------------------------------------------------

// One past what is to be left alone at a token: the token itself where that is nothing.
static int left_alone(const c_tokens *t, const bool *asserted, int i) {
    if (t->tokens[i].directive || t->tokens[i].checks || asserted[i]) return i + 1;
    // if (LM_CHECK_LEVEL >= 1 …): the statement too.
    if (!token_is(t, i, "if") || !token_is(t, i + 1, "(")) return i;
    int close = t->tokens[i + 1].partner;
    for (int j = i; j < close; j++)
        if (token_is(t, j, "LM_CHECK_LEVEL"))
            return token_is(t, close + 1, "{") ? t->tokens[close + 1].partner + 1
                                               : statement_end(t, close + 1);
    return i;
}

static void find_in_function(finder *f, const function *function, const bool *asserted) {
    const c_tokens *t = f->t;
    int for_end = 0;
    for (int i = function->open + 1; i < function->close; i++) {
        int after = left_alone(t, asserted, i);
        if (after > i) {
            i = after - 1;
            continue;
        }
        if (token_is(t, i, "for") && token_is(t, i + 1, "(")) for_end = t->tokens[i + 1].partner;
        if (i > for_end && begins_statement(t, i)) find_statement(f, i);
        if (token_is(t, i, "if") && token_is(t, i + 1, "("))
            find_if(f, i);
        else if (token_is(t, i, "?"))
            find_choice(f, i);
        else if (t->tokens[i].kind == TOKEN_NUMBER && !token_is(t, i - 1, "case"))
            find_constant(f, i);
        else if (t->tokens[i].kind == TOKEN_MARK)
            find_binary(f, i);
    }
}

static void find_in_source(finder *f) {
    bool *asserted = mark_asserted(f->t);
    for (int i = 0; i < f->t->function_count; i++)
        if (!function_known(f->project, f->t, i)->walks)
            find_in_function(f, &f->t->functions[i], asserted);
    free(asserted);
}

// Stable names: the file without its folder, the line, the kind, and a number from the second on.
static void name_all(const project *p, mutations *found) {
    for (size_t i = 0; i < found->count; i++) {
        mutation *m = &found->at[i];
        unsigned number = 1;
        for (size_t j = i; j-- > 0 && found->at[j].source == m->source;)
            number += found->at[j].line == m->line && found->at[j].kind == m->kind;
        const char *path = p->sources[m->source].path, *slash = strrchr(path, '/');
        char nth[20] = "";
        if (number > 1) snprintf(nth, sizeof nth, "-%u", number);
        m->name = text_format("%s:%u:%s%s", slash ? slash + 1 : path, m->line,
                              mutation_kinds[m->kind], nth);
    }
}

bool mutate_find(mutations *found, const mutate_source *sources, size_t count, char *error) {
    *found = (mutations){0};
    project p = {.sources = sources, .tokens = calloc(count + 1, sizeof(c_tokens))};
    if (!p.tokens) options_fail("out of memory");
    unsigned line;
    while (p.count < count && c_tokens_read(&p.tokens[p.count], sources[p.count].text, &line))
        p.count++;
    bool read = p.count == count;
    if (!read) snprintf(error, 200, "%s:%u: brackets do not close", sources[p.count].path, line);
    if (read) {
        learn_names(&p);
        learn_walk(&p);
        learn_pure(&p);
        for (size_t s = 0; s < count; s++)
            find_in_source(&(finder){&p, &p.tokens[s], (int)s, found});
        name_all(&p, found);
    }
    for (size_t i = 0; i < p.name_count; i++)
        free(p.names[i].name);
    free(p.names);
    for (size_t s = 0; s < p.count; s++)
        c_tokens_free(&p.tokens[s]);
    free(p.tokens);
    return read;
}

void mutations_free(mutations *found) {
    for (size_t i = 0; i < found->count; i++) {
        free(found->at[i].name);
        free(found->at[i].plain);
        free(found->at[i].counted);
    }
    free(found->at);
    *found = (mutations){0};
}

typedef struct ticket {
    double place;
    mutation mutation;
} ticket;

static int by_place(const void *a, const void *b) {
    double one = ((const ticket *)a)->place, other = ((const ticket *)b)->place;
    return (one > other) - (one < other);
}

// The r-th of a source's n, shuffled, has its place in the r-th n-th of the whole.
void mutate_shuffle(mutations *found, uint64_t seed) {
    ticket *tickets = calloc(found->count + 1, sizeof *tickets);
    if (!tickets) options_fail("out of memory");
    for (size_t first = 0, end; first < found->count; first = end) {
        for (end = first; end < found->count && found->at[end].source == found->at[first].source;)
            end++;
        for (size_t i = end - 1; i > first; i--) {
            size_t other = first + random_next(&seed) % (i - first + 1);
            mutation m = found->at[i];
            found->at[i] = found->at[other];
            found->at[other] = m;
        }
        for (size_t i = first; i < end; i++) {
            double within = (double)(random_next(&seed) >> 11) * 0x1p-53;
            tickets[i] =
                (ticket){((double)(i - first) + within) / (double)(end - first), found->at[i]};
        }
    }
    qsort(tickets, found->count, sizeof *tickets, by_place);
    for (size_t i = 0; i < found->count; i++)
        found->at[i] = tickets[i].mutation;
    free(tickets);
}

char *mutate_apply(const mutation *m, const char *text, bool counted) {
    return text_format("%.*s%s%s", (int)m->from, text, counted ? m->counted : m->plain,
                       text + m->to);
}

// The lines that a stretch of text lies on, without white space around.
static char *lines_at(const char *text, size_t from, size_t to) {
    while (from > 0 && text[from - 1] != '\n')
        from--;
    from += strspn(text + from, " \t");
    return text_format("%.*s", (int)(to - from + strcspn(text + to, "\n")), text + from);
}

void mutate_show(const mutation *m, const char *text, char **before, char **after) {
    char *mutated = mutate_apply(m, text, false);
    *before = lines_at(text, m->from, m->to);
    *after = lines_at(mutated, m->from, m->from + strlen(m->plain));
    free(mutated);
}

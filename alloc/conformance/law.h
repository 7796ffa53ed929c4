// The laws of laws.def as an enum with names and statements.
#pragma once

typedef enum law {
#define LAW(name, claimed, statement) LAW_##name,
#include "alloc/conformance/laws.def"
#undef LAW
    LAWS,
    LAW_NONE = LAWS,
} law;

extern const char *const law_names[LAWS + 1]; // "none" for LAW_NONE
extern const char *const law_texts[LAWS];

// Returns the law of that name, or LAW_NONE.
law law_named(const char *name);

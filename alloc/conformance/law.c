#include "alloc/conformance/law.h"

#include <string.h>

const char *const law_names[LAWS + 1] = {
#define LAW(name, claimed, statement) #name,
#include "alloc/conformance/laws.def"
#undef LAW
    "none",
};

const char *const law_texts[LAWS] = {
#define LAW(name, claimed, statement) statement,
#include "alloc/conformance/laws.def"
#undef LAW
};

law law_named(const char *name) {
    for (law law = 0; law < LAWS; law++)
        if (strcmp(law_names[law], name) == 0) return law;
    return LAW_NONE;
}

#include "alloc/registry.h"

#include <stdio.h>
#include <string.h>

#define STRATEGY(name) {&lm_##name##_level0, &lm_##name##_level1, &lm_##name##_level2},
static const lm_allocator *const strategies[][LM_CHECK_LEVELS] = {
#include "alloc/strategies.def"
};
#undef STRATEGY

#define STRATEGY(name) #name,
static const char *const names[] = {
#include "alloc/strategies.def"
};
#undef STRATEGY

size_t lm_strategy_count(void) {
    return sizeof strategies / sizeof *strategies;
}

const lm_allocator *lm_strategy_at(size_t index, int check_level) {
    return strategies[index][check_level];
}

const lm_allocator *lm_strategy_named(const char *name, int check_level) {
    for (size_t i = 0; i < lm_strategy_count(); i++)
        if (strcmp(names[i], name) == 0) return strategies[i][check_level];
    return NULL;
}

// The first function that is missing from a table, or NULL.
static const char *missing_function(const lm_allocator *table) {
    const struct {
        const char *name;
        bool there;
    } functions[] = {
        {"start", table->start},
        {"allocate", table->allocate},
        {"allocate_zeroed", table->allocate_zeroed},
        {"allocate_aligned", table->allocate_aligned},
        {"resize", table->resize},
        {"resize_aligned", table->resize_aligned},
        {"free", table->free},
        {"usable_size", table->usable_size},
        {"block_bytes_max", table->block_bytes_max},
        {"reset", table->reset},
        {"validate", table->validate},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (!functions[i].there) return functions[i].name;
    return NULL;
}

// What the capabilities claim and the table contradicts, or NULL.
static const char *false_capability(const lm_allocator *table) {
#define CAPABILITY(constant, bit, name, meaning) | constant
    const unsigned known = 0u
#include "alloc/capabilities.def"
        ;
#undef CAPABILITY
    unsigned states = table->capabilities;
    if (states & ~known) return "it states an unknown capability";
    if (!(states & LM_IN_LINEAR_MEMORY)) return "it does not state LM_IN_LINEAR_MEMORY";
    if (!(states & LM_HOLDS_CONTENT)) return "it does not state LM_HOLDS_CONTENT";
    if (states & LM_MERGES && !(states & LM_FREES_BLOCKS))
        return "it states LM_MERGES without LM_FREES_BLOCKS";
    if (states & LM_NESTS_SCOPES && !(table->open_scope && table->close_scope))
        return "it states LM_NESTS_SCOPES without open_scope and close_scope";
    if (!(states & LM_NESTS_SCOPES) && (table->open_scope || table->close_scope))
        return "it has open_scope or close_scope and does not state LM_NESTS_SCOPES";
    return NULL;
}

const char *lm_table_fault(const lm_allocator *table, const char *name, int check_level,
                           char *fault) {
    const char *missing = missing_function(table), *claim = false_capability(table);
    if (!table->name || strcmp(table->name, name) != 0)
        snprintf(fault, LM_FAULT_BYTES, "strategy %s: its table is named '%.40s'", name,
                 table->name ? table->name : "");
    else if (!table->idea || !*table->idea || strchr(table->idea, '\n'))
        snprintf(fault, LM_FAULT_BYTES, "strategy %s: its idea is no line of text", name);
    else if (table->check_level != check_level)
        snprintf(fault, LM_FAULT_BYTES, "strategy %s: its check_level is not LM_CHECK_LEVEL", name);
    else if (missing)
        snprintf(fault, LM_FAULT_BYTES, "strategy %s: its table has no %s", name, missing);
    else if (claim)
        snprintf(fault, LM_FAULT_BYTES, "strategy %s: %s", name, claim);
    else
        return NULL;
    return fault;
}

const char *lm_registry_fault(char *fault) {
    for (size_t i = 0; i < lm_strategy_count(); i++)
        for (int level = 0; level < LM_CHECK_LEVELS; level++)
            if (lm_table_fault(strategies[i][level], names[i], level, fault)) return fault;
    return NULL;
}

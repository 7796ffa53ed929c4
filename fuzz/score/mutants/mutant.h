// How a mutant counts its own bug.
//
// A mutant changes alloc/, a reader in corpus/ or reports/, or the statistics in bench/, so that it
// has one bug. Where the bug takes effect it has LM_MUTANT(condition): `condition` is whether this
// execution differs from the original code's. So a bug that was not found was never reached, or
// reached and never triggered, or triggered and not detected (Magma, Hazimeh et al. 2020).
//
// A mutant's build includes this header first (-include), also in freestanding files.
#pragma once

// Zero at the start. Weak, because several files of a program include this header. Threads may lose
// counts.
__attribute__((weak)) unsigned long long lm_mutant_reached, lm_mutant_triggered;

static inline void lm_mutant_count(unsigned long long *count, unsigned more) {
    __atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + more, __ATOMIC_RELAXED);
}

// Coverage of the condition's comparisons would guide a fuzzer, so LM_MUTANT_SILENT evaluates and
// counts nothing.
#ifdef LM_MUTANT_SILENT
#define LM_MUTANT(condition) ((void)sizeof(!(condition)))
#else
#define LM_MUTANT(condition)                                                                       \
    (lm_mutant_count(&lm_mutant_reached, 1), lm_mutant_count(&lm_mutant_triggered, !!(condition)))
#endif

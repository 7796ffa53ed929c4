// How a mutant counts its own bug.
//
// A mutant is a patch of alloc/, of a reader in corpus/ or reports/, or of the statistics in bench/
// (NAME.patch beside this file), that plants one bug. Where it is reached it says
// LM_MUTANT(condition), and `condition` is whether this execution differs from what the right code
// would do. So a bug that was not found was never reached, or reached and never triggered, or
// triggered and not seen: Magma's three counts (Hazimeh et al. 2020).
//
// The build of a mutant includes this header before all else (-include); no other source knows of
// it, and it knows of no other: it works in freestanding files.
#pragma once

// Zero at the start. Weak: any number of files may be linked that include this. A harness reads
// them when a run ends; threads at once may lose some.
__attribute__((weak)) unsigned long long lm_mutant_reached, lm_mutant_triggered;

static inline void lm_mutant_count(unsigned long long *count, unsigned more) {
    __atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + more, __ATOMIC_RELAXED);
}

// A fuzzer that is led by coverage sees the condition's comparisons. LM_MUTANT_SILENT takes that
// hint away, and the counts with it.
#ifdef LM_MUTANT_SILENT
#define LM_MUTANT(condition) ((void)sizeof(!(condition)))
#else
#define LM_MUTANT(condition)                                                                       \
    (lm_mutant_count(&lm_mutant_reached, 1), lm_mutant_count(&lm_mutant_triggered, !!(condition)))
#endif

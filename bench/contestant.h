// A contestant: an allocator as it takes part in a comparison.
//
// NAME[#N][+P%]: the same allocator may take part several times under different numbers (a control:
// any verdict between the two is a false one), and may be slowed by P percent (a control as well:
// the comparison must see it).
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct contestant {
    char name[48];          // as it was asked for, and as it stands in the results
    char allocator[32];     // of the registry, the system mallocs or the yardsticks
    const char *library;    // to preload, or ""
    const char *huge_pages; // for its environment where it shall use them, or ""
    double handicap;
    bool yardstick, system_malloc;
    bool shares_threads;
    bool holds_content; // so it can be verified: all but the floor
} contestant;

// Reads one. Does not return if the allocator is unknown (options_unknown) or a system malloc that
// this system has no library of, or if the rest is wrong.
contestant contestant_parse(const char *text);

// Whether it frees single blocks; if not, it is reset between passes, and labelled.
bool contestant_frees(const contestant *contestant);

// The names of all allocators: yardsticks, strategies, system_mallocs. Ends with NULL; static.
const char *const *contestant_names(size_t *count);

// Those of the standard comparison, the baseline once more at the end as a control. System mallocs
// that this system has no library of are left out. `threads`: only those that threads may share. To
// be freed.
char *contestant_standard(bool threads);

// "mimalloc (libmimalloc.so.3|libmimalloc.so.2), …": those that contestant_standard leaves out; ""
// if this system has them all.
const char *contestant_left_out(void);

// What others are compared with: jemalloc, or the C library's malloc if that is left out.
const char *contestant_baseline(void);

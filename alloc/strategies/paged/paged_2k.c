// paged with pages of 2 KiB, for heaps of under 1 MiB: slabs start at half the size, and large
// blocks are rounded up to half as much. The table takes 1.2 % of the memory.
#ifndef PAGE_SHIFT
#define PAGE_SHIFT 11
#endif
#define PAGED       paged_2k
#define PAGED_NAME  "paged_2k"
#define PAGED_IDEA  "paged with pages of 2 KiB, for small heaps"
#define PAGED_BOUND "M + (B + 2) (288 KiB + 5/4 n): a run and a gap for each block"
#include "alloc/strategies/paged/paged.inc.h"

// paged with pages of 4 KiB.
#define PAGED       paged
#define PAGED_NAME  "paged"
#define PAGED_IDEA  "size classes in 4 KiB pages, a free list for each run"
#define PAGED_BOUND "M + (B + 2) (288 KiB + 5/4 n): a run and a gap for each block"
#include "alloc/strategies/paged/paged.inc.h"

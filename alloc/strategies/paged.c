// paged with pages of 4 KiB.
#define PAGED      paged
#define PAGED_NAME "paged"
#define PAGED_IDEA "size classes in 4 KiB pages, a free list for each run"
#include "alloc/strategies/paged.h"

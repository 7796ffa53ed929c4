// paged with pages of 4 KiB.
#define PAGED      paged
#define PAGED_NAME "paged"
#define PAGED_IDEA "size classes in runs of 4 KiB pages, each with a free list"
#include "alloc/strategies/paged.h"

// <sys/mman.h> for the module: mmap returns zeroed memory in front of the heap, which set_up in
// bench/engines/module/module.c reserves. Other arguments than the size are ignored.
#pragma once

#include <stddef.h>

enum { PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS };
#define MAP_FAILED NULL

void *mmap(void *at, size_t bytes, int protection, int flags, int descriptor, long offset);
int munmap(void *at, size_t bytes);

#include "alloc/system/system_malloc.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM_MALLOC(name, libraries, huge_pages) {#name, libraries, huge_pages},
static const lm_system_malloc system_mallocs[] = {
#include "alloc/system/system_mallocs.def"
};
#undef SYSTEM_MALLOC

size_t lm_system_malloc_count(void) {
    return sizeof system_mallocs / sizeof *system_mallocs;
}

const lm_system_malloc *lm_system_malloc_at(size_t index) {
    return &system_mallocs[index];
}

const lm_system_malloc *lm_system_malloc_named(const char *name) {
    for (size_t i = 0; i < lm_system_malloc_count(); i++)
        if (strcmp(system_mallocs[i].name, name) == 0) return &system_mallocs[i];
    return NULL;
}

bool lm_system_malloc_next_library(const char **libraries, char file[LM_LIBRARY_BYTES]) {
    size_t length = strcspn(*libraries, "|");
    if (length == 0 || length >= LM_LIBRARY_BYTES) return false;
    snprintf(file, LM_LIBRARY_BYTES, "%.*s", (int)length, *libraries);
    *libraries += length + ((*libraries)[length] == '|');
    return true;
}

static bool system_start(lm_memory *memory) {
    (void)memory;
    return true;
}

// These functions have no counterpart in the malloc family and cost one more call. Real programs
// pay the same: they pass calloc's count and keep an aligned block's alignment.
static void *system_allocate_zeroed(size_t size, lm_memory *memory) {
    (void)memory;
    return calloc(1, size);
}

static void *system_resize_aligned(void *block, size_t size, size_t alignment, lm_memory *memory) {
    (void)memory;
    void *moved = aligned_alloc(alignment, size);
    if (!moved) return NULL;
    size_t old = malloc_usable_size(block);
    memcpy(moved, block, old < size ? old : size);
    free(block);
    return moved;
}

static size_t system_usable_size(const void *block, lm_memory *memory) {
    (void)memory;
    return malloc_usable_size((void *)(uintptr_t)block);
}

// dlsym returns a data pointer, which may hold a function's address by POSIX. The functions read
// fewer arguments than the table passes, which the platforms' calling conventions allow.
#define FROM_LIBRARY(field, symbol)                                                                \
    do {                                                                                           \
        void *address = dlsym(RTLD_DEFAULT, symbol);                                               \
        memcpy(&(field), &address, sizeof address);                                                \
    } while (0)

lm_allocator lm_system_malloc_table(const lm_system_malloc *system_malloc) {
    lm_allocator table = {
        .name = system_malloc->name,
        .idea = "the system's malloc",
        .capabilities =
            LM_FREES_BLOCKS | LM_RESIZES_IN_PLACE | LM_SHARES_THREADS | LM_HOLDS_CONTENT,
        .start = system_start,
        .allocate_zeroed = system_allocate_zeroed,
        .resize_aligned = system_resize_aligned,
        .usable_size = system_usable_size,
    };
    FROM_LIBRARY(table.allocate, "malloc");
    FROM_LIBRARY(table.allocate_aligned, "aligned_alloc");
    FROM_LIBRARY(table.resize, "realloc");
    FROM_LIBRARY(table.free, "free");
    return table;
}

// The version that the library itself reports, each by a function of its own.
static void version_of_library(char *version, size_t bytes) {
    int (*mallctl)(const char *, void *, size_t *, void *, size_t);
    int (*mi_version)(void);
    const char *(*tc_version)(int *, int *, const char **);
    FROM_LIBRARY(mallctl, "mallctl");
    FROM_LIBRARY(mi_version, "mi_version");
    FROM_LIBRARY(tc_version, "tc_version");
    const char *text = NULL;
    size_t text_bytes = sizeof text;
    if (mallctl && mallctl("version", &text, &text_bytes, NULL, 0) == 0) {
        snprintf(version, bytes, "%.*s", (int)strcspn(text, "-"), text);
    } else if (mi_version) {
        int number = mi_version(); // 209 is 2.0.9
        snprintf(version, bytes, "%d.%d.%d", number / 100, number / 10 % 10, number % 10);
    } else if (tc_version) {
        snprintf(version, bytes, "%s", tc_version(NULL, NULL, NULL));
    } else {
        snprintf(version, bytes, "%s", gnu_get_libc_version());
    }
}

static bool system_has_library(const lm_system_malloc *system_malloc, const char *file) {
    const char *rest = *system_malloc->libraries ? system_malloc->libraries : "libc.so.6";
    char library[LM_LIBRARY_BYTES];
    while (lm_system_malloc_next_library(&rest, library))
        if (strcmp(library, file) == 0) return true;
    return false;
}

bool lm_system_malloc_prove(const lm_system_malloc *system_malloc, char *proof,
                            size_t proof_bytes) {
    static const char *const family[] = {"malloc", "calloc", "realloc", "aligned_alloc", "free"};
    const char *file = "";
    for (size_t i = 0; i < sizeof family / sizeof *family; i++) {
        Dl_info info;
        void *address = dlsym(RTLD_DEFAULT, family[i]);
        bool found = address && dladdr(address, &info) && info.dli_fname;
        const char *name = found ? strrchr(info.dli_fname, '/') : NULL;
        file = found ? name ? name + 1 : info.dli_fname : "nothing";
        if (!system_has_library(system_malloc, file)) {
            snprintf(proof, proof_bytes, "%s is answered by %s, not by %s", family[i], file,
                     system_malloc->name);
            return false;
        }
    }
    char version[64];
    version_of_library(version, sizeof version);
    snprintf(proof, proof_bytes, "%s (%s)", version, file);
    return true;
}

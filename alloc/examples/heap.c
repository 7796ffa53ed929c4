// A heap in a linear memory: heap [STRATEGY]. Allocates, resizes, frees, validates and resets it.
#include <linmem/registry.h>
#include <linmem/version.h>

#include <stdio.h>
#include <string.h>

// Walks the heap and prints its counts. Returns false if it is broken.
static bool print_census(const lm_allocator *allocator, lm_memory *memory) {
    lm_census census;
    const char *broken = allocator->validate(memory, &census);
    if (broken)
        fprintf(stderr, "broken: %s\n", broken);
    else
        printf("%s: %llu live blocks in a heap of %llu bytes\n", allocator->name,
               (unsigned long long)census.live_blocks, (unsigned long long)census.heap_bytes);
    return !broken;
}

static bool use(const lm_allocator *allocator, lm_memory *memory) {
    if (!allocator->start(memory)) return false;
    char *text = allocator->allocate(100, memory);
    void *page = allocator->allocate_aligned(4096, 4096, memory);
    if (!text || !page) return false;
    strcpy(text, "resize keeps the content");

    // A block's address may change, and the base too, if the memory was created with `moving`. The
    // offset from lm_memory_base does not depend on the base.
    text = allocator->resize(text, 100000, memory);
    if (!text || strcmp(text, "resize keeps the content") != 0) return false;

    allocator->free(page, 4096, memory); // the size, or 0 if unknown
    if (!print_census(allocator, memory)) return false;
    allocator->reset(memory); // frees all
    return print_census(allocator, memory);
}

int main(int count, char **arguments) {
    printf("linmem %d.%d.%d\n", LM_VERSION_MAJOR, LM_VERSION_MINOR, LM_VERSION_PATCH);
    const char *name = count > 1 ? arguments[1] : "tlsf";
    const lm_allocator *allocator = lm_strategy_named(name, 1); // check level 1
    if (!allocator) {
        fprintf(stderr, "no strategy is named %s; there are:", name);
        for (size_t i = 0; i < lm_strategy_count(); i++)
            fprintf(stderr, " %s", lm_strategy_at(i, 0)->name);
        fputc('\n', stderr);
        return 2;
    }
    lm_memory memory;
    if (!lm_memory_create(&memory, &(lm_memory_options){.pages = 1, .pages_max = LM_PAGES_MAX})) {
        perror("lm_memory_create");
        return 1;
    }
    bool good = use(allocator, &memory);
    lm_memory_destroy(&memory);
    return good ? 0 : 1;
}

// The malloc family of a preloaded library: each function calls the function that would serve the
// call without the library, and the library's hooks.
//
// Laws:
// - Each function calls the next one of the same name and no other, so families never mix: if the
//   executable defines some of them, the others behave as without the library (glibc's
//   reallocarray calls the first realloc, for example).
// - Nothing is allocated from the watched heap, and errno is what the call left.
// - The hooks see only the program's calls: not those that the next malloc makes itself, nor those
//   of dlsym during the look-up of the next functions, which a small arena serves.
#include "alloc/system/preload/interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#pragma weak dladdr1 // glibc's own

enum {
    BLOCK_ALIGNMENT = 16,
    BLOCK_ALIGNMENT_LOG2 = 4,
    ARENA_BYTES = 64 * 1024,
};

// The next malloc family.
#define INTERPOSE(result, name, parameters, arguments) result(*name) parameters;
static struct next_functions {
#include "alloc/system/preload/interposition.def"
} next;
#undef INTERPOSE

INTERPOSE_THREAD_OWN uint32_t depth; // of calls into the next family

// ---- before the next family is known ----

// Blocks follow one another, each after its size, and are never reused.
static _Alignas(BLOCK_ALIGNMENT) char arena[ARENA_BYTES];
static _Atomic size_t arena_used;

static bool in_arena(const void *block) {
    return (uintptr_t)block - (uintptr_t)arena < sizeof arena;
}

static size_t arena_size(const void *block) {
    size_t size;
    memcpy(&size, (const char *)block - BLOCK_ALIGNMENT, sizeof size);
    return size;
}

static void *arena_allocate(size_t alignment, size_t size) {
    if (alignment < BLOCK_ALIGNMENT) alignment = BLOCK_ALIGNMENT;
    if (alignment > ARENA_BYTES || size > ARENA_BYTES) return NULL;
    size_t taken = BLOCK_ALIGNMENT + alignment +
                   (size + BLOCK_ALIGNMENT - 1) / BLOCK_ALIGNMENT * BLOCK_ALIGNMENT;
    size_t at = atomic_fetch_add(&arena_used, taken);
    if (at > ARENA_BYTES || taken > ARENA_BYTES - at) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t start = (uintptr_t)&arena[at + BLOCK_ALIGNMENT];
    char *block = &arena[at + BLOCK_ALIGNMENT] + (-start & (alignment - 1));
    memcpy(block - BLOCK_ALIGNMENT, &size, sizeof size);
    return block;
}

// ---- start ----

enum { UNRESOLVED, RESOLVING, READY };
static atomic_int state = UNRESOLVED;

static const void *library_of(const void *address) {
    Dl_info found;
    return dladdr(address, &found) != 0 ? found.dli_fbase : NULL;
}

// Whether the executable defines the function at the address. In an executable at fixed addresses
// it may be the jump to a function defined elsewhere.
static bool is_defined_at(const void *address) {
    Dl_info found;
    const ElfW(Sym) *symbol = NULL;
    return dladdr1(address, &found, (void **)&symbol, RTLD_DL_SYMENT) != 0 &&
           (symbol == NULL || symbol->st_shndx != SHN_UNDEF);
}

// Whether the program calls this library. An executable that defines a malloc precedes preloaded
// libraries: its malloc serves all callers.
static bool is_first(void) {
    static const char *const heap[] = {"malloc", "calloc", "realloc", "free"};
    for (size_t i = 0; i < sizeof heap / sizeof *heap; i++) {
        const void *first = dlsym(RTLD_DEFAULT, heap[i]);
        if (library_of(first) != library_of(arena) && is_defined_at(first)) return false;
    }
    return true;
}

// With another C library (musl's loader preloads, too) only the calls of the next family are sure
// to work.
static void begin(void) {
    if (dladdr1 != NULL) hook_begin(is_first());
}

static bool resolve(void) {
    int unresolved = UNRESOLVED;
    // The arena serves all other calls meanwhile, including those of dlsym.
    if (!atomic_compare_exchange_strong(&state, &unresolved, RESOLVING)) return false;
    int kept = errno;
#define INTERPOSE(result, name, parameters, arguments)                                             \
    next.name = (result(*) parameters)dlsym(RTLD_NEXT, #name);
#include "alloc/system/preload/interposition.def"
#undef INTERPOSE
    if (environ != NULL) begin(); // else it is too early: the constructor does it
    errno = kept;
    state = READY;
    return true;
}

static inline bool ready(void) {
    return __builtin_expect(atomic_load_explicit(&state, memory_order_acquire) == READY, 1) ||
           resolve();
}

__attribute__((constructor)) static void start(void) {
    if (ready()) begin();
}

// ---- the family ----

#define NEXT(call)                                                                                 \
    __extension__({                                                                                \
        depth++;                                                                                   \
        __typeof__(next.call) came = next.call;                                                    \
        depth--;                                                                                   \
        came;                                                                                      \
    })

// Reports a block that was returned, and returns it.
static inline void *came(bool zeroed, void *block, size_t size, unsigned alignment_log2) {
    if (block != NULL && depth == 0) hook_allocated(block, size, alignment_log2, zeroed);
    return block;
}

// Rounded up, as mallocs do with an alignment that is not a power of two.
static unsigned log2_of(size_t alignment) {
    return alignment < 2
               ? 0
               : (unsigned)(8 * sizeof alignment) - (unsigned)__builtin_clzl(alignment - 1);
}

static size_t page_bytes(void) {
    return getauxval(AT_PAGESZ);
}

static void *passing_malloc(size_t size) {
    if (!ready()) return arena_allocate(BLOCK_ALIGNMENT, size);
    return came(false, NEXT(malloc(size)), size, BLOCK_ALIGNMENT_LOG2);
}

static void *passing_calloc(size_t count, size_t size) {
    size_t bytes;
    bool fits = !__builtin_mul_overflow(count, size, &bytes);
    if (!ready()) return fits ? arena_allocate(BLOCK_ALIGNMENT, bytes) : NULL;
    return came(true, NEXT(calloc(count, size)), bytes, BLOCK_ALIGNMENT_LOG2);
}

static void passing_free(void *block) {
    if (block == NULL || in_arena(block) || !ready()) return;
    if (depth == 0) hook_freeing(block);
    depth++;
    next.free(block);
    depth--;
}

static void *move_out_of_arena(void *block, size_t size) {
    void *moved = passing_malloc(size);
    size_t old_size = arena_size(block);
    if (moved != NULL) memcpy(moved, block, old_size < size ? old_size : size);
    return moved;
}

static void *passing_realloc(void *block, size_t size) {
    if (block != NULL && in_arena(block)) return move_out_of_arena(block, size);
    if (!ready()) return block == NULL ? arena_allocate(BLOCK_ALIGNMENT, size) : NULL;
    if (block == NULL) return came(false, NEXT(realloc(block, size)), size, BLOCK_ALIGNMENT_LOG2);
    if (depth == 0) hook_resizing(block);
    void *moved = NEXT(realloc(block, size));
    if (depth == 0) hook_resized(moved, size);
    return moved;
}

static void *passing_reallocarray(void *block, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX; // which fails
    if ((block != NULL && in_arena(block)) || !ready()) return passing_realloc(block, bytes);
    if (block == NULL)
        return came(false, NEXT(reallocarray(block, count, size)), bytes, BLOCK_ALIGNMENT_LOG2);
    if (depth == 0) hook_resizing(block);
    void *moved = NEXT(reallocarray(block, count, size));
    if (depth == 0) hook_resized(moved, bytes);
    return moved;
}

static void *passing_memalign(size_t alignment, size_t size) {
    if (!ready()) return arena_allocate(alignment, size);
    return came(false, NEXT(memalign(alignment, size)), size, log2_of(alignment));
}

static void *passing_aligned_alloc(size_t alignment, size_t size) {
    if (!ready()) return arena_allocate(alignment, size);
    return came(false, NEXT(aligned_alloc(alignment, size)), size, log2_of(alignment));
}

static int passing_posix_memalign(void **block, size_t alignment, size_t size) {
    if (!ready()) {
        *block = arena_allocate(alignment, size);
        return *block != NULL ? 0 : ENOMEM;
    }
    int error = NEXT(posix_memalign(block, alignment, size));
    if (error == 0) came(false, *block, size, log2_of(alignment));
    return error;
}

static void *passing_valloc(size_t size) {
    if (!ready()) return arena_allocate(page_bytes(), size);
    return came(false, NEXT(valloc(size)), size, log2_of(page_bytes()));
}

static void *passing_pvalloc(size_t size) {
    size_t page = page_bytes(), whole = (size + page - 1) / page * page;
    if (!ready()) return arena_allocate(page, whole);
    return came(false, NEXT(pvalloc(size)), whole, log2_of(page));
}

static size_t passing_malloc_usable_size(void *block) {
    if (in_arena(block)) return arena_size(block);
    return block != NULL && ready() ? NEXT(malloc_usable_size(block)) : 0;
}

// The exported functions: one for each line of the table.
#define INTERPOSE(result, name, parameters, arguments)                                             \
    __attribute__((visibility("default"))) result name parameters {                                \
        return passing_##name arguments;                                                           \
    }
#include "alloc/system/preload/interposition.def"
#undef INTERPOSE

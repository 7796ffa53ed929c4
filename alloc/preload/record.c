// The recorder: preloaded into a program, it writes each heap call to a raw stream (recording.h)
// and passes the call on to the malloc that would have served it.
//
// Laws:
// - It allocates nothing from the heap it watches, and keeps no descriptor open.
// - errno is what the call left; a failure to record never becomes the program's.
// - Only the program's own calls are recorded: what the malloc behind us calls itself is not, nor
//   what the resolving of that malloc needs, which a small arena serves.
// - The child of a fork records nothing: its pointer to the stream lies in a page that the kernel
//   wipes on fork. A vfork child shares the memory, is for now the program, and is recorded.
#include "alloc/preload/recording.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    CHUNKS_MAX = 65536, // 4 Gi records, 96 GiB
    PATH_MAX_BYTES = 4096,
    IMAGES_MAX = 10000, // of one pid
    BLOCK_ALIGNMENT = 16,
    BLOCK_ALIGNMENT_LOG2 = 4,
    ARENA_BYTES = 64 * 1024,
};

// The malloc behind us.
#define INTERPOSE(result, name, parameters, arguments) result(*name) parameters;
static struct next_functions {
#include "alloc/preload/interposition.def"
} next;
#undef INTERPOSE

// Wiped on fork.
static struct unforked {
    recording_header *header; // NULL: nothing is recorded
} *unforked;

static char path[PATH_MAX_BYTES];
static recording_record *_Atomic chunks[CHUNKS_MAX];
static pthread_mutex_t mapping = PTHREAD_MUTEX_INITIALIZER;

// Initial-exec, as the general model may allocate.
#define THREAD_OWN static _Thread_local __attribute__((tls_model("initial-exec")))
THREAD_OWN uint32_t thread_number; // 1, 2, …; 0: no call yet
THREAD_OWN uint32_t depth;         // of calls into the malloc behind us

// ---- the stream ----

// posix_fallocate, so that a full disk is an error here and not a signal later; the limit is asked
// first because to exceed it is a signal, too.
static int reserve(int file, uint64_t at, uint64_t bytes) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        (limit.rlim_cur < at || limit.rlim_cur - at < bytes)) {
        return EFBIG;
    }
    return posix_fallocate(file, (off_t)at, (off_t)bytes);
}

// Opens the stream by its path (a descriptor that is kept would be closed by programs that close
// all), and maps a part of it. NULL: `error` says why.
static void *map(int flags, uint64_t at, uint64_t bytes, int *error) {
    int file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0666);
    if (file < 0) {
        *error = errno;
        return NULL;
    }
    void *part = MAP_FAILED;
    *error = reserve(file, at, bytes);
    if (*error == 0) {
        part = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)at);
        if (part == MAP_FAILED) *error = errno;
    }
    close(file);
    return part == MAP_FAILED ? NULL : part;
}

static const char *program_name(void) {
    const char *name = (const char *)getauxval(AT_EXECFN);
    if (name == NULL) return "?";
    const char *slash = strrchr(name, '/');
    return slash != NULL ? slash + 1 : name;
}

// Creates this image's stream, where a directory for it is named.
static recording_header *create(const char *directory) {
    for (unsigned image = 0; image < IMAGES_MAX; image++) {
        int length = snprintf(path, sizeof path, "%s/%ld.%u", directory, (long)getpid(), image);
        if (length < 0 || (size_t)length >= sizeof path) return NULL;
        int error;
        recording_header *header = map(O_CREAT | O_EXCL, 0, RECORDING_HEADER_BYTES, &error);
        if (header != NULL) {
            strncpy(header->program, program_name(), sizeof header->program - 1);
            header->pid = (uint64_t)getpid();
            header->magic = RECORDING_MAGIC;
            return header;
        }
        if (error != EEXIST) return NULL;
    }
    return NULL;
}

static void begin_recording(void) {
    static atomic_flag begun = ATOMIC_FLAG_INIT;
    const char *directory = getenv(RECORDING_DIRECTORY);
    if (directory == NULL || directory[0] != '/' || atomic_flag_test_and_set(&begun)) return;
    int kept = errno;
    void *page = mmap(NULL, RECORDING_HEADER_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED && madvise(page, RECORDING_HEADER_BYTES, MADV_WIPEONFORK) == 0) {
        unforked = page;
        unforked->header = create(directory);
    }
    errno = kept;
}

// Maps the chunk that a record lies in. NULL: this ends the recording, and the header says why.
static recording_record *map_chunk(recording_header *header, uint64_t chunk) {
    int kept = errno, error = EFBIG;
    recording_record *records = NULL;
    if (chunk < CHUNKS_MAX) {
        pthread_mutex_lock(&mapping);
        records = chunks[chunk];
        if (records == NULL) {
            records = map(0, RECORDING_HEADER_BYTES + chunk * RECORDING_CHUNK_BYTES,
                          RECORDING_CHUNK_BYTES, &error);
            chunks[chunk] = records;
        }
        pthread_mutex_unlock(&mapping);
    }
    if (records == NULL) {
        header->cut_off = error;
        unforked->header = NULL;
    }
    errno = kept;
    return records;
}

static void append(recording_verb verb, const void *address, uint64_t size,
                   unsigned alignment_log2) {
    if (depth != 0 || unforked == NULL) return;
    recording_header *header = unforked->header;
    if (header == NULL) return;
    if (thread_number == 0) thread_number = 1 + atomic_fetch_add(&header->threads, 1);
    uint64_t at = atomic_fetch_add(&header->claimed, 1);
    uint64_t chunk = at / RECORDING_CHUNK_RECORDS;
    recording_record *records =
        chunk < CHUNKS_MAX ? atomic_load_explicit(&chunks[chunk], memory_order_acquire) : NULL;
    if (records == NULL) records = map_chunk(header, chunk);
    if (records == NULL) return;
    recording_record *record = &records[at % RECORDING_CHUNK_RECORDS];
    record->address = (uintptr_t)address;
    record->size = size;
    record->thread = thread_number - 1;
    record->alignment_log2 = (uint16_t)alignment_log2;
    atomic_store_explicit(&record->verb, (uint16_t)verb, memory_order_release);
}

// ---- before the malloc behind us is known ----

// Blocks lie behind one another, each after its size; they are never reused.
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

// ---- getting ready ----

enum { UNRESOLVED, RESOLVING, READY };
static atomic_int state = UNRESOLVED;

static bool resolve(void) {
    int unresolved = UNRESOLVED;
    // Whoever else calls meanwhile, dlsym itself included, is served by the arena.
    if (!atomic_compare_exchange_strong(&state, &unresolved, RESOLVING)) return false;
    int kept = errno;
#define INTERPOSE(result, name, parameters, arguments)                                             \
    next.name = (result(*) parameters)dlsym(RTLD_NEXT, #name);
#include "alloc/preload/interposition.def"
#undef INTERPOSE
    if (environ != NULL) begin_recording(); // else it is too early, and the constructor begins
    errno = kept;
    state = READY;
    return true;
}

static inline bool ready(void) {
    return __builtin_expect(atomic_load_explicit(&state, memory_order_acquire) == READY, 1) ||
           resolve();
}

__attribute__((constructor)) static void start(void) {
    if (ready()) begin_recording();
}

// ---- the family ----

#define NEXT(call)                                                                                 \
    __extension__({                                                                                \
        depth++;                                                                                   \
        __typeof__(next.call) came = next.call;                                                    \
        depth--;                                                                                   \
        came;                                                                                      \
    })

// Records a block that came, if it did.
static inline void *came(recording_verb verb, void *block, size_t size, unsigned alignment_log2) {
    if (block != NULL) append(verb, block, size, alignment_log2);
    return block;
}

// The alignment that is served: mallocs round one that is no power of two up.
static unsigned log2_of(size_t alignment) {
    return alignment < 2
               ? 0
               : (unsigned)(8 * sizeof alignment) - (unsigned)__builtin_clzl(alignment - 1);
}

static size_t page_bytes(void) {
    return getauxval(AT_PAGESZ);
}

static void *record_malloc(size_t size) {
    if (!ready()) return arena_allocate(BLOCK_ALIGNMENT, size);
    return came(RECORDING_ALLOCATE, NEXT(malloc(size)), size, BLOCK_ALIGNMENT_LOG2);
}

static void *record_calloc(size_t count, size_t size) {
    size_t bytes;
    bool fits = !__builtin_mul_overflow(count, size, &bytes);
    if (!ready()) return fits ? arena_allocate(BLOCK_ALIGNMENT, bytes) : NULL;
    return came(RECORDING_ZEROED, NEXT(calloc(count, size)), bytes, BLOCK_ALIGNMENT_LOG2);
}

static void record_free(void *block) {
    if (block == NULL || in_arena(block) || !ready()) return;
    append(RECORDING_FREE, block, 0, 0);
    depth++;
    next.free(block);
    depth--;
}

static void *move_out_of_arena(void *block, size_t size) {
    void *moved = record_malloc(size);
    size_t old_size = arena_size(block);
    if (moved != NULL) memcpy(moved, block, old_size < size ? old_size : size);
    return moved;
}

static void *record_realloc(void *block, size_t size) {
    if (block == NULL) return record_malloc(size);
    if (in_arena(block)) return move_out_of_arena(block, size);
    if (!ready()) return NULL;
    append(RECORDING_RESIZE_FROM, block, 0, 0);
    void *moved = NEXT(realloc(block, size));
    append(RECORDING_RESIZE_TO, moved, size, 0);
    return moved;
}

static void *record_reallocarray(void *block, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return record_realloc(block, bytes);
}

static void *record_memalign(size_t alignment, size_t size) {
    if (!ready()) return arena_allocate(alignment, size);
    return came(RECORDING_ALLOCATE, NEXT(memalign(alignment, size)), size, log2_of(alignment));
}

static void *record_aligned_alloc(size_t alignment, size_t size) {
    if (!ready()) return arena_allocate(alignment, size);
    return came(RECORDING_ALLOCATE, NEXT(aligned_alloc(alignment, size)), size, log2_of(alignment));
}

static int record_posix_memalign(void **block, size_t alignment, size_t size) {
    if (!ready()) {
        *block = arena_allocate(alignment, size);
        return *block != NULL ? 0 : ENOMEM;
    }
    int error = NEXT(posix_memalign(block, alignment, size));
    if (error == 0) came(RECORDING_ALLOCATE, *block, size, log2_of(alignment));
    return error;
}

static void *record_valloc(size_t size) {
    if (!ready()) return arena_allocate(page_bytes(), size);
    return came(RECORDING_ALLOCATE, NEXT(valloc(size)), size, log2_of(page_bytes()));
}

static void *record_pvalloc(size_t size) {
    size_t page = page_bytes(), whole = (size + page - 1) / page * page;
    if (!ready()) return arena_allocate(page, whole);
    return came(RECORDING_ALLOCATE, NEXT(pvalloc(size)), whole, log2_of(page));
}

static size_t record_malloc_usable_size(void *block) {
    if (in_arena(block)) return arena_size(block);
    return block != NULL && ready() ? NEXT(malloc_usable_size(block)) : 0;
}

// The exported functions: one for each line of the table, no more.
#define INTERPOSE(result, name, parameters, arguments)                                             \
    __attribute__((visibility("default"))) result name parameters {                                \
        return record_##name arguments;                                                            \
    }
#include "alloc/preload/interposition.def"
#undef INTERPOSE

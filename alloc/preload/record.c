// The recorder: preloaded into a program, it writes each heap call (interpose.h) to a raw stream
// (recording.h).
//
// Laws:
// - It allocates nothing from the heap it watches, and keeps no descriptor open.
// - errno is kept; a failure to record never becomes the program's.
// - The child of a fork records nothing: its pointer to the stream lies in a page that the kernel
//   wipes on fork. A vfork child shares the memory, is the program until it execs, and is recorded.
#include "alloc/preload/interpose.h"
#include "alloc/preload/recording.h"

#include <errno.h>
#include <fcntl.h>
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
};

// Wiped on fork.
static struct unforked {
    recording_header *header; // NULL: nothing is recorded
} *unforked;

static char path[PATH_MAX_BYTES];
static recording_record *_Atomic chunks[CHUNKS_MAX];
static pthread_mutex_t mapping = PTHREAD_MUTEX_INITIALIZER;

INTERPOSE_THREAD_OWN uint32_t thread_number; // 1, 2, …; 0: no call yet

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

void hook_begin(void) {
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
    if (unforked == NULL) return;
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

// ---- the hooks ----

void hook_allocated(const void *block, size_t size, unsigned alignment_log2, bool zeroed) {
    append(zeroed ? RECORDING_ZEROED : RECORDING_ALLOCATE, block, size, alignment_log2);
}

void hook_freeing(const void *block) {
    append(RECORDING_FREE, block, 0, 0);
}

void hook_resizing(const void *block) {
    append(RECORDING_RESIZE_FROM, block, 0, 0);
}

void hook_resized(const void *block, size_t size) {
    append(RECORDING_RESIZE_TO, block, size, 0);
}

// The recorder: preloaded into a program, it appends each heap call (interpose.h) to the ring that
// `linmem record` empties (recording.h).
//
// Laws:
// - It allocates nothing from the heap it watches, keeps no descriptor open, and makes no system
//   call once the program has started, for a sandbox may forbid any. Where the ring is full it
//   spins until there is room, as no call to wait with is sure to be allowed.
// - errno is kept. A failure to record never becomes the program's: it ends the recording.
// - The child of a fork is a process of its own: its number lies in a page that the kernel wipes on
//   fork. A vfork child shares the memory: it is the parent until it execs.
#include "alloc/preload/interpose.h"
#include "alloc/preload/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATH_BYTES = 4096,
    SPINS_MAX = 1 << 28, // some seconds: `linmem record` is stopped, or its disk hangs
    SPINS_ASK = 1 << 12, // after so many it is asked for whether it lives
};

static recording_ring *ring; // NULL: nothing is recorded

// Wiped on fork.
static struct unforked {
    _Atomic uint32_t process; // its number; 0: the child of a fork, without one
} * unforked;

static _Atomic uint32_t last_process;  // the number of this process, or the parent's at a fork
static _Atomic uint64_t last_position; // behind this process's last record, or the parent's
static _Atomic uint64_t room_end;      // positions below it have room

INTERPOSE_THREAD_OWN uint32_t own_process = UINT32_MAX; // that own_thread belongs to
INTERPOSE_THREAD_OWN uint32_t own_thread;

// ---- the ring ----

static void close_ring(int error) {
    int32_t open = 0;
    atomic_compare_exchange_strong(&ring->closed, &open, error);
}

static bool recorder_died(void) {
    return pthread_mutex_trylock(&ring->alive) != EBUSY;
}

static inline void relax(void) {
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("isb");
#endif
}

__attribute__((noinline, cold)) static bool wait_for_room(uint64_t position) {
    for (uint32_t spins = 1; spins < SPINS_MAX; spins++) {
        uint64_t end =
            atomic_load_explicit(&ring->drained, memory_order_acquire) + RECORDING_RECORDS;
        if (position < end) {
            atomic_store_explicit(&room_end, end, memory_order_release);
            return true;
        }
        if (ring->closed != 0) return false;
        if (spins % SPINS_ASK == 0 && recorder_died()) break;
        relax();
    }
    close_ring(ETIMEDOUT);
    return false;
}

// Takes the next position. False: nothing is recorded any more.
static inline bool claim(uint64_t *position) {
    *position = atomic_load_explicit(&ring->claimed, memory_order_relaxed);
    do {
        if (atomic_load_explicit(&ring->closed, memory_order_relaxed) != 0) return false;
        if (*position >= atomic_load_explicit(&room_end, memory_order_acquire) &&
            !wait_for_room(*position))
            return false;
    } while (!atomic_compare_exchange_weak(&ring->claimed, position, *position + 1));
    atomic_store_explicit(&last_position, *position + 1, memory_order_relaxed);
    return true;
}

static inline void put(recording_verb verb, uint32_t thread, uint64_t address, uint64_t size,
                       unsigned alignment_log2) {
    uint64_t position;
    if (!claim(&position)) return;
    recording_record *record = &ring->records[position % RECORDING_RECORDS];
    record->address = address;
    record->size = size;
    record->thread = thread;
    record->alignment_log2 = (uint16_t)alignment_log2;
    atomic_store_explicit(&record->state, recording_state(position, verb), memory_order_release);
}

// ---- processes and threads ----

static void put_text(uint32_t process, const char *text, size_t count) {
    for (size_t at = 0; at < count; at += RECORDING_TEXT_BYTES) {
        uint64_t words[2] = {0};
        size_t left = count - at;
        memcpy(words, text + at, left < sizeof words ? left : sizeof words);
        put(RECORDING_TEXT, process, words[0], words[1], 0);
    }
}

// Tells which program this is: the name that it was started by, without its folder, and its file.
static void put_image(bool first) {
    static char text[2 * PATH_BYTES];
    const char *name = (const char *)getauxval(AT_EXECFN);
    const char *slash = name != NULL ? strrchr(name, '/') : NULL;
    if (slash != NULL) name = slash + 1;
    size_t length = name != NULL ? strnlen(name, PATH_BYTES - 1) : 0;
    memcpy(text, name, length);
    ssize_t path = readlink("/proc/self/exe", text + length + 1, PATH_BYTES - 1);
    uint32_t process = 1 + atomic_fetch_add(&ring->processes, 1);
    last_process = unforked->process = process;
    put(RECORDING_IMAGE, process, (uint64_t)getpid(), first ? 0 : RECORDING_OWN_MALLOC, 0);
    put_text(process, text, length + 1 + (path > 0 ? (size_t)path : 0) + 1);
}

// This thread's id, which in the child of a fork is the process's, without a system call.
static uint32_t thread_id(void) {
    pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    pthread_mutex_lock(&mutex);
    uint32_t id = (uint32_t)mutex.__data.__owner;
    pthread_mutex_unlock(&mutex);
    return id;
}

static uint32_t begin_forked(void) {
    uint64_t before = last_position; // our own records are not the parent's
    uint32_t parent = last_process, none = 0;
    uint32_t process = 1 + atomic_fetch_add(&ring->processes, 1);
    if (!atomic_compare_exchange_strong(&unforked->process, &none, process)) return none;
    put(RECORDING_FORKED, process, thread_id() | (uint64_t)parent << 32, before, 0);
    last_process = process;
    return process;
}

__attribute__((noinline, cold)) static void begin_thread(void) {
    uint32_t process = unforked->process;
    if (process == 0) process = begin_forked();
    own_thread = atomic_fetch_add(&ring->threads, 1);
    own_process = process;
    put(RECORDING_THREAD, own_thread, process, 0, 0);
}

static inline void append(recording_verb verb, const void *address, uint64_t size,
                          unsigned alignment_log2) {
    if (ring == NULL) return;
    if (own_process != atomic_load_explicit(&unforked->process, memory_order_relaxed))
        begin_thread();
    put(verb, own_thread, (uintptr_t)address, size, alignment_log2);
}

// ---- the beginning ----

// Maps the ring. NULL: it is none, or there is no room for it.
static recording_ring *map_ring(const char *path) {
    int file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) return NULL;
    struct stat status;
    recording_ring *mapped = MAP_FAILED;
    if (fstat(file, &status) == 0 && status.st_size == sizeof *mapped)
        mapped = mmap(NULL, sizeof *mapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) return NULL;
    if (mapped->magic == RECORDING_MAGIC && mapped->closed == 0) return mapped;
    munmap(mapped, sizeof *mapped);
    return NULL;
}

static bool map_unforked(void) {
    void *page =
        mmap(NULL, sizeof *unforked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return false;
    if (madvise(page, sizeof *unforked, MADV_WIPEONFORK) == 0) {
        unforked = page;
        return true;
    }
    munmap(page, sizeof *unforked);
    return false;
}

void hook_begin(bool first) {
    static atomic_flag begun = ATOMIC_FLAG_INIT;
    const char *path = getenv(RECORDING_RING);
    if (path == NULL || path[0] != '/' || atomic_flag_test_and_set(&begun)) return;
    int kept = errno;
    if (map_unforked() && (ring = map_ring(path)) != NULL) {
        put_image(first);
        if (!first) {
            munmap(ring, sizeof *ring);
            ring = NULL;
        }
    }
    errno = kept;
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

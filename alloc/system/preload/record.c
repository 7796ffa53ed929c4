// The recorder: preloaded into a program, it appends each heap call (interpose.h) to the ring that
// `linmem record` empties (recording.h).
//
// Laws:
// - It allocates nothing from the watched heap, keeps no descriptor open, and makes no system call
//   once the program has started, because a sandbox may forbid any. If the ring is full it spins
//   until there is room, WAIT_US_MAX at most.
// - errno is kept. A failure to record ends the recording and does not affect the program.
// - The child of a fork is a process of its own: its number is in a page that the kernel wipes on
//   fork. A vfork child shares the memory: it counts as the parent until it execs.
#include "alloc/system/preload/interpose.h"
#include "alloc/system/preload/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    PATH_BYTES = 4096,
    WAIT_US_MAX = 10 * 1000 * 1000, // `linmem record` is stopped then, or its disk hangs
    SPINS_A_LOOK = 1 << 12,         // between two looks at the clock and at `linmem record`
    LOOK_US_MAX = 100 * 1000,       // counted between two looks: the thread may be preempted
    LOOK_US_UNTIMED = 150,          // counted without a clock
    PASSED_MAX = 100,               // positions in a row: a program wrote over the ring
};

static recording_ring *ring; // NULL: nothing is recorded
static bool has_clock;       // one without a system call

// Wiped on fork.
static struct unforked {
    _Atomic uint32_t process; // its number; 0: the child of a fork, without one
} * unforked;

static _Atomic uint32_t last_process;  // the number of this process, or the parent's at a fork
static _Atomic uint64_t last_position; // one past this process's last record, or the parent's
static _Atomic uint64_t room_end;      // positions below it have room

INTERPOSE_THREAD_OWN uint32_t own_process = UINT32_MAX; // the process of own_thread
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

// The coarse clock, which the vDSO reads from memory; other clocks may need a system call, or an
// instruction that strict seccomp forbids. Returns 0 if there is no vDSO.
static uint64_t clock_us(void) {
    struct timespec now;
    if (!has_clock || clock_gettime(CLOCK_MONOTONIC_COARSE, &now) != 0) return 0;
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

// A wait for room, at the last look.
typedef struct room_wait {
    uint64_t at_us, waited_us, drained;
} room_wait;

// Whether to keep waiting: `linmem record` lives, and was not idle for WAIT_US_MAX while we ran.
static bool wait_on(room_wait *wait, uint64_t drained) {
    uint64_t now = clock_us(), step = now != 0 ? now - wait->at_us : LOOK_US_UNTIMED;
    wait->waited_us += step < LOOK_US_MAX ? step : LOOK_US_MAX;
    if (drained != wait->drained) wait->waited_us = 0;
    wait->at_us = now;
    wait->drained = drained;
    return wait->waited_us < WAIT_US_MAX && !recorder_died();
}

__attribute__((noinline, cold)) static bool wait_for_room(uint64_t position) {
    room_wait wait = {.at_us = clock_us()};
    for (uint32_t spins = 1; ring->closed == 0; spins++) {
        uint64_t drained = atomic_load_explicit(&ring->drained, memory_order_acquire);
        if (position < drained + RECORDING_RECORDS) {
            atomic_store_explicit(&room_end, drained + RECORDING_RECORDS, memory_order_release);
            return true;
        }
        if (spins % SPINS_A_LOOK == 0 && !wait_on(&wait, drained)) close_ring(ETIMEDOUT);
        relax();
    }
    return false;
}

// Takes the next position. Returns false if the recording has ended.
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

// Puts a record at the next position. Returns false if `linmem record` skipped the position
// meanwhile; true also if the recording has ended.
static inline bool try_to_put(recording_verb verb, uint32_t thread, uint64_t address, uint64_t size,
                              unsigned alignment_log2) {
    uint64_t position;
    if (!claim(&position)) return true;
    recording_record *record = &ring->records[position % RECORDING_RECORDS];
    if (!recording_enter(record, position)) return false;
    record->address = address;
    record->size = size;
    record->thread = thread % RECORDING_NUMBERS;
    record->alignment_log2 = alignment_log2 % 64;
    return recording_publish(record, position, verb);
}

__attribute__((noinline, cold)) static void put_later(recording_verb verb, uint32_t thread,
                                                      uint64_t address, uint64_t size,
                                                      unsigned alignment_log2) {
    uint32_t passed = 1;
    while (!try_to_put(verb, thread, address, size, alignment_log2))
        if (++passed == PASSED_MAX) close_ring(EBADMSG);
    if (ring->closed == 0) atomic_fetch_add(&ring->moved, passed);
}

static inline void put(recording_verb verb, uint32_t thread, uint64_t address, uint64_t size,
                       unsigned alignment_log2) {
    if (!try_to_put(verb, thread, address, size, alignment_log2))
        put_later(verb, thread, address, size, alignment_log2);
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

// Returns a new number for a thread or process. Too many of them end the recording.
static uint32_t next_number(_Atomic uint32_t *given) {
    uint32_t number = atomic_fetch_add(given, 1);
    if (number >= RECORDING_NUMBERS - 1) close_ring(EOVERFLOW);
    return number;
}

// Records which program this is: the name it was started by, without its folder, and its file.
static void put_image(bool first) {
    static char text[2 * PATH_BYTES];
    const char *name = (const char *)getauxval(AT_EXECFN);
    const char *slash = name != NULL ? strrchr(name, '/') : NULL;
    if (slash != NULL) name = slash + 1;
    size_t length = name != NULL ? strnlen(name, PATH_BYTES - 1) : 0;
    memcpy(text, name, length);
    ssize_t path = readlink("/proc/self/exe", text + length + 1, PATH_BYTES - 1);
    uint32_t process = 1 + next_number(&ring->processes);
    last_process = unforked->process = process;
    put(RECORDING_IMAGE, process, (uint64_t)getpid(), first ? 0 : RECORDING_OWN_MALLOC, 0);
    put_text(process, text, length + 1 + (path > 0 ? (size_t)path : 0) + 1);
}

// This thread's id, without a system call. In the child of a fork it is the process's.
static uint32_t thread_id(void) {
    pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    pthread_mutex_lock(&mutex);
    uint32_t id = (uint32_t)mutex.__data.__owner;
    pthread_mutex_unlock(&mutex);
    return id;
}

static uint32_t begin_forked(void) {
    uint64_t before = last_position; // before this process's own records
    uint32_t parent = last_process, none = 0;
    uint32_t process = 1 + next_number(&ring->processes);
    if (!atomic_compare_exchange_strong(&unforked->process, &none, process)) return none;
    put(RECORDING_FORKED, process, thread_id() | (uint64_t)parent << 32, before, 0);
    last_process = process;
    return process;
}

__attribute__((noinline, cold)) static void begin_thread(void) {
    uint32_t process = unforked->process;
    if (process == 0) process = begin_forked();
    own_thread = next_number(&ring->threads);
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

// ---- start ----

// Maps the ring. Returns NULL if the file is not a ring, or if out of memory.
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
    has_clock = getauxval(AT_SYSINFO_EHDR) != 0;
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

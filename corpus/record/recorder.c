#include "corpus/record/recorder.h"

#include "cli/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RING_NAME     "linmem-record-"
#define LINK_SUFFIX   ".so"
#define STUCK_SECONDS 1.0 // how long to wait for a record that keeps the ring full

enum { END_WAITS_MAX = 100 }; // milliseconds, for calls that have not returned at the end

static bool recorder_fail(trace_error *error, const char *what, const char *path) {
    return trace_fail(error, "%s in %s: %s", what, path, strerror(errno));
}

// ---- Files --------------------------------------------------------------------------------------

// Makes a file of the ring's size and allocates its blocks: a full disk is an error here, not a
// signal in a recorded process later. Returns a descriptor, or −1 with errno set.
static int recorder_make_ring_file(char *path, size_t bytes, const char *folder) {
    int length = snprintf(path, bytes, "%s/" RING_NAME "XXXXXX", folder);
    if (length < 0 || (size_t)length + sizeof LINK_SUFFIX > bytes) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int file = mkostemp(path, O_CLOEXEC);
    if (file < 0) return -1;
    errno = posix_fallocate(file, 0, sizeof(recording_ring));
    if (errno == 0) return file;
    int error = errno;
    unlink(path);
    close(file);
    errno = error;
    return -1;
}

static bool recorder_hold(recording_ring *ring) {
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    errno = pthread_mutex_init(&ring->alive, &kind);
    pthread_mutexattr_destroy(&kind);
    if (errno == 0) errno = pthread_mutex_lock(&ring->alive);
    return errno == 0;
}

static bool recorder_open_ring(recorder *recorder, const char *folder, trace_error *error) {
    int file = recorder_make_ring_file(recorder->path, sizeof recorder->path, "/dev/shm");
    if (file < 0) file = recorder_make_ring_file(recorder->path, sizeof recorder->path, folder);
    if (file < 0) return recorder_fail(error, "no room for the recording", folder);
    recording_ring *ring = mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    snprintf(recorder->link, sizeof recorder->link, "%s" LINK_SUFFIX, recorder->path);
    if (ring != MAP_FAILED && recorder_hold(ring)) {
        ring->magic = RECORDING_MAGIC;
        recorder->ring = ring;
        return true;
    }
    recorder_fail(error, "no shared memory", recorder->path);
    if (ring != MAP_FAILED) munmap(ring, sizeof *ring);
    unlink(recorder->path);
    return false;
}

// Makes a file without a name, if the file system supports it, so that none is left behind. Returns
// a descriptor, or −1 with errno set.
static int recorder_make_log(const char *folder) {
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return file;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/linmem-log-XXXXXX", folder);
    file = mkostemp(path, O_CLOEXEC);
    if (file >= 0) unlink(path);
    return file;
}

// ---- Rings of killed recorders ------------------------------------------------------------------

// Returns whether the file is a ring whose recorder was killed. Unlocks the mutex before the unmap:
// it would stay on this thread's list of robust mutexes.
static bool recorder_is_abandoned(int file) {
    struct stat status;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
        status.st_size != sizeof(recording_ring))
        return false;
    recording_ring *ring = mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (ring == MAP_FAILED) return false;
    int held = ring->magic == RECORDING_MAGIC ? pthread_mutex_trylock(&ring->alive) : EBUSY;
    if (held == 0 || held == EOWNERDEAD) pthread_mutex_unlock(&ring->alive);
    munmap(ring, sizeof *ring);
    return held == EOWNERDEAD || held == ENOTRECOVERABLE;
}

static void recorder_remove_abandoned(const char *folder) {
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        char link[NAME_MAX + sizeof LINK_SUFFIX];
        if (strncmp(entry->d_name, RING_NAME, strlen(RING_NAME)) != 0) continue;
        int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
        int file = openat(dirfd(entries), entry->d_name, flags);
        if (file < 0) continue;
        if (recorder_is_abandoned(file)) {
            snprintf(link, sizeof link, "%s" LINK_SUFFIX, entry->d_name);
            unlinkat(dirfd(entries), link, 0);
            unlinkat(dirfd(entries), entry->d_name, 0);
        }
        close(file);
    }
    if (entries != NULL) closedir(entries);
}

void recorder_unlink(const recorder *recorder) {
    unlink(recorder->link);
    unlink(recorder->path);
}

void recorder_close(recorder *recorder) {
    if (recorder->ring == NULL) return;
    int32_t open = 0;
    atomic_compare_exchange_strong(&recorder->ring->closed, &open, RECORDING_ENDED);
    recorder->ring = NULL; // stays mapped: its mutex is on this thread's list of robust mutexes
    recorder_unlink(recorder);
    if (recorder->log >= 0) close(recorder->log);
    recorder->log = -1;
}

bool recorder_open(recorder *recorder, trace_error *error) {
    *recorder = (struct recorder){.log = -1};
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] == '\0') folder = "/tmp";
    char whole[PATH_MAX];
    if (realpath(folder, whole) == NULL) return recorder_fail(error, "no temporary file", folder);
    recorder_remove_abandoned("/dev/shm");
    recorder_remove_abandoned(whole);
    if (!recorder_open_ring(recorder, whole, error)) return false;
    recorder->log = recorder_make_log(whole);
    if (recorder->log >= 0) return true;
    recorder_fail(error, "no temporary file", folder);
    recorder_close(recorder);
    return false;
}

// ---- Draining -----------------------------------------------------------------------------------

static void recorder_stop(recorder *recorder, int error) {
    int32_t open = 0;
    atomic_compare_exchange_strong(&recorder->ring->closed, &open, error);
}

static bool recorder_break_off(recorder *recorder, int error) {
    recorder_stop(recorder, error);
    recorder->broken = true;
    return false;
}

static bool recorder_write_log(recorder *recorder, const recording_record *records,
                               uint64_t count) {
    const char *at = (const char *)records;
    for (size_t left = count * sizeof *records; left != 0;) {
        ssize_t written = write(recorder->log, at, left);
        if (written > 0) {
            at += written;
            left -= (size_t)written;
        } else if (written == 0 || errno != EINTR) {
            return recorder_break_off(recorder, written == 0 ? ENOSPC : errno);
        }
    }
    return true;
}

// Returns the number of records published from the next position on, up to the ring's end.
static uint64_t recorder_published(const recorder *recorder, uint64_t claimed) {
    uint64_t from = recorder->drained, count = 0;
    uint64_t most = RECORDING_RECORDS - from % RECORDING_RECORDS;
    const recording_record *first = &recorder->ring->records[from % RECORDING_RECORDS];
    if (claimed - from < most) most = claimed - from;
    while (count < most) {
        uint32_t state = atomic_load_explicit(&first[count].state, memory_order_acquire);
        if (!recording_same_lap(state, from + count)) break;
        if (recording_verb_of_state(state) >= RECORDING_VERBS) break;
        count++;
    }
    return count;
}

static bool recorder_move(recorder *recorder, const recording_record *records, uint64_t count) {
    if (!recorder_write_log(recorder, records, count)) return false;
    recorder->drained += count;
    atomic_store_explicit(&recorder->ring->drained, recorder->drained, memory_order_release);
    return true;
}

// Returns the record at the next position, or an older one in its place.
static recording_record *recorder_next_record(const recorder *recorder) {
    return &recorder->ring->records[recorder->drained % RECORDING_RECORDS];
}

// Writes an unfinished record for the next position, which was claimed by a process that ended or
// was stopped before it published a record. Returns false if the log cannot be written or if the
// record has just been published.
static bool recorder_pass(recorder *recorder) {
    static const recording_record unfinished;
    return recording_pass(recorder_next_record(recorder), recorder->drained) &&
           recorder_move(recorder, &unfinished, 1);
}

// Returns whether a writer of an earlier lap still holds the place of the next position.
static bool recorder_is_held(const recorder *recorder, uint64_t claimed) {
    return recorder->drained < claimed &&
           recording_verb_of(recorder_next_record(recorder)) == RECORDING_HELD;
}

static bool recorder_is_stuck(recorder *recorder, uint64_t claimed) {
    bool full = claimed - recorder->drained == RECORDING_RECORDS;
    if (!full) recorder->stuck_since = 0;
    if (full && recorder->stuck_since == 0) recorder->stuck_since = clock_seconds();
    return full && clock_seconds() - recorder->stuck_since > STUCK_SECONDS;
}

uint64_t recorder_drain(recorder *recorder) {
    recording_ring *ring = recorder->ring;
    uint64_t moved = 0;
    while (!recorder->broken) {
        uint64_t claimed = atomic_load_explicit(&ring->claimed, memory_order_acquire);
        if (claimed - recorder->drained > RECORDING_RECORDS) { // overwritten by a program
            recorder_break_off(recorder, EBADMSG);
            break;
        }
        uint64_t count = recorder_published(recorder, claimed);
        if (count == 0) {
            if (!recorder_is_held(recorder, claimed) && !recorder_is_stuck(recorder, claimed))
                break;
            if (!recorder_pass(recorder)) break;
            count = 1;
        } else if (!recorder_move(recorder, recorder_next_record(recorder), count)) {
            break;
        }
        recorder->stuck_since = 0;
        moved += count;
        if (moved > RECORDING_RECORDS) break; // lets the caller do other work
    }
    return moved;
}

int recorder_end(recorder *recorder) {
    recording_ring *ring = recorder->ring;
    recorder_stop(recorder, RECORDING_ENDED);
    uint64_t claimed = ring->claimed;
    struct timespec millisecond = {.tv_nsec = 1000000};
    for (int waits = 0; !recorder->broken && recorder->drained < claimed;) {
        if (recorder_drain(recorder) != 0) continue;
        if (waits++ < END_WAITS_MAX)
            nanosleep(&millisecond, NULL);
        else
            recorder_pass(recorder);
    }
    return ring->closed == RECORDING_ENDED ? 0 : ring->closed;
}

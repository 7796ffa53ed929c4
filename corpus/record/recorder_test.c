// Draining the ring: records that recorded programs publish, and invalid ones.
#include "cli/test.h"
#include "corpus/record/recorder.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

static recorder now;

static int set_up(void **state) {
    trace_error error;
    return recorder_open(&now, &error) ? 0 : -1;
}

static int tear_down(void **state) {
    recording_ring *ring = now.ring;
    recorder_close(&now);
    int killed = pthread_mutex_unlock(&ring->alive);
    return munmap(ring, sizeof *ring) == 0 && killed == 0 && access(now.path, F_OK) != 0 ? 0 : -1;
}

#define RECORDER_TEST(test) TEST(test, .setup_func = set_up, .teardown_func = tear_down)

static uint64_t claim(void) {
    return now.ring->claimed++;
}

static recording_record *place(uint64_t position) {
    return &now.ring->records[position % RECORDING_RECORDS];
}

// Write a record as a recorded program does, in two steps. Return false if the position was passed.
static bool enter(uint64_t position) {
    return recording_enter(place(position), position);
}

static bool complete(uint64_t position) {
    place(position)->address = position + 1;
    return recording_publish(place(position), position, RECORDING_ALLOCATE);
}

static void publish(uint64_t position) {
    assert_true(enter(position));
    assert_true(complete(position));
}

static void publish_rest_of_lap(void) {
    do
        publish(claim());
    while (now.ring->claimed % RECORDING_RECORDS != 0);
}

// Drains a full ring, in which a record may keep it waiting.
static void drain_lap(void) {
    while (now.drained < now.ring->claimed)
        recorder_drain(&now);
}

static uint64_t log_count(void) {
    struct stat status;
    assert_int_equal(fstat(now.log, &status), 0);
    assert_int_equal(status.st_size % (off_t)sizeof(recording_record), 0);
    return (uint64_t)status.st_size / sizeof(recording_record);
}

// Asserts that the log's record is the one published at its position, or an unfinished one.
static void assert_logged(uint64_t position, bool finished) {
    recording_record record;
    assert_int_equal(pread(now.log, &record, sizeof record, (off_t)(position * sizeof record)),
                     sizeof record);
    assert_int_equal(recording_verb_of(&record),
                     finished ? RECORDING_ALLOCATE : RECORDING_UNFINISHED);
    if (finished) assert_int_equal(record.address, position + 1);
}

RECORDER_TEST(records_leave_in_order) {
    enum { STEP = 1000 };
    uint64_t count = 0;
    while (count < 2 * RECORDING_RECORDS + RECORDING_RECORDS / 2) {
        for (int i = 0; i < STEP; i++)
            publish(claim());
        assert_int_equal(recorder_drain(&now), STEP);
        count += STEP;
        assert_int_equal(now.ring->drained, count);
    }
    assert_int_equal(recorder_end(&now), 0);
    assert_int_equal(log_count(), count);
    for (uint64_t i = 0; i < count; i++)
        assert_logged(i, true);
}

// The later one is not drained before it.
RECORDER_TEST(an_unpublished_record_is_waited_for) {
    uint64_t first = claim();
    publish(claim());
    assert_int_equal(recorder_drain(&now), 0);
    publish(first);
    assert_int_equal(recorder_drain(&now), 2);
    assert_int_equal(recorder_end(&now), 0);
}

RECORDER_TEST(the_end_waits_briefly) {
    claim();
    publish(claim());
    claim();
    assert_int_equal(recorder_end(&now), 0);
    assert_int_equal(log_count(), 3);
    assert_logged(0, false);
    assert_logged(1, true);
    assert_logged(2, false);
    assert_int_not_equal(now.ring->closed, 0);
}

// Its process was killed, and the ring is full.
RECORDER_TEST(a_record_that_is_never_published_is_passed) {
    claim();
    publish_rest_of_lap();
    drain_lap();
    assert_logged(0, false);
    assert_logged(1, true);
    publish_rest_of_lap(); // the next lap is not affected
    while (recorder_drain(&now) != 0)
        ;
    assert_int_equal(log_count(), 2 * RECORDING_RECORDS);
    assert_logged(RECORDING_RECORDS, true);
    assert_int_equal(recorder_end(&now), 0);
}

// Its process was stopped before it wrote, and continued after its position was passed.
RECORDER_TEST(a_late_record_is_rejected) {
    uint64_t late = claim();
    publish_rest_of_lap();
    drain_lap();
    assert_false(enter(late));
    uint64_t next = claim();
    assert_false(enter(late));
    publish(next);
    assert_false(enter(late));
    publish_rest_of_lap();
    drain_lap();
    assert_false(enter(late));
    assert_int_equal(recorder_end(&now), 0);
    assert_logged(late, false);
    assert_logged(next, true);
}

// Its process was stopped while it wrote: its place is not used until the process has continued, in
// any later lap.
RECORDER_TEST(a_half_written_record_holds_its_place) {
    uint64_t late = claim();
    assert_true(enter(late));
    publish_rest_of_lap();
    drain_lap();
    for (int lap = 0; lap < 2; lap++) {
        uint64_t unlucky = claim();
        assert_false(enter(unlucky));
        publish(claim());
        assert_int_equal(recorder_drain(&now), 2); // at once
        assert_logged(unlucky, false);
        assert_logged(unlucky + 1, true);
        publish_rest_of_lap();
        drain_lap();
    }
    uint64_t before = claim();
    assert_false(enter(before)); // the place is then free
    assert_false(complete(late));
    publish_rest_of_lap();
    drain_lap();
    assert_logged(before, false);
    uint64_t after = claim();
    publish(after);
    assert_int_equal(recorder_end(&now), 0);
    assert_logged(late, false);
    assert_logged(after, true);
}

// A program overwrote the ring: earlier records are kept.
RECORDER_TEST(an_overwritten_ring_ends_the_recording) {
    static const uint64_t nonsense[] = {0, RECORDING_RECORDS + 2, UINT64_MAX};
    for (size_t i = 0; i < ITEMS(nonsense); i++) {
        if (i != 0) assert_int_equal(set_up(NULL), 0);
        publish(claim());
        assert_int_equal(recorder_drain(&now), 1);
        now.ring->claimed = nonsense[i];
        assert_int_equal(recorder_drain(&now), 0);
        assert_int_equal(recorder_end(&now), EBADMSG);
        assert_int_equal(log_count(), 1);
        if (i != 2) assert_int_equal(tear_down(NULL), 0);
    }
}

static void *try_to_hold(void *held) {
    *(int *)held = pthread_mutex_trylock(&now.ring->alive);
    return NULL;
}

RECORDER_TEST(a_live_recorder_holds_the_mutex) {
    pthread_t thread;
    int held = 0;
    assert_int_equal(pthread_create(&thread, NULL, try_to_hold, &held), 0);
    pthread_join(thread, NULL);
    assert_int_equal(held, EBUSY);
}

// The next recorder of the same user removes it, and no ring of a live recorder.
RECORDER_TEST(the_ring_of_a_killed_recorder_is_removed) {
    recorder *killed =
        mmap(NULL, sizeof *killed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(killed, MAP_FAILED);
    trace_error error;
    pid_t pid = fork();
    if (pid == 0) {
        bool opened = recorder_open(killed, &error);
        kill(getpid(), opened ? SIGKILL : SIGTERM);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(access(killed->path, F_OK), 0);
    recorder next;
    assert_true(recorder_open(&next, &error));
    assert_int_not_equal(access(killed->path, F_OK), 0);
    assert_int_equal(access(now.path, F_OK), 0);
    pthread_mutex_unlock(&next.ring->alive);
    recorder_close(&next);
    munmap(killed, sizeof *killed);
}

TEST_MAIN(NULL, NULL)

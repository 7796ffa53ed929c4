// The ring as `linmem record` empties it, with records that are put there by hand, as recorded
// programs put them and as no sound one would.
#include "alloc/cmocka.h"
#include "corpus/record/recorder.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

static uint64_t claim(void) {
    return now.ring->claimed++;
}

static recording_record *place(uint64_t position) {
    return &now.ring->records[position % RECORDING_RECORDS];
}

// Writes a record as a recorded program does, in two steps. False: the position has been passed.
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

// Drains a full ring, in which a record may have to be waited for.
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

// A record of the log: the one that was published at its position, or an unfinished one.
static void assert_logged(uint64_t position, bool finished) {
    recording_record record;
    assert_int_equal(pread(now.log, &record, sizeof record, (off_t)(position * sizeof record)),
                     sizeof record);
    assert_int_equal(recording_verb_of(&record),
                     finished ? RECORDING_ALLOCATE : RECORDING_UNFINISHED);
    if (finished) assert_int_equal(record.address, position + 1);
}

static void test_records_leave_in_order(void **state) {
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

// The next one is waited for, so that the order is kept.
static void test_a_record_under_way_is_waited_for(void **state) {
    uint64_t first = claim();
    publish(claim());
    assert_int_equal(recorder_drain(&now), 0);
    publish(first);
    assert_int_equal(recorder_drain(&now), 2);
    assert_int_equal(recorder_end(&now), 0);
}

static void test_at_the_end_nothing_is_waited_for_for_long(void **state) {
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

// Its process was killed, and the others wait for room.
static void test_a_record_that_never_comes_gives_way(void **state) {
    claim();
    publish_rest_of_lap();
    drain_lap();
    assert_logged(0, false);
    assert_logged(1, true);
    publish_rest_of_lap(); // the next lap is none the worse for it
    while (recorder_drain(&now) != 0)
        ;
    assert_int_equal(log_count(), 2 * RECORDING_RECORDS);
    assert_logged(RECORDING_RECORDS, true);
    assert_int_equal(recorder_end(&now), 0);
}

// Its process was stopped before it wrote, and continued when its place was another record's.
static void test_a_record_that_comes_too_late_is_refused(void **state) {
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

// Its process was stopped while it wrote: nobody else writes there until it has been continued, in
// whichever lap, and then the place is as good as any.
static void test_a_record_that_is_stopped_amid_writing_holds_its_place(void **state) {
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
    assert_false(enter(before)); // and then the place is free
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

// A program wrote over the ring: what came before is kept.
static void test_a_ring_of_nonsense_ends_the_recording(void **state) {
    static const uint64_t nonsense[] = {0, RECORDING_RECORDS + 2, UINT64_MAX};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
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

static void test_that_we_live_can_be_asked(void **state) {
    pthread_t thread;
    int held = 0;
    assert_int_equal(pthread_create(&thread, NULL, try_to_hold, &held), 0);
    pthread_join(thread, NULL);
    assert_int_equal(held, EBUSY);
}

// The next recorder of the same user removes it; those of recorders that live stay.
static void test_the_ring_of_a_killed_recorder_is_removed(void **state) {
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

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_records_leave_in_order),
        TEST(test_a_record_under_way_is_waited_for),
        TEST(test_at_the_end_nothing_is_waited_for_for_long),
        TEST(test_a_record_that_never_comes_gives_way),
        TEST(test_a_record_that_comes_too_late_is_refused),
        TEST(test_a_record_that_is_stopped_amid_writing_holds_its_place),
        TEST(test_a_ring_of_nonsense_ends_the_recording),
        TEST(test_that_we_live_can_be_asked),
        TEST(test_the_ring_of_a_killed_recorder_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

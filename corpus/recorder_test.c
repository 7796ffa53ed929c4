// The ring as `linmem record` empties it, with records that are put there by hand, as recorded
// programs put them and as no sound one would.
#include "corpus/recorder.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static recorder now;

static int set_up(void **state) {
    (void)state;
    trace_error error;
    return recorder_open(&now, &error) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    recording_ring *ring = now.ring;
    recorder_close(&now);
    int killed = pthread_mutex_unlock(&ring->alive);
    return munmap(ring, sizeof *ring) == 0 && killed == 0 && access(now.path, F_OK) != 0 ? 0 : -1;
}

static uint64_t claim(void) {
    return now.ring->claimed++;
}

static void publish(uint64_t position) {
    recording_record *record = &now.ring->records[position % RECORDING_RECORDS];
    record->address = position + 1;
    atomic_store(&record->state, recording_state(position, RECORDING_ALLOCATE));
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
    (void)state;
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
    (void)state;
    uint64_t first = claim();
    publish(claim());
    assert_int_equal(recorder_drain(&now), 0);
    publish(first);
    assert_int_equal(recorder_drain(&now), 2);
    assert_int_equal(recorder_end(&now), 0);
}

static void test_at_the_end_nothing_is_waited_for_for_long(void **state) {
    (void)state;
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
    (void)state;
    claim();
    for (int i = 1; i < RECORDING_RECORDS; i++)
        publish(claim());
    uint64_t moved = 0;
    while (moved < RECORDING_RECORDS)
        moved += recorder_drain(&now);
    assert_logged(0, false);
    assert_logged(1, true);
    for (int i = 0; i < RECORDING_RECORDS; i++) // the next lap is none the worse for it
        publish(claim());
    while (recorder_drain(&now) != 0)
        ;
    assert_int_equal(log_count(), 2 * RECORDING_RECORDS);
    assert_logged(RECORDING_RECORDS, true);
    assert_int_equal(recorder_end(&now), 0);
}

// A program wrote over the ring: what came before is kept.
static void test_a_ring_of_nonsense_ends_the_recording(void **state) {
    (void)state;
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
    (void)state;
    pthread_t thread;
    int held = 0;
    assert_int_equal(pthread_create(&thread, NULL, try_to_hold, &held), 0);
    pthread_join(thread, NULL);
    assert_int_equal(held, EBUSY);
}

// The next recorder of the same user removes it; those of recorders that live stay.
static void test_the_ring_of_a_killed_recorder_is_removed(void **state) {
    (void)state;
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
        TEST(test_a_ring_of_nonsense_ends_the_recording),
        TEST(test_that_we_live_can_be_asked),
        TEST(test_the_ring_of_a_killed_recorder_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// The preloaded recorder when the ring is full, by a clock of our own: each look at it is a step of
// the test, which also does what `linmem record` would do meanwhile.

#include <time.h>

static int fake_clock(clockid_t clock, struct timespec *now);
#define clock_gettime          fake_clock
#define __builtin_ia32_pause() ((void)0) // no need to spare anybody
#include "alloc/system/preload/record.c"
#include "cli/test.h"
#undef clock_gettime

enum { ADDRESS = 0x1000, SIZE = 100 };

static struct {
    uint64_t us, step_us; // the time; how much passes between two looks
    uint64_t looks, drains_at;
    bool drains_bit_by_bit;
} now;

static int fake_clock(clockid_t clock, struct timespec *time) {
    assert_int_equal(clock, CLOCK_MONOTONIC_COARSE);
    now.us += now.step_us;
    time->tv_sec = (time_t)(now.us / 1000000);
    time->tv_nsec = (long)(now.us % 1000000) * 1000;
    if (++now.looks >= now.drains_at) ring->drained = ring->claimed;
    if (now.drains_bit_by_bit) {
        ring->claimed++; // by somebody else, who is quicker
        ring->drained++;
    }
    return 0;
}

// A ring without room, whose recorder lives.
static int set_up(void **state) {
    ring = mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED || !map_unforked()) return -1;
    pthread_mutex_init(&ring->alive, NULL);
    pthread_mutex_lock(&ring->alive);
    unforked->process = own_process = 1;
    ring->claimed = RECORDING_RECORDS;
    room_end = 0;
    has_clock = true;
    now.looks = 0;
    now.us = now.step_us = LOOK_US_MAX / 2;
    now.drains_at = UINT64_MAX;
    now.drains_bit_by_bit = false;
    return 0;
}

static int tear_down(void **state) {
    pthread_mutex_unlock(&ring->alive);
    munmap(unforked, sizeof *unforked);
    return munmap(ring, sizeof *ring);
}

static void allocate(void) {
    hook_allocated((const void *)(uintptr_t)ADDRESS, SIZE, 4, false);
}

static void assert_recorded_at(uint64_t position) {
    const recording_record *record = &ring->records[position % RECORDING_RECORDS];
    assert_int_equal(ring->closed, 0);
    assert_int_equal(record->state, recording_state(position, RECORDING_ALLOCATE));
    assert_int_equal(record->address, ADDRESS);
    assert_int_equal(record->size, SIZE);
}

// Whoever is preempted, or stopped, does not wait meanwhile: nor may the recorder have run.
TEST(test_room_that_comes_late_on_a_busy_machine, .setup_func = set_up,
     .teardown_func = tear_down) {
    now.step_us = 3600u * 1000000;
    now.drains_at = 50;
    allocate();
    assert_recorded_at(RECORDING_RECORDS);
}

TEST(test_a_recorder_that_drains_is_waited_for, .setup_func = set_up, .teardown_func = tear_down) {
    now.drains_bit_by_bit = true;
    now.drains_at = 5 * (WAIT_US_MAX / now.step_us);
    allocate();
    assert_recorded_at(ring->claimed - 1);
}

// `linmem record` is stopped, or its disk hangs: the program goes on without it.
TEST(test_a_recorder_that_drains_nothing_ends_the_recording, .setup_func = set_up,
     .teardown_func = tear_down) {
    allocate();
    assert_int_equal(ring->closed, ETIMEDOUT);
    assert_int_equal(ring->claimed, RECORDING_RECORDS);
    uint64_t looks = now.looks;
    assert_in_range(looks, WAIT_US_MAX / now.step_us, WAIT_US_MAX / now.step_us + 2);
    allocate();
    assert_int_equal(now.looks, looks);
}

TEST(test_without_a_clock_the_wait_ends_too, .setup_func = set_up, .teardown_func = tear_down) {
    has_clock = false;
    allocate();
    assert_int_equal(now.looks, 0);
    assert_int_equal(ring->closed, ETIMEDOUT);
}

TEST(test_a_recorder_that_died_is_not_waited_for, .setup_func = set_up,
     .teardown_func = tear_down) {
    pthread_mutex_unlock(&ring->alive);
    allocate();
    assert_int_equal(ring->closed, ETIMEDOUT);
    assert_in_range(now.looks, 1, 2);
}

// Somebody was stopped amid writing there; others have been passed.
TEST(test_a_place_that_is_held_is_left_to_its_writer, .setup_func = set_up,
     .teardown_func = tear_down) {
    uint64_t first = RECORDING_RECORDS;
    ring->drained = first;
    ring->records[0].state = recording_state(0, RECORDING_HELD);
    ring->records[0].address = 1;
    ring->records[1].state = recording_state(first + 1, RECORDING_UNFINISHED);
    allocate();
    assert_recorded_at(first + 2);
    assert_int_equal(ring->records[0].address, 1);
    assert_int_equal(ring->moved, 2);
}

TEST(test_a_ring_of_nonsense_ends_the_recording, .setup_func = set_up, .teardown_func = tear_down) {
    ring->drained = ring->claimed;
    for (size_t i = 0; i < RECORDING_RECORDS; i++)
        ring->records[i].state = UINT32_MAX;
    allocate();
    assert_int_equal(ring->closed, EBADMSG);
}

TEST_MAIN(NULL, NULL)

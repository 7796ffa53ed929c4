#include "cli/test.h"
#include "corpus/replay/placement.h"

enum { START = 16, GRANULE = 16 };

TEST(lowest_gap_that_fits) {
    placement *p = placement_new(START, 16);
    uint32_t a = placement_take(p, 32, 16), b = placement_take(p, 16, 16);
    uint32_t c = placement_take(p, 100, 16), d = placement_take(p, 1, 16);
    assert_int_equal(a, START);
    assert_int_equal(b, a + 32);
    assert_int_equal(c, b + 16);
    assert_int_equal(d, c + 112);
    placement_give(p, a, 32);
    placement_give(p, c, 100);
    assert_int_equal(placement_take(p, 33, 16), c); // a's gap is too small
    assert_int_equal(placement_take(p, 17, 16), a);
    assert_int_equal(placement_end(p), d + 16);
    placement_free(p);
}

TEST(neighbours_merge) {
    for (int order = 0; order < 6; order++) { // all orders of freeing three neighbours
        static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        placement *p = placement_new(START, 16);
        uint32_t blocks[4];
        for (int i = 0; i < 4; i++)
            blocks[i] = placement_take(p, 16, 16);
        for (int i = 0; i < 3; i++)
            placement_give(p, blocks[orders[order][i]], 16);
        assert_int_equal(placement_take(p, 48, 16), blocks[0]);
        placement_free(p);
    }
}

TEST(alignment_leaves_no_hole) {
    placement *p = placement_new(START, 16);
    assert_int_equal(placement_take(p, 64, 4096), 4096);
    assert_int_equal(placement_take(p, 4080, 16), START); // all that was skipped
    assert_int_equal(placement_take(p, 16, 16), 4096 + 64);
    placement_free(p);
}

TEST(resize_takes_what_follows) {
    placement *p = placement_new(START, 16);
    uint32_t a = placement_take(p, 16, 16), b = placement_take(p, 16, 16);
    assert_false(placement_resize(p, a, 16, 17));
    assert_true(placement_resize(p, a, 16, 3)); // the same granule
    placement_give(p, b, 16);
    assert_true(placement_resize(p, a, 16, 1000));
    assert_true(placement_resize(p, a, 1000, 20));
    assert_int_equal(placement_take(p, 16, 16), a + 32);
    placement_free(p);
}

TEST(full_at_two_to_the_32) {
    placement *p = placement_new(START, 16);
    assert_int_equal(placement_take(p, UINT32_MAX, 16), 0); // the first 16 bytes are nobody's
    assert_int_equal(placement_take(p, UINT32_MAX - 15, 16), START);
    assert_int_equal(placement_end(p), UINT64_C(1) << 32);
    assert_int_equal(placement_take(p, 0, 16), 0);
    placement_give(p, START, UINT32_MAX - 15);
    assert_int_equal(placement_take(p, 16, 65536), 65536);
    placement_free(p);
}

// Against a map of granules that is searched from its start.
TEST(agrees_with_a_map) {
    enum { GRANULES = 4096, BLOCKS = 256, STEPS = 50000 };
    static unsigned char taken[GRANULES];
    struct {
        uint32_t offset, size;
    } blocks[BLOCKS] = {0};
    placement *p = placement_new(START, BLOCKS);
    memset(taken, 0, sizeof taken);
    taken[0] = 1;
    srand(7);
    for (int step = 0; step < STEPS; step++) {
        int i = rand() % BLOCKS;
        uint32_t old = (blocks[i].size + GRANULE - 1) / GRANULE;
        if (blocks[i].offset) {
            memset(taken + blocks[i].offset / GRANULE, 0, old);
            placement_give(p, blocks[i].offset, blocks[i].size);
            blocks[i].offset = 0;
            continue;
        }
        uint32_t size = 1 + (uint32_t)rand() % 200, count = (size + GRANULE - 1) / GRANULE, at = 1;
        for (uint32_t run = 0; run < count; at++)
            run = taken[at] ? 0 : run + 1;
        at -= count;
        blocks[i].offset = placement_take(p, size, 16);
        blocks[i].size = size;
        assert_int_equal(blocks[i].offset, at * GRANULE);
        memset(taken + at, 1, count);
    }
    placement_free(p);
}

TEST_MAIN(NULL, NULL)

// A hostile memory: growth is refused at each place where it is asked for, somebody else grows the
// memory between any two growths, and the heap begins where its page is nearly used up.
#include "alloc/conformance/model.h"
#include "alloc/conformance/room.h"

enum { STEPS = 300, STEPS_AFTER = 100 };

static const model_options plain = {.blocks = MODEL_BLOCKS_MAX, .hungry = true};

static void begin(model *m, uint32_t pages, uint32_t heap_start) {
    lm_memory memory = make(pages, 1000, heap_start);
    memory.moving = heap_start == 16;
    model_start(m, memory, heap_start);
}

// The steps of the fixed sequence at which the memory grows. Returns how many there are.
static unsigned growing_steps(uint32_t heap_start, unsigned growing[STEPS]) {
    static model m;
    unsigned count = 0;
    begin(&m, 1, heap_start);
    for (; m.step < STEPS; m.step++) {
        uint32_t pages = lm_memory_pages(&m.memory);
        model_step(&m, &plain);
        if (lm_memory_pages(&m.memory) != pages) growing[count++] = m.step;
    }
    model_end(&m);
    return count;
}

// Plays up to a growth, refuses it once or for ever, and plays on.
static void refuse_at(uint32_t heap_start, unsigned growing, uint32_t growths) {
    static model m;
    begin(&m, 1, heap_start);
    for (; m.step < growing; m.step++)
        model_step(&m, &plain);
    model_walk(&m);
    lm_memory_refuse(&m.memory, growths);
    model_step(&m, &plain); // if it fails, the oracle compares the census with the one before
    model_walk(&m);
    model_check_contents(&m);
    for (unsigned last = m.step + STEPS_AFTER; m.step < last; m.step++) {
        model_step(&m, &plain);
        if (m.step % 16 == 0) model_walk(&m);
        if (growths == LM_REFUSE_ALL && m.step == last - STEPS_AFTER / 2)
            lm_memory_refuse(&m.memory, 0);
    }
    model_end(&m);
}

static void each_growth_is_refused(void **state) {
    static const uint32_t starts[] = {16, 65520};
    for (int i = 0; i < 2; i++) {
        unsigned growing[STEPS], count = growing_steps(starts[i], growing);
        assert_true(count >= 5);
        for (unsigned n = 0; n < count; n++) {
            refuse_at(starts[i], growing[n], 1);
            refuse_at(starts[i], growing[n], LM_REFUSE_ALL);
        }
    }
}

// No growth continues the last one.
static void somebody_grows_before_each_growth(void **state) {
    static model m;
    static const uint32_t starts[] = {16, 65520, 65536 - 256, 65536 - 4096 - 16, 4 * 65536 - 16};
    for (uint32_t i = 0; i < 5; i++) {
        for (uint32_t pages = 0; pages < 2; pages++) {
            begin(&m, pages, starts[i]);
            for (uint32_t before = UINT32_MAX; m.step < STEPS; m.step++) {
                uint32_t now = lm_memory_pages(&m.memory);
                if (now != before) model_grow_foreign(&m);
                before = lm_memory_pages(&m.memory);
                model_step(&m, &plain);
                model_walk(&m);
            }
            assert_true(m.heap.oracle.foreign >= 5);
            tested->reset(&m.memory);
            walk(&m.memory);
            lm_memory_destroy(&m.memory);
        }
    }
}

// Somebody grows the memory when a heap's last page has nearly been used up, to each remainder.
static void somebody_grows_at_every_remainder(void **state) {
    for (size_t size = LM_PAGE_BYTES - 1024; size <= LM_PAGE_BYTES; size += LM_BLOCK_ALIGNMENT) {
        for (uint32_t heap_start = 16; heap_start <= 32768; heap_start += 32752) {
            lm_memory memory = make(1, 10, heap_start);
            require(start, tested->start(&memory));
            size_t taken = lm_memory_pages(&memory) * (size_t)LM_PAGE_BYTES;
            taken = (taken - LM_PAGE_BYTES) + size - heap_start;
            while (taken > 8192) { // in pieces, for the sake of those who round up
                require_served(tested->allocate(4000, &memory));
                taken -= 4016;
            }
            unsigned char *last = tested->allocate(taken, &memory);
            require_served(last);
            pattern_fill(last, 1, taken, 0);
            assert_true(lm_memory_grow_foreign(&memory, 1));
            unsigned char *next = tested->allocate_zeroed(70000, &memory);
            require_served(next);
            require_zero(next, 70000);
            pattern_fill(next, 2, 70000, 0);
            walk(&memory);
            require_filled(last, taken, taken, 1);
            lm_memory_destroy(&memory);
        }
    }
}

// Little room is left in the heap's first page, and nothing has grown yet.
static void the_first_page_is_nearly_used_up(void **state) {
    for (uint32_t left = 16; left <= 8192; left += left < 1024 ? 16 : 1024) {
        for (uint32_t pages = 0; pages < 2; pages++) {
            lm_memory memory = make(pages, 4, LM_PAGE_BYTES - left);
            require(start, tested->start(&memory));
            require_that(census, walk(&memory).live_blocks, ==, 0);
            unsigned char *first = tested->allocate(100, &memory);
            unsigned char *second = tested->allocate_zeroed(3000, &memory);
            require_served(first);
            require_served(second);
            require_zero(second, 3000);
            pattern_fill(first, 1, 100, 0);
            pattern_fill(second, 2, 3000, 0);
            lm_census census = walk(&memory);
            require_that(census, census.heap_bytes, <=,
                         (uint64_t)(memory.pages - 1) * LM_PAGE_BYTES + left);
            require_filled(first, 100, 100, 1);
            require_filled(second, 3000, 3000, 2);
            lm_memory_destroy(&memory);
        }
    }
}

// Whatever was in the memory before the heap started.
static void the_memory_was_used_before(void **state) {
    lm_memory memory = make(4, 20, 48);
    memset(lm_memory_base(&memory), 0xee, 4 * LM_PAGE_BYTES);
    require(start, tested->start(&memory));
    for (size_t size = 1; size < 60000; size = size * 2 + 5) {
        unsigned char *block = tested->allocate_zeroed(size, &memory);
        require_served(block);
        require_zero(block, size);
        pattern_fill(block, 7, size, 0);
        walk(&memory);
    }
    for (int i = 0; i < 48; i++)
        require_that(content, lm_memory_base(&memory)[i], ==, 0xee);
    lm_memory_destroy(&memory);
}

// Sizes around every power of two. All that fit are served, what is too large is refused, and
// nothing between is cut to 32 bits.
static void try_size(lm_memory *memory, size_t size, size_t alignment) {
    enum { SLACK_BYTES = 1 << 27 }; // what a heap of 4 GiB may need for itself and its alignments
    uint64_t most = bytes_max(size, alignment);
    unsigned char *block = tested->allocate_aligned(alignment, size, memory);
    if (!block) { // a table that stays where threads may look splits the memory
        uint64_t due = (uint64_t)1 << (can(LM_SHARES_THREADS) ? 30 : 31);
        require_that(served, size + SLACK_BYTES, >, due);
        require(served, most > due || size + SLACK_BYTES > (size_t)1 << 32);
        return;
    }
    uint64_t offset = (uint64_t)(block - lm_memory_base(memory));
    uint64_t end = (uint64_t)lm_memory_pages(memory) * LM_PAGE_BYTES;
    size_t usable = tested->usable_size(block, memory);
    require_that(aligned, offset % alignment, ==, 0);
    require_that(inside, offset, <, end);
    require_that(inside, usable, <=, end - offset);
    require_that(usable, usable, >=, size);
    require_that(usable, usable, <=, most);
    if (size) block[0] = block[size - 1] = block[usable - 1] = 0x5a;
    lm_census census = walk(memory);
    require_that(census, census.live_blocks, ==, 1);
    require_that(cost, census.live_bytes, <=, most);
    tested->free(block, size, memory);
}

static void try_resize(lm_memory *memory, size_t size) {
    unsigned char *block = tested->allocate(40, memory);
    require_served(block);
    pattern_fill(block, 9, 40, 0);
    unsigned char *larger = tested->resize(block, size, memory);
    if (larger) {
        require_that(usable, tested->usable_size(larger, memory), >=, size);
        require_filled(larger, size < 40 ? size : 40, 40, 9);
        if (size) larger[size - 1] = 1;
        pattern_fill(larger, 9, size < 40 ? size : 40, 0);
        block = tested->resize(larger, 50, memory);
        require_served(block);
    }
    require_filled(block, size < 40 ? size : 40, 40, 9);
    walk(memory);
    tested->free(block, 0, memory);
}

static void sizes_around_powers_of_two(void **state) {
    static const int around[] = {-4096, -65, -33, -20, -17, -16, -12, -5, -4, -1, 0, 1, 15, 16, 17};
    static const size_t alignments[] = {16, 64, 4096, 65536};
    lm_memory memory = started(1, LM_PAGES_MAX);
    for (int log2 = 0; log2 <= 32; log2++) {
        for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
            int64_t size = ((int64_t)1 << log2) + around[i];
            if (size < 0 || size > UINT32_MAX) continue;
            for (size_t j = 0; j < 4; j++) {
                try_size(&memory, (size_t)size, alignments[j]);
                if (!can(LM_MERGES)) tested->reset(&memory); // else its classes fill the memory
            }
            try_resize(&memory, (size_t)size);
            if (!can(LM_MERGES)) tested->reset(&memory);
        }
    }
    lm_memory_destroy(&memory);
}

// How much the memory must be able to grow by for an aligned block.
static uint64_t room_due(const lm_memory *memory, size_t alignment, size_t size) {
    uint64_t end = (uint64_t)lm_memory_pages(memory) * LM_PAGE_BYTES;
    uint64_t block = bytes_max(size, alignment);
    return lm_room_due(tested, end, block, lm_room_step(tested, block, alignment));
}

// Requests an aligned block. Returns NULL if there was no room for it; fails if there was and the
// request does.
static void *request(size_t alignment, size_t size, lm_memory *memory) {
    uint64_t left = (uint64_t)(memory->pages_max - lm_memory_pages(memory)) * LM_PAGE_BYTES;
    uint64_t due = room_due(memory, alignment, size);
    void *served = tested->allocate_aligned(alignment, size, memory);
    if (!served) require_that(served, due, >, left);
    return served;
}

// Alignments up to half of the memory, from a place that is a multiple of 16 only: a block is where
// it was asked for, or there is no room, and no sum of size and alignment is cut to 32 bits.
static void try_alignment(lm_memory *memory, size_t alignment, size_t size) {
    unsigned char *other = tested->allocate(24, memory);
    unsigned char *block = request(alignment, size, memory);
    require_served(other);
    pattern_fill(other, 5, 24, 0);
    if (block) {
        uint64_t offset = (uint64_t)(block - lm_memory_base(memory));
        uint64_t end = (uint64_t)lm_memory_pages(memory) * LM_PAGE_BYTES;
        require_that(aligned, offset % alignment, ==, 0);
        require_that(inside, offset, >=, memory->heap_start);
        require_that(usable, tested->usable_size(block, memory), >=, size);
        require_that(inside, size, <=, end - offset);
        pattern_fill(block, 6, size, 0);
        unsigned char *larger = tested->resize_aligned(block, size + 5000, alignment, memory);
        if (larger) block = larger;
        offset = (uint64_t)(block - lm_memory_base(memory));
        require_that(aligned, offset % alignment, ==, 0);
        require_filled(block, size, size, 6);
    }
    lm_census census = walk(memory);
    if (can(LM_FREES_BLOCKS)) require_that(census, census.live_blocks, ==, 1u + (block != NULL));
    require_filled(other, 24, 24, 5);
    tested->free(block, 0, memory);
    tested->free(other, 24, memory);
}

static void alignments_up_to_half_of_the_memory(void **state) {
    static const size_t sizes[] = {0, 1, 100, 65536, 2097152, (1u << 31) - 1, UINT32_MAX - 65552};
    for (size_t i = 0; i < 2 * (sizeof sizes / sizeof *sizes); i++) {
        lm_memory memory = make(1, LM_PAGES_MAX, i % 2 ? 65520 : 16);
        require(start, tested->start(&memory));
        for (unsigned log2 = 5; log2 < 32; log2 += log2 < 16 ? 3 : 1) {
            try_alignment(&memory, (size_t)1 << log2, sizes[i / 2]);
            tested->reset(&memory);
        }
        lm_memory_destroy(&memory);
    }
}

// Small blocks until there is no room: tables move in the last pages of memories of many sizes.
static void memories_are_used_up(void **state) {
    for (uint32_t pages = 2; pages < 1500; pages += 1 + pages / 5) {
        lm_memory memory = started(1, pages);
        while (request(LM_BLOCK_ALIGNMENT, 60000, &memory))
            ;
        walk(&memory);
        lm_memory_destroy(&memory);
    }
}

// A memory in which so many small blocks are live.
static lm_memory made_with_blocks(unsigned blocks, uint32_t pages_max) {
    lm_memory memory = started(1, pages_max);
    for (unsigned i = 0; i < blocks; i++)
        require_served(tested->allocate(60000, &memory));
    return memory;
}

// An aligned block in the smallest memories that have room for it.
static void try_room(unsigned blocks, size_t alignment, size_t size) {
    lm_memory memory = made_with_blocks(blocks, LM_PAGES_MAX);
    uint32_t pages = lm_memory_pages(&memory);
    uint64_t due = room_due(&memory, alignment, size);
    lm_memory_destroy(&memory);
    for (uint32_t more = 0; more < 3; more++) {
        memory = made_with_blocks(blocks, pages + (uint32_t)(due / LM_PAGE_BYTES) + more);
        request(alignment, size, &memory);
        walk(&memory);
        lm_memory_destroy(&memory);
    }
}

static void alignments_have_room(void **state) {
    for (unsigned log2 = 5; log2 < 27; log2++) {
        try_room(0, (size_t)1 << log2, 1);
        try_room(40, (size_t)1 << log2, 180000);
    }
}

int run_hostile(void) {
    static const law_test tests[] = {
        LAW_TEST(each_growth_is_refused),
        LAW_TEST(somebody_grows_before_each_growth),
        LAW_TEST(somebody_grows_at_every_remainder),
        LAW_TEST(the_first_page_is_nearly_used_up),
        LAW_TEST(the_memory_was_used_before),
        LAW_TEST(sizes_around_powers_of_two),
        LAW_TEST(alignments_up_to_half_of_the_memory),
        LAW_TEST(memories_are_used_up),
        LAW_TEST(alignments_have_room),
    };
    return run_law_tests("hostile", tests, sizeof tests / sizeof *tests);
}

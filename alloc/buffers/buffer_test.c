// Buffers, with both ways of counting: each row of the table of misuse in alloc/buffers/buffer.h
// returns its status and changes no byte of any memory; counts, transfers, placement, growth,
// budgets and the validator's laws.
//
// Compiled twice: as every test, and with narrow counts, generations and slots, to reach their
// limits.
#include "alloc/buffers/imported_allocator.h"
#include "alloc/buffers/table_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

enum { IMPORTED = OTHER, ODD, MEMORIES };

#define NARROW (LM_GENERATION_BITS < 24)

static lm_allocator imported, odd;
static const lm_allocator *own;

static int start(const lm_counts *counts) {
    const lm_allocator *tlsf = lm_strategy_named("tlsf", 2);
    own = lm_strategy_named("paged", 2);
    imported =
        (lm_allocator){.allocate = tlsf->allocate, .resize = tlsf->resize, .free = tlsf->free};
    odd = (lm_allocator){
        .allocate = imported_allocate, .resize = imported_resize, .free = imported_free};
    return start_on(counts, MEMORIES, (const lm_allocator *[]){own, tlsf, tlsf},
                    (const lm_allocator *[]){own, &imported, &odd});
}

static lm_handle create(uint32_t memory, uint32_t size) {
    return create_of(DART, memory, size);
}

// Returns the live blocks of a memory's heap, in home without those of the slots.
static uint64_t blocks_in(uint32_t memory) {
    lm_census census;
    const lm_allocator *a = memory == HOME ? own : imported_base();
    const char *broken = a->validate(&memories[memory], &census);
    if (broken) fail_msg("law broken in memory %u: %s", memory, broken);
    for (uint32_t i = 0; memory == HOME && i < LM_RECORDS_PARTS; i++)
        census.live_blocks -= lm_state_of(r)->slots.parts[i] != 0;
    return census.live_blocks;
}

// A call that is out of memory changes none of these; an allocator's own records may change.
typedef struct figures {
    uint64_t buffers, bytes, blocks[MEMORIES];
    lm_live live[MEMORIES];
} figures;

static figures count_all(void) {
    lm_census census = walk();
    figures f = {.buffers = census.live_blocks, .bytes = census.live_bytes};
    for (uint32_t i = 0; i < MEMORIES; i++) {
        f.blocks[i] = blocks_in(i);
        f.live[i] = lm_buffer_table_live_in(r, i);
    }
    return f;
}
static void assert_counted(const figures *before) {
    figures now = count_all();
    assert_memory_equal(&now, before, sizeof now);
}

// ---- The table of misuse -----------------------------------------------------------------------

enum call { RETAIN, RELEASE, SHARE, TRANSFER, RESIZE, DESCRIBE, CALLS };
static const char *const call_names[] = {"retain",   "release", "share",
                                         "transfer", "resize",  "describe"};

static lm_status play(enum call call, uint32_t owner, lm_handle handle) {
    lm_handle given = 42;
    lm_buffer_info info = {.start = 42};
    lm_status status = LM_OK;
    switch (call) {
    case RETAIN:
        return lm_buffer_retain(r, owner, handle);
    case RELEASE:
        return lm_buffer_release(r, owner, handle);
    case SHARE:
        status = lm_buffer_share(r, owner, handle, MODULE, &given);
        break;
    case TRANSFER:
        status = lm_buffer_transfer(r, owner, handle, MODULE, &given);
        break;
    case RESIZE:
        return lm_buffer_resize(r, owner, handle, 50);
    default:
        status = lm_buffer_describe(r, owner, handle, &info);
        break;
    }
    if (lm_failed(status)) assert_true(given == 42 && info.start == 42);
    return status;
}

static void assert_misuse(enum call call, uint32_t owner, lm_handle handle, lm_status status) {
    picture before = take_picture();
    IS(play(call, owner, handle), status);
    if (!is_as_in(&before)) fail_msg("%s has changed something", call_names[call]);
}
static void assert_all_misuse(uint32_t owner, lm_handle handle, lm_status status) {
    for (int call = 0; call < CALLS; call++)
        assert_misuse((enum call)call, owner, handle, status);
}

static lm_handle with_stamp(lm_handle handle, uint32_t owner, uint32_t generation) {
    return (uint64_t)(owner << 24 | generation) << 32 | (uint32_t)handle;
}

TEST_BOTH(invalid_handles_are_rejected) {
    lm_handle a = create(IMPORTED, 40), dead = create(HOME, 40);
    FREES(lm_buffer_release(r, DART, dead));
    const lm_handle numbers[] = {
        0,
        1,
        UINT64_MAX,
        a + 2,                    // a slot not taken yet
        a + LM_SLOTS_MAX / 2,     // one far above those taken
        a | (LM_SLOTS_MAX - 1),   // the last slot
        with_stamp(a, DART, 0),   // no generation
        with_stamp(a, DART, 2),   // a later generation
        with_stamp(a, SCRIPT, 1), // another owner
        a ^ (1u << 24),           // another memory
        a ^ (2u << 24),
        dead ^ (1u << 24),
        with_stamp(dead, MODULE, 1),
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_all_misuse(DART, numbers[i], LM_INVALID_HANDLE);
        assert_all_misuse(lm_handle_owner(numbers[i]), numbers[i], LM_INVALID_HANDLE);
    }
}

TEST_BOTH(stale_handles_are_rejected) {
    for (uint32_t memory = 0; memory < MEMORIES; memory++) {
        lm_handle old = create(memory, 40), moved = create(memory, 10), now;
        FREES(lm_buffer_release(r, DART, old));
        assert_int_equal(lm_handle_slot(create_of(SCRIPT, HOME, 9)), lm_handle_slot(old));
        assert_all_misuse(DART, old, LM_STALE_HANDLE);
        assert_all_misuse(SCRIPT, old, LM_STALE_HANDLE);
        OK(lm_buffer_transfer(r, DART, moved, SCRIPT, &now)); // in the same slot
        assert_int_equal(lm_handle_slot(now), lm_handle_slot(moved));
        assert_all_misuse(DART, moved, LM_STALE_HANDLE);
    }
}

TEST_BOTH(handles_belong_to_their_owner) {
    lm_handle a = create(HOME, 40), b = share(create(ODD, 8), SCRIPT);
    assert_all_misuse(SCRIPT, a, LM_WRONG_OWNER);
    assert_all_misuse(254, a, LM_WRONG_OWNER);
    assert_all_misuse(256 + DART, a, LM_WRONG_OWNER);
    assert_all_misuse(UINT32_MAX, a, LM_WRONG_OWNER);
    assert_all_misuse(DART, b, LM_WRONG_OWNER);
}

// Also while another owner keeps the buffer alive.
TEST_BOTH(a_released_share_is_not_revived) {
    for (uint32_t memory = 0; memory < MEMORIES; memory++) {
        lm_handle alone = create(memory, 40), shared = create(memory, 41);
        share(shared, SCRIPT);
        FREES(lm_buffer_release(r, DART, alone));
        OK(lm_buffer_release(r, DART, shared));
        for (int call = 0; call < CALLS; call++) {
            lm_status status = call == RELEASE ? LM_RELEASE_AFTER_ZERO : LM_USE_AFTER_ZERO;
            assert_misuse((enum call)call, DART, alone, status);
            assert_misuse((enum call)call, DART, shared, status);
            assert_misuse((enum call)call, SCRIPT, alone, LM_WRONG_OWNER);
        }
        create(HOME, 1), create(HOME, 1); // the slots serve again
    }
}

// The narrow build counts to the maximum; else the count is set near it.
TEST_BOTH(counts_do_not_wrap) {
    lm_handle a = create(IMPORTED, 40);
    lm_slot *s = lm_slot_at(r, lm_handle_slot(a));
    uint32_t far = LM_COUNT_MAX > 1000 ? LM_COUNT_MAX - 3 : 1;
    s->word += far - 1;
    for (uint32_t count = far; count < LM_COUNT_MAX; count++)
        OK(lm_buffer_retain(r, DART, a));
    assert_int_equal(info_of(a).references, LM_COUNT_MAX);
    assert_misuse(RETAIN, DART, a, LM_COUNT_OVERFLOW);
    OK(lm_buffer_release(r, DART, a));
    OK(lm_buffer_retain(r, DART, a));
    assert_misuse(RETAIN, DART, a, LM_COUNT_OVERFLOW);
    lm_handle b = share(a, SCRIPT), c; // counts of their own
    OK(lm_buffer_retain(r, SCRIPT, b));
    OK(lm_buffer_transfer(r, DART, a, MODULE, &c));
    OK(lm_buffer_retain(r, DART, a));
    assert_misuse(RETAIN, DART, a, LM_COUNT_OVERFLOW);
}

static lm_status create_with(uint32_t owner, uint32_t memory, uint32_t alignment) {
    lm_handle handle = 42;
    lm_status status = lm_buffer_create(r, owner, memory, 10, alignment, true, &handle);
    assert_true(handle == 42);
    return status;
}
static lm_status adopt_with(uint32_t owner, uint32_t memory, uint32_t block, uint32_t size) {
    lm_handle handle = 42;
    lm_status status = lm_buffer_adopt(r, owner, memory, block, size, &handle);
    assert_true(handle == 42);
    return status;
}

TEST_BOTH(bad_arguments_change_nothing) {
    lm_handle a = create(HOME, 40), given = 42;
    picture before = take_picture();
    static const uint32_t nobody[] = {255, 256, UINT32_MAX}, nowhere[] = {3, 254, 255, UINT32_MAX};
    for (int i = 0; i < 3; i++) {
        IS(create_with(nobody[i], HOME, 16), LM_NO_OWNER);
        IS(adopt_with(nobody[i], HOME, 64, 16), LM_NO_OWNER);
        IS(lm_buffer_share(r, DART, a, nobody[i], &given), LM_NO_OWNER);
        IS(lm_buffer_transfer(r, DART, a, nobody[i], &given), LM_NO_OWNER);
        assert_int_equal(lm_buffer_table_release_all(r, nobody[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        IS(create_with(DART, nowhere[i], 16), LM_NO_MEMORY);
        IS(adopt_with(DART, nowhere[i], 64, 16), LM_NO_MEMORY);
        IS(lm_buffer_table_set_budget(r, nowhere[i], 1), LM_NO_MEMORY);
    }
    static const uint32_t crooked[] = {0, 3, 24, 65535, 65537, 131072, 1u << 31, UINT32_MAX};
    for (int i = 0; i < 8; i++)
        for (uint32_t memory = 0; memory < MEMORIES; memory++)
            IS(create_with(DART, memory, crooked[i]), LM_BAD_ALIGNMENT);
    for (uint32_t memory = 0; memory < MEMORIES; memory++) {
        uint32_t end_of_it = (uint32_t)lm_memory_end(&memories[memory]);
        IS(adopt_with(DART, memory, 0, 16), LM_BAD_BLOCK);
        IS(adopt_with(DART, memory, 0, 0), LM_BAD_BLOCK);
        IS(adopt_with(DART, memory, end_of_it, 0), LM_BAD_BLOCK);
        IS(adopt_with(DART, memory, end_of_it - 16, 17), LM_BAD_BLOCK);
        IS(adopt_with(DART, memory, end_of_it + 1, 0), LM_BAD_BLOCK);
        IS(adopt_with(DART, memory, 64, UINT32_MAX - 63), LM_BAD_BLOCK);
        IS(adopt_with(DART, memory, UINT32_MAX, UINT32_MAX), LM_BAD_BLOCK);
    }
    assert_true(given == 42);
    assert_as_in(&before);
}

// The head of a strategy's heap, and the records of the buffer table, at both ends.
TEST_BOTH(own_records_are_not_adopted) {
    create(HOME, 40);
    const lm_buffer_table_state *s = lm_state_of(r);
    uint32_t part = lm_records_block(&s->slots, LM_RECORDS_FIRST, sizeof(lm_slot));
    const struct {
        uint32_t block, size;
    } blocks[] = {
        {memories[HOME].heap_start, 64},
        {1, 4},
        {r->state, 16},
        {r->state - 16, 17},
        {r->state + (uint32_t)sizeof *s - 1, 1},
        {r->state + 100, 0},
        {part, 1},
        {part - 8, 16},
        {part + (sizeof(lm_slot) << LM_RECORDS_FIRST) - 1, 1000},
    };
    picture before = take_picture();
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        IS(adopt_with(DART, HOME, blocks[i].block, blocks[i].size), LM_BAD_BLOCK);
    assert_as_in(&before);
}

TEST_BOTH(unknown_numbers_have_no_live_buffers) {
    static const uint32_t numbers[] = {3, 4, 254, 255, 256, 3000, 1u << 31, UINT32_MAX};
    static const lm_live nothing;
    create(HOME, 40);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        lm_live in = lm_buffer_table_live_in(r, numbers[i]),
                of = lm_buffer_table_live_of(r, numbers[i]);
        assert_memory_equal(&in, &nothing, sizeof nothing);
        assert_memory_equal(&of, &nothing, sizeof nothing);
    }
}

TEST_BOTH(incomplete_allocators_are_rejected) {
    lm_memory *memory = &memories[IMPORTED];
    lm_allocator lacks[3] = {imported, imported, imported};
    lacks[0].allocate = NULL, lacks[1].resize = NULL, lacks[2].free = NULL;
    assert_int_equal(lm_buffer_table_add(r, NULL, memory), LM_MEMORIES_MAX);
    assert_int_equal(lm_buffer_table_add(r, &imported, NULL), LM_MEMORIES_MAX);
    for (int i = 0; i < 3; i++)
        assert_int_equal(lm_buffer_table_add(r, &lacks[i], memory), LM_MEMORIES_MAX);
    IS(create_with(DART, MEMORIES, 16), LM_NO_MEMORY);
    lm_buffer_table other;
    assert_false(lm_buffer_table_start(&other, r->counts, NULL, &memories[HOME]));
    assert_false(lm_buffer_table_start(&other, r->counts, own, NULL));
    assert_false(lm_buffer_table_start(&other, r->counts, &lacks[0], &memories[HOME]));
    IS(lm_buffer_retain(&other, DART, 1), LM_NOT_STARTED);
    IS(lm_buffer_table_end(&other), LM_NOT_STARTED);
}

// With atomic counts bytes are cleared and copied while other threads allocate.
TEST_BOTH(moving_memories_are_rejected_with_atomic_counts) {
    bool refused = r->counts->threads;
    lm_memory moving;
    lm_buffer_table other;
    assert_true(lm_memory_create(
        &moving, &(lm_memory_options){.pages = 1, .pages_max = 16, .moving = true}));
    assert_true(own->start(&moving));
    assert_int_equal(lm_buffer_table_add(r, own, &moving), refused ? LM_MEMORIES_MAX : MEMORIES);
    assert_int_equal(lm_buffer_table_start(&other, r->counts, own, &moving), !refused);
    IS(lm_buffer_table_end(&other), refused ? LM_NOT_STARTED : LM_OK);
    IS(create_with(DART, MEMORIES + !refused, 16), LM_NO_MEMORY);
    lm_memory_destroy(&moving);
}

// Every call on a buffer table that has ended, or whose start was out of memory.
static void assert_not_started(lm_buffer_table *ended) {
    lm_handle handle = 42;
    lm_buffer_info info = {.start = 42};
    lm_census census = {.live_blocks = 42};
    IS(lm_buffer_create(ended, DART, HOME, 8, 8, true, &handle), LM_NOT_STARTED);
    IS(lm_buffer_adopt(ended, DART, HOME, 4096, 8, &handle), LM_NOT_STARTED);
    IS(lm_buffer_retain(ended, DART, 42), LM_NOT_STARTED);
    IS(lm_buffer_release(ended, DART, 42), LM_NOT_STARTED);
    IS(lm_buffer_share(ended, DART, 42, SCRIPT, &handle), LM_NOT_STARTED);
    IS(lm_buffer_transfer(ended, DART, 42, SCRIPT, &handle), LM_NOT_STARTED);
    IS(lm_buffer_resize(ended, DART, 42, 9), LM_NOT_STARTED);
    IS(lm_buffer_describe(ended, DART, 42, &info), LM_NOT_STARTED);
    IS(lm_buffer_table_set_budget(ended, HOME, 9), LM_NOT_STARTED);
    IS(lm_buffer_table_end(ended), LM_NOT_STARTED);
    assert_int_equal(lm_buffer_table_release_all(ended, DART), 0);
    assert_int_equal(lm_buffer_table_live_in(ended, HOME).buffers, 0);
    assert_int_equal(lm_buffer_table_live_of(ended, DART).buffers, 0);
    assert_int_equal(lm_buffer_table_add(ended, &imported, &memories[IMPORTED]), LM_MEMORIES_MAX);
    assert_null(lm_buffer_table_validate(ended, &census));
    assert_true(handle == 42 && info.start == 42 && census.live_blocks == 0);
}

TEST_BOTH(a_table_not_started_returns_not_started) {
    lm_buffer_table other;
    lm_memory full;
    create(HOME, 40);
    OK(lm_buffer_table_end(r));
    assert_not_started(r);
    assert_true(lm_memory_create(&full, &(lm_memory_options){.pages = 1, .pages_max = 1}));
    assert_true(own->start(&full));
    while (own->allocate(1024, &full))
        ;
    assert_false(lm_buffer_table_start(&other, &lm_counts_atomic, own, &full));
    assert_not_started(&other);
    lm_memory_destroy(&full);
}

TEST_BOTH(shared_buffers_are_not_resized) {
    lm_handle twice = create(IMPORTED, 40), both = create(HOME, 40), other = share(both, SCRIPT);
    OK(lm_buffer_retain(r, DART, twice));
    assert_misuse(RESIZE, DART, twice, LM_SHARED);
    assert_misuse(RESIZE, DART, both, LM_SHARED);
    assert_misuse(RESIZE, SCRIPT, other, LM_SHARED);
    OK(lm_buffer_release(r, DART, both));
    OK(lm_buffer_resize(r, SCRIPT, other, 4000));
    assert_int_equal(info_of(other).size, 4000);
}

TEST(statuses_have_names) {
    for (int i = 0; i < LM_STATUSES; i++)
        assert_memory_equal(lm_status_name((lm_status)i), "LM_", 3);
}

// ---- Counting ----------------------------------------------------------------------------------

TEST_BOTH(the_last_release_frees) {
    for (uint32_t memory = 0; memory < MEMORIES; memory++) {
        lm_handle a = create(memory, 100), b = share(a, SCRIPT), c = share(b, DART);
        uint64_t blocks = blocks_in(memory);
        assert_true(a != c);
        OK(lm_buffer_retain(r, DART, a));
        assert_int_equal(info_of(a).references, 2);
        assert_int_equal(walk().live_blocks, 1);
        OK(lm_buffer_release(r, DART, a));
        OK(lm_buffer_release(r, DART, a));
        OK(lm_buffer_release(r, DART, c));
        assert_true(info_of(b).unique && info_of(b).references == 1);
        assert_int_equal(blocks_in(memory), blocks);
        FREES(lm_buffer_release(r, SCRIPT, b));
        assert_int_equal(blocks_in(memory), blocks - 1);
        assert_int_equal(walk().live_blocks, 0);
        assert_int_equal(lm_buffer_table_live_in(r, memory).buffers, 0);
        assert_int_equal(lm_buffer_table_live_in(r, memory).bytes, 0);
        assert_int_equal(lm_buffer_table_live_in(r, memory).peak_bytes, 100);
    }
}

TEST_BOTH(unique_means_one_reference) {
    lm_handle a = create(HOME, 8), b;
    assert_true(info_of(a).unique);
    OK(lm_buffer_retain(r, DART, a));
    assert_false(info_of(a).unique);
    OK(lm_buffer_release(r, DART, a));
    b = share(a, SCRIPT);
    assert_true(!info_of(a).unique && !info_of(b).unique);
    OK(lm_buffer_release(r, DART, a));
    assert_true(info_of(b).unique);
}

TEST_BOTH(adopted_blocks_are_freed_by_their_allocator) {
    for (uint32_t memory = 0; memory < MEMORIES; memory++) {
        const lm_allocator *a = r->memories.at[memory].allocator;
        uint64_t blocks = blocks_in(memory);
        void *block = a->allocate(1000, &memories[memory]);
        memset(block, 'x', 1000);
        uint32_t offset = lm_offset(&memories[memory], block);
        lm_handle h;
        OK(lm_buffer_adopt(r, SCRIPT, memory, offset, 1000, &h));
        assert_true(info_of(h).start == offset && info_of(h).size == 1000);
        assert_int_equal(lm_buffer_table_live_in(r, memory).bytes, 1000);
        OK(lm_buffer_resize(r, SCRIPT, h, 3000));
        assert_int_equal(bytes_of(h)[999], 'x');
        lm_handle d = share(h, DART);
        OK(lm_buffer_release(r, SCRIPT, h));
        FREES(lm_buffer_release(r, DART, d));
        assert_int_equal(blocks_in(memory), blocks);
    }
}

TEST_BOTH(transfers_have_no_net_change) {
    lm_handle a = create(IMPORTED, 30), b, c;
    lm_live before = lm_buffer_table_live_in(r, IMPORTED);
    OK(lm_buffer_transfer(r, DART, a, SCRIPT, &b)); // the last reference
    assert_true(info_of(b).unique);
    assert_int_equal(lm_buffer_table_live_of(r, DART).buffers, 0);
    assert_int_equal(lm_buffer_table_live_of(r, SCRIPT).bytes, 30);
    OK(lm_buffer_retain(r, SCRIPT, b));
    OK(lm_buffer_transfer(r, SCRIPT, b, MODULE, &c)); // one of two
    assert_true(info_of(b).references == 1 && info_of(c).references == 1);
    assert_true(!info_of(b).unique && info_of(c).start == info_of(b).start);
    OK(lm_buffer_transfer(r, SCRIPT, b, SCRIPT, &a)); // to oneself
    lm_live now = lm_buffer_table_live_in(r, IMPORTED);
    assert_memory_equal(&now, &before, sizeof now);
    OK(lm_buffer_release(r, SCRIPT, a));
    FREES(lm_buffer_release(r, MODULE, c));
    walk();
}

TEST_BOTH(release_all_releases_one_owners_references) {
    lm_handle kept = create_of(SCRIPT, ODD, 5);
    share(kept, DART);
    for (uint32_t i = 0; i < 9; i++) {
        lm_handle a = create(i % MEMORIES, i * 10);
        for (uint32_t n = 0; n < i % 2; n++)
            OK(lm_buffer_retain(r, DART, a));
        if (i % 3 == 0) share(a, DART);
    }
    assert_int_equal(lm_buffer_table_live_of(r, DART).buffers, 13); // one for each handle
    assert_int_equal(lm_buffer_table_release_all(r, DART), 9);
    assert_int_equal(lm_buffer_table_release_all(r, DART), 0);
    assert_int_equal(lm_buffer_table_live_of(r, DART).buffers, 0);
    assert_int_equal(walk().live_blocks, 1);
    FREES(lm_buffer_release(r, SCRIPT, kept));
}

TEST_BOTH(a_table_has_255_memories) {
    for (uint32_t i = MEMORIES; i < LM_MEMORIES_MAX; i++)
        assert_int_equal(lm_buffer_table_add(r, &imported, &memories[IMPORTED]), i);
    assert_int_equal(lm_buffer_table_add(r, &imported, &memories[IMPORTED]), LM_MEMORIES_MAX);
    lm_handle a, last = LM_MEMORIES_MAX - 1;
    IS(create_with(DART, LM_MEMORIES_MAX, 16), LM_NO_MEMORY);
    OK(lm_buffer_create(r, LM_OWNERS_MAX - 1, (uint32_t)last, 16, 16, true, &a));
    assert_int_equal(lm_handle_memory(a), last);
    assert_int_equal(lm_handle_owner(a), LM_OWNERS_MAX - 1);
    assert_int_equal(lm_buffer_table_live_in(r, (uint32_t)last).bytes, 16);
    assert_int_equal(lm_buffer_table_live_in(r, IMPORTED).bytes, 0);
    FREES(lm_buffer_release(r, LM_OWNERS_MAX - 1, a));
}

// ---- The limits of generations and slots -------------------------------------------------------

// A transfer of the last reference takes another slot if this one has no generation left.
TEST_BOTH(used_up_slots_retire) {
    if (!NARROW) skip();
    enum { SERVED = NARROW ? LM_GENERATION_MAX : 1 };
    lm_handle handles[SERVED], moved;
    for (uint32_t i = 0; i < SERVED; i++) {
        handles[i] = create(IMPORTED, i);
        assert_int_equal(lm_handle_slot(handles[i]), lm_handle_slot(handles[0]));
        if (i + 1 < SERVED) FREES(lm_buffer_release(r, DART, handles[i]));
    }
    lm_handle last = handles[SERVED - 1];
    uint32_t start_before = info_of(last).start;
    OK(lm_buffer_transfer(r, DART, last, SCRIPT, &moved));
    assert_true(lm_handle_slot(moved) != lm_handle_slot(last));
    assert_true(info_of(moved).unique && info_of(moved).start == start_before);
    assert_int_equal(lm_state_of(r)->retired, 1);
    assert_all_misuse(SCRIPT, last, LM_WRONG_OWNER);
    assert_misuse(RETAIN, DART, last, LM_USE_AFTER_ZERO);
    assert_misuse(RELEASE, DART, last, LM_RELEASE_AFTER_ZERO);
    for (uint32_t i = 0; i + 1 < SERVED; i++)
        assert_all_misuse(DART, handles[i], LM_STALE_HANDLE);
    assert_all_misuse(DART, with_stamp(last, DART, LM_GENERATION_MAX + 1), LM_INVALID_HANDLE);
    for (int i = 0; i < 5; i++) // the slot is not reused
        assert_true(lm_handle_slot(create(HOME, 1)) != lm_handle_slot(last));
    walk();
}

// Each call that takes a slot, with a share of DART's that has two references.
static void assert_no_slot(lm_handle a, uint32_t memory, lm_status status) {
    lm_handle none = 42;
    picture before = take_picture();
    IS(lm_buffer_create(r, DART, memory, 20, 16, true, &none), status);
    IS(lm_buffer_adopt(r, DART, memory, 64, 0, &none), status);
    IS(lm_buffer_share(r, DART, a, SCRIPT, &none), status);
    IS(lm_buffer_transfer(r, DART, a, SCRIPT, &none), status);
    assert_true(none == 42);
    assert_as_in(&before);
}

TEST_BOTH(slots_run_out) {
    if (!NARROW) skip();
    lm_handle a = create(ODD, 30), b;
    OK(lm_buffer_retain(r, DART, a));
    for (uint32_t i = 1; i < LM_SLOTS_MAX; i++)
        share(a, SCRIPT);
    assert_no_slot(a, HOME, LM_OUT_OF_SLOTS);
    OK(lm_buffer_release(r, DART, a));
    OK(lm_buffer_transfer(r, DART, a, MODULE, &b)); // the last reference needs no slot
    assert_int_equal(lm_buffer_table_release_all(r, SCRIPT), 0);
    FREES(lm_buffer_release(r, MODULE, b));
    lm_status status;
    uint32_t served = 0;
    while ((status = lm_buffer_create(r, DART, HOME, 1, 1, false, &a)) == LM_OK) {
        FREES(lm_buffer_release(r, DART, a));
        served++;
    }
    IS(status, LM_OUT_OF_SLOTS); // all are retired
    assert_int_equal(served, LM_SLOTS_MAX * (LM_GENERATION_MAX - 1) - 1);
    assert_int_equal(lm_state_of(r)->retired, LM_SLOTS_MAX);
    walk();
}

// ---- Blocks ------------------------------------------------------------------------------------

static void fill(lm_handle handle, uint32_t size) {
    unsigned char *bytes = bytes_of(handle);
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 7 + 1);
}
static void assert_filled(lm_handle handle, uint32_t size) {
    const unsigned char *bytes = bytes_of(handle);
    for (uint32_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], (unsigned char)(i * 7 + 1));
}

static void keep_aligned(uint32_t memory, uint32_t alignment, uint32_t first) {
    static const uint32_t sizes[] = {0, 1, 15, 16, 40, 1000, 5000, 30, 0, 70000};
    lm_handle h;
    uint32_t held = sizes[first], size;
    OK(lm_buffer_create(r, DART, memory, held, alignment, first % 2, &h));
    assert_int_equal(info_of(h).start % alignment, 0);
    fill(h, held);
    for (uint32_t i = first + 1; i < 10; i++, held = size) {
        size = sizes[i];
        OK(lm_buffer_resize(r, DART, h, size));
        assert_int_equal(info_of(h).start % alignment, 0);
        assert_filled(h, size < held ? size : held);
        fill(h, size);
    }
    lm_handle shared = share(h, SCRIPT);
    OK(lm_buffer_release(r, DART, h));
    OK(lm_buffer_resize(r, SCRIPT, shared, 100000));
    assert_int_equal(info_of(shared).start % alignment, 0);
    FREES(lm_buffer_release(r, SCRIPT, shared));
}

static void assert_kept_aligned(uint32_t memory) {
    uint64_t blocks = blocks_in(memory);
    for (uint32_t alignment = 1; alignment <= LM_PAGE_BYTES; alignment *= 2)
        for (uint32_t first = 0; first < 9; first++)
            keep_aligned(memory, alignment, first);
    assert_int_equal(walk().live_blocks, 0);
    assert_int_equal(blocks_in(memory), blocks);
}

TEST_BOTH(buffers_are_aligned_and_stay_so) {
    for (uint32_t memory = 0; memory < MEMORIES; memory++)
        assert_kept_aligned(memory);
    odd.allocate_aligned = imported_allocate_aligned; // its resize still aligns to 8 only
    assert_kept_aligned(ODD);
}

TEST_BOTH(zeroed_buffers_are_zero) {
    odd.allocate_zeroed = imported_allocate_zeroed; // aligned to 8 only: may be placed again
    for (uint32_t memory = 0; memory < MEMORIES; memory++)
        for (uint32_t alignment = 1; alignment <= 4096; alignment *= 2)
            for (uint32_t round = 0; round < 8; round++) {
                lm_handle h;
                uint32_t size = 1 + round * 50;
                OK(lm_buffer_create(r, DART, memory, size, alignment, true, &h));
                assert_int_equal(info_of(h).start % alignment, 0);
                for (uint32_t i = 0; i < size; i++)
                    assert_int_equal(bytes_of(h)[i], 0);
                memset(bytes_of(h), 0xEE, size);
                FREES(lm_buffer_release(r, DART, h));
            }
}

static size_t resident_pages(const lm_memory *memory) {
    size_t pages = lm_memory_end(memory) / (size_t)sysconf(_SC_PAGESIZE), count = 0;
    unsigned char *resident = malloc(pages);
    assert_int_equal(mincore(lm_memory_base(memory), lm_memory_end(memory), resident), 0);
    for (size_t i = 0; i < pages; i++)
        count += resident[i] & 1;
    free(resident);
    return count;
}

// At most an eighth is resident, for a strategy's records and huge pages.
TEST_BOTH(fresh_pages_are_not_cleared) {
    enum { BYTES = 64 << 20 };
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        const lm_allocator *a = lm_strategy_at(i, 0);
        lm_memory memory;
        lm_buffer_table fresh;
        lm_handle h;
        assert_true(lm_memory_create(&memory, &(lm_memory_options){.pages = 1, .pages_max = 4096}));
        assert_true(a->start(&memory) && lm_buffer_table_start(&fresh, r->counts, a, &memory));
        OK(lm_buffer_create(&fresh, DART, HOME, BYTES, 16, true, &h));
        size_t resident = resident_pages(&memory);
        if (resident > BYTES / 8 / (size_t)sysconf(_SC_PAGESIZE))
            fail_msg("%s: %zu pages are resident", a->name, resident);
        lm_memory_destroy(&memory);
    }
}

static uint32_t cleared_by_odd;
static void *odd_counted_zeroed(size_t size, lm_memory *memory) {
    cleared_by_odd++;
    return imported_allocate_zeroed(size, memory);
}

// An imported calloc clears a large buffer unless other threads would wait for the lock.
TEST_BOTH(no_thread_waits_for_a_large_buffer) {
    static const struct {
        uint32_t size;
        unsigned capabilities;
        bool cleared_by_atomic;
    } cases[] = {{1 << 20, 0, true}, {(1 << 20) + 1, 0, false}, {2 << 20, LM_SHARES_THREADS, true}};
    odd.allocate_zeroed = odd_counted_zeroed;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_handle h;
        odd.capabilities = cases[i].capabilities;
        cleared_by_odd = 0;
        OK(lm_buffer_create(r, DART, ODD, cases[i].size, 8, true, &h));
        assert_int_equal(cleared_by_odd, !r->counts->threads || cases[i].cleared_by_atomic);
        FREES(lm_buffer_release(r, DART, h));
    }
}

// Also on an allocator whose allocate(0) returns NULL.
TEST_BOTH(empty_buffers_are_distinct) {
    for (uint32_t memory = 0; memory < MEMORIES; memory++) {
        lm_handle a = create(memory, 0), b = create(memory, 0);
        assert_true(info_of(a).start != info_of(b).start);
        OK(lm_buffer_resize(r, DART, a, 100));
        fill(a, 100);
        OK(lm_buffer_resize(r, DART, a, 0));
        OK(lm_buffer_resize(r, DART, a, 0));
        assert_int_equal(info_of(a).size, 0);
        FREES(lm_buffer_release(r, DART, a));
        FREES(lm_buffer_release(r, DART, b));
    }
    walk();
}

TEST_BOTH(requests_too_large_change_nothing) {
    static const uint32_t sizes[] = {UINT32_MAX,      UINT32_MAX - 1, UINT32_MAX - 15,
                                     UINT32_MAX - 63, 0xFFFF0000u,    0xFFFEFFFFu,
                                     1u << 31,        1u << 29,       (1u << 28) + 1};
    for (uint32_t memory = 0; memory < MEMORIES; memory++) {
        lm_handle a = create(memory, 99), wide, none = 42;
        OK(lm_buffer_create(r, DART, memory, 99, 4096, false, &wide));
        fill(a, 99), fill(wide, 99);
        figures before = count_all();
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            for (uint32_t alignment = 1; alignment <= LM_PAGE_BYTES; alignment *= 4)
                IS(lm_buffer_create(r, DART, memory, sizes[i], alignment, i % 2, &none),
                   LM_OUT_OF_MEMORY);
            IS(lm_buffer_resize(r, DART, a, sizes[i]), LM_OUT_OF_MEMORY);
            IS(lm_buffer_resize(r, DART, wide, sizes[i]), LM_OUT_OF_MEMORY);
        }
        assert_true(none == 42);
        assert_counted(&before);
        assert_filled(a, 99), assert_filled(wide, 99);
    }
}

// With any alignment and allocator, even if the memory is full.
TEST_BOTH(a_buffer_can_always_be_made_smaller) {
    static const uint32_t alignments[] = {1, 8, 16, 64, 4096, LM_PAGE_BYTES};
    for (uint32_t memory = 0; memory < MEMORIES; memory++)
        for (size_t i = 0; i < sizeof alignments / sizeof *alignments; i++) {
            lm_handle h, none;
            OK(lm_buffer_create(r, DART, memory, 100000, alignments[i], false, &h));
            fill(h, 100000);
            lm_memory_refuse(&memories[memory], LM_REFUSE_ALL);
            for (uint32_t size = 1u << 20; size > 0; size /= 2)
                while (lm_buffer_create(r, SCRIPT, memory, size, 1, false, &none) == LM_OK)
                    if (NARROW) break; // slots would run out first
            OK(lm_buffer_resize(r, DART, h, 99990));
            OK(lm_buffer_resize(r, DART, h, 50000));
            OK(lm_buffer_resize(r, DART, h, 0));
            assert_int_equal(info_of(h).start % alignments[i], 0);
            OK(lm_buffer_resize(r, DART, h, 0));
            lm_memory_refuse(&memories[memory], 0);
            lm_buffer_table_release_all(r, SCRIPT);
            OK(lm_buffer_resize(r, DART, h, 200000));
            FREES(lm_buffer_release(r, DART, h));
            walk();
        }
}

static uint32_t allocations, resizes;
static void *counted_allocate(size_t size, lm_memory *memory) {
    allocations++;
    return imported_base()->allocate(size, memory);
}
static void *counted_resize(void *block, size_t size, lm_memory *memory) {
    resizes++;
    return imported_base()->resize(block, size, memory);
}

TEST_BOTH(imported_buffers_are_resized_by_their_allocator) {
    static const uint32_t alignments[] = {1, 8, 16, 64, 4096};
    imported.allocate = counted_allocate;
    imported.resize = counted_resize;
    for (size_t i = 0; i < sizeof alignments / sizeof *alignments; i++) {
        lm_handle h;
        OK(lm_buffer_create(r, DART, IMPORTED, 1000, alignments[i], false, &h));
        fill(h, 1000);
        allocations = resizes = 0;
        OK(lm_buffer_resize(r, DART, h, 990));
        OK(lm_buffer_resize(r, DART, h, 5000));
        assert_true(allocations == 0 && resizes == 2);
        assert_filled(h, 990);
        FREES(lm_buffer_release(r, DART, h));
    }
}

// ---- Growth ------------------------------------------------------------------------------------

TEST(moved_memories_keep_their_buffers, .setup_func = start_plain, .teardown_func = end) {
    lm_handle a = create(HOME, 64), b = share(a, SCRIPT), c = create(IMPORTED, 32);
    fill(a, 64), fill(c, 32);
    for (uint32_t i = 0; i < 20; i++) {
        assert_true(i % 2 ? lm_memory_move(&memories[HOME])
                          : lm_memory_grow_foreign(&memories[HOME], 1));
        assert_true(lm_memory_move(&memories[IMPORTED]));
        OK(lm_buffer_retain(r, SCRIPT, b));
        OK(lm_buffer_release(r, SCRIPT, b));
        OK(lm_buffer_resize(r, DART, c, 32 + i * 1000));
        assert_filled(a, 64), assert_filled(c, 32);
        walk();
    }
    OK(lm_buffer_release(r, SCRIPT, b));
}

static void assert_refused(uint32_t memory) {
    lm_handle a = create(memory, 500), wide, none = 42;
    OK(lm_buffer_create(r, DART, memory, 500, 1024, false, &wide));
    fill(a, 500), fill(wide, 500);
    lm_memory_refuse(&memories[memory], LM_REFUSE_ALL);
    figures before = count_all();
    uint32_t much = (uint32_t)lm_memory_end(&memories[memory]);
    IS(lm_buffer_create(r, DART, memory, much, 16, false, &none), LM_OUT_OF_MEMORY);
    IS(lm_buffer_create(r, DART, memory, much, 16, true, &none), LM_OUT_OF_MEMORY);
    IS(lm_buffer_create(r, DART, memory, much, 4096, true, &none), LM_OUT_OF_MEMORY);
    IS(lm_buffer_resize(r, DART, a, much), LM_OUT_OF_MEMORY);
    IS(lm_buffer_resize(r, DART, wide, much), LM_OUT_OF_MEMORY);
    assert_counted(&before);
    assert_filled(a, 500), assert_filled(wide, 500);
    lm_memory_refuse(&memories[memory], 0);
    OK(lm_buffer_resize(r, DART, a, much));
    OK(lm_buffer_resize(r, DART, wide, much));
    assert_filled(a, 500), assert_filled(wide, 500);
    FREES(lm_buffer_release(r, DART, a));
    FREES(lm_buffer_release(r, DART, wide));
}

TEST_BOTH(refused_growth_changes_nothing) {
    for (uint32_t memory = 0; memory < MEMORIES; memory++)
        assert_refused(memory);
}

static bool slots_fill_their_parts(void) {
    uint32_t n = lm_state_of(r)->slots.count + (1u << LM_RECORDS_FIRST);
    return (n & (n - 1)) == 0;
}

// No call takes a slot if home has no room for more.
TEST_BOTH(slots_need_room_in_home) {
    lm_handle a = create(IMPORTED, 20);
    OK(lm_buffer_retain(r, DART, a));
    while (lm_state_of(r)->free || !slots_fill_their_parts())
        share(a, SCRIPT);
    lm_memory_refuse(&memories[HOME], LM_REFUSE_ALL);
    for (size_t size = LM_PAGE_BYTES; size > 0; size /= 2)
        while (own->allocate(size, &memories[HOME]))
            ;
    assert_no_slot(a, ODD, LM_OUT_OF_MEMORY);
}

// ---- Pressure ----------------------------------------------------------------------------------

static struct {
    uint32_t calls, memory;
    uint64_t bytes;
    lm_handle victim;
} pressure;

static void note_pressure(void *context, lm_buffer_table *pressed, uint32_t memory,
                          uint64_t bytes) {
    lm_handle inner;
    assert_true(context == &pressure && pressed == r);
    pressure.calls++;
    pressure.memory = memory;
    pressure.bytes = bytes;
    if (pressure.victim) FREES(lm_buffer_release(r, DART, pressure.victim));
    pressure.victim = 0;
    OK(lm_buffer_create(r, DART, memory, 1000, 16, false, &inner)); // no recursive call
    FREES(lm_buffer_release(r, DART, inner));
}

TEST_BOTH(a_request_over_budget_calls_the_callback) {
    memset(&pressure, 0, sizeof pressure);
    lm_buffer_table_set_pressure(r, note_pressure, &pressure);
    OK(lm_buffer_table_set_budget(r, IMPORTED, 1000));
    lm_handle a = create(IMPORTED, 1000);
    create(HOME, 5000);
    assert_int_equal(pressure.calls, 0);
    create(IMPORTED, 1);
    assert_true(pressure.calls == 1 && pressure.memory == IMPORTED && pressure.bytes == 1);
    pressure.victim = a;
    create(IMPORTED, 900);
    assert_true(pressure.calls == 2 && pressure.victim == 0);
    create(IMPORTED, 99);
    assert_int_equal(pressure.calls, 2);
    OK(lm_buffer_table_set_budget(r, IMPORTED, UINT64_MAX));
    create(IMPORTED, 10000);
    assert_int_equal(pressure.calls, 2);
}

TEST_BOTH(an_adoption_over_budget_calls_the_callback) {
    memset(&pressure, 0, sizeof pressure);
    lm_buffer_table_set_pressure(r, note_pressure, &pressure);
    OK(lm_buffer_table_set_budget(r, IMPORTED, 1500));
    lm_handle a = create(IMPORTED, 1000), b;
    uint32_t block = lm_offset(&memories[IMPORTED], imported.allocate(600, &memories[IMPORTED]));
    pressure.victim = a;
    OK(lm_buffer_adopt(r, DART, IMPORTED, block, 600, &b));
    assert_true(pressure.calls == 1 && pressure.memory == IMPORTED && pressure.bytes == 600);
    assert_int_equal(lm_buffer_table_live_in(r, IMPORTED).bytes, 600);
}

// The call that an allocator makes while it allocates or resizes a buffer of 600 bytes.
static lm_status (*nested)(void);
static lm_handle small;

static lm_status make_another(void) {
    lm_handle another;
    return lm_buffer_create(r, DART, IMPORTED, 600, 16, false, &another);
}
static lm_status resize_small(void) {
    return lm_buffer_resize(r, DART, small, 601);
}
static void call_nested(void) {
    lm_status (*call)(void) = nested;
    nested = NULL;
    if (call) OK(call());
}
static void *nesting_allocate(size_t size, lm_memory *memory) {
    call_nested();
    return imported_base()->allocate(size, memory);
}
static void *nesting_resize(void *block, size_t size, lm_memory *memory) {
    call_nested();
    return imported_base()->resize(block, size, memory);
}

// Two buffers each fit the budget, but not together: the callback is called once.
TEST_BOTH(requests_in_progress_count_for_the_budget) {
    static const struct {
        lm_status (*outer)(void), (*inner)(void);
    } calls[] = {
        {make_another, make_another},
        {make_another, resize_small},
        {resize_small, make_another},
    };
    imported.capabilities = LM_SHARES_THREADS; // else the callback is not called inside it
    imported.allocate = nesting_allocate;
    imported.resize = nesting_resize;
    lm_buffer_table_set_pressure(r, note_pressure, &pressure);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        small = create(IMPORTED, 1);
        OK(lm_buffer_table_set_budget(r, IMPORTED, 1000));
        memset(&pressure, 0, sizeof pressure);
        nested = calls[i].inner;
        OK(calls[i].outer());
        assert_true(pressure.calls == 1 && pressure.memory == IMPORTED && !nested);
        OK(lm_buffer_table_set_budget(r, IMPORTED, UINT64_MAX));
        lm_buffer_table_release_all(r, DART);
        walk();
    }
}

// Out of memory: the request is tried once more after the callback.
TEST_BOTH(out_of_memory_calls_the_callback) {
    memset(&pressure, 0, sizeof pressure);
    uint32_t half = 1u << 27;
    lm_handle large = create(IMPORTED, half), again, none = 42;
    lm_buffer_table_set_pressure(r, note_pressure, &pressure);
    IS(lm_buffer_create(r, DART, IMPORTED, half, 16, false, &none), LM_OUT_OF_MEMORY);
    assert_true(pressure.calls == 1 && pressure.bytes == half && none == 42);
    pressure.victim = large;
    OK(lm_buffer_create(r, DART, IMPORTED, half, 16, false, &again));
    assert_int_equal(pressure.calls, 2);
    walk();
}

// ---- Threads -----------------------------------------------------------------------------------

enum { ROUNDS = 50000 };

static lm_handle raced;
static uint32_t begun, ended; // rounds
static uint32_t freed_by_release;

static void wait_for(const uint32_t *rounds, uint32_t round) {
    for (uint32_t turns = 1; __atomic_load_n(rounds, __ATOMIC_ACQUIRE) < round; turns++)
        if (turns % 1024 == 0) sched_yield();
}

static void *release_raced(void *nothing) {
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        wait_for(&begun, round);
        freed_by_release += lm_buffer_release(r, DART, raced) == LM_FREED;
        __atomic_store_n(&ended, round, __ATOMIC_RELEASE);
    }
    return nothing;
}

// One of the two calls frees, the other does not.
TEST(release_all_races_with_release, .setup_func = start_atomic, .teardown_func = end) {
    if (NARROW) skip();
    pthread_t thread;
    uint64_t freed_by_all = 0;
    uint32_t late = 0;
    begun = ended = freed_by_release = 0;
    assert_int_equal(pthread_create(&thread, NULL, release_raced, NULL), 0);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        raced = create(IMPORTED, 24);
        __atomic_store_n(&begun, round, __ATOMIC_RELEASE);
        for (volatile uint32_t i = 0; i < late; i++)
            ;
        uint64_t first = lm_buffer_table_release_all(r, DART);
        freed_by_all += first;
        late = first ? (late + 1) % 4096 : late - (late > 0); // so that the calls overlap
        wait_for(&ended, round);
    }
    pthread_join(thread, NULL);
    assert_int_equal(freed_by_all + freed_by_release, ROUNDS);
    assert_int_equal(walk().live_blocks, 0);
    assert_int_equal(blocks_in(IMPORTED), 0);
}

// ---- Laws --------------------------------------------------------------------------------------

// Two shares of one buffer, one of another, and free slots.
TEST_BOTH(each_law_is_checked) {
    enum { FIRST, SECOND, THIRD, FREE };
    enum { COUNT, STAMP, START, SIZE, NEXT, PREVIOUS, BLOCK, ALIGNMENT, WORDS };
    static const struct {
        int slot, word;
        uint32_t value; // written to it
        const char *law;
    } cases[] = {
        {FIRST, STAMP, 0xffffffff, "share"},
        {FIRST, NEXT, 9999, "ring"},
        {SECOND, NEXT, 9999, "ring"},
        {SECOND, PREVIOUS, THIRD, "ring"},
        {SECOND, SIZE, 25, "ring"},
        {THIRD, SIZE, 0xffffffff, "block in memory"},
        {THIRD, BLOCK, 0xffffffff, "block in memory"},
        {THIRD, ALIGNMENT, 31, "block in memory"},
        {THIRD, ALIGNMENT, 1 << 7, "share"},
        {THIRD, ALIGNMENT, 1 << 8, "kept"},
        {FIRST, COUNT, LM_WORD_KEPT | 1, "kept"},
        {THIRD, SIZE, 25, "bytes in memories"},
        {FREE, NEXT, 9999, "free slots"},
        {FREE, NEXT, FIRST + 1, "free slots"},
    };
    lm_handle first = create(HOME, 24), second, free_ones[2];
    OK(lm_buffer_share(r, DART, first, SCRIPT, &second));
    create(IMPORTED, 24);
    for (int i = 0; i < 2; i++)
        free_ones[i] = create(HOME, 1);
    for (int i = 2; i-- > 0;)
        FREES(lm_buffer_release(r, DART, free_ones[i]));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t *words = (uint32_t *)(void *)lm_slot_at(r, (uint32_t)cases[i].slot);
        uint32_t was = words[cases[i].word];
        words[cases[i].word] = cases[i].value;
        const char *broken = lm_buffer_table_validate(r, NULL);
        if (!broken || strcmp(broken, cases[i].law) != 0)
            fail_msg("case %zu: '%s' instead of '%s'", i, broken ? broken : "", cases[i].law);
        words[cases[i].word] = was;
    }
    walk();
}

TEST_MAIN(NULL, NULL)

// Buffers against a model: a plain table of who holds what how often, which knows nothing of slots
// and rings. Random calls, right and wrong, over four memories with different allocators; the model
// says what each must answer, and after each, what is live.
//
// buffer_model_test [OPERATIONS]: so many in each of four worlds.
#include "alloc/odd_allocator.h"
#include "alloc/realm_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MEMORIES = 4, ODD = 2, OWNERS = 5, SHARES = 300, DEAD = 64, SLOTS = 1 << 16 };

typedef struct buffer {
    uint32_t memory, size, alignment;
    uint32_t shares; // 0: no buffer
    uint8_t mark;
} buffer;

typedef struct held { // one handle
    lm_handle handle;
    uint32_t owner, buffer, count; // 0: none
} held;

typedef struct world {
    const lm_counts *counts;
    bool hostile; // memories that move, are refused growth, and are grown by others
} world;

static uint64_t operations = 100000;
static const world *now;
static lm_memory memories[MEMORIES];
static const lm_allocator *allocators[MEMORIES];
static lm_allocator odd;
static lm_realm realm;
static uint64_t tables; // blocks of home that are the realm's

static buffer buffers[SHARES];
static held shares[SHARES];
static lm_handle dead[DEAD]; // names that are nobody's any more
static uint32_t deaths;
static lm_handle latest[SLOTS]; // the last handle that was given out for a slot
static uint64_t live_bytes[MEMORIES], live_buffers[MEMORIES];
static uint64_t state, done;

static uint32_t below(uint32_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 32) * bound >> 32);
}

#define HOLDS(law)                                                                                 \
    do {                                                                                           \
        if (!(law)) fail_msg("%s (operation %llu)", #law, (unsigned long long)done);               \
    } while (0)

static void expect(lm_status got, lm_status wanted) {
    if (got != wanted)
        fail_msg("%s, not %s (operation %llu)", lm_status_name(got), lm_status_name(wanted),
                 (unsigned long long)done);
}

// ---- The model ---------------------------------------------------------------------------------

static held *free_share(void) {
    for (uint32_t i = 0; i < SHARES; i++)
        if (!shares[i].count) return &shares[i];
    return NULL;
}
static held *any_share(void) {
    held *h = &shares[below(SHARES)];
    return h->count ? h : NULL;
}
static uint32_t free_buffer(void) {
    for (uint32_t i = 0;; i++)
        if (!buffers[i].shares) return i;
}

static void hold(held *h, lm_handle handle, uint32_t owner, uint32_t number) {
    HOLDS(handle != 0 && lm_handle_owner(handle) == owner);
    HOLDS(lm_handle_memory(handle) == buffers[number].memory);
    for (uint32_t i = 0; i < SHARES; i++)
        HOLDS(!shares[i].count || shares[i].handle != handle);
    *h = (held){handle, owner, number, 1};
    latest[lm_handle_slot(handle)] = handle;
    buffers[number].shares++;
}

// The owner's last reference is gone. Whether the buffer is.
static bool let_go(held *h) {
    buffer *b = &buffers[h->buffer];
    h->count = 0;
    dead[deaths++ % DEAD] = h->handle;
    if (--b->shares) return false;
    live_bytes[b->memory] -= b->size;
    live_buffers[b->memory]--;
    return true;
}

// What a call with a handle that is nobody's must answer.
static lm_status wrong(lm_handle handle, lm_status after_zero) {
    return latest[lm_handle_slot(handle)] == handle ? after_zero : LM_STALE_HANDLE;
}

// ---- Content -----------------------------------------------------------------------------------

static unsigned char *bytes_of(const held *h) {
    lm_buffer_info info;
    const buffer *b = &buffers[h->buffer];
    expect(lm_buffer_describe(&realm, h->owner, h->handle, &info), LM_OK);
    HOLDS(info.memory == b->memory && info.size == b->size && info.references == h->count);
    HOLDS(info.unique == (b->shares == 1 && h->count == 1));
    HOLDS(info.start % b->alignment == 0);
    HOLDS((uint64_t)info.start + info.size <= lm_memory_end(&memories[b->memory]));
    return lm_at(&memories[b->memory], info.start);
}
static void write_mark(const held *h) {
    buffers[h->buffer].mark = (uint8_t)(1 + below(255));
    memset(bytes_of(h), buffers[h->buffer].mark, buffers[h->buffer].size);
}
static void check_mark(const held *h, uint32_t size) {
    const unsigned char *bytes = bytes_of(h);
    for (uint32_t i = 0; i < size; i++)
        HOLDS(bytes[i] == buffers[h->buffer].mark);
}

// ---- Operations --------------------------------------------------------------------------------

static uint32_t a_size(void) {
    return below(16) ? below(300) : below(9000);
}

// Refused growth is the only reason to run out.
static bool served(lm_status status, const uint32_t *refusals) {
    if (status == LM_OK) return true;
    expect(status, LM_OUT_OF_MEMORY);
    uint32_t left = 0, were = 0;
    for (uint32_t i = 0; i < MEMORIES; i++) {
        left += memories[i].refusals;
        were += refusals[i];
    }
    HOLDS(left < were);
    return false;
}

static void create(void) {
    held *h = free_share();
    if (!h) return;
    uint32_t number = free_buffer(), owner = below(OWNERS), refusals[MEMORIES];
    buffer b = {below(MEMORIES), a_size(), 1u << below(10), 0, 0};
    bool zeroed = below(2);
    lm_handle handle = 0;
    for (uint32_t i = 0; i < MEMORIES; i++)
        refusals[i] = memories[i].refusals;
    if (!served(lm_buffer_create(&realm, owner, b.memory, b.size, b.alignment, zeroed, &handle),
                refusals))
        return;
    buffers[number] = b;
    live_bytes[b.memory] += b.size;
    live_buffers[b.memory]++;
    hold(h, handle, owner, number);
    if (zeroed) check_mark(h, b.size);
    write_mark(h);
}

// A block that its owner allocated, of any of the memories.
static void adopt(void) {
    held *h = free_share();
    uint32_t memory = below(MEMORIES), number, owner = below(OWNERS), size = a_size(), refusals[4];
    void *block = h ? allocators[memory]->allocate(size, &memories[memory]) : NULL;
    if (!block) return;
    for (uint32_t i = 0; i < MEMORIES; i++)
        refusals[i] = memories[i].refusals;
    lm_handle handle;
    uint32_t offset = lm_offset(&memories[memory], block);
    if (!served(lm_buffer_adopt(&realm, owner, memory, offset, size, &handle), refusals)) {
        allocators[memory]->free(lm_at(&memories[memory], offset), 0, &memories[memory]);
        return;
    }
    number = free_buffer();
    buffers[number] = (buffer){memory, size, 1, 0, 0};
    live_bytes[memory] += size;
    live_buffers[memory]++;
    hold(h, handle, owner, number);
    write_mark(h);
}

static void retain(held *h) {
    expect(lm_buffer_retain(&realm, h->owner, h->handle), LM_OK);
    h->count++;
}

static void release(held *h) {
    if (h->count > 1) {
        expect(lm_buffer_release(&realm, h->owner, h->handle), LM_OK);
        h->count--;
        return;
    }
    check_mark(h, buffers[h->buffer].size);
    expect(lm_buffer_release(&realm, h->owner, h->handle),
           buffers[h->buffer].shares == 1 ? LM_FREED : LM_OK);
    let_go(h);
}

static void share(held *h, bool transfer) {
    held *to = free_share();
    uint32_t with = below(OWNERS), refusals[MEMORIES];
    if (!to) return;
    for (uint32_t i = 0; i < MEMORIES; i++)
        refusals[i] = memories[i].refusals;
    lm_handle handle;
    lm_status status = transfer ? lm_buffer_transfer(&realm, h->owner, h->handle, with, &handle)
                                : lm_buffer_share(&realm, h->owner, h->handle, with, &handle);
    if (!served(status, refusals)) return;
    hold(to, handle, with, h->buffer);
    if (transfer && h->count-- == 1) {
        h->count = 1;
        let_go(h);
    }
    check_mark(to, buffers[to->buffer].size);
}

static void resize(held *h) {
    buffer *b = &buffers[h->buffer];
    uint32_t size = a_size(), kept = b->size < size ? b->size : size, refusals[MEMORIES];
    for (uint32_t i = 0; i < MEMORIES; i++)
        refusals[i] = memories[i].refusals;
    lm_status status = lm_buffer_resize(&realm, h->owner, h->handle, size);
    if (b->shares > 1 || h->count > 1) {
        expect(status, LM_SHARED);
        return;
    }
    if (!served(status, refusals)) return;
    live_bytes[b->memory] += size - (uint64_t)b->size;
    b->size = size;
    check_mark(h, kept);
    write_mark(h);
}

static void misuse(void) {
    lm_handle handle = deaths ? dead[below(deaths < DEAD ? deaths : DEAD)] : 0, given = 42;
    const held *h = any_share();
    uint32_t owner = lm_handle_owner(handle);
    switch (below(8)) {
    case 0:
        if (handle)
            expect(lm_buffer_release(&realm, owner, handle), wrong(handle, LM_RELEASE_AFTER_ZERO));
        break;
    case 1:
        if (handle)
            expect(lm_buffer_retain(&realm, owner, handle), wrong(handle, LM_USE_AFTER_ZERO));
        break;
    case 2:
        if (handle)
            expect(lm_buffer_share(&realm, owner, handle, 0, &given),
                   wrong(handle, LM_USE_AFTER_ZERO));
        break;
    case 3:
        if (h) expect(lm_buffer_release(&realm, h->owner + 1, h->handle), LM_WRONG_OWNER);
        break;
    case 4: // a generation that never was
        if (h)
            expect(lm_buffer_retain(&realm, h->owner, h->handle + ((uint64_t)1 << 32)),
                   LM_INVALID_HANDLE);
        break;
    case 5: // a slot that never was
        expect(lm_buffer_release(&realm, 0, (uint64_t)1 << 32 | (SLOTS - 1)), LM_INVALID_HANDLE);
        break;
    case 6:
        expect(lm_buffer_create(&realm, 0, MEMORIES, 8, 8, false, &given), LM_NO_MEMORY);
        break;
    default:
        if (h)
            expect(lm_buffer_transfer(&realm, h->owner, h->handle, LM_OWNERS_MAX, &given),
                   LM_NO_OWNER);
        break;
    }
    HOLDS(given == 42);
}

static void release_all(void) {
    uint32_t owner = below(OWNERS);
    uint64_t freed = 0;
    for (uint32_t i = 0; i < SHARES; i++)
        if (shares[i].count && shares[i].owner == owner) freed += let_go(&shares[i]);
    HOLDS(lm_realm_release_all(&realm, owner) == freed);
    HOLDS(lm_realm_live_of(&realm, owner).buffers == 0);
}

static void event(void) {
    lm_memory *m = &memories[below(MEMORIES)];
    switch (below(3)) {
    case 0:
        lm_memory_refuse(m, below(3));
        break;
    case 1:
        if (lm_memory_pages(m) < 40) lm_memory_grow_foreign(m, 1);
        break;
    default:
        HOLDS(lm_memory_move(m));
        break;
    }
}

static void one(void) {
    uint32_t choice = below(100);
    held *h = any_share();
    if (choice < 22)
        create();
    else if (choice < 25)
        adopt();
    else if (choice < 35)
        misuse();
    else if (choice == 35 && below(50) == 0)
        release_all();
    else if (choice == 36 && now->hostile)
        event();
    else if (!h)
        return;
    else if (choice < 50)
        retain(h);
    else if (choice < 80)
        release(h);
    else if (choice < 95)
        share(h, choice < 87);
    else
        resize(h);
}

// ---- What must be true -------------------------------------------------------------------------

static uint64_t blocks_in(uint32_t memory) {
    lm_census census;
    const char *broken = allocators[memory]->validate(&memories[memory], &census);
    if (broken) fail_msg("memory %u: law broken: %s", memory, broken);
    return census.live_blocks;
}

static void check_counts(void) {
    for (uint32_t i = 0; i < MEMORIES; i++) {
        lm_live live = lm_realm_live_in(&realm, i);
        HOLDS(live.bytes == live_bytes[i] && live.buffers == live_buffers[i]);
    }
}

static void check_all(void) {
    lm_census census;
    const char *broken = lm_realm_validate(&realm, &census);
    if (broken) fail_msg("law broken: %s", broken);
    uint64_t all = 0;
    for (uint32_t i = 0; i < MEMORIES; i++)
        all += live_buffers[i];
    HOLDS(census.live_blocks == all);
    for (uint32_t i = 1; i < MEMORIES; i++)
        HOLDS(blocks_in(i) == live_buffers[i]);
    HOLDS(blocks_in(LM_HOME) >= live_buffers[LM_HOME] + tables);
    for (uint32_t i = 0; i < SHARES; i++)
        if (shares[i].count) check_mark(&shares[i], buffers[shares[i].buffer].size);
}

static void start(const world *w) {
    static const char *const names[MEMORIES] = {"paged", "tlsf", "tlsf", "buddy"};
    now = w;
    state = 1, done = deaths = 0;
    memset(buffers, 0, sizeof buffers);
    memset(shares, 0, sizeof shares);
    memset(latest, 0, sizeof latest);
    memset(live_bytes, 0, sizeof live_bytes);
    memset(live_buffers, 0, sizeof live_buffers);
    odd = (lm_allocator){.allocate = odd_allocate, .resize = odd_resize, .free = odd_free};
    odd.validate = odd_base()->validate; // the test's own
    for (uint32_t i = 0; i < MEMORIES; i++) {
        const lm_allocator *a = lm_strategy_named(names[i], 1);
        const lm_memory_options options = {.pages = 1, .pages_max = 64, .moving = w->hostile};
        assert_true(lm_memory_create(&memories[i], &options));
        assert_true((i == ODD ? odd_base() : a)->start(&memories[i]));
        allocators[i] = i == ODD ? &odd : a;
    }
    assert_true(lm_realm_start(&realm, w->counts, allocators[0], &memories[0]));
    tables = blocks_in(LM_HOME);
    for (uint32_t i = 1; i < MEMORIES; i++)
        assert_int_equal(lm_realm_add(&realm, allocators[i], &memories[i]), i);
}

static void play(void **test_state) {
    start(*test_state);
    for (; done < operations; done++) {
        one();
        check_counts();
        if (done % 4096 == 0) check_all();
    }
    for (uint32_t i = 0; i < SHARES; i++)
        while (shares[i].count)
            release(&shares[i]);
    check_counts();
    check_all();
    for (uint32_t i = 0; i < MEMORIES; i++) {
        HOLDS(live_buffers[i] == 0);
        lm_memory_destroy(&memories[i]);
    }
}

int main(int argc, char **argv) {
    static world worlds[] = {{&lm_counts_plain, false},
                             {&lm_counts_atomic, false},
                             {&lm_counts_plain, true},
                             {&lm_counts_atomic, true}};
    const struct CMUnitTest tests[] = {
        {"plain", play, NULL, NULL, &worlds[0]},
        {"atomic", play, NULL, NULL, &worlds[1]},
        {"plain, in hostile memories", play, NULL, NULL, &worlds[2]},
        {"atomic, in hostile memories", play, NULL, NULL, &worlds[3]},
    };
    if (argc > 1) operations = strtoull(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

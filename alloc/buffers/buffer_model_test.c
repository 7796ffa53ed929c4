// Random operations on buffers over four memories with four allocators, against a model: a plain
// table of who holds what how often, which knows nothing of slots. The last allocator is foreign
// code, which now and then calls the buffer table before it does what it is asked. After each
// operation the buffer table must say what the model says, of each reference and of each memory;
// the content of buffers is held against it too, and misuse must be told as the model foretells. In
// the end nothing is live, by the buffer table's own walk and by the allocators'.
//
//     buffer_model_test [OPERATIONS [SEED]]    of each of four runs; both ways of counting, each on
//         memories that stay, and on ones that move, are refused growth and are grown by others
#include "alloc/buffers/buffer.h"
#include "alloc/buffers/imported_allocator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORIES = 4, OWNERS = 5, BUFFERS_MAX = 40, HELD_MAX = 80, DEAD_MAX = 24 };
enum { WORLD_OPERATIONS = 3000, CONTENT_EVERY = 250, WALK_EVERY = 500 };
enum { FOREIGN = MEMORIES - 1, STRANGE_MAX = 70 };
enum { STRANGER = 200 }; // the owner that foreign code is

typedef struct buffer {
    uint32_t memory, size, alignment, references; // of all; 0: there is none
    uint8_t seed;                                 // of its content
} buffer;

typedef struct held {
    lm_handle handle; // 0: none
    uint32_t owner, buffer, count;
} held;

typedef struct dead {
    lm_handle handle;
    uint32_t owner;
    bool served; // its slot has come up in a later handle
} dead;

// A buffer that foreign code made and holds.
typedef struct strange {
    lm_handle handle;
    uint32_t memory, size;
} strange;

static struct {
    lm_memory memories[MEMORIES];
    const lm_allocator *walkers[MEMORIES];
    lm_buffer_table table;
    buffer buffers[BUFFERS_MAX];
    held held[HELD_MAX];
    dead dead[DEAD_MAX];
    uint32_t deaths;
    bool rough; // memories move, are refused and grown
    uint64_t refused, misused, called_back;
    strange strange[STRANGE_MAX];
    uint32_t strange_count;
    bool inside; // foreign code calls the buffer table
} w;
static lm_buffer_table *const r = &w.table;
static uint64_t random_state, operation;

static uint32_t any(uint32_t below) {
    random_state ^= random_state << 13, random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 32) * below >> 32);
}

#define MUST(law) ((law) ? (void)0 : failed(#law, __LINE__))

static void failed(const char *law, int line) {
    fprintf(stderr, "buffer_model_test:%d: operation %llu, %s, %s: %s\n", line,
            (unsigned long long)operation, r->counts->name, w.rough ? "rough" : "smooth", law);
    abort();
}

// ---- The world ---------------------------------------------------------------------------------

// A slot serves another share: the handles of it that have died are stale from here on.
static void serves_again(lm_handle handle) {
    for (uint32_t i = 0; i < DEAD_MAX; i++) {
        MUST(w.dead[i].handle != handle);
        if (lm_handle_slot(w.dead[i].handle) == lm_handle_slot(handle)) w.dead[i].served = true;
    }
}

// Foreign code that calls back: it makes buffers, enough of them that tables grow, or releases
// those that it made before; and it tries to end the buffer table.
static void make_strange(void) {
    strange *made = &w.strange[w.strange_count];
    lm_handle shared;
    made->memory = any(MEMORIES), made->size = any(50);
    if (lm_buffer_create(r, STRANGER, made->memory, made->size, 8, false, &made->handle)) return;
    serves_again(made->handle);
    w.strange_count++;
    if (any(4) || lm_buffer_share(r, STRANGER, made->handle, STRANGER, &shared)) return;
    serves_again(shared);
    MUST(lm_buffer_release(r, STRANGER, shared) == LM_OK);
}
static void release_strange(void) {
    while (w.strange_count)
        MUST(lm_buffer_release(r, STRANGER, w.strange[--w.strange_count].handle) == LM_FREED);
}
static void call_back(void) {
    if (w.inside || any(4)) return;
    w.inside = true;
    uint32_t count = any(16) ? any(4) : STRANGE_MAX;
    if (any(4) == 0) release_strange();
    while (count-- && w.strange_count < STRANGE_MAX)
        make_strange();
    MUST(lm_buffer_table_end(r) == LM_BUSY);
    w.called_back++;
    w.inside = false;
}

// It may fail at any time.
static bool foreign_fails(void) {
    return w.rough && any(8) == 0;
}
static void *foreign_allocate(size_t size, lm_memory *memory) {
    call_back();
    return foreign_fails() ? NULL : imported_allocate(size, memory);
}
static void *foreign_resize(void *block, size_t size, lm_memory *memory) {
    uint32_t offset = lm_offset(memory, block); // it may move
    call_back();
    return foreign_fails() ? NULL : imported_resize(lm_at(memory, offset), size, memory);
}
static void foreign_free(void *block, size_t size, lm_memory *memory) {
    uint32_t offset = lm_offset(memory, block);
    call_back();
    imported_free(lm_at(memory, offset), size, memory);
}

static void begin(const lm_counts *counts, bool rough) {
    static const lm_allocator odd = {
        .allocate = foreign_allocate, .resize = foreign_resize, .free = foreign_free};
    static const char *const names[] = {"paged", "buddy", "best_fit", "tlsf"};
    memset(&w, 0, sizeof w);
    w.rough = rough;
    for (uint32_t i = 0; i < MEMORIES; i++) {
        lm_memory_options options = {
            .pages = 1, .pages_max = 2048, .moving = rough && !counts->threads};
        w.walkers[i] = lm_strategy_named(names[i], 1);
        MUST(lm_memory_create(&w.memories[i], &options) && w.walkers[i]->start(&w.memories[i]));
    }
    MUST(lm_buffer_table_start(r, counts, w.walkers[0], &w.memories[0]));
    for (uint32_t i = 1; i < MEMORIES; i++)
        MUST(lm_buffer_table_add(r, i == FOREIGN ? &odd : w.walkers[i], &w.memories[i]) == i);
}

static unsigned char *bytes_at(uint32_t memory, uint32_t start) {
    return (unsigned char *)lm_at(&w.memories[memory], start);
}
static uint8_t byte_of(const buffer *b, uint32_t i) {
    return (uint8_t)(b->seed + i * 31);
}
static void paint(const buffer *b, uint32_t start, uint32_t from) {
    unsigned char *bytes = bytes_at(b->memory, start);
    for (uint32_t i = from; i < b->size; i++)
        bytes[i] = byte_of(b, i);
}
static void check_content(const buffer *b, uint32_t start, uint32_t size) {
    const unsigned char *bytes = bytes_at(b->memory, start);
    for (uint32_t i = 0; i < size; i++)
        MUST(bytes[i] == byte_of(b, i));
}

// ---- The model's tables ------------------------------------------------------------------------

static held *any_held(void) {
    held *h = &w.held[any(HELD_MAX)];
    return h->handle ? h : NULL;
}
static held *free_held(void) {
    for (uint32_t i = 0; i < HELD_MAX; i++)
        if (!w.held[i].handle) return &w.held[i];
    return NULL;
}
static buffer *free_buffer(void) {
    for (uint32_t i = 0; i < BUFFERS_MAX; i++)
        if (!w.buffers[i].references) return &w.buffers[i];
    return NULL;
}

// A handle that was never given before.
static void given(held *h, lm_handle handle, uint32_t owner, uint32_t buffer) {
    MUST(handle != 0 && lm_handle_owner(handle) == owner);
    MUST(lm_handle_memory(handle) == w.buffers[buffer].memory);
    for (uint32_t i = 0; i < HELD_MAX; i++)
        MUST(w.held[i].handle != handle);
    serves_again(handle);
    *h = (held){handle, owner, buffer, 1};
    w.buffers[buffer].references++;
}

// A reference is gone. Returns what its release has to say.
static lm_status taken(held *h) {
    buffer *b = &w.buffers[h->buffer];
    b->references--;
    if (--h->count == 0) {
        w.dead[w.deaths++ % DEAD_MAX] = (dead){h->handle, h->owner, false};
        h->handle = 0;
    }
    return b->references ? LM_OK : LM_FREED;
}

// What is refused may fail: whether the memory, or home for a slot, had growth refused before.
static bool may_fail(uint32_t memory) {
    return (memory == FOREIGN && w.rough) || w.memories[memory].refusals > 0 ||
           w.memories[LM_HOME].refusals > 0;
}
static bool served(lm_status status, bool may_fail) {
    if (status == LM_OUT_OF_MEMORY && may_fail) {
        w.refused++;
        return false;
    }
    MUST(status == LM_OK);
    return true;
}

// ---- Operations --------------------------------------------------------------------------------

static uint32_t any_size(void) {
    uint32_t kind = any(100);
    return kind < 5 ? 0 : kind < 80 ? any(300) : kind < 98 ? any(8000) : any(150000);
}

static void create(void) {
    buffer *b = free_buffer();
    held *h = free_held();
    if (!b || !h) return;
    lm_handle handle = 0;
    uint32_t owner = any(OWNERS), memory = any(MEMORIES), size = any_size();
    uint32_t alignment = any(4) ? 1u << any(5) : 1u << any(13);
    bool zeroed = any(2), fails = may_fail(memory);
    if (!served(lm_buffer_create(r, owner, memory, size, alignment, zeroed, &handle), fails)) {
        MUST(handle == 0);
        return;
    }
    *b = (buffer){memory, size, alignment, 0, (uint8_t)any(256)};
    given(h, handle, owner, (uint32_t)(b - w.buffers));
    lm_buffer_info info;
    MUST(lm_buffer_describe(r, owner, handle, &info) == LM_OK);
    for (uint32_t i = 0; zeroed && i < size; i++)
        MUST(bytes_at(memory, info.start)[i] == 0);
    paint(b, info.start, 0);
}

static void adopt(void) {
    buffer *b = free_buffer();
    held *h = free_held();
    if (!b || !h) return;
    uint32_t owner = any(OWNERS), memory = any(MEMORIES), size = 1 + any(500);
    bool fails = may_fail(memory);
    static const lm_allocator own = {.allocate = imported_allocate, .free = imported_free};
    const lm_allocator *a = memory == FOREIGN ? &own : w.walkers[memory];
    void *block = a->allocate(size, &w.memories[memory]);
    if (!block) {
        MUST(fails);
        return;
    }
    uint32_t start = lm_offset(&w.memories[memory], block);
    lm_handle handle;
    if (!served(lm_buffer_adopt(r, owner, memory, start, size, &handle), fails)) {
        a->free(bytes_at(memory, start), 0, &w.memories[memory]);
        return;
    }
    *b = (buffer){memory, size, 1, 0, (uint8_t)any(256)};
    given(h, handle, owner, (uint32_t)(b - w.buffers));
    paint(b, start, 0);
}

static void retain(held *h) {
    if (h->count > 1000) return;
    MUST(lm_buffer_retain(r, h->owner, h->handle) == LM_OK);
    h->count++;
    w.buffers[h->buffer].references++;
}

static void release(held *h) {
    lm_handle handle = h->handle;
    uint32_t owner = h->owner;
    lm_status expected = taken(h); // before foreign code can take the slot
    MUST(lm_buffer_release(r, owner, handle) == expected);
}

static void share(const held *h) {
    held *with = free_held();
    if (!with) return;
    uint32_t owner = any(OWNERS);
    lm_handle shared;
    bool fails = may_fail(LM_HOME);
    if (served(lm_buffer_share(r, h->owner, h->handle, owner, &shared), fails))
        given(with, shared, owner, h->buffer);
}

static void transfer(held *h) {
    held *to = free_held();
    if (!to) return;
    uint32_t owner = any(OWNERS), buffer = h->buffer;
    lm_handle transferred;
    bool fails = may_fail(LM_HOME) && h->count > 1;
    if (!served(lm_buffer_transfer(r, h->owner, h->handle, owner, &transferred), fails)) return;
    taken(h);
    given(to, transferred, owner, buffer);
}

static void resize(const held *h) {
    buffer *b = &w.buffers[h->buffer];
    uint32_t size = any_size(), old = b->size;
    bool fails = may_fail(b->memory) && size > old; // to become smaller always works
    lm_status status = lm_buffer_resize(r, h->owner, h->handle, size);
    if (b->references > 1) {
        MUST(status == LM_SHARED);
        w.misused++;
        return;
    }
    // A foreign block that could not become smaller may be larger than what the buffer grows to.
    if (status == LM_OUT_OF_MEMORY && b->memory == FOREIGN && size > old) return;
    if (!served(status, fails)) return;
    lm_buffer_info info;
    MUST(lm_buffer_describe(r, h->owner, h->handle, &info) == LM_OK);
    b->size = size;
    check_content(b, info.start, old < size ? old : size);
    paint(b, info.start, old < size ? old : size);
}

static void release_all(void) {
    uint32_t owner = any(OWNERS);
    uint64_t frees = 0;
    for (uint32_t i = 0; i < HELD_MAX; i++)
        while (w.held[i].handle && w.held[i].owner == owner)
            frees += taken(&w.held[i]) == LM_FREED;
    MUST(lm_buffer_table_release_all(r, owner) == frees);
}

// ---- Misuse ------------------------------------------------------------------------------------

// Each call, with a handle that is wrong.
static lm_status misuse(uint32_t call, uint32_t owner, lm_handle handle) {
    lm_handle none = 0;
    lm_buffer_info info;
    lm_status status;
    switch (call) {
    case 0:
        status = lm_buffer_release(r, owner, handle);
        break;
    case 1:
        status = lm_buffer_retain(r, owner, handle);
        break;
    case 2:
        status = lm_buffer_share(r, owner, handle, any(OWNERS), &none);
        break;
    case 3:
        status = lm_buffer_transfer(r, owner, handle, any(OWNERS), &none);
        break;
    case 4:
        status = lm_buffer_resize(r, owner, handle, any_size());
        break;
    default:
        status = lm_buffer_describe(r, owner, handle, &info);
        break;
    }
    MUST(none == 0);
    w.misused++;
    return status;
}

static void misuse_dead(void) {
    const dead *d = &w.dead[any(DEAD_MAX)];
    if (!d->handle) return;
    uint32_t call = any(6);
    lm_status zero = call == 0 ? LM_RELEASE_AFTER_ZERO : LM_USE_AFTER_ZERO;
    MUST(misuse(call, d->owner, d->handle) == (d->served ? LM_STALE_HANDLE : zero));
}

static void misuse_held(const held *h) {
    lm_handle handle = h->handle, none = 0;
    switch (any(8)) {
    case 0:
        MUST(misuse(any(6), h->owner + 1, handle) == LM_WRONG_OWNER);
        break;
    case 1:
        MUST(misuse(any(6), STRANGER, handle) == LM_WRONG_OWNER);
        break;
    case 2: // a generation to come
        MUST(misuse(any(6), h->owner, handle + ((uint64_t)1 << 32)) == LM_INVALID_HANDLE);
        break;
    case 3: // another memory
        MUST(misuse(any(6), h->owner, handle ^ (1u << 24)) == LM_INVALID_HANDLE);
        break;
    case 4: // a slot that none has yet
        MUST(misuse(any(6), h->owner, handle | 0xFFFF00) == LM_INVALID_HANDLE);
        break;
    case 5:
        MUST(lm_buffer_share(r, h->owner, handle, 255, &none) == LM_NO_OWNER);
        break;
    case 6:
        MUST(lm_buffer_create(r, 0, MEMORIES, 1, 1, 0, &none) == LM_NO_MEMORY);
        break;
    default:
        MUST(lm_buffer_create(r, 0, 0, 1, 24, 0, &none) == LM_BAD_ALIGNMENT);
        break;
    }
    MUST(none == 0);
}

// ---- Agreement ---------------------------------------------------------------------------------

static void check_memories(void) {
    lm_live live[MEMORIES] = {{0}};
    for (uint32_t i = 0; i < BUFFERS_MAX; i++) {
        const buffer *b = &w.buffers[i];
        live[b->memory].buffers += b->references > 0;
        live[b->memory].bytes += b->references > 0 ? b->size : 0;
    }
    for (uint32_t i = 0; i < w.strange_count; i++) {
        live[w.strange[i].memory].buffers++;
        live[w.strange[i].memory].bytes += w.strange[i].size;
    }
    for (uint32_t i = 0; i < MEMORIES; i++) {
        lm_live said = lm_buffer_table_live_in(r, i);
        MUST(said.bytes == live[i].bytes && said.buffers == live[i].buffers);
        MUST(said.peak_bytes >= said.bytes);
    }
}

static void check_held(bool content) {
    static uint32_t starts[BUFFERS_MAX];
    memset(starts, 0, sizeof starts);
    for (uint32_t i = 0; i < HELD_MAX; i++) {
        const held *h = &w.held[i];
        if (!h->handle) continue;
        const buffer *b = &w.buffers[h->buffer];
        lm_buffer_info info;
        MUST(lm_buffer_describe(r, h->owner, h->handle, &info) == LM_OK);
        MUST(info.memory == b->memory && info.size == b->size);
        MUST(info.references == h->count && info.unique == (b->references == 1));
        MUST(info.start % b->alignment == 0);
        MUST(starts[h->buffer] == 0 || starts[h->buffer] == info.start);
        starts[h->buffer] = info.start;
        if (content)
            check_content(b, info.start, b->size);
        else if (b->size)
            MUST(*bytes_at(b->memory, info.start) == byte_of(b, 0));
    }
}

static void check_walks(void) {
    lm_census census, seen;
    uint64_t buffers = 0, owners[OWNERS] = {0};
    const char *broken = lm_buffer_table_validate(r, &census);
    if (broken) failed(broken, __LINE__);
    for (uint32_t i = 0; i < MEMORIES; i++) {
        broken = w.walkers[i]->validate(&w.memories[i], &seen);
        if (broken) failed(broken, __LINE__);
        uint64_t live = lm_buffer_table_live_in(r, i).buffers;
        MUST(i == LM_HOME ? seen.live_blocks > live : seen.live_blocks == live);
        buffers += live;
    }
    MUST(census.live_blocks == buffers);
    for (uint32_t i = 0; i < HELD_MAX; i++)
        if (w.held[i].handle) owners[w.held[i].owner]++;
    for (uint32_t i = 0; i < OWNERS; i++)
        MUST(lm_buffer_table_live_of(r, i).buffers == owners[i]);
}

// ---- Play --------------------------------------------------------------------------------------

static void play_one(void) {
    uint32_t kind = any(1000);
    held *h = any_held();
    if (kind < 150)
        create();
    else if (kind < 180)
        adopt();
    else if (kind < 182)
        release_all();
    else if (kind < 250)
        misuse_dead();
    else if (!h)
        return;
    else if (kind < 400)
        retain(h);
    else if (kind < 680)
        release(h);
    else if (kind < 780)
        share(h);
    else if (kind < 860)
        transfer(h);
    else if (kind < 920)
        resize(h);
    else
        misuse_held(h);
}

static void disturb(void) {
    lm_memory *m = &w.memories[any(MEMORIES)];
    uint32_t kind = any(2000);
    if (kind < 2)
        MUST(lm_memory_move(m));
    else if (kind < 4)
        MUST(lm_memory_grow_foreign(m, 1 + any(3)));
    else if (kind < 20)
        lm_memory_refuse(m, any(4));
    else if (kind < 26)
        lm_memory_refuse(m, LM_REFUSE_ALL);
    else if (kind < 32)
        lm_memory_refuse(m, 0);
}

static void end(void) {
    for (uint32_t i = 0; i < HELD_MAX; i++)
        while (w.held[i].handle)
            release(&w.held[i]);
    w.inside = true; // it calls no more
    release_strange();
    check_walks();
    MUST(lm_buffer_table_end(r) == LM_OK);
    for (uint32_t i = 0; i < MEMORIES; i++) {
        lm_census census;
        MUST(w.walkers[i]->validate(&w.memories[i], &census) == NULL && census.live_blocks == 0);
        lm_memory_destroy(&w.memories[i]);
    }
}

static void play(const lm_counts *counts, bool rough, uint64_t operations) {
    uint64_t refused = 0, misused = 0, called_back = 0;
    for (operation = 0; operation < operations;) {
        begin(counts, rough);
        for (uint32_t i = 0; i < WORLD_OPERATIONS && operation < operations; i++, operation++) {
            if (rough) disturb();
            play_one();
            check_memories();
            check_held(i % CONTENT_EVERY == 0);
            if (i % WALK_EVERY == 0) check_walks();
        }
        refused += w.refused, misused += w.misused, called_back += w.called_back;
        end();
    }
    printf("%s, %s: %llu operations, %llu refused, %llu misused\n", counts->name,
           rough ? "rough" : "smooth", (unsigned long long)operations, (unsigned long long)refused,
           (unsigned long long)misused);
    if (operations >= 50000) MUST((refused > 0) == rough && misused > 0 && called_back > 0);
}

int main(int count, char **arguments) {
    uint64_t operations = count > 1 ? strtoull(arguments[1], NULL, 10) : 50000;
    uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
    for (int run = 0; run < 4; run++) {
        random_state = (seed + (uint64_t)run) * 0x9E3779B97F4A7C15u | 1;
        play(run % 2 ? &lm_counts_atomic : &lm_counts_plain, run / 2, operations);
    }
    return 0;
}

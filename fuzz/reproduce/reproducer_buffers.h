// ---- What is held -------------------------------------------------------------------------------
//
// This part is the same in every reproducer of buffers: it makes the calls, watches what they ask
// of the allocators, and holds both against what is written with each call, as the headers of
// alloc/buffers/{buffer,view,finalizer}.h say.
#include "alloc/buffers/finalizer.h"
#include "alloc/buffers/view.h"
#include "alloc/conformance/room.h"
#include "fuzz/play/buffer_fill.h"
#include "fuzz/reproduce/reproducer_common.h"

// The world: who serves each memory, how references are counted.
#define STRATEGY(name) extern const lm_allocator LM_TABLE(name);
STRATEGIES
#undef STRATEGY
#ifdef IMPORTS // an allocator that is all that a malloc may be
#include "alloc/buffers/imported_allocator.h"
const lm_allocator *lm_strategy_named(const char *name, int check_level) {
    (void)name, (void)check_level;
    return &LM_TABLE(tlsf);
}
#endif

static lm_memory memories[MEMORIES];
static lm_allocator servers[MEMORIES], watched[MEMORIES]; // the second ones stand before the first
static lm_buffer_table table;

// ---- What allocators are asked ------------------------------------------------------------------

enum { LIVE_MAX = 4096, HASHED_MAX = 1 << 20 };
static struct {
    uint32_t memory, offset, size; // offset 0: none
} lives[LIVE_MAX];
static uint32_t calls, refused, made; // since the last operation began
static uint32_t freed;                // by the last drain, or with the last ring of tokens
static uint32_t live_in[MEMORIES], tables;

// The number by which the buffer table knows a memory: those between home's and the next one's are
// home's too, and nothing is made there.
static uint32_t table_number(uint32_t memory) {
    return memory == LM_HOME ? LM_HOME : memory + SKIPPED;
}

static uint32_t number_of(const lm_memory *memory) {
    calls++;
    return (uint32_t)(memory - memories);
}
static uint32_t place_of(uint32_t memory, uint32_t offset) {
    uint32_t i = 0;
    while (i < LIVE_MAX && (lives[i].offset != offset || lives[i].memory != memory))
        i++;
    return i;
}
static uint32_t place_of_block(const lm_memory *memory, const void *block) {
    uint32_t i = place_of((uint32_t)(memory - memories), lm_offset(memory, block));
    HOLDS(death, i < LIVE_MAX, "what does not live there is freed or resized: memory %u, %u",
          (unsigned)(memory - memories), lm_offset(memory, block));
    return i;
}
static void *came(void *block, size_t size, lm_memory *memory) {
    uint32_t i = (uint32_t)(memory - memories), offset = lm_offset(memory, block);
    HOLDS(death, size > 0, "an allocator is asked for 0 bytes");
    refused += !block;
    made += block != NULL;
    if (!block) return NULL;
    HOLDS(death, lm_holds(memory, block) && lm_memory_end(memory) - offset >= size,
          "a block outside memory %u is allocated: %u", i, offset);
    HOLDS(death, place_of(i, offset) == LIVE_MAX, "a block is allocated that lives: %u", offset);
    uint32_t free = 0;
    while (free < LIVE_MAX && lives[free].offset)
        free++;
    if (free == LIVE_MAX) puts("too many blocks"), exit(2);
    lives[free].memory = i;
    lives[free].offset = offset;
    lives[free].size = (uint32_t)size;
    live_in[i]++;
    return block;
}
static void *watched_allocate(size_t size, lm_memory *memory) {
    uint32_t i = number_of(memory);
    return came(servers[i].allocate(size, memory), size, memory);
}
static void *watched_allocate_zeroed(size_t size, lm_memory *memory) {
    uint32_t i = number_of(memory);
    return came(servers[i].allocate_zeroed(size, memory), size, memory);
}
static void *watched_allocate_dirty(size_t size, size_t *dirty, lm_memory *memory) {
    uint32_t i = number_of(memory);
    return came(servers[i].allocate_dirty(size, dirty, memory), size, memory);
}
static void *watched_allocate_aligned(size_t alignment, size_t size, lm_memory *memory) {
    uint32_t i = number_of(memory);
    return came(servers[i].allocate_aligned(alignment, size, memory), size, memory);
}
static void *resized(uint32_t place, void *block, size_t size, lm_memory *memory) {
    if (block) lives[place].offset = 0, live_in[lives[place].memory]--;
    return came(block, size, memory);
}
static void *watched_resize(void *block, size_t size, lm_memory *memory) {
    uint32_t i = number_of(memory), place = place_of_block(memory, block);
    return resized(place, servers[i].resize(block, size, memory), size, memory);
}
static void *watched_resize_aligned(void *block, size_t size, size_t alignment, lm_memory *memory) {
    uint32_t i = number_of(memory), place = place_of_block(memory, block);
    return resized(place, servers[i].resize_aligned(block, size, alignment, memory), size, memory);
}
static void watched_free(void *block, size_t size, lm_memory *memory) {
    if (!block) return;
    uint32_t i = number_of(memory), place = place_of_block(memory, block);
    HOLDS(death, !size || size == lives[place].size, "a block is freed with a wrong size: %zu",
          size);
    lives[place].offset = 0;
    live_in[i]--;
    servers[i].free(block, size, memory);
}

// ---- What calls return --------------------------------------------------------------------------

static bool looks; // at what a wrong call does
static uint32_t pressed, wanting_memory, wanting_bytes;

// What calls give that is passed on, or that nobody needs.
static lm_handle none, detached;
static lm_view no_view;
static lm_token no_token;
static lm_buffer_info info;
static uint64_t bits;
static int64_t integer;
static double number;
static uint32_t slots[1 << LM_SLOT_BITS], records[1 << LM_SLOT_BITS]; // their generations

static void before(void) { // each call
    call++;
}
// For want of memory things take another course than they did when this was written.
_Noreturn static void takes_another_course(void) {
    puts("nothing is broken: memory is wanting elsewhere than it was");
    exit(0);
}
static void returns(lm_status expected, lm_status got, const char *text) {
    if (got == expected) return;
    if (expected == LM_OUT_OF_MEMORY && got == LM_OK) takes_another_course();
    if (expected == LM_OK && got == LM_OUT_OF_MEMORY && refused) takes_another_course();
    broken(looks ? "misuse" : "status", "%s is %s, not %s", text, lm_status_name(got),
           lm_status_name(expected));
}
static void releases(lm_status got, const char *text) { // with what is drained
    HOLDS(status, !lm_failed(got), "%s is %s", text, lm_status_name(got));
}
static void counts(uint64_t expected, uint64_t got, const char *text) {
    HOLDS(count, got == expected, "%s is %llu, not %llu", text, (ull)got, (ull)expected);
}
// Of all that lives in home: the buffer table's records are among it.
static uint64_t look(void) {
    uint64_t hash = 0;
    for (uint32_t i = 0; i < LIVE_MAX; i++) {
        if (!lives[i].offset || lives[i].memory != LM_HOME) continue;
        const unsigned char *at = lm_at(&memories[LM_HOME], lives[i].offset);
        for (uint32_t n = 0; n < lives[i].size && n < HASHED_MAX; n++)
            hash = (hash ^ at[n]) * UINT64_C(0x100000001B3);
    }
    looks = true;
    calls = 0;
    return hash;
}
static void holds_look(uint64_t hash, const char *text) {
    HOLDS(misuse, calls == 0, "%s asks an allocator", text);
    HOLDS(misuse, look() == hash, "%s changes the buffer table's records", text);
    looks = false;
}
static void drains(const lm_drained *got, uint32_t released, uint32_t failed, bool more) {
    HOLDS(count, got->released == released && got->failed == failed && got->more == more,
          "%u released, %u failed, %s; not %u, %u, %s", got->released, got->failed,
          got->more ? "more wait" : "none waits", released, failed,
          more ? "more wait" : "none waits");
}

// A call, and what it is to return.
#define IS(expected, call)     (before(), returns(expected, (call), #call))
#define COUNTS(expected, call) (before(), counts(expected, (call), #call))
#define ANY(call)              (before(), (void)(call)) // it did not return
// It asks nothing of an allocator.
#define QUIET(law, expected, call)                                                                 \
    (calls = 0, IS(expected, call), HOLDS(law, calls == 0, "%s asks an allocator", #call))
// It is wrong, is told so, and changes nothing.
#define WRONG(expected, call)                                                                      \
    do {                                                                                           \
        uint64_t hash = look();                                                                    \
        IS(expected, call);                                                                        \
        holds_look(hash, #call);                                                                   \
    } while (0)
// Tokens, and with them what had none; all at once say how many died.
#define DRAINS(released, failed, more, call)                                                       \
    do {                                                                                           \
        before();                                                                                  \
        lm_drained drained = (call);                                                               \
        drains(&drained, released, failed, more);                                                  \
        freed = drained.freed;                                                                     \
    } while (0)
#define RELEASES(call)                                                                             \
    do {                                                                                           \
        before();                                                                                  \
        lm_status got = (call);                                                                    \
        releases(got, #call);                                                                      \
        freed += got == LM_FREED;                                                                  \
    } while (0)

static void died(uint32_t expected) {
    HOLDS(death, freed == expected, "%u died, not %u", freed, expected);
}
static void same(uint64_t got, uint64_t expected) {
    HOLDS(count, got == expected, "%#llx is given back, not %#llx", (ull)got, (ull)expected);
}

// Handles and tokens name what nothing else is named by, ever. Those before `end` are given out
// again, before another one is made.
static void given(lm_handle handle, uint32_t owner, uint32_t memory, uint32_t end) {
    uint32_t slot = lm_handle_slot(handle), generation = lm_handle_stamp(handle) & 0xFFFFFF;
    HOLDS(status, slot < 1 << LM_SLOT_BITS && generation < 1 << LM_GENERATION_BITS,
          "a handle is beyond the last: %#llx", (ull)handle);
    HOLDS(status, slot < end, "a slot is made where another is free: %#llx", (ull)handle);
    HOLDS(status, generation == ++slots[slot], "a handle is not of the next generation: %#llx",
          (ull)handle);
    HOLDS(status, lm_handle_owner(handle) == owner && lm_handle_memory(handle) == memory,
          "a handle names another owner or memory: %#llx", (ull)handle);
}
// Two that are held at once have slots, or records, of their own.
static void apart(uint64_t given, uint64_t held) {
    HOLDS(status, (given & 0xFFFFFF) != (held & 0xFFFFFF), "a slot serves two: %#llx and %#llx",
          (ull)given, (ull)held);
}
static void given_token(lm_token token, uint32_t end) {
    uint32_t record = (uint32_t)token & 0xFFFFFF, generation = (uint32_t)(token >> 24);
    HOLDS(status,
          !(token >> 48) && record < 1 << LM_SLOT_BITS && generation < 1 << LM_GENERATION_BITS,
          "a token is beyond the last: %#llx", (ull)token);
    HOLDS(status, record < end, "a record is made where another is free: %#llx", (ull)token);
    HOLDS(status, generation == ++records[record], "a token is not of the next generation: %#llx",
          (ull)token);
}

// Told that memory is wanting.
static void wanting(uint32_t memory, uint32_t bytes) {
    wanting_memory = memory;
    wanting_bytes = bytes;
    pressed = 0;
}
static void pressure(void *context, lm_buffer_table *of, uint32_t memory, uint64_t bytes) {
    uint32_t calls_before = calls, refused_before = refused;
    none = 0;
    (void)context;
    pressed++;
    HOLDS(status, memory == wanting_memory && bytes == wanting_bytes,
          "%llu bytes are said to be wanting in memory %u", (ull)bytes, memory);
    if (looks) return;
    lm_buffer_create(of, 0, memory, UINT32_MAX, 1, false, &none); // it is not told of this
    HOLDS(status, !none, "4 GiB are served");
    calls = calls_before;
    refused = refused_before;
}
static void told(uint32_t times) {
    HOLDS(status, pressed == times || (refused && pressed == times + 1),
          "pressure is told %u times, not %u", pressed, times);
}

// ---- What buffers hold --------------------------------------------------------------------------

static struct {
    uint32_t memory, start, size;
    unsigned char *bytes; // NULL: they are not known
    bool lives;
} buffers[BUFFERS];

static unsigned char byte_of(uint64_t seed, uint32_t at) {
    return (unsigned char)(buffer_fill_word(seed, at / 8 * 8) >> at % 8 * 8);
}
static unsigned char *bytes_of(uint32_t owner, lm_handle handle, lm_buffer_info *info) {
    lm_status got = lm_buffer_describe(&table, owner, handle, info);
    HOLDS(count, got == LM_OK, "a live reference is %s", lm_status_name(got));
    if (info->memory != LM_HOME) info->memory -= SKIPPED;
    lm_memory *memory = &memories[info->memory < MEMORIES ? info->memory : 0];
    HOLDS(content,
          info->size <= lm_memory_end(memory) && info->start <= lm_memory_end(memory) - info->size,
          "a buffer lies outside memory %u, at %u", info->memory, info->start);
    return lm_at(memory, info->start);
}
// Buffer `number` lies there, and its bytes are not looked at.
static unsigned char *lies(uint32_t number, uint32_t owner, lm_handle handle, uint32_t alignment) {
    lm_buffer_info info;
    unsigned char *bytes = bytes_of(owner, handle, &info);
    HOLDS(alignment, info.start % alignment == 0, "a buffer is not aligned: %u", info.start);
    buffers[number].memory = info.memory;
    buffers[number].start = info.start;
    buffers[number].size = info.size;
    buffers[number].lives = true;
    return bytes;
}
static void knows(uint32_t number, unsigned char *bytes, bool zero) {
    uint32_t size = buffers[number].size;
    unsigned char *known = buffers[number].bytes = malloc((size_t)size + 1);
    if (!known) perror("no memory"), exit(2);
    for (uint32_t i = 0; i < size; i++) {
        HOLDS(zero, !zero || bytes[i] == 0, "buffer %u is not zero", number);
        known[i] = bytes[i] = zero ? 0 : byte_of(number, i);
    }
}
static void fill(uint32_t number, uint32_t owner, lm_handle handle, uint32_t alignment) {
    knows(number, lies(number, owner, handle, alignment), false);
}
static void is_zero(uint32_t number, uint32_t owner, lm_handle handle, uint32_t alignment) {
    knows(number, lies(number, owner, handle, alignment), true);
}
static void becomes(uint32_t number, uint32_t at, const char *bytes, uint32_t count) {
    if (buffers[number].bytes) memcpy(buffers[number].bytes + at, bytes, count);
}
static void dies(uint32_t number) {
    free(buffers[number].bytes);
    buffers[number].bytes = NULL;
    buffers[number].lives = false;
}
static void holds_contents(void) {
    for (uint32_t i = 0; i < BUFFERS; i++) {
        const unsigned char *bytes = lm_at(&memories[buffers[i].memory], buffers[i].start);
        for (uint32_t at = 0; buffers[i].bytes && at < buffers[i].size; at++)
            HOLDS(content, bytes[at] == buffers[i].bytes[at],
                  "the bytes of buffer %u have changed, at %u", i, at);
    }
}
// The first bytes of a buffer that is resized as soon as it was created.
static void fill_first(uint32_t owner, lm_handle handle, uint32_t count) {
    lm_buffer_info info;
    unsigned char *bytes = bytes_of(owner, handle, &info);
    for (uint32_t i = 0; i < count && i < info.size; i++)
        bytes[i] = byte_of(count, i);
}
static void keeps_first(uint32_t owner, lm_handle handle, uint32_t count) {
    lm_buffer_info info;
    const unsigned char *bytes = bytes_of(owner, handle, &info);
    for (uint32_t i = 0; i < count && i < info.size; i++)
        HOLDS(content, bytes[i] == byte_of(count, i), "a resize keeps other bytes, at %u", i);
}

// What was loaded last.
static void loads(uint64_t expected) {
    HOLDS(content, bits == expected, "%llx is loaded, not %llx", (ull)bits, (ull)expected);
}

// What a view shows, and where a pointer to it points.
static void shows(const lm_view *view, lm_kind kind, uint32_t offset, uint32_t length) {
    HOLDS(content, view->kind == kind && view->offset == offset && view->length == length,
          "a view shows something else");
}
static void ended(const lm_view *view) {
    HOLDS(status, !view->handle, "a view that has ended keeps its handle");
}
static lm_pointer pointer, made_pointer;
static void points(const lm_view *view, uint32_t offset) {
    lm_buffer_info info;
    unsigned char *bytes = bytes_of(view->owner, view->handle, &info);
    HOLDS(content, made_pointer.address == bytes + offset, "a pointer to a view points elsewhere");
    pointer = made_pointer;
}

// ---- What holds after each operation ------------------------------------------------------------

static void begin(void) { // an operation
    calls = refused = made = 0;
}
// A handle that is held, by its owner's count; `unique`: nobody else holds the buffer.
static void live(uint32_t owner, lm_handle handle, uint32_t memory, uint32_t size,
                 uint32_t references, bool unique) {
    lm_buffer_info info;
    bytes_of(owner, handle, &info);
    HOLDS(content, info.memory == memory && info.size == size, "%#llx names another buffer",
          (ull)handle);
    HOLDS(count, info.references == references && info.unique == unique,
          "%#llx: %u references%s, not %u%s", (ull)handle, info.references,
          info.unique ? ", unique" : "", references, unique ? ", unique" : "");
    for (uint32_t i = 0; i < BUFFERS; i++)
        if (buffers[i].lives && buffers[i].memory == info.memory && buffers[i].start == info.start)
            return;
    broken("content", "%#llx: a buffer lies elsewhere", (ull)handle);
}
static void dead(uint32_t owner, lm_handle handle, lm_status status) {
    lm_buffer_info info;
    lm_status got = lm_buffer_describe(&table, owner, handle, &info);
    HOLDS(count, got == status, "a released handle is %s, not %s", lm_status_name(got),
          lm_status_name(status));
}
// What a memory holds from here on: buffers, their bytes, the most of these that there were, and
// blocks that are no buffers.
static struct {
    uint32_t count, blocks;
    uint64_t bytes, peak;
} held[MEMORIES];
static void holds(uint32_t memory, uint32_t count, uint64_t bytes, uint64_t peak, uint32_t blocks) {
    held[memory].count = count;
    held[memory].bytes = bytes;
    held[memory].peak = peak;
    held[memory].blocks = blocks;
}
// At home the buffer table's records live besides, of which there are only ever more, and only
// where an allocator was asked.
static void holds_memory(uint32_t memory) {
    uint32_t count = held[memory].count, blocks = held[memory].blocks;
    uint64_t bytes = held[memory].bytes;
    lm_live got = lm_buffer_table_live_in(&table, table_number(memory));
    HOLDS(count, got.buffers == count && got.bytes == bytes,
          "%llu buffers of %llu bytes live in memory %u, not %u of %llu", (ull)got.buffers,
          (ull)got.bytes, memory, count, (ull)bytes);
    HOLDS(count, got.peak_bytes == held[memory].peak,
          "the peak of memory %u is %llu bytes, not %llu", memory, (ull)got.peak_bytes,
          (ull)held[memory].peak);
    uint32_t known = count + blocks + (memory == LM_HOME ? tables : 0);
    bool grown = memory == LM_HOME && live_in[memory] > known && made;
    HOLDS(death, live_in[memory] == known || grown, "%u blocks live in memory %u, not %u",
          live_in[memory], memory, known);
    if (memory == LM_HOME) tables = live_in[memory] - count - blocks;
}
static void walk_heaps(void) {
    for (uint32_t i = 0; i < MEMORIES; i++) {
        lm_census census = {0};
        if (!servers[i].validate) continue;
        const char *law = servers[i].validate(&memories[i], &census);
        HOLDS(walk, !law, "memory %u: %s", i, law);
        HOLDS(census,
              !(servers[i].capabilities & LM_FREES_BLOCKS) || census.live_blocks == live_in[i],
              "%llu blocks live in memory %u, not %u", (ull)census.live_blocks, i, live_in[i]);
    }
}
// The memories, the buffer table's records, the finalizers' with so many tokens armed, the heaps,
// and all bytes.
static void walk(uint32_t tokens) {
    for (uint32_t i = 0; i < MEMORIES; i++)
        holds_memory(i);
    lm_census census = {0};
    uint32_t armed = 0, count = 0;
    const char *law = lm_buffer_table_validate(&table, &census);
    if (!law) law = lm_finalizers_validate(&table, &armed);
    HOLDS(walk, !law, "%s", law);
    for (uint32_t i = 0; i < BUFFERS; i++)
        count += buffers[i].lives;
    HOLDS(count, census.live_blocks == count, "%llu buffers are counted, not %u",
          (ull)census.live_blocks, count);
    HOLDS(count, armed == tokens, "%u tokens are armed, not %u", armed, tokens);
    walk_heaps();
    holds_contents();
}
static void holds_nothing(void) {
    walk_heaps();
    for (uint32_t i = 0; i < MEMORIES; i++)
        HOLDS(quiescence, live_in[i] == 0, "%u blocks live in memory %u", live_in[i], i);
}

// ---- Blocks that are no buffers -----------------------------------------------------------------

static struct {
    uint32_t memory, offset, alignment; // offset 0: it does not live
} blocks[BLOCKS];

static void allocate(uint32_t number, uint32_t memory, uint32_t size, uint32_t alignment) {
    lm_memory *m = &memories[memory];
    bool aligned = alignment > LM_BLOCK_ALIGNMENT && watched[memory].allocate_aligned;
    void *block = aligned ? watched[memory].allocate_aligned(alignment, size ? size : 1, m)
                          : watched[memory].allocate(size ? size : 1, m);
    blocks[number].memory = memory;
    blocks[number].offset = block ? lm_offset(m, block) : 0;
    blocks[number].alignment = alignment;
}
static void resize(uint32_t number, uint32_t size) {
    const lm_allocator *a = &watched[blocks[number].memory];
    lm_memory *m = &memories[blocks[number].memory];
    uint32_t alignment = blocks[number].alignment, bytes = size ? size : 1;
    if (!blocks[number].offset) return;
    void *old = lm_at(m, blocks[number].offset);
    void *block = alignment > LM_BLOCK_ALIGNMENT && a->resize_aligned
                      ? a->resize_aligned(old, bytes, alignment, m)
                      : a->resize(old, bytes, m);
    if (block) blocks[number].offset = lm_offset(m, block);
}
static void give_back(uint32_t memory, uint32_t offset) {
    if (offset) watched[memory].free(lm_at(&memories[memory], offset), 0, &memories[memory]);
}
static void release(uint32_t number) {
    give_back(blocks[number].memory, blocks[number].offset);
    blocks[number].offset = 0;
}
// One that is to be adopted, or 0.
static uint32_t take(uint32_t memory, uint32_t alignment, uint32_t size) {
    lm_memory *m = &memories[memory];
    void *block = watched[memory].allocate_aligned(alignment, size ? size : 1, m);
    return block ? lm_offset(m, block) : 0;
}
static void needs(uint32_t block) {
    if (!block) takes_another_course();
}

// ---- The world ----------------------------------------------------------------------------------

static void serve(uint32_t number, const lm_allocator *allocator, uint32_t heap_start,
                  uint32_t pages, uint32_t pages_max) {
    lm_memory_options options = {.heap_start = heap_start,
                                 .pages = pages,
                                 .pages_max = pages_max,
                                 .moving = MOVING,
                                 .commit = LM_COMMIT_AHEAD};
    if (!lm_memory_create(&memories[number], &options)) perror("no memory"), exit(2);
    const lm_allocator *a = &servers[number];
    servers[number] = *allocator;
    if (!a->start(&memories[number])) {
        HOLDS(refusal, !lm_room_to_start(&memories[number]), "a heap does not start");
        puts("nothing is broken: no room for a heap"), exit(0);
    }
    watched[number] = (lm_allocator){
        .name = a->name,
        .capabilities = a->capabilities,
        .allocate = watched_allocate,
        .allocate_zeroed = a->allocate_zeroed ? watched_allocate_zeroed : NULL,
        .allocate_dirty = a->allocate_dirty ? watched_allocate_dirty : NULL,
        .allocate_aligned = a->allocate_aligned ? watched_allocate_aligned : NULL,
        .resize = watched_resize,
        .resize_aligned = a->resize_aligned ? watched_resize_aligned : NULL,
        .free = watched_free,
    };
}
#ifdef IMPORTS
static void serve_imported(uint32_t number, const char *name, uint32_t heap_start, uint32_t pages,
                           uint32_t pages_max) {
    const lm_allocator imported = imported_allocator(name);
    serve(number, &imported, heap_start, pages, pages_max);
}
#endif

static void start(void) {
    bool started = lm_buffer_table_start(&table, &COUNTED, &watched[0], &memories[0]);
    for (uint32_t i = 0; started && i < SKIPPED; i++)
        lm_buffer_table_add(&table, &watched[0], &memories[0]);
    for (uint32_t i = 1; started && i < MEMORIES; i++)
        lm_buffer_table_add(&table, &watched[i], &memories[i]);
    for (uint32_t i = 0; started && BUDGET && i < MEMORIES; i++)
        lm_buffer_table_set_budget(&table, table_number(i), BUDGET);
    if (started && BUDGET) lm_buffer_table_set_pressure(&table, pressure, NULL);
    bool counted = started && lm_finalizers_start(&table);
    if (started && !counted) lm_buffer_table_end(&table);
    tables = live_in[LM_HOME];
    if (counted) return;
    HOLDS(status, refused, "a buffer table does not start, with room for it");
    holds_nothing();
    puts("nothing is broken: no room for a buffer table");
    exit(0);
}

static int end(void) {
    puts("nothing is broken");
    return 0;
}

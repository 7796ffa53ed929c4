// How references are counted and buffers die: compiled once plain, for one thread, and once with
// LM_ATOMIC_COUNTS, for several.
//
// A slot's word, stamp and count, is read, judged and replaced as one. Plain, that is a load and a
// store. Atomic, it is a compare-and-swap, with these orders:
//
//     retain    acquire: a thread may retain by a handle that it knows while it holds no reference;
//               it has to see what a resize wrote before. What it did itself before nobody has to
//               see because of the retain.
//     release   release: what this owner did to the bytes happens before whoever frees them. The
//               one that takes the last reference of a share reads the word once more (acquire):
//               it is what its own swap wrote, which goes on the release sequences of the swaps
//               before, so it sees all that the share's other holders did. (A fence would do as
//               well, but ThreadSanitizer knows none.) The shares of a buffer are brought together
//               by the lock, an acquire and a release, under which all leave.
//     transfer  both, as well as each release under the lock that leaves alone what tokens keep:
//               another thread's release may have made the reference the share's last meanwhile.
//     describe  acquire: an owner that finds itself alone sees what the releases before had done.
//
// All else that is done to the tables is done under their lock. Allocators and callbacks are called
// without it, and so are buffers cleared and copied: each call first takes out of the tables what
// it is about (a slot, a block that nobody holds any more, a buffer to be resized), then calls,
// then enters what has become of it. What foreign code or another thread calls meanwhile, finds the
// tables whole. The swap compares the stamp too, and a stamp never returns: no ABA.
#include "alloc/buffers/buffer_table_state.h"

#ifdef LM_ATOMIC_COUNTS
#define COUNTS  lm_counts_atomic
#define NAME    "atomic"
#define THREADS true
static inline uint64_t read_word(const lm_slot *s, int order) {
    return __atomic_load_n(&s->word, order);
}
static inline bool swap_word(lm_slot *s, uint64_t *seen, uint64_t to, int order) {
    return __atomic_compare_exchange_n(&s->word, seen, to, true, order, __ATOMIC_RELAXED);
}
static inline void write_word(lm_slot *s, uint64_t to) {
    __atomic_store_n(&s->word, to, __ATOMIC_RELEASE);
}
static inline void lock(const lm_buffer_table *r) {
    lm_lock(&lm_state_of(r)->lock);
}
static inline void unlock(const lm_buffer_table *r) {
    lm_unlock(&lm_state_of(r)->lock);
}
static inline void see_all(const lm_slot *s) {
    (void)__atomic_load_n(&s->word, __ATOMIC_ACQUIRE);
}
// What is read in the part depends on it, so this orders enough (compilers make it an acquire).
static inline uint32_t read_part(const uint32_t *part) {
    return __atomic_load_n(part, __ATOMIC_CONSUME);
}
#else
#define COUNTS  lm_counts_plain
#define NAME    "plain"
#define THREADS false
static inline uint32_t read_part(const uint32_t *part) {
    return *part;
}
static inline uint64_t read_word(const lm_slot *s, int order) {
    (void)order;
    return s->word;
}
static inline bool swap_word(lm_slot *s, const uint64_t *seen, uint64_t to, int order) {
    (void)seen, (void)order;
    s->word = to;
    return true;
}
static inline void write_word(lm_slot *s, uint64_t to) {
    s->word = to;
}
static inline void lock(const lm_buffer_table *r) {
    (void)r;
}
static inline void unlock(const lm_buffer_table *r) {
    (void)r;
}
static inline void see_all(const lm_slot *s) {
    (void)s;
}
#endif

static inline uint64_t word_of(uint32_t stamp, uint32_t memory, uint32_t count) {
    return (uint64_t)stamp << 32 | memory << 24 | count;
}
static inline lm_handle handle_of(uint64_t word, uint32_t number) {
    return (word & ~LM_WORD_COUNT) | number;
}

// Which does not change while the slot serves a share, nor by its release.
static inline uint32_t memory_of(const lm_slot *s) {
    return lm_word_memory(read_word(s, __ATOMIC_RELAXED));
}

// Judging a handle.

// Whether it is the owner's, of this slot, not kept, and its count lies in 1 … most.
static inline bool holds(uint64_t word, uint32_t owner, lm_handle handle, uint32_t most) {
    bool counted = lm_word_count_for(word, handle) - 1 < most;
    return LM_LIKELY(counted & (lm_handle_owner(handle) == owner)); // one branch
}

// The same, whether it is kept or not.
static inline bool counts(uint64_t word, uint32_t owner, lm_handle handle, uint32_t most) {
    return holds(word & ~LM_WORD_KEPT, owner, handle, most);
}

// What is wrong with a handle that does not hold, by the word that was judged. `otherwise`: nothing
// is, but that the count is too high, or too low.
static __attribute__((noinline)) lm_status misuse(uint64_t word, uint32_t owner, lm_handle handle,
                                                  lm_status after_zero, lm_status otherwise) {
    uint32_t now = lm_stamp_generation(lm_word_stamp(word));
    uint32_t generation = lm_stamp_generation(lm_handle_stamp(handle));
    if (generation == 0 || generation > now) return LM_INVALID_HANDLE;
    if (generation < now) return LM_STALE_HANDLE;
    if ((word ^ handle) & ~LM_WORD_COUNT) return LM_INVALID_HANDLE; // its owner or memory
    if (lm_handle_owner(handle) != owner) return LM_WRONG_OWNER;
    if (lm_word_count(word) == 0) return after_zero;
    return lm_word_count(word) == LM_COUNT_BUSY ? LM_BUSY : otherwise;
}

// The slot a handle names. False: there is none.
static inline bool find_slot(const lm_buffer_table *r, lm_handle handle, lm_slot **s) {
    const lm_memory *home = r->memories.at[LM_HOME].memory;
    uint32_t number = lm_handle_slot(handle);
    uint32_t slots = r->state + (uint32_t)offsetof(lm_buffer_table_state, slots);
    uint32_t part = read_part(lm_record_part(home, slots, number));
    *s = lm_record_in(home, part, sizeof(lm_slot), number);
    return LM_LIKELY(part != 0);
}

// Judges a handle by what its slot's word is now, which `word` gets.
static lm_status judge_word(const lm_buffer_table *r, uint32_t owner, lm_handle handle,
                            uint64_t *word) {
    lm_slot *s;
    if (!find_slot(r, handle, &s)) return LM_INVALID_HANDLE;
    *word = read_word(s, __ATOMIC_ACQUIRE);
    if (counts(*word, owner, handle, LM_COUNT_MAX)) return LM_OK;
    return misuse(*word, owner, handle, LM_USE_AFTER_ZERO, LM_BUSY);
}

static lm_status judge(const lm_buffer_table *r, uint32_t owner, lm_handle handle) {
    uint64_t word;
    return judge_word(r, owner, handle, &word);
}

// Slots. What follows, up to the calls, is done under the lock.

static inline void charge(lm_live *live, uint32_t size) {
    live->buffers++;
    live->bytes += size;
    if (live->bytes > live->peak_bytes) live->peak_bytes = live->bytes;
}
static inline void discharge(lm_live *live, uint32_t size) {
    live->buffers--;
    live->bytes -= size;
}

// Makes a slot that was never taken free, where there is room for one.
static __attribute__((noinline)) bool add_slot(const lm_buffer_table *r) {
    lm_buffer_table_state *state = lm_state_of(r);
    if (state->slots.count == LM_SLOTS_MAX || lm_records_lack(&state->slots, sizeof(lm_slot)))
        return false;
    state->free = lm_records_take(&state->slots) + 1;
    return true;
}

// Whether there is a free slot, perhaps a new one.
static inline bool has_slot(const lm_buffer_table *r) {
    return LM_LIKELY(lm_state_of(r)->free) || add_slot(r);
}

// Makes room for slots where there was none, without the lock. LM_OK: it may be tried again.
static __attribute__((noinline)) lm_status make_room(lm_buffer_table *r) {
    if (lm_records_count(&lm_state_of(r)->slots) == LM_SLOTS_MAX) return LM_OUT_OF_SLOTS;
    return lm_buffer_table_extend(r, offsetof(lm_buffer_table_state, slots), sizeof(lm_slot))
               ? LM_OK
               : LM_OUT_OF_MEMORY;
}

// Takes the first free slot: there is one.
static inline uint32_t take_slot(const lm_buffer_table *r) {
    lm_buffer_table_state *state = lm_state_of(r);
    uint32_t number = state->free - 1;
    state->free = lm_slot_at(r, number)->next;
    return number;
}

static inline void give_slot(const lm_buffer_table *r, lm_slot *s, uint32_t number) {
    lm_buffer_table_state *state = lm_state_of(r);
    uint64_t word = read_word(s, __ATOMIC_RELAXED); // who is too late may look at it yet
    if (lm_stamp_generation(lm_word_stamp(word)) == LM_GENERATION_MAX) {
        state->retired++;
        return;
    }
    s->next = state->free;
    state->free = number + 1;
}

// A slot becomes the owner's, with one reference and the next generation.
static inline lm_handle open_slot(lm_slot *s, uint32_t number, uint32_t memory, uint32_t owner) {
    uint64_t old = read_word(s, __ATOMIC_RELAXED); // who is too late may look at it yet
    uint32_t generation = lm_stamp_generation(lm_word_stamp(old)) + 1;
    uint64_t word = word_of(owner << 24 | generation, memory, 1);
    write_word(s, word);
    return handle_of(word, number);
}

// It becomes a share of a buffer that has one already, and enters the ring behind it.
static lm_handle enter(const lm_buffer_table *r, uint32_t number, uint32_t previous,
                       uint32_t owner) {
    lm_slot *s = lm_slot_at(r, number), *p = lm_slot_at(r, previous);
    s->start = p->start;
    s->size = p->size;
    s->block = p->block;
    s->alignment_log2 = p->alignment_log2;
    s->previous = previous;
    s->next = p->next;
    p->next = number;
    lm_slot_at(r, s->next)->previous = number;
    return open_slot(s, number, memory_of(p), owner);
}

// A share without references leaves its ring. Returns the block if it was the buffer's last, which
// is freed without the lock; else 0.
static inline uint32_t leave(const lm_buffer_table *r, lm_slot *s, uint32_t number) {
    uint32_t block = s->block, next = s->next;
    if (next != number) {
        lm_slot_at(r, s->previous)->next = next;
        lm_slot_at(r, next)->previous = s->previous;
        block = 0;
    } else {
        discharge(&lm_state_of(r)->memories[memory_of(s)], s->size);
    }
    give_slot(r, s, number);
    return block;
}

// Blocks. Nobody is asked for 0 bytes: a malloc may then return NULL, and a realloc frees.

static inline uint32_t some(uint32_t size) {
    return size + (size == 0);
}

// Zeroed blocks up to this are cleared by their allocator, larger ones here, where no thread waits
// for it, and of those of an allocator that knows it only what may not be zero.
static const uint32_t cleared_inside_max = 16 * LM_PAGE_BYTES;

// A block and what is asked of it.
typedef struct placed {
    uint32_t block, start; // the start is aligned
    uint32_t dirty;        // how many bytes from the start on may not be zero
} placed;

// What the allocator does not align, or not enough, is allocated so large that an aligned part of
// it will do.
static placed place_with_slack(const lm_memories *all, uint32_t memory, uint32_t size,
                               uint32_t alignment) {
    placed p = {.dirty = size};
    uint32_t slack = alignment - 1;
    if (slack > UINT32_MAX - some(size)) return p;
    p.block = lm_access_allocate(all, memory, some(size) + slack);
    p.start = lm_round_up(p.block, alignment);
    return p;
}

// A zeroed block of more than cleared_inside_max. A foreign allocator's calloc, which may know that
// it is clean, is called where no thread waits for it.
static __attribute__((noinline)) placed place_large(const lm_memories *all, uint32_t memory,
                                                    uint32_t size, bool locked) {
    size_t dirty = size;
    placed p = {0};
    if (lm_access_knows_dirty(all, memory)) {
        p.block = lm_access_allocate_dirty(all, memory, size, &dirty);
    } else if (!locked && lm_access_zeroes(all, memory)) {
        p.block = lm_access_allocate_zeroed(all, memory, size);
        dirty = 0;
    } else {
        p.block = lm_access_allocate(all, memory, size);
    }
    p.dirty = dirty < size ? (uint32_t)dirty : size;
    return p;
}

// A block, zeroed or aligned to more than blocks are, of an allocator that does the latter; it may
// align less than ours do.
static inline __attribute__((always_inline)) placed place_specially(const lm_memories *all,
                                                                    uint32_t memory, uint32_t size,
                                                                    uint32_t alignment, bool zeroed,
                                                                    bool locked) {
    placed p = {.dirty = size};
    if (alignment > LM_BLOCK_ALIGNMENT)
        p.block = lm_access_allocate_aligned(all, memory, alignment, some(size));
    else if (zeroed && size > cleared_inside_max)
        p = place_large(all, memory, size, locked);
    else if (zeroed && lm_access_zeroes(all, memory))
        p = (placed){.block = lm_access_allocate_zeroed(all, memory, some(size))};
    else
        p.block = lm_access_allocate(all, memory, some(size));
    p.start = p.block;
    return p;
}

static inline __attribute__((always_inline)) placed place_inside(const lm_memories *all,
                                                                 uint32_t memory, uint32_t size,
                                                                 uint32_t alignment, bool zeroed,
                                                                 bool locked) {
    bool aligned = alignment > LM_BLOCK_ALIGNMENT;
    if (LM_UNLIKELY(aligned) && !lm_access_aligns(all, memory))
        return place_with_slack(all, memory, size, alignment);
    placed p = {0};
    if (LM_UNLIKELY(zeroed || aligned))
        p = place_specially(all, memory, size, alignment, zeroed, locked);
    else
        p.block = p.start = lm_access_allocate(all, memory, some(size));
    if (LM_LIKELY(!(p.block & (alignment - 1)))) return p;
    lm_access_free(all, memory, p.block, 0); // this allocator aligns less than ours do
    return place_with_slack(all, memory, size, alignment);
}

// Allocates for `size` bytes, aligned and, if `zeroed`, zero. Block 0: out of memory.
static inline __attribute__((always_inline)) placed
place(lm_memories *all, uint32_t memory, uint32_t size, uint32_t alignment, bool zeroed) {
    bool locked = lm_access_enter(all, memory);
    placed p = place_inside(all, memory, size, alignment, zeroed, locked);
    lm_access_leave(all, memory, locked);
    if (zeroed && p.dirty && p.block) lm_access_fill(all, memory, p.start, 0, p.dirty);
    return p;
}

// Frees what `leave` returned. Returns what a release of it returns.
static inline lm_status free_block(lm_buffer_table *r, uint32_t memory, uint32_t block) {
    if (block == 0) return LM_OK;
    bool locked = lm_access_enter(&r->memories, memory);
    lm_access_free(&r->memories, memory, block, 0);
    lm_access_leave(&r->memories, memory, locked);
    return LM_FREED;
}

// The buffer of a block gets its first share, in a slot that was taken.
static inline lm_handle found(const lm_buffer_table *r, uint32_t number, uint32_t owner,
                              uint32_t memory, uint32_t size, uint32_t alignment, const placed *p) {
    lm_slot *s = lm_slot_at(r, number);
    s->start = p->start;
    s->block = p->block;
    s->size = size;
    s->alignment_log2 = (uint32_t)__builtin_ctz(alignment) & 31;
    s->next = s->previous = number;
    charge(&lm_state_of(r)->memories[memory], size);
    return open_slot(s, number, memory, owner);
}

// Pressure.

// The callbacks that a thread is in, the innermost first.
typedef struct pressing {
    const lm_buffer_table *table;
    const struct pressing *outer;
} pressing;
static _Thread_local const pressing *pressings;

// Tells that memory is wanted. False: nobody could be told, as none is, or the thread is in the
// callback already, or in an allocator under the allocators' lock, which the callback might wait
// for in another thread.
static bool press(lm_buffer_table *r, uint32_t memory, uint64_t bytes) {
    const pressing *p = pressings, this_one = {r, p};
    while (p && p->table != r)
        p = p->outer;
    if (!r->pressure || p || lm_access_has_lock(&r->memories)) return false;
    pressings = &this_one;
    lm_access_count_foreign(&r->memories, 1);
    r->pressure(r->pressure_context, r, memory, bytes);
    lm_access_count_foreign(&r->memories, UINT32_MAX);
    pressings = this_one.outer;
    return true;
}

// Whether a memory's budget is exceeded when so many bytes more are live than are by now, or will
// be by the calls that are being served. Under the lock.
static inline bool exceeds(const lm_buffer_table *r, uint32_t memory, uint32_t more) {
    if (LM_LIKELY(!r->pressure)) return false;
    const lm_buffer_table_state *state = lm_state_of(r);
    uint64_t bytes = state->memories[memory].bytes + state->wanted[memory];
    return bytes + more > state->budgets[memory];
}

// The calls. Each takes the lock itself.

// Takes a slot for a buffer that is being made, whose bytes are wanted from here on. Tells before
// they exceed the budget, if that was not `told` before.
static inline lm_status reserve(lm_buffer_table *r, uint32_t memory, uint32_t size, bool *told,
                                uint32_t *number) {
    for (;;) {
        lock(r);
        bool tells = LM_UNLIKELY(exceeds(r, memory, size)) && !*told, has = !tells && has_slot(r);
        if (LM_LIKELY(has)) {
            *number = take_slot(r);
            lm_state_of(r)->taken++;
            lm_state_of(r)->wanted[memory] += size;
        }
        unlock(r);
        if (LM_LIKELY(has)) return LM_OK;
        if (tells) {
            *told = true;
            press(r, memory, size);
            continue;
        }
        lm_status status = make_room(r);
        if (status != LM_OK) return status;
    }
}

// Its slot becomes a share, or is given back. Under the lock.
static inline void reserve_no_more(const lm_buffer_table *r, uint32_t memory, uint32_t size) {
    lm_state_of(r)->taken--;
    lm_state_of(r)->wanted[memory] -= size;
}

static inline lm_status try_create(lm_buffer_table *r, uint32_t owner, uint32_t memory,
                                   uint32_t size, uint32_t alignment, bool zeroed, bool *told,
                                   lm_handle *handle) {
    uint32_t number;
    lm_status status = reserve(r, memory, size, told, &number);
    if (LM_UNLIKELY(status != LM_OK)) return status;
    const placed p = zeroed ? place(&r->memories, memory, size, alignment, true)
                            : place(&r->memories, memory, size, alignment, false);
    lock(r);
    reserve_no_more(r, memory, size);
    if (LM_LIKELY(p.block))
        *handle = found(r, number, owner, memory, size, alignment, &p);
    else
        give_slot(r, lm_slot_at(r, number), number);
    unlock(r);
    return p.block ? LM_OK : LM_OUT_OF_MEMORY;
}

static lm_status create(lm_buffer_table *r, uint32_t owner, uint32_t memory, uint32_t size,
                        uint32_t alignment, bool zeroed, lm_handle *handle) {
    if (owner >= LM_OWNERS_MAX) return LM_NO_OWNER;
    if (memory >= r->memories.count) return LM_NO_MEMORY;
    if (alignment & (alignment - 1) || alignment - 1 >= LM_PAGE_BYTES) return LM_BAD_ALIGNMENT;
    lm_status status;
    bool budget_told = false, told = false;
    do
        status = try_create(r, owner, memory, size, alignment, zeroed, &budget_told, handle);
    while (LM_UNLIKELY(status == LM_OUT_OF_MEMORY) && !told && (told = press(r, memory, size)));
    return status;
}

// Whether a range of home overlaps one of the buffer table's records. O(log(slots)).
static bool overlaps(const lm_records *records, uint32_t record_bytes, uint32_t block,
                     uint64_t end) {
    for (uint32_t bit = LM_RECORDS_FIRST; bit < LM_RECORDS_PARTS; bit++) {
        uint32_t part = lm_records_block(records, bit, record_bytes);
        if (part && part < end && block < part + ((uint64_t)record_bytes << bit)) return true;
    }
    return false;
}

// The same of all that the buffer table keeps.
static bool overlaps_ours(const lm_buffer_table *r, uint32_t block, uint64_t end) {
    lock(r);
    const lm_buffer_table_state *state = lm_state_of(r);
    bool it_does = (r->state < end && block < r->state + (uint64_t)sizeof *state) ||
                   overlaps(&state->slots, sizeof(lm_slot), block, end) ||
                   overlaps(&state->finalizers.records, sizeof(lm_finalizer), block, end);
    unlock(r);
    return it_does;
}

// Whether a block may be adopted: it begins and ends in its memory, and neither where a strategy
// keeps the head of its heap nor where the buffer table keeps its tables. Whether its allocator has
// allocated it, cannot be told in so few steps.
static bool is_block(const lm_buffer_table *r, uint32_t memory, uint32_t block, uint32_t size) {
    const lm_memories *all = &r->memories;
    uint64_t end = (uint64_t)block + some(size);
    if (block == 0 || end > lm_access_end(all, memory)) return false;
    if (!lm_access_is_foreign(all, memory) && block <= all->at[memory].memory->heap_start)
        return false;
    return memory != LM_HOME || !overlaps_ours(r, block, end);
}

static lm_status try_adopt(lm_buffer_table *r, uint32_t owner, uint32_t memory, uint32_t block,
                           uint32_t size, bool *told, lm_handle *handle) {
    const placed p = {.start = block, .block = block};
    uint32_t number;
    lm_status status = reserve(r, memory, size, told, &number);
    if (status != LM_OK) return status;
    lock(r);
    reserve_no_more(r, memory, size);
    *handle = found(r, number, owner, memory, size, 1, &p);
    unlock(r);
    return LM_OK;
}

static lm_status adopt(lm_buffer_table *r, uint32_t owner, uint32_t memory, uint32_t block,
                       uint32_t size, lm_handle *handle) {
    if (owner >= LM_OWNERS_MAX) return LM_NO_OWNER;
    if (memory >= r->memories.count) return LM_NO_MEMORY;
    if (!is_block(r, memory, block, size)) return LM_BAD_BLOCK;
    bool told = false;
    lm_status status = try_adopt(r, owner, memory, block, size, &told, handle);
    if (status != LM_OUT_OF_MEMORY || !press(r, memory, size)) return status;
    return try_adopt(r, owner, memory, block, size, &told, handle);
}

// These two begin a cache line: a pair takes 3.0 to 3.3 ns where they do, up to 3.6 where they do
// not.
__attribute__((aligned(64))) static lm_status retain(lm_buffer_table *r, uint32_t owner,
                                                     lm_handle handle) {
    lm_slot *s;
    if (!find_slot(r, handle, &s)) return LM_INVALID_HANDLE;
    uint64_t word = read_word(s, __ATOMIC_RELAXED);
    do {
        if (!counts(word, owner, handle, LM_COUNT_MAX - 1))
            return misuse(word, owner, handle, LM_USE_AFTER_ZERO, LM_COUNT_OVERFLOW);
    } while (!swap_word(s, &word, word + 1, __ATOMIC_ACQUIRE));
    return LM_OK;
}

// Takes one of the owner's references back, by hand. Returns how many there were, 0 where none is
// held or tokens keep some, and the word that says so: after the last one the share has to leave.
static inline uint32_t drop(lm_slot *s, uint32_t owner, lm_handle handle, uint64_t *word) {
    *word = read_word(s, __ATOMIC_RELAXED);
    do {
        if (!holds(*word, owner, handle, LM_COUNT_MAX)) return 0;
    } while (!swap_word(s, word, *word - 1, __ATOMIC_RELEASE));
    return lm_word_count(*word);
}

// The same, under the lock, where tokens may keep some of them: one that none keeps.
static uint32_t drop_unkept(lm_slot *s, uint32_t owner, lm_handle handle, uint64_t *word) {
    *word = read_word(s, __ATOMIC_RELAXED);
    do {
        if (!counts(*word, owner, handle, LM_COUNT_MAX) || lm_word_count(*word) <= s->kept)
            return 0;
    } while (!swap_word(s, word, *word - 1, __ATOMIC_ACQ_REL));
    return lm_word_count(*word);
}

// The owner's last reference is gone.
static __attribute__((noinline)) lm_status end_share(lm_buffer_table *r, lm_slot *s,
                                                     lm_handle handle) {
    see_all(s);
    lock(r);
    uint32_t block = leave(r, s, lm_handle_slot(handle));
    unlock(r);
    return free_block(r, lm_handle_memory(handle), block);
}

// A release by hand that is no single swap.
static __attribute__((noinline)) lm_status release_beside_tokens(lm_buffer_table *r, lm_slot *s,
                                                                 uint32_t owner, lm_handle handle) {
    uint64_t word;
    lock(r);
    uint32_t had = drop_unkept(s, owner, handle, &word);
    unlock(r);
    if (had == 1) return end_share(r, s, handle); // the last token has gone meanwhile
    return had ? LM_OK : misuse(word, owner, handle, LM_RELEASE_AFTER_ZERO, LM_KEPT);
}

__attribute__((aligned(64))) static lm_status release(lm_buffer_table *r, uint32_t owner,
                                                      lm_handle handle) {
    lm_slot *s;
    uint64_t word;
    if (!find_slot(r, handle, &s)) return LM_INVALID_HANDLE;
    uint32_t had = drop(s, owner, handle, &word);
    if (LM_LIKELY(had > 1)) return LM_OK;
    if (had == 1) return end_share(r, s, handle);
    if (word & LM_WORD_KEPT) return release_beside_tokens(r, s, owner, handle);
    return misuse(word, owner, handle, LM_RELEASE_AFTER_ZERO, LM_KEPT);
}

// What tokens keep (alloc/buffers/finalizer.c). Nothing but release_kept takes a kept reference.
// The caller of the first two holds the lock.

// A token keeps one of the owner's references that none keeps yet.
static lm_status keep(lm_buffer_table *r, uint32_t owner, lm_handle handle) {
    lm_slot *s;
    uint64_t word;
    do {
        lm_status status = judge_word(r, owner, handle, &word);
        if (status != LM_OK) return status;
        s = lm_slot_at(r, lm_handle_slot(handle));
        if (lm_word_count(word) <= s->kept) return LM_KEPT;
    } while (!swap_word(s, &word, word | LM_WORD_KEPT, __ATOMIC_RELAXED));
    s->kept++;
    return LM_OK;
}

// The token keeps it no more: its owner may release it by hand.
static void unkeep(lm_buffer_table *r, lm_handle handle) {
    lm_slot *s = lm_slot_at(r, lm_handle_slot(handle));
    uint64_t word = read_word(s, __ATOMIC_RELAXED);
    s->kept--;
    while (s->kept == 0 && !swap_word(s, &word, word & ~LM_WORD_KEPT, __ATOMIC_RELAXED))
        ;
}

// Releases a kept reference. LM_BUSY: the buffer is being resized, and its owner has the reference.
static lm_status release_kept(lm_buffer_table *r, lm_handle handle) {
    uint32_t number = lm_handle_slot(handle), block = 0;
    lock(r);
    lm_slot *s = lm_slot_at(r, number);
    uint64_t word = read_word(s, __ATOMIC_RELAXED), less;
    bool busy;
    do {
        busy = lm_word_count(word) == LM_COUNT_BUSY;
        less = (s->kept == 1 ? word & ~LM_WORD_KEPT : word) - !busy;
    } while (!swap_word(s, &word, less, __ATOMIC_ACQ_REL));
    s->kept--;
    if (lm_word_count(less) == 0) block = leave(r, s, number);
    unlock(r);
    return busy ? LM_BUSY : free_block(r, lm_handle_memory(handle), block);
}

static lm_status share(lm_buffer_table *r, uint32_t owner, lm_handle handle, uint32_t with,
                       lm_handle *shared) {
    if (with >= LM_OWNERS_MAX) return LM_NO_OWNER;
    for (;;) {
        lock(r);
        lm_status status = judge(r, owner, handle);
        bool has = status == LM_OK && has_slot(r);
        if (has) *shared = enter(r, take_slot(r), lm_handle_slot(handle), with);
        unlock(r);
        if (has || status != LM_OK) return status;
        status = make_room(r);
        if (status != LM_OK) return status;
    }
}

// The owner's only reference becomes another owner's, in the same slot. False: there are more, or
// the slot's generations are used up.
static bool hand_over(const lm_buffer_table *r, lm_handle handle, uint32_t to,
                      lm_handle *transferred) {
    uint32_t generation = lm_stamp_generation(lm_handle_stamp(handle));
    if (generation == LM_GENERATION_MAX) return false;
    lm_slot *s = lm_slot_at(r, lm_handle_slot(handle));
    uint64_t alone = (handle & ~LM_WORD_COUNT) | 1, seen = read_word(s, __ATOMIC_RELAXED);
    uint64_t word = word_of(to << 24 | (generation + 1), lm_handle_memory(handle), 1);
    do {
        if (seen != alone) return false;
    } while (!swap_word(s, &seen, word, __ATOMIC_ACQ_REL));
    *transferred = handle_of(word, lm_handle_slot(handle));
    return true;
}

// Whether tokens keep all references of a share.
static bool is_all_kept(const lm_buffer_table *r, lm_handle handle) {
    const lm_slot *s = lm_slot_at(r, lm_handle_slot(handle));
    uint64_t word = read_word(s, __ATOMIC_RELAXED);
    return word & LM_WORD_KEPT && lm_word_count(word) <= s->kept;
}

// One of the owner's references becomes another owner's first, in a free slot. Another thread may
// have released it meanwhile.
static lm_status split_off(const lm_buffer_table *r, uint32_t owner, lm_handle handle, uint32_t to,
                           lm_handle *transferred) {
    uint32_t number = lm_handle_slot(handle);
    lm_slot *s = lm_slot_at(r, number);
    uint64_t word;
    uint32_t had = drop_unkept(s, owner, handle, &word);
    if (had == 0) return misuse(word, owner, handle, LM_USE_AFTER_ZERO, LM_KEPT);
    *transferred = enter(r, take_slot(r), number, to);
    if (had == 1) leave(r, s, number); // not the last: the new one is in the ring
    return LM_OK;
}

static lm_status transfer(lm_buffer_table *r, uint32_t owner, lm_handle handle, uint32_t to,
                          lm_handle *transferred) {
    if (to >= LM_OWNERS_MAX) return LM_NO_OWNER;
    for (;;) {
        lock(r);
        lm_status status = judge(r, owner, handle);
        if (status == LM_OK && is_all_kept(r, handle)) status = LM_KEPT;
        bool done = status != LM_OK || hand_over(r, handle, to, transferred);
        if (!done && has_slot(r)) {
            status = split_off(r, owner, handle, to, transferred);
            done = true;
        }
        unlock(r);
        if (done) return status;
        status = make_room(r);
        if (status != LM_OK) return status;
    }
}

// Resizing.
//
//     count  1  --claim-->  LM_COUNT_BUSY  --settle-->  1
//
// The allocator is called without the lock. Until it has returned, each call with the handle
// returns LM_BUSY. As there is no other reference, such a call is made by a thread that holds none
// and tries a handle it knows, or by foreign code that calls back.

// By how many bytes a resize makes a buffer larger.
static uint32_t growth(const lm_slot *s, uint32_t size) {
    return size > s->size ? size - s->size : 0;
}

// Whether that exceeds the budget. Under the lock.
static bool grows_beyond(const lm_buffer_table *r, uint32_t owner, lm_handle handle,
                         uint32_t size) {
    if (LM_LIKELY(!r->pressure) || judge(r, owner, handle) != LM_OK) return false;
    uint32_t more = growth(lm_slot_at(r, lm_handle_slot(handle)), size);
    return more && exceeds(r, lm_handle_memory(handle), more);
}

// LM_OK: the buffer's only reference is claimed, and what it grows by is wanted from here on. `old`
// gets its slot. Tells before the budget is exceeded, if that was not `told` before.
static lm_status claim(lm_buffer_table *r, uint32_t owner, lm_handle handle, uint32_t size,
                       bool *told, lm_slot *old) {
    uint32_t number = lm_handle_slot(handle);
    uint64_t word = 0;
    lm_slot *s = NULL;
    lm_status status;
    lock(r);
    if (!*told && grows_beyond(r, owner, handle, size)) {
        unlock(r);
        *told = true;
        press(r, lm_handle_memory(handle), size);
        lock(r);
    }
    do {
        status = judge_word(r, owner, handle, &word);
        if (status != LM_OK) break;
        s = lm_slot_at(r, number);
        if (lm_word_count(word) != 1 || s->next != number) status = LM_SHARED;
    } while (status == LM_OK && !swap_word(s, &word, word | LM_COUNT_BUSY, __ATOMIC_ACQUIRE));
    if (status == LM_OK) {
        *old = *s;
        lm_state_of(r)->busy++;
        lm_state_of(r)->wanted[lm_handle_memory(handle)] += growth(s, size);
    }
    unlock(r);
    return status;
}

// `wanted`: the size that it was claimed for.
static void settle(const lm_buffer_table *r, lm_handle handle, const placed *p, uint32_t size,
                   uint32_t wanted) {
    lock(r);
    lm_buffer_table_state *state = lm_state_of(r);
    lm_slot *s = lm_slot_at(r, lm_handle_slot(handle));
    state->busy--;
    state->wanted[lm_handle_memory(handle)] -= growth(s, wanted);
    discharge(&state->memories[lm_handle_memory(handle)], s->size);
    charge(&state->memories[lm_handle_memory(handle)], size);
    s->block = p->block;
    s->start = p->start;
    s->size = size;
    write_word(s, (handle & ~LM_WORD_COUNT) | (s->kept ? LM_WORD_KEPT : 0) | 1);
    unlock(r);
}

// How far a resized block is surely aligned: of foreign allocators as lm_buffer_table_add asks of
// them.
static uint32_t resize_aligns(const lm_memories *all, uint32_t memory) {
    return lm_access_is_foreign(all, memory) ? 8 : LM_BLOCK_ALIGNMENT;
}

// Resizes a block whose start is aligned by where it lies in the block, or by chance: with so much
// room that it can be aligned again wherever the block comes to lie.
static placed replace_with_slack(lm_memories *all, uint32_t memory, uint32_t size,
                                 const lm_slot *old) {
    placed p = {0};
    uint32_t alignment = 1u << old->alignment_log2, slack = alignment - 1;
    uint32_t kept = old->size < size ? old->size : size;
    if (slack > UINT32_MAX - some(size)) return p;
    bool locked = lm_access_enter(all, memory);
    p.block = lm_access_resize(all, memory, old->block, some(size) + slack);
    lm_access_leave(all, memory, locked);
    p.start = lm_round_up(p.block, alignment);
    uint32_t from = p.block + (old->start - old->block);
    if (p.block && p.start != from) lm_access_copy(all, memory, p.start, memory, from, kept);
    return p;
}

// Resizes the block of a buffer, which may move. Block 0: out of memory.
static placed replace(lm_memories *all, uint32_t memory, uint32_t size, const lm_slot *old) {
    placed p = {0};
    uint32_t alignment = 1u << old->alignment_log2;
    bool exact = old->block == old->start, more = alignment > resize_aligns(all, memory);
    if (!exact || (more && !lm_access_keeps_aligned(all, memory)))
        return replace_with_slack(all, memory, size, old);
    bool locked = lm_access_enter(all, memory);
    p.block = more ? lm_access_resize_aligned(all, memory, old->block, some(size), alignment)
                   : lm_access_resize(all, memory, old->block, some(size));
    lm_access_leave(all, memory, locked);
    p.start = p.block;
    return p;
}

// A buffer that is made smaller stays where it is if the allocator fails.
static lm_status try_resize(lm_buffer_table *r, uint32_t owner, lm_handle handle, uint32_t size,
                            bool *told) {
    lm_slot old;
    lm_status status = claim(r, owner, handle, size, told, &old);
    if (status != LM_OK) return status;
    placed p = replace(&r->memories, lm_handle_memory(handle), size, &old);
    bool served = p.block || size <= old.size;
    if (!p.block) p = (placed){.block = old.block, .start = old.start};
    settle(r, handle, &p, served ? size : old.size, size);
    return served ? LM_OK : LM_OUT_OF_MEMORY;
}

// The word is read once: another thread may retain and release meanwhile.
static lm_status describe(lm_buffer_table *r, uint32_t owner, lm_handle handle,
                          lm_buffer_info *info) {
    uint64_t word;
    lock(r);
    lm_status status = judge_word(r, owner, handle, &word);
    if (status == LM_OK) {
        uint32_t number = lm_handle_slot(handle);
        const lm_slot *s = lm_slot_at(r, number);
        info->memory = lm_handle_memory(handle);
        info->start = s->start;
        info->size = s->size;
        info->references = lm_word_count(word);
        info->unique = info->references == 1 && s->next == number;
    }
    unlock(r);
    return status;
}

static lm_status resize(lm_buffer_table *r, uint32_t owner, lm_handle handle, uint32_t size) {
    bool told = false;
    lm_status status = try_resize(r, owner, handle, size, &told);
    if (status != LM_OUT_OF_MEMORY || !press(r, lm_handle_memory(handle), size)) return status;
    return try_resize(r, owner, handle, size, &told);
}

// Takes back what the slot counts, but for what tokens keep, if it is the owner's and not busy:
// once, whoever else releases meanwhile. Whether the share has to leave.
static bool take_all(lm_slot *s, uint32_t owner) {
    uint64_t word = read_word(s, __ATOMIC_RELAXED), left;
    do {
        if (lm_word_count(word) - 1 >= LM_COUNT_MAX || lm_stamp_owner(lm_word_stamp(word)) != owner)
            return false;
        left = (word & ~LM_WORD_COUNT) | (s->kept ? LM_WORD_KEPT : 0) | s->kept;
    } while (!swap_word(s, &word, left, __ATOMIC_ACQ_REL));
    return s->kept == 0;
}

static uint64_t release_all(lm_buffer_table *r, uint32_t owner) {
    uint64_t freed = 0;
    lm_finalizers_forget(r, owner);
    uint32_t slots = lm_records_count(&lm_state_of(r)->slots);
    for (uint32_t number = 0; number < slots; number++) {
        lock(r);
        lm_slot *s = lm_slot_at(r, number);
        uint32_t memory = memory_of(s), block = 0;
        if (take_all(s, owner)) block = leave(r, s, number);
        unlock(r);
        freed += free_block(r, memory, block) == LM_FREED;
    }
    return freed;
}

// The walk.

typedef struct sums {
    uint64_t memories, retired, slots, buffers;
} sums;

static const char *share_law(const lm_buffer_table *r, uint32_t number, const sums *seen) {
    const lm_slot *s = lm_slot_at(r, number), *next;
    uint32_t owner = lm_stamp_owner(lm_word_stamp(s->word));
    uint32_t count = lm_word_count(s->word);
    if (count > LM_COUNT_MAX && count != LM_COUNT_BUSY) return "count in its bits";
    if (s->kept > (count == LM_COUNT_BUSY ? 1 : count) || !s->kept != !(s->word & LM_WORD_KEPT))
        return "kept";
    if (owner >= LM_OWNERS_MAX || memory_of(s) >= r->memories.count || s->walked) return "share";
    if (s->next >= seen->slots || s->previous >= seen->slots) return "ring";
    next = lm_slot_at(r, s->next);
    if (next->previous != number || lm_word_count(next->word) == 0 || next->block != s->block ||
        next->start != s->start || next->size != s->size || memory_of(next) != memory_of(s))
        return "ring";
    if ((uint64_t)s->start + s->size > lm_access_end(&r->memories, memory_of(s)) ||
        s->start < s->block || s->start & ((1u << s->alignment_log2) - 1))
        return "block in memory";
    return NULL;
}

// Marks the shares of a buffer, whose ring is whole. Returns whether it was not walked before.
static bool walk_ring(const lm_buffer_table *r, uint32_t number) {
    lm_slot *s = lm_slot_at(r, number);
    bool first = !s->walked;
    for (; !s->walked; s = lm_slot_at(r, s->next))
        s->walked = true;
    return first;
}

// Counts each buffer once. Leaves no marks.
static void count_buffers(const lm_buffer_table *r, sums *seen) {
    for (uint32_t number = 0; number < seen->slots; number++) {
        const lm_slot *s = lm_slot_at(r, number);
        if (!lm_word_count(s->word) || !walk_ring(r, number)) continue;
        seen->buffers++;
        seen->memories += s->size;
    }
    for (uint32_t number = 0; number < seen->slots; number++)
        if (lm_word_count(lm_slot_at(r, number)->word)) lm_slot_at(r, number)->walked = false;
}

static const char *free_law(const lm_buffer_table *r, uint32_t slots, uint32_t free) {
    uint32_t at = lm_state_of(r)->free;
    for (; at && free; at = lm_slot_at(r, at - 1)->next, free--)
        if (at > slots || lm_word_count(lm_slot_at(r, at - 1)->word)) return "free slots";
    return at || free ? "free slots" : NULL;
}

static const char *validate(lm_buffer_table *r, lm_census *census) {
    const lm_buffer_table_state *state = lm_state_of(r);
    sums seen = {.slots = lm_records_count(&state->slots)};
    uint32_t live = 0, busy = 0, slots = (uint32_t)seen.slots;
    for (uint32_t number = 0; number < slots; number++) {
        const lm_slot *s = lm_slot_at(r, number);
        if (!lm_word_count(s->word)) continue;
        const char *broken = share_law(r, number, &seen);
        if (broken) return broken;
        live++;
        busy += lm_word_count(s->word) == LM_COUNT_BUSY;
    }
    count_buffers(r, &seen);
    if (busy != state->busy) return "busy";
    const char *broken = free_law(r, slots, slots - live - state->taken - state->retired);
    if (broken) return broken;
    uint64_t memories = 0, buffers = 0, wanted = 0;
    for (uint32_t i = 0; i < LM_MEMORIES_MAX; i++) {
        memories += state->memories[i].bytes;
        buffers += state->memories[i].buffers;
        wanted += state->wanted[i];
    }
    if (wanted && !state->taken && !state->busy) return "bytes wanted";
    if (memories != seen.memories || buffers != seen.buffers) return "bytes in memories";
    if (census) {
        *census = (lm_census){.live_blocks = buffers, .live_bytes = memories};
        census->free_blocks = slots - live;
    }
    return NULL;
}

const lm_counts COUNTS = {
    .name = NAME,
    .threads = THREADS,
    .create = create,
    .adopt = adopt,
    .retain = retain,
    .release = release,
    .share = share,
    .transfer = transfer,
    .resize = resize,
    .describe = describe,
    .release_all = release_all,
    .keep = keep,
    .unkeep = unkeep,
    .release_kept = release_kept,
    .validate = validate,
};

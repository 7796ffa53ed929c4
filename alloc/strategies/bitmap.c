// bitmap: two bits for each 16 bytes, first fit by address; nothing in blocks or between them.
//
// Idea: all that is known of a block lies in a table: where blocks begin, and what is free. Free
// memory needs no merging, as neighbouring bits are one run. The lowest run that is long enough
// serves. 64 bits are looked at at once, and a note a page says what can be passed by.
//
// Source: bitmaps are as old as heaps (Knuth, The Art of Computer Programming 1, 2.5; Wilson et al.
// 1995, "bitmapped fits"); the notes are the summaries of Go's page allocator (Knyszek 2019), here
// bounds that a failed search lowers.
//
// Layout: the maps and their table are page_maps.h's. A position is a granule of 16 bytes.
//
//     begins   1 . . . . 1 . 1 . . . . . . 1 .        a block ends where the next begins or
//     free     . . . 1 1 . . . . . . 1 1 1 . .        where granules are free
//              [ 48] free[32][  64   ]free [32]
//
// A page's note: no run in it is longer than so many granules; its first, its last one is free; all
// of it lies inside one block, so that who looks for the block's end may jump.
//
// Laws, besides page_maps.h's (validate's names):
//     blocks   each granule is free or in one block, none of the state is either
//     notes    a page's note is right, or too large by as much as may be
//     lowest   no granule is free before the lowest page
//     clean    no block in use lies beyond what counts as written
//
// Costs: allocate O(pages before the run), a few words where a run may be; a page whose note is
// wrong is looked through once, 64 words. Marking a block, finding its end: O(size / 1 KiB), the
// end of a large one O(size / 64 KiB). Free with the size need not look for the end. Resize O(size)
// bits or bytes; reset O(table), validate O(table). No bytes a block but the rounding to 16; 1.6 %
// of the memory for the table, 2 to 3 % where that has just moved; 24 bytes for the heap.
//
// Bound: first fit's. For M bytes live at most and sizes from 16 up to 16n bytes, the heap is at
// most about M log2(n) (Robson 1977), seen in no program: little is lost in practice, as low
// addresses fill up first.
//
// Good at: low waste, large blocks, aligned blocks, misuse: no bit of it can be overwritten by one
// who writes past a block's end. Bad at: time where the heap is large and full of small holes, as
// each search begins at its lowest page.
#include "alloc/strategies/page_maps.h"

enum { // in a page's note
    LONGEST = 2 * PAGE_GRANULES - 1,
    FIRST_FREE = 1 << 13,
    LAST_FREE = 1 << 14,
    INSIDE = 1 << 15,
};
_Static_assert((LONGEST & FIRST_FREE) == 0, "a run of a whole page fits");

typedef struct heap {
    page_maps maps;
    uint32_t lowest; // page that may have a free granule
} heap;

static inline heap *heap_of(const lm_memory *m) {
    return lm_at(m, m->heap_start);
}

// The bits from … to - 1 that lie in the first one's word.
static inline uint64_t mask_of(uint32_t from, uint32_t to) {
    uint32_t word = from & ~(uint32_t)(WORD_GRANULES - 1), count = to - word;
    uint64_t below = count < WORD_GRANULES ? ((uint64_t)1 << count) - 1 : UINT64_MAX;
    return below & UINT64_MAX << from % WORD_GRANULES;
}
static inline uint32_t next_word(uint32_t granule) {
    return (granule | (WORD_GRANULES - 1)) + 1;
}

// Where granules free from `at` on end, or `most`.
static uint32_t run_end(const lm_memory *m, uint32_t at, uint32_t most) {
    while (at < most) {
        uint64_t taken = ~map_word_of(m, at)->free >> at % WORD_GRANULES;
        if (taken) {
            at += (uint32_t)__builtin_ctzll(taken);
            break;
        }
        at = next_word(at);
    }
    return at < most ? at : most;
}

// Where granules free up to `at` begin, or `least`.
static uint32_t run_start(const lm_memory *m, uint32_t at, uint32_t least) {
    while (at > least) {
        uint32_t last = (at - 1) % WORD_GRANULES;
        uint64_t taken = ~map_word_of(m, at - 1)->free << (WORD_GRANULES - 1 - last);
        if (taken) {
            at -= (uint32_t)__builtin_clzll(taken);
            break;
        }
        at -= last + 1;
    }
    return at > least ? at : least;
}

// Where something begins or is free behind a granule: the end of the block that it lies in.
static uint32_t block_end(const lm_memory *m, uint32_t granule) {
    uint32_t at = granule + 1, end = maps_end(m);
    while (at < end) {
        if (at % PAGE_GRANULES == 0 && (*note_of(m, at / PAGE_GRANULES) & INSIDE)) {
            at += PAGE_GRANULES;
            continue;
        }
        const map_word *word = map_word_of(m, at);
        uint64_t stop = (word->begins | word->free) >> at % WORD_GRANULES;
        if (stop) return at + (uint32_t)__builtin_ctzll(stop);
        at = next_word(at);
    }
    return end;
}

// Granules from … to - 1 become part of a block, all of which is in use then.
static void take(const lm_memory *m, uint32_t block, uint32_t from, uint32_t to) {
    for (uint32_t at = from; at < to; at = next_word(at))
        map_word_of(m, at)->free &= ~mask_of(at, to);
    for (uint32_t page = from / PAGE_GRANULES; page * PAGE_GRANULES < to; page++) {
        page_note *note = note_of(m, page);
        bool first = block <= page * PAGE_GRANULES, last = to >= (page + 1) * PAGE_GRANULES;
        if (first) *note &= ~(page_note)FIRST_FREE;
        if (last) *note &= ~(page_note)LAST_FREE;
        if (first && last) *note = block < page * PAGE_GRANULES ? INSIDE : 0;
    }
}

// They become free; a block's begin among them is gone.
static void open_range(lm_memory *m, uint32_t from, uint32_t to) {
    map_word_of(m, from)->begins &= ~map_bit(from);
    for (uint32_t at = from; at < to; at = next_word(at))
        map_word_of(m, at)->free |= mask_of(at, to);
    heap *h = heap_of(m);
    if (h->lowest > from / PAGE_GRANULES) h->lowest = from / PAGE_GRANULES;
    for (uint32_t page = from / PAGE_GRANULES; page * PAGE_GRANULES < to; page++) {
        uint32_t first = page * PAGE_GRANULES, end = first + PAGE_GRANULES;
        page_note *note = note_of(m, page), longest = *note & LONGEST;
        uint32_t run =
            run_end(m, to < end ? to : end, end) - run_start(m, from > first ? from : first, first);
        *note = (*note & (FIRST_FREE | LAST_FREE)) | (run > longest ? run : longest);
        if (from <= first) *note |= FIRST_FREE;
        if (to >= end) *note |= LAST_FREE;
    }
}

// The bits from which on `count` ones, at most 64, follow each other.
static inline uint64_t runs_in(uint64_t bits, uint32_t count) {
    for (uint32_t have = 1; have < count;) {
        uint32_t step = have < count - have ? have : count - have;
        bits &= bits >> step;
        have += step;
    }
    return bits;
}

// The first run of at least `count` granules in a page. 0: there is none.
static uint32_t find_in_page(const lm_memory *m, uint32_t page, uint32_t count) {
    uint32_t at = page * PAGE_GRANULES, run = 0; // free granules before `at`
    const map_word *word = map_word_of(m, at);
    for (uint32_t i = 0; i < PAGE_WORDS; i++, at += WORD_GRANULES) {
        uint64_t bits = word[i].free;
        uint32_t head = ~bits ? (uint32_t)__builtin_ctzll(~bits) : WORD_GRANULES;
        if (run + head >= count) return at - run;
        if (head == WORD_GRANULES) {
            run += head;
            continue;
        }
        uint64_t starts = count < WORD_GRANULES ? runs_in(bits, count) : 0;
        if (starts) return at + (uint32_t)__builtin_ctzll(starts);
        run = (uint32_t)__builtin_clzll(~bits);
    }
    return 0;
}

// The lowest run of at least `count` granules. 0: there is none; *tail is where a free end of the
// heap begins.
static uint32_t find(const lm_memory *m, uint32_t count, uint32_t *tail) {
    heap *h = heap_of(m);
    uint32_t run = 0; // free granules at the end of the page before
    for (uint32_t page = h->lowest; page < h->maps.end; page++) {
        page_note *note = note_of(m, page);
        uint32_t first = page * PAGE_GRANULES, end = first + PAGE_GRANULES;
        if (run && (*note & FIRST_FREE)) {
            uint32_t head = run_end(m, first, end) - first;
            if (run + head >= count) return first - run;
            if (head == PAGE_GRANULES) {
                run += head;
                continue;
            }
        }
        run = 0;
        if ((*note & LONGEST) >= count) {
            uint32_t found = find_in_page(m, page, count);
            if (found) return found;
            *note = (*note & ~(page_note)LONGEST) | (count - 1);
        }
        if ((*note & LONGEST) == 0 && page == h->lowest) h->lowest = page + 1;
        if (*note & LAST_FREE) run = end - run_start(m, end, first);
    }
    *tail = maps_end(m) - run;
    return 0;
}

// A live block of `count` granules at a multiple of `step`, of which the first *dirty bytes may not
// be zero. 0: no memory.
static uint32_t claim(lm_memory *m, uint32_t count, uint32_t step, uint64_t *dirty) {
    uint32_t tail = 0, found = find(m, count + step - 1, &tail);
    if (LM_UNLIKELY(!found)) found = maps_grow(m, tail, count, step);
    if (LM_UNLIKELY(!found)) return 0;
    uint32_t block = lm_round_up(found, step);
    take(m, block, block, block + count);
    map_word_of(m, block)->begins |= map_bit(block);
    *dirty = soil(m, block, block + count);
    return block;
}

static inline uint32_t count_for(size_t size) {
    return size ? granules_for(size) : 1;
}

static bool start(lm_memory *m) {
    if (!maps_start(m, sizeof(heap))) return false;
    heap_of(m)->lowest = maps_of(m)->first;
    return true;
}

static void *allocate_aligned(size_t alignment, size_t size, lm_memory *m) {
    if (LM_UNLIKELY(size > LM_SIZE_MAX)) return NULL;
    uint64_t dirty;
    uint32_t block = claim(m, count_for(size), granules_for(alignment), &dirty);
    return LM_LIKELY(block) ? lm_at(m, block << GRANULE_SHIFT) : NULL;
}

static void *allocate(size_t size, lm_memory *m) {
    return allocate_aligned(LM_BLOCK_ALIGNMENT, size, m);
}

static void *allocate_zeroed(size_t size, lm_memory *m) {
    if (size > LM_SIZE_MAX) return NULL;
    uint64_t dirty;
    uint32_t block = claim(m, count_for(size), 1, &dirty);
    if (!block) return NULL;
    return memset(lm_at(m, block << GRANULE_SHIFT), 0, size < dirty ? size : (size_t)dirty);
}

// What was asked for tells the end, as blocks have no granule too many.
static void release_block(void *address, size_t size, lm_memory *m) {
    if (LM_UNLIKELY(!address)) return;
    uint32_t block = live(m, address);
    LM_CHECK(!size || block + (uint64_t)count_for(size) == block_end(m, block));
    open_range(m, block, size ? block + count_for(size) : block_end(m, block));
}

static size_t usable_size(const void *address, lm_memory *m) {
    uint32_t block = live(m, address);
    return (size_t)(block_end(m, block) - block) << GRANULE_SHIFT;
}

static uint64_t block_bytes_max(size_t size, size_t alignment) {
    (void)alignment;
    return (uint64_t)count_for(size) << GRANULE_SHIFT;
}

// Takes what is free behind the block, or new.
static bool expand(lm_memory *m, uint32_t block, uint32_t end, uint32_t target) {
    uint32_t free_end = run_end(m, end, target), ours = maps_end(m);
    if (target > ours) {
        if (free_end < ours || lm_memory_pages(m) != maps_of(m)->end) return false;
        if (!maps_grow(m, block, target - block, 1)) return false;
    } else if (free_end < target) {
        return false;
    }
    take(m, block, end, target);
    soil(m, block, target);
    return true;
}

static void *resize_aligned(void *address, size_t size, size_t alignment, lm_memory *m) {
    uint32_t block = live(m, address), end = block_end(m, block);
    if (size > LM_SIZE_MAX) return NULL;
    uint32_t target = block + count_for(size);
    if (target < end)
        open_range(m, target, end);
    else if (target > end && !expand(m, block, end, target))
        return lm_resize_by_copy(lm_at(m, block << GRANULE_SHIFT),
                                 (size_t)(end - block) << GRANULE_SHIFT, size, alignment, m,
                                 allocate_aligned, release_block);
    return lm_at(m, block << GRANULE_SHIFT);
}

static void *resize(void *address, size_t size, lm_memory *m) {
    return resize_aligned(address, size, LM_BLOCK_ALIGNMENT, m);
}

static void reset(lm_memory *m) {
    maps_reset(m, sizeof(heap));
}

// ---- The walk ----------------------------------------------------------------------------------

static const char *note_law(const lm_memory *m, uint32_t page) {
    page_note note = *note_of(m, page);
    uint32_t first = page * PAGE_GRANULES, end = first + PAGE_GRANULES, longest = note & LONGEST;
    if (note & CLOSED) return note & ~(page_note)CLOSED ? "notes" : NULL;
    if (!!(note & FIRST_FREE) != is_free(m, first) || !!(note & LAST_FREE) != is_free(m, end - 1))
        return "notes";
    if (longest < PAGE_GRANULES && find_in_page(m, page, longest + 1)) return "notes";
    if (longest && page < heap_of(m)->lowest && find_in_page(m, page, 1)) return "lowest";
    const map_word *word = map_word_of(m, first);
    for (uint32_t i = 0; i < PAGE_WORDS && (note & INSIDE); i++)
        if (word[i].begins | word[i].free) return "notes";
    return NULL;
}

// Adds what begins at a granule to the census; *end is where it ends.
static const char *block_law(const lm_memory *m, uint32_t at, uint32_t *end, lm_census *census) {
    if (is_free(m, at)) {
        *end = run_end(m, at, maps_end(m));
        census->free_blocks++;
        census->free_bytes += (uint64_t)(*end - at) << GRANULE_SHIFT;
        return begins(m, at) ? "blocks" : NULL;
    }
    *end = block_end(m, at);
    census->live_blocks++;
    census->live_bytes += (uint64_t)(*end - at) << GRANULE_SHIFT;
    if (!begins(m, at)) return "blocks";
    return *end > maps_of(m)->clean ? "clean" : NULL;
}

static const char *validate(lm_memory *m, lm_census *out) {
    lm_census census = {0};
    const page_maps *maps = maps_of(m);
    uint32_t from;
    const char *broken = page_maps_law(m, sizeof(heap), &from, &census);
    if (broken) return broken;
    for (uint32_t page = maps->first; page < maps->end; page++)
        if ((broken = note_law(m, page))) return broken;
    if (block_end(m, maps->first * PAGE_GRANULES - 1) < from) return "blocks";
    for (uint32_t at = from, end; at < maps_end(m); at = end) {
        end = at + PAGE_GRANULES;
        if (*note_of(m, at / PAGE_GRANULES) & CLOSED) continue;
        if ((broken = block_law(m, at, &end, &census))) return broken;
    }
    if (out) *out = census;
    return NULL;
}

const lm_allocator LM_TABLE(bitmap) = {
    .name = "bitmap",
    .idea = "a bit for each 16 bytes: first fit, 64 looked at at once",
    .capabilities = LM_FREES_BLOCKS | LM_RESIZES_IN_PLACE | LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT |
                    LM_MERGES,
    .check_level = LM_CHECK_LEVEL,
    .start = start,
    .allocate = allocate,
    .allocate_zeroed = allocate_zeroed,
    .allocate_aligned = allocate_aligned,
    .resize = resize,
    .resize_aligned = resize_aligned,
    .free = release_block,
    .usable_size = usable_size,
    .block_bytes_max = block_bytes_max,
    .reset = reset,
    .validate = validate,
};

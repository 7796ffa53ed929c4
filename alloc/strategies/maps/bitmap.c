// bitmap: two bits for each 16 bytes, first fit by address; no words in or between blocks.
//
// Idea: a table holds all that is known of a block: where blocks begin, and what is free. Free
// memory needs no merging, as adjacent bits are one run. The lowest run that is long enough serves.
// A word of 64 bits is searched at once, and hints say which words cannot have such a run, 8 words
// at a time.
//
// Source: bitmaps are as old as heaps (Knuth, The Art of Computer Programming 1, 2.5; Wilson et al.
// 1995, "bitmapped fits"); the hints are the summaries of Go's page allocator (Knyszek 2019), here
// bounds that a failed search lowers; comparing 8 bytes at once is Lamport's (1975).
//
// Layout: the maps and their table are page_maps.inc.h. A position is a granule of 16 bytes.
//
//     begins   1 . . . . 1 . 1 . . . . . . 1 .        a block ends where the next begins or
//     free     . . . 1 1 . . . . . . 1 1 1 . .        where granules are free
//              [ 48] free[32][  64   ]free [32]
//
// A word's hint is a byte: the class of its longest run. A run that continues in the next words
// counts whole where it begins, and in those words from their first granule on. The class is the
// length; for long runs a power of two and a half of it. A page's hint is no less than those of its
// 64 words, a group's no less than those of its 64 pages:
//
//     groups   [ 12 | 3 | .. ]         for 4 granules: the first group, its third page, there the
//     pages    [  2   3  12   0 .. ]   word with 5; if that run were taken, its hint would be
//     words    [  0 3 1 5 12 0 .. ]    lowered, and the search go on at 12
//
// No hint is too small. Each may be too large, since an allocation changes them only for words that
// it takes whole; a search in vain corrects those it has read. A page's note holds the length
// itself, and whether all of the page is inside one block, which lets a search for the end of a
// block skip it. A run of LONG granules or more is not measured: each word that is LONG before its
// end is UNBOUNDED. Then the words before it in the run are too, so a free behind them need not go
// back further.
//
// Laws, besides those of page_maps.inc.h (validate's names):
//     blocks   each granule is free or in one block, none of the state is either
//     notes    a page's note is right, or too large
//     hints    a hint is right, or too large, and none below it is larger
//     clean    no live block lies beyond what counts as written
//
// Time: allocate takes a step for each 512 pages, and up to 16 more to reach the word; but each
// free may mislead one later search in a word and in a page, so a single call may take O(pages +
// frees since): 68,944 basic blocks at most in steps_test's heaps of 2^16 blocks. Marking a block
// or finding its end: O(size / 1 KiB), the end of a large one O(size / 64 KiB). Free with the size
// need not find the end. Resize O(size) bits or bytes; reset O(table), validate O(table).
// Space: none in blocks but the rounding to 16; 1.7 % of the memory for the table, 2 to 3 % after
// it has moved; 1,044 bytes for the heap.
//
// Bound: first fit's, lm_first_fit_bound, and a 16th for the table: M(2 + log2 n) for M live bytes
// at most, in blocks of up to n granules. Programs waste little, as low addresses fill up first.
//
// Good at: low waste, large blocks, aligned blocks; a write past the end of a block changes no bit
// of it. Bad at: time, as a word and the hints of the word, page and group are read and written for
// a block that other strategies find at the head of a list: 544 instructions for each operation of
// lua and 481 in jq, against 76 and 51 of paged (callgrind). The lowest run has to be found: an
// allocation cannot take what was freed last, or search in one place only.
#define MAPS_HINTS
#include "alloc/strategies/maps/page_maps.inc.h"

enum { // in a page's note
    LONGEST = (1 << 28) - 1,
    INSIDE = 1 << 28,
};

enum {
    LONG = LM_GEOMETRY(1024, 128), // granules: a run that is not measured
    GROUP_PAGES = LM_GEOMETRY(64, 4),
    CLASS_LOG2 = 6, // runs of less than 64 granules have a class each, longer ones two for
                    // each power of two
    UNBOUNDED = (1 << CLASS_LOG2) + 2 * (27 - CLASS_LOG2) + 1, // LONGEST's
    HINTS = sizeof(uint64_t),                                  // looked at at once
    GROUPS = LM_PAGES_MAX / GROUP_PAGES,
};

typedef uint64_t __attribute__((may_alias, aligned(1))) hint_word;

typedef struct heap {
    page_maps maps;
    uint8_t groups[GROUPS];
} heap;

static inline heap *bitmap_heap(const lm_memory *m) {
    return lm_at(m, m->heap_start);
}

// The bits from … to - 1, as far as they are in the word of the first.
static inline uint64_t bitmap_mask(uint32_t from, uint32_t to) {
    uint32_t word = from & ~(uint32_t)(WORD_GRANULES - 1), count = to - word;
    uint64_t below = count < WORD_GRANULES ? ((uint64_t)1 << count) - 1 : UINT64_MAX;
    return below & UINT64_MAX << from % WORD_GRANULES;
}
static inline uint32_t bitmap_next_word(uint32_t granule) {
    return (granule | (WORD_GRANULES - 1)) + 1;
}

// Sets or clears the free bits of the granules from … to - 1.
static void bitmap_set_free(const lm_memory *m, uint32_t from, uint32_t to, bool free) {
    map_word *word = maps_word(m, from), *last = maps_word(m, to - 1);
    uint64_t mask = bitmap_mask(from, to), all = free ? UINT64_MAX : 0;
    word->free = (word->free & ~mask) | (all & mask);
    if (word == last) return;
    while (++word < last)
        word->free = all;
    mask = bitmap_mask((to - 1) & ~(uint32_t)(WORD_GRANULES - 1), to);
    word->free = (word->free & ~mask) | (all & mask);
}

// The end of the free granules from `at` on, at most `most`.
static uint32_t bitmap_run_end(const lm_memory *m, uint32_t at, uint32_t most) {
    while (at < most) {
        uint64_t taken = ~maps_word(m, at)->free >> at % WORD_GRANULES;
        if (taken) {
            at += (uint32_t)__builtin_ctzll(taken);
            break;
        }
        at = bitmap_next_word(at);
    }
    return at < most ? at : most;
}

// The start of the free granules up to `at`, at least `least`.
static uint32_t bitmap_run_start(const lm_memory *m, uint32_t at, uint32_t least) {
    while (at > least) {
        uint32_t last = (at - 1) % WORD_GRANULES;
        uint64_t taken = ~maps_word(m, at - 1)->free << (WORD_GRANULES - 1 - last);
        if (taken) {
            at -= (uint32_t)__builtin_clzll(taken);
            break;
        }
        at -= last + 1;
    }
    return at > least ? at : least;
}

// The end of the block that a granule is in: where the next block begins or granules are free.
static uint32_t bitmap_block_end(const lm_memory *m, uint32_t granule) {
    uint32_t at = granule + 1, end = maps_end(m);
    while (at < end) {
        if (at % PAGE_GRANULES == 0 && (*maps_note(m, at / PAGE_GRANULES) & INSIDE)) {
            at += PAGE_GRANULES;
            continue;
        }
        const map_word *word = maps_word(m, at);
        uint64_t stop = (word->begins | word->free) >> at % WORD_GRANULES;
        if (stop) return at + (uint32_t)__builtin_ctzll(stop);
        at = bitmap_next_word(at);
    }
    return end;
}

// Hints. Here words are counted from the table's first.

static inline uint32_t bitmap_class(uint32_t count) {
    if (count >> CLASS_LOG2 == 0) return count;
    uint32_t log2 = 31 - (uint32_t)__builtin_clz(count);
    return (1 << CLASS_LOG2) + 2 * (log2 - CLASS_LOG2) + (count >> (log2 - 1) & 1);
}

static inline uint64_t bitmap_free_in(const lm_memory *m, uint32_t word) {
    return ((const map_word *)lm_at(m, maps_of(m)->table))[word].free;
}
static inline uint32_t bitmap_words_end(const lm_memory *m) {
    return (maps_of(m)->end - maps_of(m)->first) * PAGE_WORDS;
}

// The number of ones from the lowest bit up, and from the highest bit down.
static inline uint32_t bitmap_ones_up(uint64_t bits) {
    return ~bits ? (uint32_t)__builtin_ctzll(~bits) : WORD_GRANULES;
}
static inline uint32_t bitmap_ones_down(uint64_t bits) {
    return ~bits ? (uint32_t)__builtin_clzll(~bits) : WORD_GRANULES;
}

// Sets the hints of the words from … to - 1, and of the pages and groups that have no others.
static void bitmap_set_hints(const lm_memory *m, uint32_t from, uint32_t to, uint32_t class) {
    if (from >= to) return;
    memset(maps_hints(m, 1) + from, (int)class, to - from);
    uint32_t page = (from + PAGE_WORDS - 1) / PAGE_WORDS, end = to / PAGE_WORDS;
    if (page >= end) return;
    memset(maps_hints(m, 0) + page, (int)class, end - page);
    uint32_t group = (page + GROUP_PAGES - 1) / GROUP_PAGES;
    if (group < end / GROUP_PAGES)
        memset(bitmap_heap(m)->groups + group, (int)class, end / GROUP_PAGES - group);
}

static inline void bitmap_raise_hint(const lm_memory *m, uint32_t word, uint32_t run) {
    uint32_t page = word / PAGE_WORDS, class = bitmap_class(run);
    uint8_t *of_word = maps_hints(m, 1) + word, *of_page = maps_hints(m, 0) + page;
    uint8_t *of_group = &bitmap_heap(m)->groups[page / GROUP_PAGES];
    page_note *note = maps_note(m, maps_of(m)->first + page);
    if ((*note & LONGEST) < run) *note = (*note & ~(page_note)LONGEST) | run;
    if (*of_word < class) *of_word = (uint8_t) class;
    if (*of_page < class) *of_page = (uint8_t) class;
    if (*of_group < class) *of_group = (uint8_t) class;
}

// After the granules from … to - 1 became free: raises the hints of the words of their run, from
// its end down if that is near, else from `to`. If a word that is all free is UNBOUNDED, all words
// before it in its run must be; so words that are in a shorter run now must not.
static void bitmap_raise_run(const lm_memory *m, uint32_t from, uint32_t to) {
    uint32_t base = maps_of(m)->first * PAGE_WORDS, first = from / WORD_GRANULES - base;
    uint32_t most = maps_end(m) - to < LONG ? maps_end(m) : to + LONG,
             end = bitmap_run_end(m, to, most);
    for (uint32_t at = end - to < LONG ? end : to; at > base * WORD_GRANULES;) {
        uint32_t word = (at - 1) / WORD_GRANULES - base, bit = (at - 1) % WORD_GRANULES;
        uint64_t bits = bitmap_free_in(m, word);
        uint32_t down = bitmap_ones_down(bits << (WORD_GRANULES - 1 - bit));
        uint8_t *hint = maps_hints(m, 1) + word;
        at -= down;
        bool is_long = end - at >= LONG;
        if (!down || (is_long && word < first && *hint == UNBOUNDED)) return;
        if (!is_long && !~bits && *hint == UNBOUNDED) *hint = 0;
        bitmap_raise_hint(m, word, is_long ? LONGEST : end - at);
        if (down <= bit) return; // it begins here
        if (is_long && word > first + 1) {
            bitmap_set_hints(m, first + 1, word, UNBOUNDED);
            for (uint32_t page = first / PAGE_WORDS; page < word / PAGE_WORDS; page++)
                *maps_note(m, maps_of(m)->first + page) |= LONGEST;
            at = (base + first + 1) * WORD_GRANULES;
        }
    }
}

// Makes the granules from … to - 1 part of a block.
static void bitmap_take(const lm_memory *m, uint32_t block, uint32_t from, uint32_t to) {
    bitmap_set_free(m, from, to, false);
    uint32_t base = maps_of(m)->first * PAGE_WORDS;
    if (to - from >= WORD_GRANULES)
        bitmap_set_hints(m, (from + WORD_GRANULES - 1) / WORD_GRANULES - base,
                         to / WORD_GRANULES - base, 0);
    for (uint32_t page = from / PAGE_GRANULES; (page + 1) * PAGE_GRANULES <= to; page++)
        if (block < page * PAGE_GRANULES) *maps_note(m, page) |= INSIDE;
}

// Frees the granules from … to - 1, of which the first may begin a block.
static void open_range(lm_memory *m, uint32_t from, uint32_t to) {
    maps_word(m, from)->begins &= ~maps_bit(from);
    bitmap_set_free(m, from, to, true);
    for (uint32_t page = from / PAGE_GRANULES; page * PAGE_GRANULES < to; page++)
        *maps_note(m, page) &= ~(page_note)INSIDE;
    bitmap_raise_run(m, from, to);
}

// The bits that begin `count` ones in a row, at most 64.
static inline uint64_t bitmap_runs_in(uint64_t bits, uint32_t count) {
    for (uint32_t have = 1; have < count;) {
        uint32_t step = have < count - have ? have : count - have;
        bits &= bits >> step;
        have += step;
    }
    return bits;
}

// The first hint of from … to - 1 that is no less than a class, or `to`. `to` is a multiple of
// HINTS, or the bytes behind it may be read.
static inline uint32_t bitmap_first_hint(const uint8_t *hints, uint32_t from, uint32_t to,
                                         uint32_t class) {
    const uint64_t ones = UINT64_MAX / UINT8_MAX, high = ones << 7;
    uint64_t some = UINT64_MAX << from % HINTS * 8; // a byte's highest bit: its hint is enough
    for (from -= from % HINTS; from < to; from += HINTS, some = UINT64_MAX) {
        uint64_t eight = *(const hint_word *)(hints + from);
        some &= ((eight | high) - class * ones) & high;
        if (some) {
            from += (uint32_t)__builtin_ctzll(some) / 8;
            return from < to ? from : to;
        }
    }
    return to;
}

// The first page from `page` on that may have a run of `count`. Lowers the hint of a group that is
// searched in vain.
static uint32_t bitmap_page_that_may(const lm_memory *m, uint32_t page, uint32_t count) {
    heap *h = bitmap_heap(m);
    uint32_t pages = h->maps.end - h->maps.first, groups = (pages - 1) / GROUP_PAGES + 1;
    uint32_t class = bitmap_class(count);
    while (page < pages) {
        bool whole = page % GROUP_PAGES == 0;
        if (whole)
            page = bitmap_first_hint(h->groups, page / GROUP_PAGES, groups, class) * GROUP_PAGES;
        if (page >= pages) return pages;
        uint32_t group = page / GROUP_PAGES, end = (group + 1) * GROUP_PAGES;
        if (end > pages) end = pages;
        for (; (page = bitmap_first_hint(maps_hints(m, 0), page, end, class)) < end; page++)
            if ((*maps_note(m, h->maps.first + page) & LONGEST) >= count) return page;
        if (whole) h->groups[group] = (uint8_t)bitmap_class(count - 1);
    }
    return pages;
}

// The longest row of ones in a word.
static inline uint32_t bitmap_longest_in(uint64_t bits) {
    uint32_t longest = 0;
    for (; bits; bits &= bits >> 1)
        longest++;
    return longest;
}

// The bit of a word at which a run of `count` granules begins. WORD_GRANULES if there is none: then
// corrects the hints of all words read to their end, and sets *next to the word behind them.
static inline uint32_t bitmap_run_in_word(const lm_memory *m, uint32_t word, uint32_t count,
                                          uint32_t *next) {
    uint64_t bits = bitmap_free_in(m, word),
             starts = count <= WORD_GRANULES ? bitmap_runs_in(bits, count) : 0;
    if (starts) return (uint32_t)__builtin_ctzll(starts);
    uint32_t have = bitmap_ones_down(bits), start = WORD_GRANULES - have, left = have,
             end = word + 1;
    if (left) {
        uint32_t all = bitmap_words_end(m);
        const map_word *words = lm_at(m, maps_of(m)->table);
        for (; have < count && end < all && !~words[end].free; end++)
            have += WORD_GRANULES;
        if (have < count && end < all) have += bitmap_ones_up(words[end].free);
    }
    if (have >= count) return start;
    uint32_t longest = bitmap_longest_in(bits);
    uint8_t *hints = maps_hints(m, 1);
    hints[word] = (uint8_t)bitmap_class(have > longest ? have : longest);
    for (*next = word + 1; *next < end; ++*next)
        hints[*next] = (uint8_t)bitmap_class(have -= *next == word + 1 ? left : WORD_GRANULES);
    return WORD_GRANULES;
}

// Notes that a page has no run of `count`.
static inline void bitmap_lower_page(const lm_memory *m, uint32_t page, uint32_t count) {
    page_note *note = maps_note(m, maps_of(m)->first + page);
    maps_hints(m, 0)[page] = (uint8_t)bitmap_class(count - 1);
    *note = (*note & ~(page_note)LONGEST) | (count - 1);
}

// Returns the lowest run of at least `count` granules; 0 if there is none.
static uint32_t bitmap_find(const lm_memory *m, uint32_t count) {
    uint32_t class = bitmap_class(count), all = bitmap_words_end(m), word = 0, page = 0;
    while ((page = bitmap_page_that_may(m, page, count)) * PAGE_WORDS < all) {
        uint32_t end = (page + 1) * PAGE_WORDS;
        if (word < page * PAGE_WORDS) word = page * PAGE_WORDS;
        while (word < end && (word = bitmap_first_hint(maps_hints(m, 1), word, end, class)) < end) {
            uint32_t start = bitmap_run_in_word(m, word, count, &word);
            if (start < WORD_GRANULES)
                return (maps_of(m)->first * PAGE_WORDS + word) * WORD_GRANULES + start;
        }
        bitmap_lower_page(m, page++, count);
    }
    return 0;
}

// Returns a live block of `count` granules at a multiple of `step`, of which the first *dirty bytes
// may not be zero; 0 if out of memory.
static uint32_t bitmap_claim(lm_memory *m, uint32_t count, uint32_t step, size_t *dirty) {
    uint32_t found = bitmap_find(m, count + step - 1);
    if (LM_UNLIKELY(!found)) found = maps_grow(m, bitmap_run_start(m, maps_end(m), 0), count, step);
    if (LM_UNLIKELY(!found)) return 0;
    uint32_t block = lm_round_up(found, step);
    bitmap_take(m, block, block, block + count);
    maps_word(m, block)->begins |= maps_bit(block);
    *dirty = maps_mark_dirty(m, block, block + count);
    return block;
}

static inline uint32_t bitmap_count_for(size_t size) {
    return size ? maps_granules_for(size) : 1;
}

static bool bitmap_start(lm_memory *m) {
    return maps_start(m, sizeof(heap));
}

static inline void *bitmap_allocate_at(size_t alignment, size_t size, size_t *dirty, lm_memory *m) {
    if (LM_UNLIKELY(size > LM_SIZE_MAX)) return NULL;
    uint32_t block = bitmap_claim(m, bitmap_count_for(size), maps_granules_for(alignment), dirty);
    return LM_LIKELY(block) ? lm_at(m, block << GRANULE_SHIFT) : NULL;
}

MAPS_ALLOCATES(bitmap)

// The size gives the end, as blocks have no granule more than it needs.
static void bitmap_free(void *address, size_t size, lm_memory *m) {
    if (LM_UNLIKELY(!address)) return;
    uint32_t block = maps_live(m, address);
    LM_CHECK(!size || block + (uint64_t)bitmap_count_for(size) == bitmap_block_end(m, block));
    open_range(m, block, size ? block + bitmap_count_for(size) : bitmap_block_end(m, block));
}

static size_t bitmap_usable_size(const void *address, lm_memory *m) {
    uint32_t block = maps_live(m, address);
    return (size_t)(bitmap_block_end(m, block) - block) << GRANULE_SHIFT;
}

static uint64_t bitmap_block_bytes_max(size_t size, size_t alignment) {
    (void)alignment;
    return (uint64_t)bitmap_count_for(size) << GRANULE_SHIFT;
}

// Extends a block in place into free granules behind it, or new ones.
static bool bitmap_expand(lm_memory *m, uint32_t block, uint32_t end, uint32_t target) {
    uint32_t free_end = bitmap_run_end(m, end, target), ours = maps_end(m);
    if (target > ours) {
        if (free_end < ours || lm_memory_pages(m) != maps_of(m)->end) return false;
        if (!maps_grow(m, block, target - block, 1)) return false;
    } else if (free_end < target) {
        return false;
    }
    bitmap_take(m, block, end, target);
    maps_mark_dirty(m, block, target);
    return true;
}

static void *bitmap_resize_aligned(void *address, size_t size, size_t alignment, lm_memory *m) {
    uint32_t block = maps_live(m, address), end = bitmap_block_end(m, block);
    if (size > LM_SIZE_MAX) return NULL;
    uint32_t target = block + bitmap_count_for(size);
    if (target < end)
        open_range(m, target, end);
    else if (target > end && !bitmap_expand(m, block, end, target))
        return lm_resize_by_copy(lm_at(m, block << GRANULE_SHIFT),
                                 (size_t)(end - block) << GRANULE_SHIFT, size, alignment, m,
                                 bitmap_allocate_aligned, bitmap_free);
    return lm_at(m, block << GRANULE_SHIFT);
}

LM_ZEROED_AND_RESIZE(bitmap)

static void bitmap_reset(lm_memory *m) {
    memset(bitmap_heap(m)->groups, 0, GROUPS);
    maps_reset(m, sizeof(heap));
}

// ---- The walk ----------------------------------------------------------------------------------

static const char *bitmap_note_law(const lm_memory *m, uint32_t page) {
    page_note note = *maps_note(m, page);
    if (note & PAGE_CLOSED) return note & ~(page_note)PAGE_CLOSED ? "notes" : NULL;
    const map_word *word = maps_word(m, page * PAGE_GRANULES);
    for (uint32_t i = 0; i < PAGE_WORDS && (note & INSIDE); i++)
        if (word[i].begins | word[i].free) return "notes";
    return NULL;
}

// From the last word down, since a run may continue in the next word. *behind is the length of the
// run that begins behind the page, then of the one that begins the page.
static const char *bitmap_page_law(const lm_memory *m, uint32_t page, uint32_t *behind) {
    const map_word *words = maps_word(m, (maps_of(m)->first + page) * PAGE_GRANULES);
    const uint8_t *hints = maps_hints(m, 1) + page * PAGE_WORDS;
    uint32_t longest = *maps_note(m, maps_of(m)->first + page) & LONGEST;
    uint32_t of_page = maps_hints(m, 0)[page], run = *behind;
    if (of_page > bitmap_heap(m)->groups[page / GROUP_PAGES]) return "hints";
    for (uint32_t word = PAGE_WORDS; word-- > 0;) {
        uint64_t bits = words[word].free;
        uint32_t hint = hints[word], tail = bitmap_ones_down(bits);
        if (hint > of_page) return "hints";
        if (hint < WORD_GRANULES && bitmap_runs_in(bits, hint + 1)) return "hints";
        if (tail && bitmap_class(tail + run) > hint) return "hints";
        if (longest < WORD_GRANULES && bitmap_runs_in(bits, longest + 1)) return "notes";
        if (tail && tail + run > longest) return "notes";
        run = ~bits ? bitmap_ones_up(bits) : run + WORD_GRANULES;
    }
    *behind = run;
    return NULL;
}

static const char *bitmap_hints_law(const lm_memory *m) {
    const char *broken = NULL;
    uint32_t behind = 0;
    for (uint32_t page = maps_of(m)->end - maps_of(m)->first; page-- > 0 && !broken;)
        broken = bitmap_page_law(m, page, &behind);
    return broken;
}

// Adds what begins at a granule to the census; *end is where it ends.
static const char *bitmap_block_law(const lm_memory *m, uint32_t at, uint32_t *end,
                                    lm_census *census) {
    if (maps_is_free(m, at)) {
        *end = bitmap_run_end(m, at, maps_end(m));
        census->free_blocks++;
        census->free_bytes += (uint64_t)(*end - at) << GRANULE_SHIFT;
        return maps_begins(m, at) ? "blocks" : NULL;
    }
    *end = bitmap_block_end(m, at);
    census->live_blocks++;
    census->live_bytes += (uint64_t)(*end - at) << GRANULE_SHIFT;
    if (!maps_begins(m, at)) return "blocks";
    return *end > maps_of(m)->clean ? "clean" : NULL;
}

static const char *bitmap_validate(lm_memory *m, lm_census *out) {
    lm_census census = {0};
    const page_maps *maps = maps_of(m);
    uint32_t from;
    const char *broken = maps_law(m, sizeof(heap), &from, &census);
    if (broken) return broken;
    for (uint32_t page = maps->first; page < maps->end; page++)
        if ((broken = bitmap_note_law(m, page))) return broken;
    if ((broken = bitmap_hints_law(m))) return broken;
    if (bitmap_block_end(m, maps->first * PAGE_GRANULES - 1) < from) return "blocks";
    for (uint32_t at = from, end; at < maps_end(m); at = end) {
        end = at + PAGE_GRANULES;
        if (*maps_note(m, at / PAGE_GRANULES) & PAGE_CLOSED) continue;
        if ((broken = bitmap_block_law(m, at, &end, &census))) return broken;
    }
    if (out) *out = census;
    return NULL;
}

static uint64_t bitmap_heap_bytes_max(const lm_demand *demand) {
    lm_demand d = *demand;
    d.foreign_growths += 2;
    return maps_heap_bytes(demand, lm_first_fit_bound(&d), sizeof(heap));
}

LM_STRATEGY(bitmap, bitmap, .idea = "a bit for each 16 bytes: first fit, 64 looked at at once",
            .bound = "17/16 of M (2 + log2 n); with alignments of M + (B + 4) n",
            .capabilities = LM_FREES_BLOCKS | LM_BOUNDED_SEARCH | LM_RESIZES_IN_PLACE |
                            LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT | LM_MERGES,
            .allocate_dirty = bitmap_allocate_dirty, .heap_bytes_max = bitmap_heap_bytes_max);

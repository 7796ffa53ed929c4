// The verifier detects each bug that is planted in a correct allocator.
#include "corpus/replay/replay_fixture.h"
#include "corpus/replay/verifier.h"

enum { RECORD_BYTES = 16 };

typedef enum bug {
    NONE,
    OVERLAP,
    MISALIGNED,
    NOT_ZEROED,
    RESIZE_LOSES,
    RESIZE_LOSES_TAIL,
    FREE_SCRIBBLES,
    OUTSIDE,
    SMALL_USABLE,
    BROKEN_LAW,
    LEAK
} bug;

static bug planted;
static uint64_t live, walks, blocks_more;

static uint32_t *size_of(void *block) {
    return (uint32_t *)(void *)((char *)block - RECORD_BYTES);
}

static void *bump(size_t size, size_t alignment, lm_memory *m) {
    uint32_t *top = (uint32_t *)(void *)(m->base + 16);
    uint32_t at = (*top + RECORD_BYTES + (uint32_t)alignment - 1) & ~((uint32_t)alignment - 1);
    if (planted == MISALIGNED && alignment > 16) at += 16;
    if (planted == OUTSIDE && size == 77) return m->base + (size_t)m->pages * LM_PAGE_BYTES - 64;
    *top = at + (uint32_t)size - (planted == OVERLAP && size > 40 ? 40 : 0);
    *size_of(m->base + at) = (uint32_t)size;
    live++;
    return m->base + at;
}
static void *allocate(size_t size, lm_memory *m) {
    return bump(size, 16, m);
}
static void *allocate_aligned(size_t alignment, size_t size, lm_memory *m) {
    return bump(size, alignment, m);
}
static void *allocate_zeroed(size_t size, lm_memory *m) {
    void *block = bump(size, 16, m);
    memset(block, 0, size);
    if (planted == NOT_ZEROED && size) ((char *)block)[size - 1] = 1;
    return block;
}
static void *resize_aligned(void *block, size_t size, size_t alignment, lm_memory *m) {
    void *moved = bump(size, alignment, m);
    size_t old = *size_of(block), kept = old < size ? old : size;
    if (planted == RESIZE_LOSES) kept = 0;
    if (planted == RESIZE_LOSES_TAIL && kept) kept--;
    memmove(moved, block, kept); // a planted overlap is for the verifier to find
    live--;
    return moved;
}
static void *resize(void *block, size_t size, lm_memory *m) {
    return resize_aligned(block, size, 16, m);
}
static void release(void *block, size_t size, lm_memory *m) {
    if (planted == FREE_SCRIBBLES) memset((char *)block + *size_of(block) + RECORD_BYTES, 7, 20);
    if (planted != LEAK || *size_of(block) != 5) live--;
}
static size_t usable_size(const void *block, lm_memory *m) {
    return *size_of((void *)(uintptr_t)block) - (planted == SMALL_USABLE);
}
static const char *validate(lm_memory *m, lm_census *census) {
    walks++;
    *census = (lm_census){.live_blocks = live, .free_blocks = blocks_more};
    return planted == BROKEN_LAW ? "a-law" : NULL;
}
static const lm_allocator allocator = {.name = "bugged",
                                       .capabilities =
                                           LM_FREES_BLOCKS | LM_IN_LINEAR_MEMORY | LM_HOLDS_CONTENT,
                                       .allocate = allocate,
                                       .allocate_zeroed = allocate_zeroed,
                                       .allocate_aligned = allocate_aligned,
                                       .resize = resize,
                                       .resize_aligned = resize_aligned,
                                       .free = release,
                                       .usable_size = usable_size,
                                       .validate = validate};

// Plays a replay with the bug planted. Returns what the verifier says.
static const char *verify(bug bug) {
    static char failure[160];
    static const char text[] =
        HEADER "a 0 5\na 1 100\nz 2 33\na 3 48 256\na 4 77\nf 0\nr 1 200\n"
               "a 5 100000\nr 5 150000\nr 3 20\nf 1\nf 2\ne\nf 3\nf 4\nf 5\n";
    const replay *replay = compile(parse(text));
    lm_memory memory;
    lm_memory_options options = {.pages = 16, .pages_max = 16, .heap_start = 64};
    assert_true(lm_memory_create(&memory, &options));
    *(uint32_t *)(void *)(memory.base + 16) = 64;
    planted = bug;
    live = walks = 0;
    player player = {&allocator, &memory, replay, calloc(replay->slots, sizeof(void *)), 0};
    verifier *v = verifier_new(&allocator, &memory, replay, 4, failure, sizeof failure);
    player_play_observed(&player, verifier_observer(v));
    verifier_end(v);
    free(player.slots);
    lm_memory_destroy(&memory);
    unmap(replay);
    return failure;
}

TEST(finds_each_planted_bug) {
    static const struct {
        bug bug;
        const char *says;
    } rows[] = {
        {NONE, ""},
        {OVERLAP, "content of a block"},
        {MISALIGNED, "not aligned to 256"},
        {NOT_ZEROED, "33 bytes is not zero"},
        {RESIZE_LOSES, "lost content"},
        {RESIZE_LOSES_TAIL, "from 100 to 200 bytes lost content"},
        {FREE_SCRIBBLES, "content of a block"},
        {OUTSIDE, "77 bytes is outside"},
        {SMALL_USABLE, "has only 4"},
        {BROKEN_LAW, "law 'a-law'"},
        {LEAK, "1 blocks are live at the end"},
    };
    for (size_t i = 0; i < ITEMS(rows); i++) {
        const char *said = verify(rows[i].bug);
        if (rows[i].bug == NONE)
            assert_string_equal(said, "");
        else if (!strstr(said, rows[i].says))
            fail_msg("bug %d: '%s'", (int)rows[i].bug, said);
    }
}

// After every four of the fifteen calls, and at the end; in a heap of more blocks later, since a
// walk there costs more than four calls.
TEST(walks_cost_no_more_than_calls) {
    verify(NONE);
    assert_int_equal(walks, 3 + 1);
    blocks_more = 2;
    verify(NONE);
    assert_int_equal(walks, 2 + 1);
    blocks_more = 1000;
    verify(NONE);
    assert_int_equal(walks, 1 + 1);
    blocks_more = 0;
}

TEST_MAIN(NULL, NULL)

#include "alloc/conformance/model.h"

static uint32_t random_size(uint64_t *state) {
    static const uint32_t bounds[] = {17, 65, 65, 300, 300, 1100, 5000, 70000};
    uint32_t size = random_below(state, bounds[random_below(state, 8)]);
    return random_below(state, 300) ? size : size * 5;
}

static bool chance(model *m, uint32_t one_in) {
    return random_below(&m->random, one_in) == 0;
}

static void check(model *m, bool holds) {
    const oracle *o = &m->heap.oracle;
    if (!holds) law_fail(o->broken, __FILE__, __LINE__, "%s", o->finding);
}

void model_start(model *m, lm_memory memory, uint64_t seed) {
    *m = (model){.memory = memory, .random = seed, .seed = seed, .episode = m->episode};
    check(m, checked_start(&m->heap, tested, &m->memory, &(checked_options){0}));
    require(start, m->heap.started);
}

// ---- Calls --------------------------------------------------------------------------------------

static void allocate(model *m) {
    uint32_t size = random_size(&m->random), alignment = LM_BLOCK_ALIGNMENT;
    uint32_t kind = random_below(&m->random, 10);
    if (kind == 0) alignment = UINT32_C(1) << random_below(&m->random, 17);
    check(m, checked_allocate(&m->heap, m->number++, size, alignment, kind == 1 || kind == 2));
}

static void resize(model *m, const oracle_extent *block) {
    uint32_t size = random_size(&m->random);
    if (chance(m, 3)) size = block->size + random_below(&m->random, 40);
    check(m, checked_resize(&m->heap, block->number, size));
}

const oracle_extent *model_block(model *m) {
    const oracle *o = &m->heap.oracle;
    const oracle_extent *block = &o->extents[o->order[random_below(&m->random, o->count)]];
    return block->foreign ? NULL : block;
}

void model_free(model *m, const oracle_extent *block) {
    check(m, checked_free(&m->heap, block->number));
}

void model_walk(model *m) {
    check(m, oracle_walk(&m->heap.oracle));
}

void model_check_contents(model *m) {
    check(m, oracle_contents(&m->heap.oracle));
}

// ---- Events -------------------------------------------------------------------------------------

void model_grow_foreign(model *m) {
    check(m, checked_grow_foreign(&m->heap, 1 + random_below(&m->random, 2)));
}

// The heap continues in another memory, as a copy of its bytes.
static void copy(model *m) {
    lm_memory other;
    assert_true(lm_memory_create(&other, &(lm_memory_options){.pages = m->memory.pages,
                                                              .pages_max = m->memory.pages_max,
                                                              .heap_start = m->memory.heap_start,
                                                              .moving = m->memory.moving}));
    other.refusals = m->memory.refusals;
    memcpy(lm_memory_base(&other), lm_memory_base(&m->memory),
           (size_t)m->memory.pages * LM_PAGE_BYTES);
    lm_memory_destroy(&m->memory);
    m->memory = other;
}

static void event(model *m, const model_options *options) {
    if (options->refusing && chance(m, 40))
        lm_memory_refuse(&m->memory, chance(m, 2) ? 1 + random_below(&m->random, 4) : 0);
    if (options->foreign && chance(m, 60)) model_grow_foreign(m);
    if (options->copying && m->step == options->steps / 2) copy(m);
    if (options->moving && chance(m, 1000)) assert_true(lm_memory_move(&m->memory));
}

void model_step(model *m, const model_options *options) {
    at_operation(m->seed, m->step);
    event(m, options);
    uint32_t blocks = model_blocks(m), kind = random_below(&m->random, 100);
    // Tides: episodes fill and drain, so that the heap is seen both near empty and near full.
    uint32_t appetite = options->hungry ? 85 : m->step / 512 % 2 ? 35 : 60;
    bool full = blocks == options->blocks && !can(LM_FREES_BLOCKS) && m->heap.depth == 0;
    if (full || random_below(&m->random, 1000) < options->resets_in_1000) {
        check(m, checked_reset(&m->heap));
    } else if (can(LM_NESTS_SCOPES) && chance(m, 12)) {
        // A scope that was left open for long is closed when no further block is allowed.
        bool closes = m->heap.depth && (blocks == options->blocks || chance(m, 2));
        check(m, closes ? checked_close(&m->heap) : checked_open(&m->heap));
    } else if (blocks == 0 || (kind < appetite && blocks < options->blocks)) {
        allocate(m);
    } else {
        const oracle_extent *block = model_block(m);
        if (block && kind % 3 == 0)
            resize(m, block);
        else if (block && (can(LM_FREES_BLOCKS) || kind % 3 == 1))
            model_free(m, block);
    }
}

void model_end(model *m) {
    model_check_contents(m);
    check(m, checked_end(&m->heap));
    for (int i = 0; i < LAWS; i++)
        if (m->heap.oracle.checked >> i & 1) law_checked((law)i, true);
    lm_memory_destroy(&m->memory);
}

// ---- Episodes -----------------------------------------------------------------------------------

static void play_episode(model *m, const model_options *options, uint64_t seed) {
    static const uint32_t starts[] = {16, 1024, 60000 / 16 * 16, 65520, 65536, 3 * 65536 + 16};
    uint64_t place = seed;
    lm_memory memory;
    assert_true(lm_memory_create(&memory,
                                 &(lm_memory_options){.pages = random_below(&place, 7),
                                                      .pages_max = options->pages_max,
                                                      .heap_start = starts[random_below(&place, 6)],
                                                      .moving = options->moving}));
    model_start(m, memory, seed);
    for (; m->step < options->steps; m->step++) {
        model_step(m, options);
        if (m->step % options->walk_every == 0) model_walk(m);
        if (m->step % 256 == 0) model_check_contents(m);
    }
    model_end(m);
}

static void play_episodes(void **state) {
    static model m;
    const model_options *options = *state;
    for (m.episode = 0; m.episode < options->episodes; m.episode++)
        play_episode(&m, options, m.episode * 7919 + 1);
}

int run_model(void) {
    // Episodes, steps, steps between walks, blocks, pages, resets in 1000 steps; then whether the
    // memory moves, growth fails, other code grows the memory, and the heap is copied.
    static model_options small = {40, 4000, 2, 60, 40, 1, .copying = true},
                         large = {2, 50000, 1000, MODEL_BLOCKS_MAX, 300, 0, .copying = true},
                         moving = {20, 1000, 1, 80, 40, 0, .moving = true},
                         refusing = {20, 2000, 1, 100, 40, 1, .refusing = true},
                         foreign = {30, 2000, 2, 100, 150, 2, .foreign = true},
                         everything = {10, 2000, 1, 80, 45, 1, true, true, true, .copying = true};
    static const law_test tests[] = {
        {"random_small", play_episodes, &small},
        {"random_large", play_episodes, &large},
        {"random_moving", play_episodes, &moving},
        {"random_refused", play_episodes, &refusing},
        {"random_foreign", play_episodes, &foreign},
        {"random_everything", play_episodes, &everything},
    };
    return run_law_tests("model", tests, sizeof tests / sizeof *tests);
}

#include "alloc/conformance/model.h"

static uint32_t random_size(uint64_t *state) {
    static const uint32_t bounds[] = {17, 65, 65, 300, 300, 1100, 5000, 70000};
    uint32_t size = random_below(state, bounds[random_below(state, 8)]);
    return random_below(state, 300) ? size : size * 5;
}

static unsigned char *at(model *m, const extent *e) {
    return lm_memory_base(&m->memory) + e->offset;
}

static extent *insert(model *m, extent e) {
    uint32_t i = m->count;
    while (i > 0 && m->live[i - 1].offset > e.offset)
        i--;
    require(disjoint, i == 0 || m->live[i - 1].room <= e.offset - m->live[i - 1].offset);
    require(disjoint, i == m->count || e.room <= m->live[i].offset - e.offset);
    memmove(&m->live[i + 1], &m->live[i], (m->count - i) * sizeof e);
    m->live[i] = e;
    m->count++;
    return &m->live[i];
}
static extent forget(model *m, uint32_t i) {
    extent e = m->live[i];
    memmove(&m->live[i], &m->live[i + 1], (--m->count - i) * sizeof e);
    return e;
}

// Enters a block that was returned: aligned, inside, disjoint from all others, and then filled.
static void enter(model *m, const void *block, extent e) {
    uint64_t end = (uint64_t)lm_memory_pages(&m->memory) * LM_PAGE_BYTES;
    e.offset = (uint64_t)((const unsigned char *)block - lm_memory_base(&m->memory));
    e.usable = tested->usable_size(block, &m->memory);
    e.room = e.usable ? e.usable : 1;
    require_that(inside, e.offset, >=, m->memory.heap_start);
    require_that(inside, e.offset, <=, end);
    require_that(inside, e.room, <=, end - e.offset);
    require_that(usable, e.usable, >=, e.size);
    require_that(usable, e.usable, <=, e.cost_max);
    require_that(aligned, e.offset % LM_BLOCK_ALIGNMENT, ==, 0);
    require_that(aligned, e.offset % e.alignment, ==, 0);
    fill(at(m, insert(m, e)), e.usable, e.mark);
}

// A refusal is due only where growth is: the memory is nearly full, or growth was refused.
static void refused(model *m, size_t size, size_t alignment, uint32_t pages_before) {
    uint64_t left = (uint64_t)(m->memory.pages_max - pages_before) * LM_PAGE_BYTES;
    uint64_t due = 2 * bytes_max(size, alignment) + alignment + 3 * LM_PAGE_BYTES;
    require_as(served, m->growth_refused || left < due,
               "expected success: the memory can grow by %llu bytes, and %llu are enough",
               (unsigned long long)left, (unsigned long long)due);
    require_that(refused, lm_memory_pages(&m->memory), ==, pages_before);
    m->refusals++;
}

static void step_allocate(model *m) {
    size_t size = random_size(&m->random), alignment = LM_BLOCK_ALIGNMENT;
    uint32_t pages = lm_memory_pages(&m->memory), kind = random_below(&m->random, 10);
    uint8_t mark = (uint8_t)random_next(&m->random);
    void *block;
    if (kind == 0) {
        alignment = (size_t)1 << random_below(&m->random, 17);
        block = tested->allocate_aligned(alignment, size, &m->memory);
    } else if (kind < 3) {
        block = tested->allocate_zeroed(size, &m->memory);
        if (block) require_zero(block, size);
    } else {
        block = tested->allocate(size, &m->memory);
    }
    if (!block)
        refused(m, size, alignment, pages);
    else
        enter(m, block,
              (extent){.size = size,
                       .alignment = alignment,
                       .mark = mark,
                       .scope = m->scopes,
                       .cost_max = bytes_max(size, alignment),
                       .counts = lm_demand_allocated(&m->demand, tested, size, alignment)});
}

void step_free(model *m, uint32_t i) {
    extent e = forget(m, i);
    require_filled(at(m, &e), e.usable, e.usable, e.mark);
    lm_demand_freed(&m->demand, e.counts);
    tested->free(at(m, &e), random_below(&m->random, 2) ? e.size : 0, &m->memory);
}

static void step_resize(model *m, uint32_t i) {
    extent e = forget(m, i);
    size_t size = random_size(&m->random), kept = e.size;
    if (random_below(&m->random, 3) == 0) size = e.size + random_below(&m->random, 40);
    uint32_t pages = lm_memory_pages(&m->memory);
    void *old = at(m, &e);
    void *block = e.alignment > LM_BLOCK_ALIGNMENT
                      ? tested->resize_aligned(old, size, e.alignment, &m->memory)
                      : tested->resize(old, size, &m->memory);
    if (!block) {
        refused(m, size, e.alignment, pages);
        require_that(refused, tested->usable_size(at(m, &e), &m->memory), ==, e.usable);
        require_filled(at(m, &e), e.usable, e.usable, e.mark);
        insert(m, e);
        return;
    }
    require_filled(block, size < kept ? size : kept, e.usable, e.mark);
    bool moved = block != at(m, &e);
    if (moved) e.scope = m->scopes;
    e.counts = lm_demand_resized(&m->demand, tested, e.counts, size, e.alignment, moved);
    e.size = size;
    e.cost_max = 2 * bytes_max(size, e.alignment);
    enter(m, block, e);
}

// Somebody else's pages, which are watched as the blocks are.
void step_foreign(model *m) {
    uint32_t before = lm_memory_pages(&m->memory), pages = 1 + random_below(&m->random, 2);
    if (m->foreign == FOREIGN_MAX || !lm_memory_grow_foreign(&m->memory, pages)) return;
    m->foreign++;
    lm_demand_foreign(&m->demand, pages);
    uint64_t bytes = (uint64_t)pages * LM_PAGE_BYTES;
    extent *e = insert(m, (extent){.offset = (uint64_t)before * LM_PAGE_BYTES,
                                   .room = bytes,
                                   .usable = bytes,
                                   .mark = (uint8_t)random_next(&m->random),
                                   .foreign = true});
    fill(at(m, e), e->usable, e->mark);
}

// The heap goes on elsewhere, as a copy of its bytes.
static void step_copy(model *m) {
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

lm_census check_census(model *m) {
    lm_census census;
    const char *broken = tested->validate(&m->memory, &census);
    require_as(sound, !broken, "validate returned \"%s\"", broken);
    uint64_t usable = 0, cost_max = 0, foreign = 0, blocks = m->count - m->foreign;
    for (uint32_t i = 0; i < m->count; i++) {
        *(m->live[i].foreign ? &foreign : &usable) += m->live[i].usable;
        cost_max += m->live[i].cost_max;
    }
    uint64_t end = (uint64_t)lm_memory_pages(&m->memory) * LM_PAGE_BYTES;
    require_that(census, census.live_bytes, >=, usable);
    require_that(census, census.live_blocks, >=, blocks);
    if (can(LM_FREES_BLOCKS)) require_that(census, census.live_blocks, ==, blocks);
    if (can(LM_FREES_BLOCKS)) require_that(cost, census.live_bytes, <=, cost_max);
    require_that(census, census.live_bytes + census.free_bytes, <=, census.heap_bytes);
    uint64_t taken = end - m->memory.heap_start - foreign;
    require_that(census, census.heap_bytes, <=, taken);
    require_that(census, census.heap_bytes + (m->foreign + 1) * 64, >=, taken);
    require_bound(census.heap_bytes, &m->demand.most, m->pages_begun);
    return census;
}

void check_contents(model *m) {
    for (uint32_t i = 0; i < m->count; i++) {
        const extent *e = &m->live[i];
        require_filled(at(m, e), e->usable, e->usable, e->mark);
    }
}

// Keeps the foreign extents and those allocated in a scope further out.
static void forget_scopes_from(model *m, uint32_t scope) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->live[i].foreign || m->live[i].scope < scope)
            m->live[kept++] = m->live[i];
        else
            lm_demand_freed(&m->demand, m->live[i].counts);
    }
    m->count = kept;
}

static void step_reset(model *m) {
    check_contents(m);
    tested->reset(&m->memory);
    forget_scopes_from(m, 0);
    lm_demand_reset(&m->demand);
    m->scopes = 0;
    lm_census census = walk(&m->memory);
    require_that(reset, census.live_blocks, ==, 0);
    require_that(reset, census.live_bytes, ==, 0);
}

void step_close_scope(model *m) {
    tested->close_scope(&m->memory);
    forget_scopes_from(m, m->scopes--);
    lm_demand_closed(&m->demand);
    check_contents(m);
}

static void step_open_scope(model *m) {
    uint32_t pages = lm_memory_pages(&m->memory);
    if (!tested->open_scope(&m->memory)) {
        refused(m, 0, LM_BLOCK_ALIGNMENT, pages);
        return;
    }
    m->scopes++;
    lm_demand_opened(&m->demand, tested);
}

static void step_event(model *m, const world *w) {
    if (w->refusing && random_below(&m->random, 40) == 0) {
        m->growth_refused = random_below(&m->random, 2);
        lm_memory_refuse(&m->memory, m->growth_refused ? 1 + random_below(&m->random, 4) : 0);
    }
    if (w->foreign && random_below(&m->random, 60) == 0) step_foreign(m);
    if (w->copying && m->step == w->steps / 2) step_copy(m);
    if (w->moving && random_below(&m->random, 1000) == 0) assert_true(lm_memory_move(&m->memory));
}

void step(model *m, const world *w) {
    if (!m->pages_begun) m->pages_begun = lm_memory_pages(&m->memory);
    if (!m->seed) m->seed = m->random;
    at_operation(m->seed, m->step);
    step_event(m, w);
    uint32_t blocks = m->count - m->foreign, kind = random_below(&m->random, 100);
    // Tides: episodes fill and drain, so that the heap is seen both near empty and near full.
    uint32_t appetite = w->hungry ? 85 : m->step / 512 % 2 ? 35 : 60;
    bool full = blocks == w->slots && !can(LM_FREES_BLOCKS) && m->scopes == 0;
    if (full || random_below(&m->random, 1000) < w->resets_in_1000) {
        step_reset(m);
    } else if (can(LM_NESTS_SCOPES) && random_below(&m->random, 12) == 0) {
        // Scopes that were left open for long are closed when the slots are full.
        if (m->scopes && (blocks == w->slots || random_below(&m->random, 2)))
            step_close_scope(m);
        else
            step_open_scope(m);
    } else if (blocks == 0 || (kind < appetite && blocks < w->slots)) {
        step_allocate(m);
    } else {
        uint32_t i = random_below(&m->random, m->count);
        if (m->live[i].foreign) return;
        if (kind % 3 == 0)
            step_resize(m, i);
        else if (can(LM_FREES_BLOCKS) || kind % 3 == 1)
            step_free(m, i);
    }
}

void free_all(model *m) {
    for (uint32_t i = m->count; i-- > 0;)
        if (!m->live[i].foreign) step_free(m, i);
}

static void play_episode(model *m, const world *w) {
    static const uint32_t starts[] = {16, 1024, 60000 / 16 * 16, 65520, 65536, 3 * 65536 + 16};
    uint32_t start = starts[random_below(&m->random, 6)], pages = random_below(&m->random, 7);
    assert_true(lm_memory_create(&m->memory, &(lm_memory_options){.pages = pages,
                                                                  .pages_max = w->pages_max,
                                                                  .heap_start = start,
                                                                  .moving = w->moving}));
    require(start, tested->start(&m->memory));
    for (m->step = 0; m->step < w->steps; m->step++) {
        step(m, w);
        if (m->step % w->walk_every == 0) check_census(m);
        if (m->step % 256 == 0) check_contents(m);
    }
    check_contents(m);
    while (m->scopes)
        step_close_scope(m);
    free_all(m);
    check_census(m);
    lm_memory_destroy(&m->memory);
}

static void play_world(void **state) {
    static model m;
    const world *w = *state;
    for (unsigned episode = 0; episode < w->episodes; episode++) {
        uint64_t seed = episode * 7919 + 1;
        m = (model){.random = seed, .seed = seed, .episode = episode};
        play_episode(&m, w);
    }
}

static world small = {.episodes = 40,
                      .steps = 4000,
                      .walk_every = 2,
                      .slots = 60,
                      .pages_max = 40,
                      .resets_in_1000 = 1,
                      .copying = true};
static world large = {.episodes = 2,
                      .steps = 50000,
                      .walk_every = 1000,
                      .slots = SLOTS,
                      .pages_max = 300,
                      .copying = true};
static world moving = {
    .episodes = 20, .steps = 1000, .walk_every = 1, .slots = 80, .pages_max = 40, .moving = true};
static world refusing = {.episodes = 20,
                         .steps = 2000,
                         .walk_every = 1,
                         .slots = 100,
                         .pages_max = 40,
                         .refusing = true,
                         .resets_in_1000 = 1};
static world foreign = {.episodes = 30,
                        .steps = 2000,
                        .walk_every = 2,
                        .slots = 100,
                        .pages_max = 150,
                        .foreign = true,
                        .resets_in_1000 = 2};
static world everything = {.episodes = 10,
                           .steps = 2000,
                           .walk_every = 1,
                           .slots = 80,
                           .pages_max = 45,
                           .foreign = true,
                           .moving = true,
                           .refusing = true,
                           .copying = true,
                           .resets_in_1000 = 1};

int run_model(void) {
    static const law_test tests[] = {
        {"random_small", play_world, &small},     {"random_large", play_world, &large},
        {"random_moving", play_world, &moving},   {"random_refused", play_world, &refusing},
        {"random_foreign", play_world, &foreign}, {"random_everything", play_world, &everything},
    };
    return run_law_tests("model", tests, sizeof tests / sizeof *tests);
}

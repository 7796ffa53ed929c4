// The second heap, whose blocks are filled with IMAGE_JUNK; the explorer's states are made of it.
#include "fuzz/explore/explorer/heap_world_state.h"
#include "fuzz/explore/explorer/image.h"

#include <string.h>

static void insert_block(head *h, block b) {
    uint32_t i = h->count++;
    for (; i > 0 && h->blocks[i - 1].offset > b.offset; i--)
        h->blocks[i] = h->blocks[i - 1];
    h->blocks[i] = b;
}
static void remove_block(head *h, uint32_t i) {
    for (h->count--; i < h->count; i++)
        h->blocks[i] = h->blocks[i + 1];
    h->blocks[h->count] = (block){0};
}

// Enters and fills a block that was allocated or resized.
static void enter_block(heap_world *w, void *address, block b) {
    b.offset = (uint32_t)((unsigned char *)address - w->bare.base);
    memset(address, IMAGE_JUNK, w->allocator->usable_size(address, &w->bare));
    insert_block(&w->next, b);
}

static void bare_allocate(heap_world *w, const trace_operation *o) {
    size_t size = o->argument[1], alignment = o->argument[2];
    void *address = o->verb == TRACE_ZEROED ? w->allocator->allocate_zeroed(size, &w->bare)
                    : alignment > LM_BLOCK_ALIGNMENT
                        ? w->allocator->allocate_aligned(alignment, size, &w->bare)
                        : w->allocator->allocate(size, &w->bare);
    if (!address) return;
    enter_block(
        w, address,
        (block){.size = (uint32_t)size, .alignment = (uint32_t)alignment, .scope = w->next.depth});
}

static void bare_free(heap_world *w, uint32_t i) {
    block b = w->next.blocks[i];
    w->allocator->free(w->bare.base + b.offset, i % 2 ? b.size : 0, &w->bare);
    remove_block(&w->next, i);
}

static void bare_resize(heap_world *w, uint32_t i, uint32_t size) {
    block b = w->next.blocks[i];
    void *old = w->bare.base + b.offset;
    void *address = b.alignment == LM_BLOCK_ALIGNMENT
                        ? w->allocator->resize(old, size, &w->bare)
                        : w->allocator->resize_aligned(old, size, b.alignment, &w->bare);
    b.scope = w->next.depth;
    w->next.blocks[i].scope = b.scope;
    if (!address) return;
    remove_block(&w->next, i);
    b.size = size;
    enter_block(w, address, b);
}

static void bare_foreign(heap_world *w) {
    uint32_t offset = w->bare.pages * LM_PAGE_BYTES;
    if (!lm_memory_grow_foreign(&w->bare, 1)) return;
    insert_block(&w->next, (block){.offset = offset, .size = LM_PAGE_BYTES});
    w->next.foreign++;
}

// Removes the blocks of the scopes from `scope` on.
static void end_blocks(heap_world *w, uint32_t scope) {
    for (uint32_t i = w->next.count; i-- > 0;)
        if (w->next.blocks[i].alignment && w->next.blocks[i].scope >= scope)
            remove_block(&w->next, i);
}

static void bare_reset(heap_world *w) {
    end_blocks(w, 0);
    w->next.depth = w->next.scopes_opened = 0;
    w->allocator->reset(&w->bare);
}

static void bare_open(heap_world *w) {
    uint32_t opened = w->allocator->open_scope(&w->bare);
    w->next.scopes_opened |= (uint8_t)(opened << w->next.depth++);
}

static void bare_close(heap_world *w) {
    uint32_t depth = w->next.depth--, bit = 1u << w->next.depth;
    if (w->next.scopes_opened & bit) {
        end_blocks(w, depth);
        w->allocator->close_scope(&w->bare);
        w->next.scopes_opened &= (uint8_t)~bit;
        return;
    }
    for (uint32_t i = w->next.count; i-- > 0;)
        if (w->next.blocks[i].alignment && w->next.blocks[i].scope >= depth) bare_free(w, i);
}

static void play_bare(heap_world *w, const trace_operation *o) {
    switch (o->verb) {
    case TRACE_FREE:
        bare_free(w, o->argument[0]);
        break;
    case TRACE_RESIZE:
        bare_resize(w, o->argument[0], o->argument[1]);
        break;
    case TRACE_GROW:
        bare_foreign(w);
        break;
    case TRACE_RESET:
        bare_reset(w);
        break;
    case TRACE_OPEN:
        bare_open(w);
        break;
    case TRACE_CLOSE:
        bare_close(w);
        break;
    case TRACE_LANE:
        w->bare.thread = w->next.thread = (uint8_t)o->argument[0];
        break;
    default:
        bare_allocate(w, o);
    }
}

// Checks that the blocks have the offsets they have under the oracle: no strategy may depend on
// their content.
static bool same_places(heap_world *w) {
    const oracle *o = &w->player.heap.oracle;
    bool same = o->count == w->next.count && w->player.memory.pages == w->bare.pages;
    for (uint32_t i = 0; same && i < o->count; i++)
        same = o->extents[o->order[i]].offset == w->next.blocks[i].offset;
    return same || heap_world_breaks(w, LAW_content,
                                     "where blocks lie depends on what was written to them");
}

bool heap_world_play_bare(heap_world *w, const trace_operation *operation, uint32_t refusals) {
    lm_memory_refuse(&w->bare, refusals);
    play_bare(w, operation);
    lm_memory_refuse(&w->bare, 0);
    if (w->bare.pages > w->bare_pages) w->bare_pages = w->bare.pages;
    w->next.pages = (uint16_t)w->bare.pages;
    return same_places(w);
}

#include "corpus/replay/replay.h"
#include "corpus/replay/placement.h"
#include "corpus/trace/lowering.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PLACEMENTS_START = 16, // offset 0 is NULL
    LANE_SPARE_MIN = 4096, // spare slots of a lane, so that lanes rarely wait for each other
    LANE_SLOTS = 64,       // adjacent ones of one lane: lanes do not share cache lines
};

typedef struct block {
    uint32_t slot, size, alignment, offset;
} block;

// The slots that a lane may use next: a list of spare ones, and a range of new ones.
typedef struct lane {
    uint32_t first, last, count;
    uint32_t fresh, fresh_end;
} lane;

typedef struct slot {
    uint32_t next; // of a spare slot: the next one of its lane
    uint32_t lane;
    uint32_t turn;
} slot;

typedef struct compiler {
    replay *out;
    replay_step *steps;
    uint32_t *placements;
    block *blocks;
    slot *slots;
    lane lanes[LM_THREADS_MAX];
    uint32_t lane;
    replay_turn *turns; // in recorded order; NULL if lanes cannot be played
    uint8_t *turn_lanes;
    uint64_t turn_count;
    uint64_t live_bytes;
    placement *placement;
    trace_error *error;
} compiler;

static void replay_emit(compiler *c, uint32_t slot, replay_verb verb, uint32_t size) {
    c->steps[c->out->steps++] = (replay_step){slot << REPLAY_VERB_BITS | (uint32_t)verb, size};
}

static void replay_count_live(compiler *c, const block *b) {
    c->live_bytes += b->size;
    if (c->live_bytes > c->out->peak_live_bytes) c->out->peak_live_bytes = c->live_bytes;
    if (b->size > c->out->largest_bytes) c->out->largest_bytes = b->size;
}

// A replay of one lane reuses the last spare slot, so that it needs few; a replay of several lanes
// reuses the first of many, so that a lane rarely waits for another to free it.
static uint32_t replay_take_slot(compiler *c) {
    lane *l = &c->lanes[c->lane];
    if (l->count > (c->turns ? LANE_SPARE_MIN : 0)) {
        uint32_t first = l->first;
        l->first = c->slots[first].next;
        l->count--;
        return first;
    }
    if (l->fresh == l->fresh_end) {
        l->fresh = c->out->slots;
        c->out->slots += c->turns ? LANE_SLOTS : 1;
        l->fresh_end = c->out->slots;
    }
    c->slots[l->fresh].lane = c->lane;
    return l->fresh++;
}

static void replay_give_slot(compiler *c, uint32_t slot) {
    lane *l = &c->lanes[c->slots[slot].lane];
    if (l->count++ == 0) {
        l->first = l->last = slot;
    } else if (c->turns) {
        c->slots[l->last].next = slot;
        l->last = slot;
    } else {
        c->slots[slot].next = l->first;
        l->first = slot;
    }
}

static void replay_add_turn(compiler *c, const block *b, replay_verb verb, uint32_t size,
                            uint32_t old) {
    if (!c->turns || c->out->steps_timed) return;
    c->turn_lanes[c->turn_count] = (uint8_t)c->lane;
    c->turns[c->turn_count++] = (replay_turn){.slot = b->slot,
                                              .turn = c->slots[b->slot].turn++,
                                              .verb = verb,
                                              .size = size,
                                              .alignment = b->alignment,
                                              .old_size = old};
}

static bool replay_compile_allocate(compiler *c, const trace_operation *operation) {
    block *b = &c->blocks[operation->argument[0]];
    b->size = operation->argument[1];
    b->alignment = operation->argument[2];
    b->slot = replay_take_slot(c);
    bool zeroed = operation->verb == TRACE_ZEROED;
    bool aligned = b->alignment > TRACE_ALIGNMENT_DEFAULT;
    replay_verb verb = aligned  ? zeroed ? REPLAY_ALIGNED_ZEROED : REPLAY_ALIGNED
                       : zeroed ? REPLAY_ZEROED
                                : REPLAY_ALLOCATE;
    replay_emit(c, b->slot, verb, b->size);
    if (aligned) c->steps[c->out->steps++] = (replay_step){b->alignment, 0};
    replay_add_turn(c, b, verb, b->size, 0);
    b->offset = placement_take(c->placement, b->size, b->alignment);
    if (!b->offset)
        return trace_fail(c->error, "its blocks do not fit a linear memory of 2^32 bytes");
    c->placements[c->out->placements++] = b->offset;
    replay_count_live(c, b);
    return true;
}

static bool replay_compile_resize(compiler *c, const trace_operation *operation) {
    block *b = &c->blocks[operation->argument[0]];
    uint32_t old = b->size;
    uint32_t size = operation->argument[1] ? operation->argument[1] : 1;
    bool aligned = b->alignment > TRACE_ALIGNMENT_DEFAULT;
    replay_verb verb = aligned ? REPLAY_ALIGNED_RESIZE : REPLAY_RESIZE;
    replay_emit(c, b->slot, verb, size);
    replay_add_turn(c, b, verb, size, old);
    c->steps[c->out->steps++] = (replay_step){aligned ? b->alignment : 0, old};

    uint32_t copied = 0;
    if (!placement_resize(c->placement, b->offset, old, size)) {
        uint32_t offset = placement_take(c->placement, size, b->alignment);
        if (!offset)
            return trace_fail(c->error, "its blocks do not fit a linear memory of 2^32 bytes");
        placement_give(c->placement, b->offset, old);
        b->offset = offset;
        copied = old < size ? old : size;
    }
    c->placements[c->out->placements++] = b->offset;
    c->placements[c->out->placements++] = copied;
    c->live_bytes -= old;
    b->size = size;
    replay_count_live(c, b);
    return true;
}

static bool replay_compile_free(compiler *c, const trace_operation *operation) {
    const block *b = &c->blocks[operation->argument[0]];
    replay_emit(c, b->slot, REPLAY_FREE, 0);
    replay_add_turn(c, b, REPLAY_FREE, 0, 0);
    placement_give(c->placement, b->offset, b->size);
    replay_give_slot(c, b->slot);
    c->live_bytes -= b->size;
    return true;
}

static bool replay_compile_operation(compiler *c, const trace_operation *operation) {
    bool timed = !c->out->steps_timed; // set by `e`
    switch (operation->verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
        c->out->operations += timed;
        return replay_compile_allocate(c, operation);
    case TRACE_RESIZE:
        c->out->operations += timed;
        return replay_compile_resize(c, operation);
    case TRACE_FREE:
        c->out->operations += timed;
        return replay_compile_free(c, operation);
    case TRACE_EXIT:
        c->out->steps_timed = c->out->steps;
        return true;
    case TRACE_LANE:
        if (c->turns) c->lane = operation->argument[0];
        return true;
    case TRACE_GROW:
        replay_emit(c, 0, REPLAY_GROW, operation->argument[0]);
        return true;
    case TRACE_REFUSE:
        replay_emit(c, 0, REPLAY_REFUSE, operation->argument[0]);
        return true;
    case TRACE_MOVE:
        replay_emit(c, 0, REPLAY_MOVE, 0);
        return true;
    default: // the other verbs were lowered
        return true;
    }
}

// Returns whether lanes can be played on threads: the timed part has heap calls only.
static bool replay_lanes_are_playable(const trace *trace) {
    if (trace->lanes < 2 || trace->lanes > LM_THREADS_MAX) return false;
    for (size_t i = 0; i < trace->count && trace->operations[i].verb != TRACE_EXIT; i++) {
        trace_verb verb = trace->operations[i].verb;
        if (verb == TRACE_GROW || verb == TRACE_REFUSE || verb == TRACE_MOVE) return false;
    }
    return true;
}

// Returns the layout, of the maximum size.
static replay replay_layout(const trace *trace) {
    replay p = {.lanes = trace->lanes};
    size_t resizes = 0, aligned = 0, begun = 0;
    for (size_t i = 0; i < trace->count; i++) {
        const trace_operation *operation = &trace->operations[i];
        resizes += operation->verb == TRACE_RESIZE;
        if (operation->verb == TRACE_ALLOCATE || operation->verb == TRACE_ZEROED) {
            begun++;
            aligned += operation->argument[2] > TRACE_ALIGNMENT_DEFAULT;
        }
    }
    p.steps_at = sizeof p;
    p.placements_at = p.steps_at + (trace->count + resizes + aligned) * sizeof(replay_step);
    p.bytes = p.placements_at + (begun + 2 * resizes) * sizeof(uint32_t);
    if (!replay_lanes_are_playable(trace)) return p;
    p.turns_at = p.bytes;
    p.bytes += trace->count * sizeof(replay_turn);
    return p;
}

// Marks the groups among steps first … end − 1.
static void replay_group(replay_step *steps, uint64_t first, uint64_t end) {
    for (uint64_t i = first; i < end;) {
        uint32_t codes[REPLAY_GROUP_STEPS], count = 0;
        for (; count < REPLAY_GROUP_STEPS && i + count < end; count++) {
            codes[count] = replay_step_code(&steps[i + count]);
            if (codes[count] >= REPLAY_GROUP_VERBS) break;
        }
        if (count == REPLAY_GROUP_STEPS) {
            steps[i].slot_and_code = replay_step_slot(&steps[i]) << REPLAY_VERB_BITS |
                                     REPLAY_GROUP_CODE(codes[0], codes[1], codes[2], codes[3]);
            i += REPLAY_GROUP_STEPS;
        } else {
            i += replay_verb_steps((replay_verb)replay_step_code(&steps[i]));
        }
    }
}

// Writes the turns, lane by lane.
static void replay_sort_turns(const compiler *c) {
    replay *out = c->out;
    replay_turn *to = (replay_turn *)(void *)((char *)out + out->turns_at);
    for (uint32_t lane = 0; lane < out->lanes; lane++) {
        for (uint64_t i = 0; i < c->turn_count; i++)
            if (c->turn_lanes[i] == lane) *to++ = c->turns[i];
        out->lane_ends[lane] = (uint64_t)(to - replay_turns(out));
    }
}

static bool replay_make_room(compiler *c, const trace *trace) {
    c->blocks = calloc((size_t)trace->blocks + 1, sizeof *c->blocks);
    c->slots = calloc((size_t)trace->blocks + LANE_SLOTS * LM_THREADS_MAX, sizeof *c->slots);
    c->placement = placement_new(PLACEMENTS_START, trace->blocks);
    bool playable = c->out->turns_at != 0;
    if (playable) {
        c->turns = calloc(trace->count, sizeof *c->turns);
        c->turn_lanes = calloc(trace->count, sizeof *c->turn_lanes);
    }
    return c->blocks && c->slots && c->placement && (!playable || (c->turns && c->turn_lanes));
}

static bool replay_compile_into(compiler *c, const trace *trace) {
    bool ok = replay_make_room(c, trace);
    if (!ok) trace_fail(c->error, "out of memory");
    for (size_t i = 0; ok && i < trace->count; i++)
        ok = replay_compile_operation(c, &trace->operations[i]);
    if (ok && !c->out->operations) ok = trace_fail(c->error, "it has no heap operation to time");
    if (ok && !c->out->steps_timed) c->out->steps_timed = c->out->steps;
    if (ok) {
        c->out->packed_bytes = placement_end(c->placement);
        if (c->turns) replay_sort_turns(c);
        replay_group(c->steps, 0, c->out->steps_timed);
        replay_group(c->steps, c->out->steps_timed, c->out->steps);
    }
    placement_free(c->placement);
    free(c->turn_lanes);
    free(c->turns);
    free(c->slots);
    free(c->blocks);
    return ok;
}

static int replay_compile_heap(const trace *trace, trace_error *error) {
    replay plan = replay_layout(trace);
    int descriptor = memfd_create("linmem-replay", MFD_CLOEXEC);
    void *piece = MAP_FAILED;
    if (descriptor >= 0 && ftruncate(descriptor, (off_t)plan.bytes) == 0)
        piece = mmap(NULL, plan.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (piece == MAP_FAILED) {
        trace_fail(error, "%s", strerror(errno));
        if (descriptor >= 0) close(descriptor);
        return -1;
    }
    replay *out = piece;
    *out = plan;
    compiler c = {.out = out,
                  .steps = (replay_step *)(void *)((char *)piece + plan.steps_at),
                  .placements = (uint32_t *)(void *)((char *)piece + plan.placements_at),
                  .error = error};
    bool ok = replay_compile_into(&c, trace);
    munmap(piece, plan.bytes);
    if (ok) return descriptor;
    close(descriptor);
    return -1;
}

int replay_compile(const trace *trace, trace_error *error) {
    if (!lowering_is_needed(trace)) return replay_compile_heap(trace, error);
    struct trace lowered;
    if (!lowering_run(trace, &lowered, error)) return -1;
    int descriptor = replay_compile_heap(&lowered, error);
    trace_free(&lowered);
    return descriptor;
}

const replay *replay_map(int descriptor) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) return NULL;
    void *piece =
        mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, descriptor, 0);
    return piece == MAP_FAILED ? NULL : piece;
}

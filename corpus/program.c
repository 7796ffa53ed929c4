#include "corpus/program.h"
#include "corpus/placement.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLACEMENTS_START = 16 }; // offset 0 is NULL

typedef struct block {
    uint32_t slot, size, alignment, offset;
} block;

typedef struct compiler {
    program *out;
    program_step *steps;
    uint32_t *placements;
    block *blocks;
    uint32_t *spare_slots, spare_count;
    uint64_t live_bytes;
    placement *placement;
    trace_error *error;
} compiler;

static bool fail(compiler *c, const char *why) {
    snprintf(c->error->text, sizeof c->error->text, "%s", why);
    return false;
}

static void emit(compiler *c, uint32_t slot, program_verb verb, uint32_t size) {
    c->steps[c->out->steps++] = (program_step){slot << PROGRAM_VERB_BITS | (uint32_t)verb, size};
}

static void count_live(compiler *c, const block *b) {
    c->live_bytes += b->size;
    if (c->live_bytes > c->out->peak_live_bytes) c->out->peak_live_bytes = c->live_bytes;
    if (b->size > c->out->largest_bytes) c->out->largest_bytes = b->size;
}

static bool compile_allocate(compiler *c, const trace_operation *operation) {
    block *b = &c->blocks[operation->argument[0]];
    b->size = operation->argument[1];
    b->alignment = operation->argument[2];
    b->slot = c->spare_count ? c->spare_slots[--c->spare_count] : c->out->slots++;
    bool zeroed = operation->verb == TRACE_ZEROED;
    if (b->alignment > TRACE_ALIGNMENT_DEFAULT) {
        emit(c, b->slot, zeroed ? PROGRAM_ALIGNED_ZEROED : PROGRAM_ALIGNED, b->size);
        c->steps[c->out->steps++] = (program_step){b->alignment, 0};
    } else {
        emit(c, b->slot, zeroed ? PROGRAM_ZEROED : PROGRAM_ALLOCATE, b->size);
    }
    b->offset = placement_take(c->placement, b->size, b->alignment);
    if (!b->offset) return fail(c, "its blocks do not fit a linear memory of 2^32 bytes");
    c->placements[c->out->placements++] = b->offset;
    count_live(c, b);
    return true;
}

static bool compile_resize(compiler *c, const trace_operation *operation) {
    block *b = &c->blocks[operation->argument[0]];
    uint32_t old = b->size;
    uint32_t size = operation->argument[1] ? operation->argument[1] : 1;
    bool aligned = b->alignment > TRACE_ALIGNMENT_DEFAULT;
    emit(c, b->slot, aligned ? PROGRAM_ALIGNED_RESIZE : PROGRAM_RESIZE, size);
    c->steps[c->out->steps++] = (program_step){aligned ? b->alignment : 0, old};

    uint32_t copied = 0;
    if (!placement_resize(c->placement, b->offset, old, size)) {
        uint32_t offset = placement_take(c->placement, size, b->alignment);
        if (!offset) return fail(c, "its blocks do not fit a linear memory of 2^32 bytes");
        placement_give(c->placement, b->offset, old);
        b->offset = offset;
        copied = old < size ? old : size;
    }
    c->placements[c->out->placements++] = b->offset;
    c->placements[c->out->placements++] = copied;
    c->live_bytes -= old;
    b->size = size;
    count_live(c, b);
    return true;
}

static bool compile_free(compiler *c, const trace_operation *operation) {
    const block *b = &c->blocks[operation->argument[0]];
    emit(c, b->slot, PROGRAM_FREE, 0);
    placement_give(c->placement, b->offset, b->size);
    c->spare_slots[c->spare_count++] = b->slot;
    c->live_bytes -= b->size;
    return true;
}

static bool compile_operation(compiler *c, const trace_operation *operation) {
    bool timed = !c->out->steps_timed; // set by `e`
    switch (operation->verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
        c->out->operations += timed;
        return compile_allocate(c, operation);
    case TRACE_RESIZE:
        c->out->operations += timed;
        return compile_resize(c, operation);
    case TRACE_FREE:
        c->out->operations += timed;
        return compile_free(c, operation);
    case TRACE_EXIT:
        c->out->steps_timed = c->out->steps;
        return true;
    case TRACE_LANE:
        return true; // all lanes are played by one thread, in recorded order
    case TRACE_GROW:
        emit(c, 0, PROGRAM_GROW, operation->argument[0]);
        return true;
    case TRACE_REFUSE:
        emit(c, 0, PROGRAM_REFUSE, operation->argument[0]);
        return true;
    case TRACE_MOVE:
        emit(c, 0, PROGRAM_MOVE, 0);
        return true;
    default:
        snprintf(c->error->text, sizeof c->error->text,
                 "it has operations on more than one heap ('%c', %s), which compare does not play",
                 trace_grammar[operation->verb].letter, trace_grammar[operation->verb].name);
        return false;
    }
}

// How much room the program takes at most; what is left over is cut off in the end.
static program layout(const trace *trace) {
    program p = {.lanes = trace->lanes};
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
    p.placements_at = p.steps_at + (trace->count + resizes + aligned) * sizeof(program_step);
    p.bytes = p.placements_at + (begun + 2 * resizes) * sizeof(uint32_t);
    return p;
}

// Marks the groups among steps first … end − 1.
static void group(program_step *steps, uint64_t first, uint64_t end) {
    for (uint64_t i = first; i < end;) {
        uint32_t codes[PROGRAM_GROUP_STEPS], count = 0;
        for (; count < PROGRAM_GROUP_STEPS && i + count < end; count++) {
            codes[count] = program_step_code(&steps[i + count]);
            if (codes[count] >= PROGRAM_GROUP_VERBS) break;
        }
        if (count == PROGRAM_GROUP_STEPS) {
            steps[i].slot_and_code = program_step_slot(&steps[i]) << PROGRAM_VERB_BITS |
                                     PROGRAM_GROUP_CODE(codes[0], codes[1], codes[2], codes[3]);
            i += PROGRAM_GROUP_STEPS;
        } else {
            i += program_verb_steps((program_verb)program_step_code(&steps[i]));
        }
    }
}

static bool compile_into(compiler *c, const trace *trace) {
    c->blocks = calloc((size_t)trace->blocks + 1, sizeof *c->blocks);
    c->spare_slots = calloc((size_t)trace->blocks + 1, sizeof *c->spare_slots);
    c->placement = placement_new(PLACEMENTS_START, trace->blocks);
    bool ok = c->blocks && c->spare_slots && c->placement;
    if (!ok) fail(c, strerror(ENOMEM));
    for (size_t i = 0; ok && i < trace->count; i++)
        ok = compile_operation(c, &trace->operations[i]);
    if (ok && !c->out->operations) ok = fail(c, "it has no heap operation to time");
    if (ok && !c->out->steps_timed) c->out->steps_timed = c->out->steps;
    if (ok) {
        c->out->packed_bytes = placement_end(c->placement);
        group(c->steps, 0, c->out->steps_timed);
        group(c->steps, c->out->steps_timed, c->out->steps);
    }
    placement_free(c->placement);
    free(c->spare_slots);
    free(c->blocks);
    return ok;
}

int program_compile(const trace *trace, trace_error *error) {
    program plan = layout(trace);
    int descriptor = memfd_create("linmem-program", MFD_CLOEXEC);
    void *piece = MAP_FAILED;
    if (descriptor >= 0 && ftruncate(descriptor, (off_t)plan.bytes) == 0)
        piece = mmap(NULL, plan.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (piece == MAP_FAILED) {
        snprintf(error->text, sizeof error->text, "%s", strerror(errno));
        if (descriptor >= 0) close(descriptor);
        return -1;
    }
    program *out = piece;
    *out = plan;
    compiler c = {.out = out,
                  .steps = (program_step *)(void *)((char *)piece + plan.steps_at),
                  .placements = (uint32_t *)(void *)((char *)piece + plan.placements_at),
                  .error = error};
    bool ok = compile_into(&c, trace);
    munmap(piece, plan.bytes);
    if (ok) return descriptor;
    close(descriptor);
    return -1;
}

const program *program_map(int descriptor) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) return NULL;
    void *piece =
        mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, descriptor, 0);
    return piece == MAP_FAILED ? NULL : piece;
}

// Converts records to operations. The recorded programs could write to the records' memory, so a
// record may have any content; invalid ones are skipped and counted.
#include "corpus/record/recording.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// The block at an address: its number, or one of these.
#define NO_BLOCK    UINT32_MAX
#define LARGE_BLOCK (UINT32_MAX - 1) // is live, but not in the trace

// The operations that close a trace, besides a free for each live block; the most that a record
// adds; the limit below which memory is too short.
enum { CLOSING_OPERATIONS = 2, RECORD_OPERATIONS = 4, OPERATIONS_LEAST = 4096 };

// ---- Live addresses: open addressing, linear probing, at most half full -------------------------

typedef struct address_entry {
    uint64_t address; // 0: empty
    uint32_t block;
} address_entry;

typedef struct address_table {
    address_entry *entries;
    size_t capacity, count; // capacity is a power of two
} address_table;

static size_t recording_address_home(const address_table *table, uint64_t address) {
    return (size_t)((address * 0x9e3779b97f4a7c15u) >> 32) & (table->capacity - 1);
}

// Returns the entry of the address, or the empty one where it would be.
static address_entry *recording_address_find(const address_table *table, uint64_t address) {
    size_t at = recording_address_home(table, address);
    while (table->entries[at].address != 0 && table->entries[at].address != address)
        at = (at + 1) & (table->capacity - 1);
    return &table->entries[at];
}

static bool recording_address_grow(address_table *table) {
    address_table larger = {.capacity = table->capacity ? 2 * table->capacity : 1024};
    larger.count = table->count;
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (larger.entries == NULL) return false;
    for (size_t i = 0; i < table->capacity; i++)
        if (table->entries[i].address != 0)
            *recording_address_find(&larger, table->entries[i].address) = table->entries[i];
    free(table->entries);
    *table = larger;
    return true;
}

static bool recording_address_put(address_table *table, uint64_t address, uint32_t block) {
    if (table->count >= table->capacity / 2 && !recording_address_grow(table)) return false;
    address_entry *entry = recording_address_find(table, address);
    table->count += entry->address == 0;
    *entry = (address_entry){address, block};
    return true;
}

// Removes the address and returns its block, or NO_BLOCK. Moves later entries up, so that no probe
// meets a gap before its address.
static uint32_t recording_address_take(address_table *table, uint64_t address) {
    if (table->count == 0) return NO_BLOCK;
    address_entry *gap = recording_address_find(table, address);
    if (gap->address == 0) return NO_BLOCK;
    uint32_t block = gap->block;
    size_t mask = table->capacity - 1, hole = (size_t)(gap - table->entries);
    for (size_t at = (hole + 1) & mask; table->entries[at].address != 0; at = (at + 1) & mask) {
        size_t home = recording_address_home(table, table->entries[at].address);
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        table->entries[hole] = table->entries[at];
        hole = at;
    }
    table->entries[hole].address = 0;
    table->count--;
    return block;
}

// ---- Conversion ---------------------------------------------------------------------------------

typedef struct live_block {
    uint32_t size;
    bool live;
} live_block;

// A resize of which only the first of two records was read.
typedef struct pending_resize {
    uint64_t address;
    uint32_t block;
    uint32_t thread; // numbered over all processes
} pending_resize;

typedef struct conversion {
    trace_builder *builder;
    recording_summary *summary;
    trace_error *error;
    address_table addresses;
    live_block *blocks; // by number, which is the order of allocation
    size_t block_capacity;
    pending_resize *resizing; // unordered; few
    size_t resizing_count, resizing_capacity;
    const recording *from;
    uint64_t *until;   // by process: its records before this position are the trace's
    uint32_t *lane_of; // by thread: its lane plus 1, by order of first call; 0: none yet
    uint32_t thread_count;
    uint32_t thread, lane; // of the record; the trace's current one
    uint64_t live_bytes, live_blocks;
    uint64_t most_calls;
    uint64_t appended, most_operations; // of the trace
} conversion;

static bool recording_append(conversion *converter, trace_verb verb, uint32_t first,
                             uint32_t second, uint32_t third) {
    trace_operation operation = {.verb = verb, .argument = {first, second, third}};
    converter->appended++;
    return trace_builder_append(converter->builder, &operation, converter->error);
}

// Appends an operation of the record's thread, and its change of lane.
static bool recording_emit(conversion *converter, trace_verb verb, uint32_t first, uint32_t second,
                           uint32_t third) {
    uint32_t *number = &converter->lane_of[converter->thread];
    if (*number == 0) *number = ++converter->thread_count;
    uint32_t lane = (*number - 1) % TRACE_LANES_MAX;
    if (lane != converter->lane && !recording_append(converter, TRACE_LANE, lane, 0, 0))
        return false;
    converter->lane = lane;
    return recording_append(converter, verb, first, second, third);
}

static void recording_count_live(conversion *converter, int64_t blocks, int64_t bytes) {
    recording_summary *summary = converter->summary;
    converter->live_blocks += (uint64_t)blocks;
    converter->live_bytes += (uint64_t)bytes;
    if (converter->live_blocks > summary->peak_live_blocks)
        summary->peak_live_blocks = converter->live_blocks;
    if (converter->live_bytes > summary->peak_live_bytes)
        summary->peak_live_bytes = converter->live_bytes;
}

static bool recording_end_block(conversion *converter, uint32_t number) {
    live_block *block = &converter->blocks[number];
    block->live = false;
    recording_count_live(converter, -1, -(int64_t)block->size);
    converter->summary->operations++;
    return recording_emit(converter, TRACE_FREE, number, 0, 0);
}

// Enters a block at an address. If another one is live there, its free was not recorded: ends it.
static bool recording_settle(conversion *converter, uint64_t address, uint32_t block) {
    uint32_t old = recording_address_take(&converter->addresses, address);
    if (old != NO_BLOCK) converter->summary->reused_addresses++;
    if (old < LARGE_BLOCK && !recording_end_block(converter, old)) return false;
    if (!recording_address_put(&converter->addresses, address, block))
        return trace_fail(converter->error, "out of memory");
    return true;
}

static uint32_t recording_alignment_of(conversion *converter, const recording_record *record) {
    if (record->alignment_log2 < 32 && (1u << record->alignment_log2) <= TRACE_ALIGNMENT_MAX)
        return 1u << record->alignment_log2;
    converter->summary->lowered_alignments++;
    return TRACE_ALIGNMENT_MAX;
}

static bool recording_begin_block(conversion *converter, const recording_record *record,
                                  trace_verb verb, uint32_t alignment) {
    if (record->size > UINT32_MAX) {
        converter->summary->large_blocks++;
        return recording_settle(converter, record->address, LARGE_BLOCK);
    }
    uint64_t number =
        converter->summary->blocks; // below 2^32, because a trace has fewer operations
    if (number == converter->block_capacity) {
        size_t capacity = number != 0 ? 2 * number : 1024;
        live_block *blocks = realloc(converter->blocks, capacity * sizeof *blocks);
        if (blocks == NULL) return trace_fail(converter->error, "out of memory");
        converter->blocks = blocks;
        converter->block_capacity = capacity;
    }
    if (!recording_settle(converter, record->address, (uint32_t)number)) return false;
    converter->blocks[number] = (live_block){(uint32_t)record->size, true};
    converter->summary->blocks++;
    converter->summary->operations++;
    recording_count_live(converter, 1, (int64_t)record->size);
    return recording_emit(converter, verb, (uint32_t)number, (uint32_t)record->size, alignment);
}

static bool recording_on_free(conversion *converter, const recording_record *record) {
    uint32_t block = recording_address_take(&converter->addresses, record->address);
    if (block == NO_BLOCK) converter->summary->unknown_frees++;
    return block >= LARGE_BLOCK || recording_end_block(converter, block);
}

// Returns the thread's unfinished resize, or NULL.
static pending_resize *recording_find_resize(conversion *converter) {
    for (size_t i = converter->resizing_count; i > 0; i--)
        if (converter->resizing[i - 1].thread == converter->thread)
            return &converter->resizing[i - 1];
    return NULL;
}

static pending_resize *recording_add_resize(conversion *converter) {
    if (converter->resizing_count == converter->resizing_capacity) {
        size_t capacity = 2 * converter->resizing_capacity + 16;
        pending_resize *larger =
            reallocarray(converter->resizing, capacity, sizeof *converter->resizing);
        if (larger == NULL) return NULL;
        converter->resizing = larger;
        converter->resizing_capacity = capacity;
    }
    return &converter->resizing[converter->resizing_count++];
}

// The address is not in the table until the resize ends: another thread may allocate it meanwhile.
static bool recording_on_resize_from(conversion *converter, const recording_record *record) {
    pending_resize *resizing = recording_find_resize(converter);
    if (resizing != NULL)
        converter->summary->unfinished++;
    else if ((resizing = recording_add_resize(converter)) == NULL)
        return trace_fail(converter->error, "out of memory");
    *resizing = (pending_resize){record->address,
                                 recording_address_take(&converter->addresses, record->address),
                                 converter->thread};
    if (resizing->block == NO_BLOCK) converter->summary->unknown_frees++;
    return true;
}

static bool recording_on_resize_to(conversion *converter, const recording_record *record) {
    pending_resize *pending = recording_find_resize(converter);
    pending_resize resizing = {.block = NO_BLOCK};
    if (pending != NULL) {
        resizing = *pending;
        *pending = converter->resizing[--converter->resizing_count];
    }
    uint32_t number = resizing.block;
    if (record->address == 0 && record->size == 0) // the resize freed
        return number >= LARGE_BLOCK || recording_end_block(converter, number);
    if (record->address == 0) // the resize failed
        return number == NO_BLOCK || recording_settle(converter, resizing.address, number);
    if (number >= LARGE_BLOCK)
        return recording_begin_block(converter, record, TRACE_ALLOCATE, TRACE_ALIGNMENT_DEFAULT);
    if (record->size > UINT32_MAX)
        return recording_end_block(converter, number) &&
               recording_begin_block(converter, record, TRACE_ALLOCATE, 1);
    if (!recording_settle(converter, record->address, number)) return false;
    live_block *block = &converter->blocks[number];
    recording_count_live(converter, 0, (int64_t)record->size - (int64_t)block->size);
    block->size = (uint32_t)record->size;
    converter->summary->operations++;
    return recording_emit(converter, TRACE_RESIZE, number, block->size, 0);
}

static bool recording_convert_record(conversion *converter, const recording_record *record) {
    converter->thread = record->thread;
    switch (recording_verb_of(record)) {
    case RECORDING_ALLOCATE:
        return recording_begin_block(converter, record, TRACE_ALLOCATE,
                                     recording_alignment_of(converter, record));
    case RECORDING_ZEROED:
        return recording_begin_block(converter, record, TRACE_ZEROED,
                                     recording_alignment_of(converter, record));
    case RECORDING_FREE:
        return recording_on_free(converter, record);
    case RECORDING_RESIZE_FROM:
        return recording_on_resize_from(converter, record);
    default:
        return recording_on_resize_to(converter, record);
    }
}

// Returns whether the record is a valid heap call that belongs to the trace.
static bool recording_is_heap_call(conversion *converter, const recording_record *record,
                                   uint64_t position) {
    recording_verb verb = recording_verb_of(record);
    converter->summary->lost += verb == RECORDING_UNFINISHED;
    converter->summary->damaged += verb >= RECORDING_VERBS;
    if (verb < RECORDING_ALLOCATE || verb > RECORDING_RESIZE_TO) return false;
    bool known = record->thread < converter->from->threads;
    bool sound = known && (record->address != 0 || verb == RECORDING_RESIZE_TO);
    converter->summary->damaged += !sound;
    return sound && position < converter->until[converter->from->process_of[record->thread]];
}

// Returns whether there is room for another call and for the operations that close the trace.
static bool recording_has_room(const conversion *converter) {
    return converter->summary->calls < converter->most_calls &&
           converter->appended + converter->live_blocks + CLOSING_OPERATIONS + RECORD_OPERATIONS <=
               converter->most_operations;
}

static bool recording_convert_records(conversion *converter) {
    bool full = false;
    for (uint64_t i = 0; i < converter->from->count; i++) {
        const recording_record *record = &converter->from->records[i];
        if (!recording_is_heap_call(converter, record, i)) continue;
        full = full || !recording_has_room(converter);
        bool ends = recording_verb_of(record) != RECORDING_RESIZE_FROM;
        if (full)
            converter->summary->left_out += ends;
        else if (!recording_convert_record(converter, record))
            return false;
        converter->summary->calls += !full && ends;
    }
    uint64_t *lost = &converter->summary->lost;
    *lost -= converter->from->moved < *lost ? converter->from->moved : *lost;
    return true;
}

static bool recording_close_trace(conversion *converter) {
    if (!recording_emit(converter, TRACE_EXIT, 0, 0, 0)) return false;
    for (uint32_t number = 0; number < converter->summary->blocks; number++)
        if (converter->blocks[number].live && !recording_emit(converter, TRACE_FREE, number, 0, 0))
            return false;
    return true;
}

static const char *recording_cut_off_reason(int error) {
    if (error == ETIMEDOUT) return "linmem record did not make room in time";
    if (error == EBADMSG) return "a program overwrote the recording";
    return strerror(error);
}

void recording_describe_losses(const recording_summary *summary, FILE *stream) {
    const struct {
        uint64_t count;
        const char *what;
    } losses[] = {
        {summary->unfinished, "calls that never ended: skipped"},
        {summary->lost, "records, of this process or another, that never ended: skipped"},
        {summary->damaged, "invalid records (overwritten by a program): skipped"},
        {summary->unknown_frees, "frees of unknown blocks skipped"},
        {summary->reused_addresses,
         "blocks with no recorded free; freed when their address was reused"},
        {summary->large_blocks, "blocks of 4 GiB and more: skipped"},
        {summary->lowered_alignments, "alignments reduced to 2^31"},
        {summary->folded_threads, "threads above 4096: they share lanes"},
        {summary->left_out, "later calls omitted (limit reached)"},
    };
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
        if (losses[i].count != 0)
            fprintf(stream, "%" PRIu64 " %s\n", losses[i].count, losses[i].what);
    if (summary->cut_off != 0)
        fprintf(stream, "cut off before the program ended: %s\n",
                recording_cut_off_reason(summary->cut_off));
}

static bool recording_comment(conversion *converter, const char *title) {
    char *losses = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&losses, &bytes);
    if (stream == NULL) return trace_fail(converter->error, "out of memory");
    recording_describe_losses(converter->summary, stream);
    bool written = fclose(stream) == 0;
    trace_builder_comment(converter->builder, title);
    if (written && losses[0] != '\0') trace_builder_comment(converter->builder, losses);
    free(losses);
    return written || trace_fail(converter->error, "out of memory");
}

// Sets up to where the records of the process and of its ancestors belong to the trace.
static void recording_find_ancestors(conversion *converter, uint32_t process) {
    uint64_t end = converter->from->count;
    while (process != 0 && process < converter->from->processes_end) {
        const recording_process *forked = &converter->from->processes[process];
        converter->until[process] = end;
        if (forked->fork_at < end) end = forked->fork_at;
        process = forked->parent < process ? forked->parent : 0;
    }
}

static bool recording_prepare(conversion *converter, uint32_t process) {
    const recording *from = converter->from;
    converter->until = calloc((size_t)from->processes_end + 1, sizeof *converter->until);
    converter->lane_of = calloc((size_t)from->threads + 1, sizeof *converter->lane_of);
    if (converter->builder == NULL || converter->until == NULL || converter->lane_of == NULL)
        return trace_fail(converter->error, "out of memory");
    recording_find_ancestors(converter, process);
    return true;
}

static bool recording_convert(conversion *converter, uint32_t process, const char *title,
                              trace *made) {
    bool converted = recording_prepare(converter, process) &&
                     recording_convert_records(converter) && recording_close_trace(converter);
    if (converter->thread_count > TRACE_LANES_MAX)
        converter->summary->folded_threads = converter->thread_count - TRACE_LANES_MAX;
    converted = converted && recording_comment(converter, title);
    free(converter->addresses.entries);
    free(converter->blocks);
    free(converter->resizing);
    free(converter->until);
    free(converter->lane_of);
    if (!converted) {
        if (converter->builder != NULL) trace_builder_abandon(converter->builder);
        return false;
    }
    return trace_builder_finish(converter->builder, made, converter->error);
}

bool recording_to_trace(const recording *recording, uint32_t process, const char *title,
                        const recording_limits *limits, trace *made, recording_summary *summary,
                        trace_error *error) {
    // If out of memory, tries again with a shorter trace.
    for (uint64_t most = limits->operations;;) {
        *summary = (recording_summary){.cut_off = recording->cut_off};
        conversion converter = {.summary = summary,
                                .error = error,
                                .builder = trace_builder_new(),
                                .from = recording,
                                .most_calls = limits->calls,
                                .most_operations = most};
        if (recording_convert(&converter, process, title, made)) return true;
        most = converter.appended < most / 2 ? converter.appended : most / 2;
        if (most < OPERATIONS_LEAST) return false;
    }
}

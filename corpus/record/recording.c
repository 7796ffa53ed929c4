// From records to operations. What is in the log was shared with foreign programs: it may be
// anything, and what makes no sense is skipped and counted.
#include "corpus/record/recording.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// What an address stands for: the number of its block, or one of these.
#define NO_BLOCK    UINT32_MAX
#define LARGE_BLOCK (UINT32_MAX - 1) // lives, but is not in the trace

// What closing a trace takes besides a free for each block that lives, and what a record adds.
enum { CLOSING_OPERATIONS = 2, RECORD_OPERATIONS = 4, OPERATIONS_LEAST = 4096 };

// ---- live addresses: open addressing, linear probing, never more than half full ----

typedef struct address_entry {
    uint64_t address; // 0: empty
    uint32_t block;
} address_entry;

typedef struct address_table {
    address_entry *entries;
    size_t capacity, count; // capacity is a power of two
} address_table;

static size_t address_home(const address_table *table, uint64_t address) {
    return (size_t)((address * 0x9e3779b97f4a7c15u) >> 32) & (table->capacity - 1);
}

// Where the address is, or the empty place where it would be.
static address_entry *address_find(const address_table *table, uint64_t address) {
    size_t at = address_home(table, address);
    while (table->entries[at].address != 0 && table->entries[at].address != address)
        at = (at + 1) & (table->capacity - 1);
    return &table->entries[at];
}

static bool address_grow(address_table *table) {
    address_table larger = {.capacity = table->capacity ? 2 * table->capacity : 1024};
    larger.count = table->count;
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (larger.entries == NULL) return false;
    for (size_t i = 0; i < table->capacity; i++)
        if (table->entries[i].address != 0)
            *address_find(&larger, table->entries[i].address) = table->entries[i];
    free(table->entries);
    *table = larger;
    return true;
}

static bool address_put(address_table *table, uint64_t address, uint32_t block) {
    if (table->count >= table->capacity / 2 && !address_grow(table)) return false;
    address_entry *entry = address_find(table, address);
    table->count += entry->address == 0;
    *entry = (address_entry){address, block};
    return true;
}

// Takes the address out and returns its block, or NO_BLOCK. What follows it moves up, so that no
// probe meets a gap before its address.
static uint32_t address_take(address_table *table, uint64_t address) {
    if (table->count == 0) return NO_BLOCK;
    address_entry *gap = address_find(table, address);
    if (gap->address == 0) return NO_BLOCK;
    uint32_t block = gap->block;
    size_t mask = table->capacity - 1, hole = (size_t)(gap - table->entries);
    for (size_t at = (hole + 1) & mask; table->entries[at].address != 0; at = (at + 1) & mask) {
        size_t home = address_home(table, table->entries[at].address);
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        table->entries[hole] = table->entries[at];
        hole = at;
    }
    table->entries[hole].address = 0;
    table->count--;
    return block;
}

// ---- from records to operations ----

typedef struct live_block {
    uint32_t size;
    bool live;
} live_block;

// A thread is between the two records of a resize where `address` is not 0.
typedef struct pending_resize {
    uint64_t address;
    uint32_t block;
    uint32_t thread; // over all processes
} pending_resize;

typedef struct conversion {
    trace_builder *builder;
    recording_summary *summary;
    trace_error *error;
    address_table addresses;
    live_block *blocks; // by number, which is the order of allocation
    size_t block_capacity;
    pending_resize *resizing; // those under way, few
    size_t resizing_count, resizing_capacity;
    const recording *from;
    uint64_t *until;   // by process: its records before this position are the trace's
    uint32_t *lane_of; // by thread, plus 1: by order of first call; 0: none yet
    uint32_t thread_count;
    uint32_t thread, lane; // of the record; that the trace is in
    uint64_t live_bytes, live_blocks;
    uint64_t most_calls;
    uint64_t appended, most_operations; // of the trace
} conversion;

static bool fail(conversion *converter, const char *reason) {
    snprintf(converter->error->text, sizeof converter->error->text, "%s", reason);
    return false;
}

static bool append(conversion *converter, trace_verb verb, uint32_t first, uint32_t second,
                   uint32_t third) {
    trace_operation operation = {.verb = verb, .argument = {first, second, third}};
    converter->appended++;
    return trace_builder_append(converter->builder, &operation, converter->error);
}

// Appends an operation of the record's thread.
static bool emit(conversion *converter, trace_verb verb, uint32_t first, uint32_t second,
                 uint32_t third) {
    uint32_t *number = &converter->lane_of[converter->thread];
    if (*number == 0) *number = ++converter->thread_count;
    uint32_t lane = (*number - 1) % TRACE_LANES_MAX;
    if (lane != converter->lane && !append(converter, TRACE_LANE, lane, 0, 0)) return false;
    converter->lane = lane;
    return append(converter, verb, first, second, third);
}

static void count_live(conversion *converter, int64_t blocks, int64_t bytes) {
    recording_summary *summary = converter->summary;
    converter->live_blocks += (uint64_t)blocks;
    converter->live_bytes += (uint64_t)bytes;
    if (converter->live_blocks > summary->peak_live_blocks)
        summary->peak_live_blocks = converter->live_blocks;
    if (converter->live_bytes > summary->peak_live_bytes)
        summary->peak_live_bytes = converter->live_bytes;
}

static bool end_block(conversion *converter, uint32_t number) {
    live_block *block = &converter->blocks[number];
    block->live = false;
    count_live(converter, -1, -(int64_t)block->size);
    converter->summary->operations++;
    return emit(converter, TRACE_FREE, number, 0, 0);
}

// A block came at an address. One that still lives there must have ended unseen.
static bool settle(conversion *converter, uint64_t address, uint32_t block) {
    uint32_t old = address_take(&converter->addresses, address);
    if (old != NO_BLOCK) converter->summary->reused_addresses++;
    if (old < LARGE_BLOCK && !end_block(converter, old)) return false;
    if (!address_put(&converter->addresses, address, block))
        return fail(converter, "out of memory");
    return true;
}

static uint32_t alignment_of(conversion *converter, const recording_record *record) {
    if (record->alignment_log2 < 32 && (1u << record->alignment_log2) <= TRACE_ALIGNMENT_MAX)
        return 1u << record->alignment_log2;
    converter->summary->lowered_alignments++;
    return TRACE_ALIGNMENT_MAX;
}

static bool begin_block(conversion *converter, const recording_record *record, trace_verb verb,
                        uint32_t alignment) {
    if (record->size > UINT32_MAX) {
        converter->summary->large_blocks++;
        return settle(converter, record->address, LARGE_BLOCK);
    }
    uint64_t number = converter->summary->blocks; // few enough, as a trace's operations are
    if (number == converter->block_capacity) {
        size_t capacity = number != 0 ? 2 * number : 1024;
        live_block *blocks = realloc(converter->blocks, capacity * sizeof *blocks);
        if (blocks == NULL) return fail(converter, "out of memory");
        converter->blocks = blocks;
        converter->block_capacity = capacity;
    }
    if (!settle(converter, record->address, (uint32_t)number)) return false;
    converter->blocks[number] = (live_block){(uint32_t)record->size, true};
    converter->summary->blocks++;
    converter->summary->operations++;
    count_live(converter, 1, (int64_t)record->size);
    return emit(converter, verb, (uint32_t)number, (uint32_t)record->size, alignment);
}

static bool on_free(conversion *converter, const recording_record *record) {
    uint32_t block = address_take(&converter->addresses, record->address);
    if (block == NO_BLOCK) converter->summary->unknown_frees++;
    return block >= LARGE_BLOCK || end_block(converter, block);
}

// The thread's resize that is under way, or NULL.
static pending_resize *find_resize(conversion *converter) {
    for (size_t i = converter->resizing_count; i > 0; i--)
        if (converter->resizing[i - 1].thread == converter->thread)
            return &converter->resizing[i - 1];
    return NULL;
}

static pending_resize *add_resize(conversion *converter) {
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

// The address is out of the table until the resize has ended: meanwhile another thread may be given
// it.
static bool on_resize_from(conversion *converter, const recording_record *record) {
    pending_resize *resizing = find_resize(converter);
    if (resizing != NULL)
        converter->summary->unfinished++;
    else if ((resizing = add_resize(converter)) == NULL)
        return fail(converter, "out of memory");
    *resizing = (pending_resize){
        record->address, address_take(&converter->addresses, record->address), converter->thread};
    if (resizing->block == NO_BLOCK) converter->summary->unknown_frees++;
    return true;
}

static bool on_resize_to(conversion *converter, const recording_record *record) {
    pending_resize *pending = find_resize(converter);
    pending_resize resizing = {.block = NO_BLOCK};
    if (pending != NULL) {
        resizing = *pending;
        *pending = converter->resizing[--converter->resizing_count];
    }
    uint32_t number = resizing.block;
    if (record->address == 0 && record->size == 0) // it freed
        return number >= LARGE_BLOCK || end_block(converter, number);
    if (record->address == 0) // it was refused
        return number == NO_BLOCK || settle(converter, resizing.address, number);
    if (number >= LARGE_BLOCK)
        return begin_block(converter, record, TRACE_ALLOCATE, TRACE_ALIGNMENT_DEFAULT);
    if (record->size > UINT32_MAX)
        return end_block(converter, number) && begin_block(converter, record, TRACE_ALLOCATE, 1);
    if (!settle(converter, record->address, number)) return false;
    live_block *block = &converter->blocks[number];
    count_live(converter, 0, (int64_t)record->size - (int64_t)block->size);
    block->size = (uint32_t)record->size;
    converter->summary->operations++;
    return emit(converter, TRACE_RESIZE, number, block->size, 0);
}

static bool convert_record(conversion *converter, const recording_record *record) {
    converter->thread = record->thread;
    switch (recording_verb_of(record)) {
    case RECORDING_ALLOCATE:
        return begin_block(converter, record, TRACE_ALLOCATE, alignment_of(converter, record));
    case RECORDING_ZEROED:
        return begin_block(converter, record, TRACE_ZEROED, alignment_of(converter, record));
    case RECORDING_FREE:
        return on_free(converter, record);
    case RECORDING_RESIZE_FROM:
        return on_resize_from(converter, record);
    default:
        return on_resize_to(converter, record);
    }
}

// Whether the record is a heap call of the trace's, by what it holds.
static bool is_heap_call(conversion *converter, const recording_record *record, uint64_t position) {
    recording_verb verb = recording_verb_of(record);
    converter->summary->lost += verb == RECORDING_UNFINISHED;
    converter->summary->damaged += verb >= RECORDING_VERBS;
    if (verb < RECORDING_ALLOCATE || verb > RECORDING_RESIZE_TO) return false;
    bool known = record->thread < converter->from->threads;
    bool sound = known && (record->address != 0 || verb == RECORDING_RESIZE_TO);
    converter->summary->damaged += !sound;
    return sound && position < converter->until[converter->from->process_of[record->thread]];
}

// Whether one call more fits, and what closes the trace after it.
static bool has_room(const conversion *converter) {
    return converter->summary->calls < converter->most_calls &&
           converter->appended + converter->live_blocks + CLOSING_OPERATIONS + RECORD_OPERATIONS <=
               converter->most_operations;
}

static bool convert_records(conversion *converter) {
    bool full = false;
    for (uint64_t i = 0; i < converter->from->count; i++) {
        const recording_record *record = &converter->from->records[i];
        if (!is_heap_call(converter, record, i)) continue;
        full = full || !has_room(converter);
        bool ends = recording_verb_of(record) != RECORDING_RESIZE_FROM;
        if (full)
            converter->summary->left_out += ends;
        else if (!convert_record(converter, record))
            return false;
        converter->summary->calls += !full && ends;
    }
    uint64_t *lost = &converter->summary->lost;
    *lost -= converter->from->moved < *lost ? converter->from->moved : *lost;
    return true;
}

static bool close_trace(conversion *converter) {
    if (!emit(converter, TRACE_EXIT, 0, 0, 0)) return false;
    for (uint32_t number = 0; number < converter->summary->blocks; number++)
        if (converter->blocks[number].live && !emit(converter, TRACE_FREE, number, 0, 0))
            return false;
    return true;
}

static const char *cut_off_reason(int error) {
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
        {summary->damaged, "records that make no sense, as a program wrote over them: skipped"},
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
        fprintf(stream, "cut off before the program ended: %s\n", cut_off_reason(summary->cut_off));
}

static bool comment(conversion *converter, const char *title) {
    char *losses = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&losses, &bytes);
    if (stream == NULL) return fail(converter, "out of memory");
    recording_describe_losses(converter->summary, stream);
    bool written = fclose(stream) == 0;
    trace_builder_comment(converter->builder, title);
    if (written && losses[0] != '\0') trace_builder_comment(converter->builder, losses);
    free(losses);
    return written || fail(converter, "out of memory");
}

// Which records are the process's, and which of its ancestors' made the heap it began with.
static void find_ancestors(conversion *converter, uint32_t process) {
    uint64_t end = converter->from->count;
    while (process != 0 && process < converter->from->processes_end) {
        const recording_process *forked = &converter->from->processes[process];
        converter->until[process] = end;
        if (forked->fork_at < end) end = forked->fork_at;
        process = forked->parent < process ? forked->parent : 0;
    }
}

static bool prepare(conversion *converter, uint32_t process) {
    const recording *from = converter->from;
    converter->until = calloc((size_t)from->processes_end + 1, sizeof *converter->until);
    converter->lane_of = calloc((size_t)from->threads + 1, sizeof *converter->lane_of);
    if (converter->builder == NULL || converter->until == NULL || converter->lane_of == NULL)
        return fail(converter, "out of memory");
    find_ancestors(converter, process);
    return true;
}

static bool convert(conversion *converter, uint32_t process, const char *title, trace *made) {
    bool converted =
        prepare(converter, process) && convert_records(converter) && close_trace(converter);
    if (converter->thread_count > TRACE_LANES_MAX)
        converter->summary->folded_threads = converter->thread_count - TRACE_LANES_MAX;
    converted = converted && comment(converter, title);
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
    // Where the memory does not do, that of a shorter trace may.
    for (uint64_t most = limits->operations;;) {
        *summary = (recording_summary){.cut_off = recording->cut_off};
        conversion converter = {.summary = summary,
                                .error = error,
                                .builder = trace_builder_new(),
                                .from = recording,
                                .most_calls = limits->calls,
                                .most_operations = most};
        if (convert(&converter, process, title, made)) return true;
        most = converter.appended < most / 2 ? converter.appended : most / 2;
        if (most < OPERATIONS_LEAST) return false;
    }
}

#include "corpus/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// What an address stands for: the number of its block, or one of these.
#define NO_BLOCK    UINT32_MAX
#define LARGE_BLOCK (UINT32_MAX - 1) // lives, but is not in the trace

enum { THREADS_MAX = 1 << 20 };

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
} pending_resize;

typedef struct conversion {
    trace_builder *builder;
    recording_summary *summary;
    trace_error *error;
    address_table addresses;
    live_block *blocks; // by number, which is the order of allocation
    size_t block_capacity;
    pending_resize *resizing; // by thread
    size_t thread_count;
    uint32_t thread, lane; // of the record; that the trace is in
    uint64_t live_bytes, live_blocks;
} conversion;

static bool fail(conversion *converter, const char *reason) {
    snprintf(converter->error->text, sizeof converter->error->text, "%s", reason);
    return false;
}

static bool append(conversion *converter, trace_verb verb, uint32_t first, uint32_t second,
                   uint32_t third) {
    trace_operation operation = {.verb = verb, .argument = {first, second, third}};
    return trace_builder_append(converter->builder, &operation, converter->error);
}

// Appends an operation of the record's thread.
static bool emit(conversion *converter, trace_verb verb, uint32_t first, uint32_t second,
                 uint32_t third) {
    uint32_t lane = converter->thread % TRACE_LANES_MAX;
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
    uint64_t number = converter->summary->blocks;
    if (number >= LARGE_BLOCK) return fail(converter, "too many blocks");
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

static pending_resize *resizing_of(conversion *converter, uint32_t thread) {
    if (thread >= THREADS_MAX) return NULL;
    if (thread >= converter->thread_count) {
        size_t count = 2 * (size_t)thread + 16;
        pending_resize *larger = realloc(converter->resizing, count * sizeof *larger);
        if (larger == NULL) return NULL;
        memset(larger + converter->thread_count, 0,
               (count - converter->thread_count) * sizeof *larger);
        converter->resizing = larger;
        converter->thread_count = count;
    }
    return &converter->resizing[thread];
}

// The address is out of the table until the resize has ended: meanwhile another thread may be given
// it.
static bool on_resize_from(conversion *converter, const recording_record *record,
                           pending_resize *resizing) {
    if (resizing->address != 0) converter->summary->unfinished++;
    resizing->address = record->address;
    resizing->block = address_take(&converter->addresses, record->address);
    if (resizing->block == NO_BLOCK) converter->summary->unknown_frees++;
    return true;
}

static bool on_resize_to(conversion *converter, const recording_record *record,
                         pending_resize *resizing) {
    uint32_t number = resizing->address != 0 ? resizing->block : NO_BLOCK;
    uint64_t old_address = resizing->address;
    resizing->address = 0;
    if (record->address == 0 && record->size == 0) // it freed
        return number >= LARGE_BLOCK || end_block(converter, number);
    if (record->address == 0) // it was refused
        return number == NO_BLOCK || settle(converter, old_address, number);
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
    recording_verb verb = record->verb;
    if (verb == RECORDING_UNFINISHED) {
        converter->summary->unfinished++;
        return true;
    }
    pending_resize *resizing = resizing_of(converter, record->thread);
    if (resizing == NULL) return fail(converter, "no such thread, or out of memory");
    if (record->address == 0 && verb != RECORDING_RESIZE_TO) return fail(converter, "no address");
    converter->thread = record->thread;
    switch (verb) {
    case RECORDING_ALLOCATE:
        return begin_block(converter, record, TRACE_ALLOCATE, alignment_of(converter, record));
    case RECORDING_ZEROED:
        return begin_block(converter, record, TRACE_ZEROED, alignment_of(converter, record));
    case RECORDING_FREE:
        return on_free(converter, record);
    case RECORDING_RESIZE_FROM:
        return on_resize_from(converter, record, resizing);
    case RECORDING_RESIZE_TO:
        return on_resize_to(converter, record, resizing);
    default:
        return fail(converter, "no such verb");
    }
}

static bool close_trace(conversion *converter) {
    if (!emit(converter, TRACE_EXIT, 0, 0, 0)) return false;
    for (uint32_t number = 0; number < converter->summary->blocks; number++)
        if (converter->blocks[number].live && !emit(converter, TRACE_FREE, number, 0, 0))
            return false;
    return true;
}

static void describe_losses(conversion *converter, const recording_header *header) {
    const recording_summary *summary = converter->summary;
    const struct {
        uint64_t count;
        const char *what;
    } losses[] = {
        {summary->unfinished, "calls that never ended: skipped"},
        {summary->unknown_frees, "frees of blocks that nobody saw allocated: skipped"},
        {summary->reused_addresses, "blocks whose end nobody saw: freed when their address came"},
        {summary->large_blocks, "blocks of 4 GiB and more: skipped"},
        {summary->lowered_alignments, "alignments above 65536: lowered to it"},
        {summary->folded_threads, "threads above 4096: they share lanes"},
    };
    char line[160];
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        if (losses[i].count == 0) continue;
        snprintf(line, sizeof line, "%" PRIu64 " %s", losses[i].count, losses[i].what);
        trace_builder_comment(converter->builder, line);
    }
    if (header->cut_off == 0) return;
    snprintf(line, sizeof line, "cut off before the program ended: %s", strerror(header->cut_off));
    trace_builder_comment(converter->builder, line);
}

static bool convert(conversion *converter, const recording *stream) {
    for (uint64_t i = 0; i < stream->count; i++) {
        if (convert_record(converter, &stream->records[i])) continue;
        char reason[sizeof converter->error->text];
        memcpy(reason, converter->error->text, sizeof reason);
        snprintf(converter->error->text, sizeof converter->error->text,
                 "record %" PRIu64 ": %.150s", i, reason);
        return false;
    }
    return close_trace(converter);
}

bool recording_to_trace(const recording *stream, const char *title, trace *made,
                        recording_summary *summary, trace_error *error) {
    *summary = (recording_summary){0};
    conversion converter = {.summary = summary, .error = error, .builder = trace_builder_new()};
    if (converter.builder == NULL) return fail(&converter, "out of memory");
    uint32_t threads = stream->header->threads;
    if (threads > TRACE_LANES_MAX) summary->folded_threads = threads - TRACE_LANES_MAX;
    bool converted = convert(&converter, stream);
    free(converter.addresses.entries);
    free(converter.blocks);
    free(converter.resizing);
    if (!converted) {
        trace_builder_abandon(converter.builder);
        return false;
    }
    trace_builder_comment(converter.builder, title);
    describe_losses(&converter, stream->header);
    return trace_builder_finish(converter.builder, made, error);
}

// ---- streams ----

static bool open_failed(trace_error *error, const char *reason) {
    snprintf(error->text, sizeof error->text, "%s", reason);
    return false;
}

bool recording_open(const char *path, recording *stream, trace_error *error) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return open_failed(error, strerror(errno));
    struct stat status;
    void *start = MAP_FAILED;
    if (fstat(file, &status) == 0 && status.st_size >= (off_t)RECORDING_HEADER_BYTES)
        start = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (start == MAP_FAILED) return open_failed(error, "no recording: too short");
    stream->header = start;
    stream->bytes = (uint64_t)status.st_size;
    stream->records =
        (const recording_record *)(const void *)((const char *)start + RECORDING_HEADER_BYTES);
    stream->count = (stream->bytes - RECORDING_HEADER_BYTES) / sizeof(recording_record);
    if (stream->count > stream->header->claimed) stream->count = stream->header->claimed;
    if (stream->header->magic == RECORDING_MAGIC) return true;
    recording_close(stream);
    return open_failed(error, "no recording: unknown kind");
}

void recording_close(recording *stream) {
    munmap((void *)(uintptr_t)stream->header, stream->bytes);
}

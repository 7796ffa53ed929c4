// Trace files: the content determines the form when reading, the end of the path when writing.
#include "cli/file.h"
#include "corpus/trace/trace.h"
#include "corpus/trace/trace_form.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum {
    BYTES_MAX = 1 << 29, // of a file, compressed or not
    CHUNK_BYTES = 1 << 18,
    LEVEL = 9, // 19 takes twelve times as long to save an eighth
    MAGIC_BYTES_MAX = 16,
};

typedef struct contents {
    unsigned char *bytes;
    size_t count, capacity;
} contents;

// Makes room for `bytes` more. Returns false if out of memory.
static bool trace_file_reserve(contents *contents, size_t bytes) {
    if (bytes <= contents->capacity - contents->count) return true;
    size_t capacity = 2 * contents->capacity + bytes;
    size_t enough = BYTES_MAX + CHUNK_BYTES;
    if (capacity > enough && bytes <= enough - contents->capacity) capacity = enough;
    unsigned char *moved = realloc(contents->bytes, capacity);
    if (!moved) return false;
    contents->bytes = moved;
    contents->capacity = capacity;
    return true;
}

static bool trace_file_begins_with(const void *bytes, size_t count, const char *magic) {
    size_t length = strlen(magic);
    return memcmp(bytes, magic, count < length ? count : length) == 0;
}

static bool trace_file_is_plain(const void *bytes, size_t count) {
    return trace_file_begins_with(bytes, count, TRACE_TEXT_MAGIC) ||
           trace_file_begins_with(bytes, count, TRACE_BINARY_MAGIC);
}

static bool trace_file_is_compressed(const unsigned char *bytes, size_t count) {
    return count >= 4 && (bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                          (uint32_t)bytes[3] << 24) == ZSTD_MAGICNUMBER;
}

bool trace_is_form(const void *bytes, size_t count) {
    return (count >= strlen(TRACE_TEXT_MAGIC) && trace_file_is_plain(bytes, count)) ||
           trace_file_is_compressed(bytes, count);
}

static bool trace_file_parse_plain(const void *bytes, size_t count, trace *trace,
                                   trace_error *error) {
    if (count == 0) return trace_fail(error, "byte 0: the input is empty");
    if (!trace_file_is_plain(bytes, count))
        return trace_fail(error, "byte 0: neither a trace in text (" TRACE_TEXT_MAGIC
                                 " 1) nor a binary one");
    trace_builder *builder = trace_builder_new();
    if (!builder) return trace_fail(error, "out of memory");
    bool good = trace_file_begins_with(bytes, count, TRACE_TEXT_MAGIC)
                    ? trace_text_parse(bytes, count, builder, error)
                    : trace_binary_parse(bytes, count, builder, error);
    if (good) return trace_builder_finish(builder, trace, error);
    trace_builder_abandon(builder);
    return false;
}

// Decompresses all frames; fails as soon as the output is no trace or too large.
static bool trace_file_unpack(ZSTD_DStream *stream, const void *bytes, size_t count,
                              contents *plain, trace_error *error) {
    ZSTD_inBuffer input = {bytes, count, 0};
    size_t pending = 0;
    do {
        if (!trace_file_reserve(plain, CHUNK_BYTES)) return trace_fail(error, "out of memory");
        ZSTD_outBuffer output = {plain->bytes, plain->capacity, plain->count};
        size_t consumed = input.pos;
        pending = ZSTD_decompressStream(stream, &output, &input);
        if (ZSTD_isError(pending))
            return trace_fail(error, "byte %zu: zstd: %s", input.pos, ZSTD_getErrorName(pending));
        bool stuck = input.pos == consumed && output.pos == plain->count;
        plain->count = output.pos;
        if (plain->count > BYTES_MAX)
            return trace_fail(error, "byte %zu: decompresses to more than %d bytes", input.pos,
                              BYTES_MAX);
        if (plain->count >= MAGIC_BYTES_MAX && !trace_file_is_plain(plain->bytes, plain->count))
            return trace_fail(error, "byte 0: the compressed data is not a trace");
        if (stuck) break;
    } while (input.pos < count || pending != 0);
    if (pending != 0) return trace_fail(error, "byte %zu: the compressed data is cut off", count);
    return true;
}

bool trace_parse(const void *bytes, size_t count, trace *trace, trace_error *error) {
    memset(trace, 0, sizeof *trace);
    if (!trace_file_is_compressed(bytes, count))
        return trace_file_parse_plain(bytes, count, trace, error);
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (!stream) return trace_fail(error, "out of memory");
    contents plain = {0};
    bool good = trace_file_unpack(stream, bytes, count, &plain, error);
    ZSTD_freeDStream(stream);
    good = good && trace_file_parse_plain(plain.bytes, plain.count, trace, error);
    free(plain.bytes);
    return good;
}

// Reads up to the end, also of a file that grows meanwhile, and up to the limit.
static bool trace_file_read_all(int descriptor, contents *contents, trace_error *error) {
    for (;;) {
        if (!trace_file_reserve(contents, 1)) return trace_fail(error, "out of memory");
        size_t room = contents->capacity - contents->count;
        ssize_t got = read(descriptor, contents->bytes + contents->count, room);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return trace_fail(error, "%s", strerror(errno));
        if (got == 0) return true;
        contents->count += (size_t)got;
        if (contents->count > BYTES_MAX)
            return trace_fail(error, "larger than %d bytes", BYTES_MAX);
    }
}

static bool trace_file_read_file(int descriptor, contents *contents, trace_error *error) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) return trace_fail(error, "%s", strerror(errno));
    if (S_ISDIR(status.st_mode)) return trace_fail(error, "%s", strerror(EISDIR));
    if (!S_ISREG(status.st_mode)) return trace_fail(error, "not a regular file");
    if (status.st_size > BYTES_MAX) return trace_fail(error, "larger than %d bytes", BYTES_MAX);
    if (!trace_file_reserve(contents, (size_t)status.st_size + 1))
        return trace_fail(error, "out of memory");
    return trace_file_read_all(descriptor, contents, error);
}

static bool trace_file_read_contents(const char *path, contents *contents, trace_error *error) {
    if (file_is_standard(path)) return trace_file_read_all(STDIN_FILENO, contents, error);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not block
    if (descriptor < 0) return trace_fail(error, "%s", strerror(errno));
    bool good = trace_file_read_file(descriptor, contents, error);
    close(descriptor);
    return good;
}

bool trace_read_hashed(const char *path, trace *trace, uint64_t *hash, trace_error *error) {
    memset(trace, 0, sizeof *trace);
    contents contents = {0};
    bool good = trace_file_read_contents(path, &contents, error) &&
                trace_parse(contents.bytes, contents.count, trace, error);
    *hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < contents.count; i++)
        *hash = (*hash ^ contents.bytes[i]) * UINT64_C(0x100000001b3);
    free(contents.bytes);
    return good;
}

bool trace_read(const char *path, trace *trace, trace_error *error) {
    uint64_t hash;
    return trace_read_hashed(path, trace, &hash, error);
}

static bool trace_file_ends_with(const char *path, const char *end) {
    size_t path_length = strlen(path), length = strlen(end);
    return path_length > length && strcmp(path + path_length - length, end) == 0;
}

bool trace_is_file_name(const char *path) {
    return trace_file_ends_with(path, ".lmt") || trace_file_ends_with(path, ".lmt.zst") ||
           file_is_standard(path);
}

// Returns the compressed binary form, which the caller frees, or NULL if out of memory.
static unsigned char *trace_file_pack(const trace *trace, size_t *count) {
    size_t plain_count;
    unsigned char *plain = trace_binary_form(trace, &plain_count);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t room = plain ? ZSTD_compressBound(plain_count) : 0;
    unsigned char *packed = malloc(room + 1);
    bool good = plain && context && packed;
    if (good) {
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
        *count = ZSTD_compress2(context, packed, room, plain, plain_count);
        good = !ZSTD_isError(*count);
    }
    ZSTD_freeCCtx(context);
    free(plain);
    if (good) return packed;
    free(packed);
    errno = ENOMEM;
    return NULL;
}

static bool trace_file_write_packed(const trace *trace, FILE *stream) {
    size_t count;
    unsigned char *packed = trace_file_pack(trace, &count);
    bool good = packed && fwrite(packed, 1, count, stream) == count;
    free(packed);
    return good;
}

bool trace_write(const trace *trace, const char *path, trace_error *error) {
    bool compressed = trace_file_ends_with(path, ".lmt.zst");
    if (!trace_is_file_name(path))
        return trace_fail(error, "the name of a trace ends in .lmt or .lmt.zst");
    whole_file file;
    if (!whole_file_open(&file, path)) return trace_fail(error, "%s", strerror(errno));
    if (!(compressed ? trace_file_write_packed : trace_text_write)(trace, file.stream)) {
        trace_fail(error, "%s", strerror(errno));
        whole_file_abandon(&file);
        return false;
    }
    if (!whole_file_commit(&file)) return trace_fail(error, "%s", strerror(errno));
    return true;
}

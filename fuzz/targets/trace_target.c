// Fuzz target: the reader of traces. A trace that it accepts is the same after it is written and
// read back, as text and as binary; the message about any other input is one line.
//
// Mutates text by lines and binary by columns. A compressed input is decompressed, mutated and
// compressed again, since its checksum would otherwise be wrong.
#include "corpus/trace/trace_form.h"
#include "fuzz/oracle/trace_law.h"
#include "fuzz/play/trace_mutator.h"
#include "fuzz/targets/target.h"

#include <string.h>
#include <zstd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    target_begin(*argc, *argv);
    target_measure();
    return 0;
}

void target_input(const uint8_t *bytes, size_t count) {
    size_t operations;
    char finding[300];
    bool holds = trace_law_holds(&trace_forms, bytes, count, &operations, finding);
    if (!holds) target_fail(LAW_reader, finding);
    target_operations += operations;
}

// ---- Mutation -----------------------------------------------------------------------------------

static size_t mutate_plain(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    size_t magic = strlen(TRACE_BINARY_MAGIC);
    bool binary = count >= magic && memcmp(bytes, TRACE_BINARY_MAGIC, magic) == 0;
    if (seed % 16 == 0) return LLVMFuzzerMutate(bytes, count, max);
    return (binary ? trace_columns_mutate : trace_lines_mutate)(bytes, count, max, seed);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t max, unsigned seed) {
    static uint8_t plain[TRACE_MUTATOR_BYTES_MAX];
    if (seed % 8 == 0) {
        size_t built = trace_operations_mutate(bytes, count, max, seed);
        if (built) return built;
    }
    size_t unpacked = ZSTD_decompress(plain, sizeof plain, bytes, count);
    bool packed = !ZSTD_isError(unpacked);
    if (!packed && seed % 64 != 1) return mutate_plain(bytes, count, max, seed);
    if (!packed) {
        unpacked = count < sizeof plain ? count : sizeof plain;
        memcpy(plain, bytes, unpacked);
    }
    size_t mutated = mutate_plain(plain, unpacked, sizeof plain, seed);
    if (ZSTD_compressBound(mutated) > max) return LLVMFuzzerMutate(bytes, count, max);
    return ZSTD_compress(bytes, max, plain, mutated, 1);
}

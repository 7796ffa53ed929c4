#include "bench/wasm_module.h"

#include <string.h>

enum { CODE_SECTION = 10, LEB128_BYTES_MAX = 5 };

// Reads a LEB128 of 32 bits, which may be padded to five bytes. Returns NULL if it is longer,
// larger or incomplete.
static const unsigned char *wasm_read_u32(const unsigned char *at, const unsigned char *end,
                                          uint32_t *value) {
    *value = 0;
    for (unsigned i = 0; i < LEB128_BYTES_MAX && at < end; i++) {
        unsigned char byte = *at++;
        if (i == LEB128_BYTES_MAX - 1 && byte > 0x0f) return NULL;
        *value |= (uint32_t)(byte & 0x7f) << 7 * i;
        if (byte < 0x80) return at;
    }
    return NULL;
}

bool wasm_code_bytes(const unsigned char *module, size_t bytes, uint32_t *code_bytes) {
    static const unsigned char magic_and_version[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    const unsigned char *at = module + sizeof magic_and_version, *end = module + bytes;
    if (bytes < sizeof magic_and_version ||
        memcmp(module, magic_and_version, sizeof magic_and_version) != 0)
        return false;
    bool found = false;
    while (at < end) {
        unsigned char section = *at++;
        uint32_t content;
        at = wasm_read_u32(at, end, &content);
        if (!at || content > (size_t)(end - at)) return false;
        at += content;
        if (section != CODE_SECTION) continue;
        if (found) return false;
        found = true;
        *code_bytes = content;
    }
    return found;
}

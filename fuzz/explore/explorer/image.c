#include "fuzz/explore/explorer/image.h"

#include <stdbool.h>
#include <string.h>

enum { LINE_BYTES = 16, GROUP_BYTES = 64 * LINE_BYTES };

typedef struct maps {
    uint64_t kept, junk; // one bit per line
} maps;

static bool is_all(const unsigned char *line, unsigned char byte) {
    uint64_t words[2], all = byte * (UINT64_MAX / UINT8_MAX);
    memcpy(words, line, LINE_BYTES);
    return ((words[0] ^ all) | (words[1] ^ all)) == 0;
}

unsigned char *image_write(unsigned char *to, const unsigned char *from, size_t count) {
    for (const unsigned char *end = from + count; from < end; from += GROUP_BYTES) {
        maps m = {0};
        unsigned char *maps_at = to;
        to += sizeof m;
        for (uint32_t i = 0; i < 64; i++) {
            const unsigned char *line = from + i * LINE_BYTES;
            if (is_all(line, 0)) continue;
            if (is_all(line, IMAGE_JUNK)) {
                m.junk |= (uint64_t)1 << i;
                continue;
            }
            m.kept |= (uint64_t)1 << i;
            memcpy(to, line, LINE_BYTES);
            to += LINE_BYTES;
        }
        memcpy(maps_at, &m, sizeof m);
    }
    return to;
}

const unsigned char *image_read(unsigned char *to, const unsigned char *from, size_t count) {
    memset(to, 0, count);
    for (const unsigned char *end = to + count; to < end; to += GROUP_BYTES) {
        maps m;
        memcpy(&m, from, sizeof m);
        from += sizeof m;
        for (; m.junk; m.junk &= m.junk - 1)
            memset(to + (uint32_t)__builtin_ctzll(m.junk) * LINE_BYTES, IMAGE_JUNK, LINE_BYTES);
        for (; m.kept; m.kept &= m.kept - 1) {
            memcpy(to + (uint32_t)__builtin_ctzll(m.kept) * LINE_BYTES, from, LINE_BYTES);
            from += LINE_BYTES;
        }
    }
    return from;
}

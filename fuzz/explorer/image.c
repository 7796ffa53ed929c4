#include "fuzz/explorer/image.h"

#include <string.h>

enum { LINE_BYTES = 16, GROUP_BYTES = 64 * LINE_BYTES };

static int is_zero(const unsigned char *line) {
    uint64_t words[2];
    memcpy(words, line, LINE_BYTES);
    return (words[0] | words[1]) == 0;
}

unsigned char *image_write(unsigned char *to, const unsigned char *from, size_t count) {
    for (const unsigned char *end = from + count; from < end; from += GROUP_BYTES) {
        uint64_t map = 0;
        unsigned char *map_at = to;
        to += sizeof map;
        for (uint32_t i = 0; i < 64; i++) {
            if (is_zero(from + i * LINE_BYTES)) continue;
            map |= (uint64_t)1 << i;
            memcpy(to, from + i * LINE_BYTES, LINE_BYTES);
            to += LINE_BYTES;
        }
        memcpy(map_at, &map, sizeof map);
    }
    return to;
}

const unsigned char *image_read(unsigned char *to, const unsigned char *from, size_t count) {
    memset(to, 0, count);
    for (const unsigned char *end = to + count; to < end; to += GROUP_BYTES) {
        uint64_t map;
        memcpy(&map, from, sizeof map);
        from += sizeof map;
        for (; map; map &= map - 1) {
            memcpy(to + (uint32_t)__builtin_ctzll(map) * LINE_BYTES, from, LINE_BYTES);
            from += LINE_BYTES;
        }
    }
    return from;
}

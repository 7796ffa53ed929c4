#include "fuzz/play/record_mutator.h"

#include <string.h>

enum { STACKED_LOG2_MAX = 4, RUN_MAX = 16, ROW_MAX = 256 };

// An input's records during mutation.
typedef struct record_list {
    const record_format *format;
    uint8_t *records;
    size_t count, max;
    uint64_t random;
} record_list;

static uint8_t *at(record_list *l, size_t index) {
    return l->records + index * l->format->record_bytes;
}
static size_t below(record_list *l, size_t bound) {
    return random_below(&l->random, (uint32_t)bound);
}
static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

// Makes room for up to `count` records at `index`. Returns how many fit.
static size_t open_gap(record_list *l, size_t index, size_t count) {
    count = least(count, l->max - l->count);
    memmove(at(l, index + count), at(l, index), (l->count - index) * l->format->record_bytes);
    l->count += count;
    return count;
}

static void insert_some(record_list *l) {
    size_t index = below(l, l->count + 1);
    size_t count = open_gap(l, index, 1 + below(l, below(l, 4) ? 3 : RUN_MAX));
    for (size_t i = 0; i < count; i++)
        l->format->random_record(at(l, index + i), &l->random);
}

// Inserts a run of similar records, as programs make them: each a little different, or the same for
// one live object after the other, all or every second, so that many free blocks are not adjacent.
static void insert_run(record_list *l) {
    size_t index = below(l, l->count + 1), most = below(l, 16) ? RUN_MAX : ROW_MAX;
    size_t count = open_gap(l, index, 2 + below(l, most)), bytes = l->format->record_bytes;
    if (count == 0) return;
    bool alike = below(l, 3);
    uint8_t stride = (uint8_t)below(l, 3);
    l->format->random_record(at(l, index), &l->random);
    for (size_t i = index + 1; i < index + count; i++) {
        memcpy(at(l, i), at(l, alike ? i - 1 : index), bytes);
        if (alike)
            at(l, i)[l->format->place] = (uint8_t)(at(l, i)[l->format->place] + stride);
        else
            l->format->tweak_record(at(l, i), &l->random);
    }
}

static void remove_some(record_list *l) {
    if (l->count == 0) return;
    size_t index = below(l, l->count);
    size_t count = least(1 + below(l, below(l, 4) ? 2 : RUN_MAX), l->count - index);
    memmove(at(l, index), at(l, index + count),
            (l->count - index - count) * l->format->record_bytes);
    l->count -= count;
}

// Copies some records, over others or between them.
static void copy_some(record_list *l, bool between) {
    if (l->count == 0) return;
    size_t bytes = l->format->record_bytes;
    uint8_t run[RUN_MAX * 32];
    size_t most = least(RUN_MAX, sizeof run / bytes), from = below(l, l->count);
    size_t count = least(1 + below(l, most), l->count - from), to = below(l, l->count + between);
    memcpy(run, at(l, from), count * bytes);
    count = between ? open_gap(l, to, count) : least(count, l->count - to);
    memcpy(at(l, to), run, count * bytes);
}

static void exchange_two(record_list *l) {
    if (l->count == 0) return;
    uint8_t *one = at(l, below(l, l->count)), *other = at(l, below(l, l->count));
    for (size_t i = 0; i < l->format->record_bytes; i++) {
        uint8_t byte = one[i];
        one[i] = other[i];
        other[i] = byte;
    }
}

static void change_one(record_list *l, bool anew) {
    if (l->count == 0) return;
    uint8_t *record = at(l, below(l, l->count));
    (anew ? l->format->random_record : l->format->tweak_record)(record, &l->random);
}

static void mutate_once(record_list *l, uint8_t *head) {
    switch (below(l, 16)) {
    case 0:
    case 1:
    case 2:
        insert_some(l);
        break;
    case 3:
        insert_run(l);
        break;
    case 4:
    case 5:
        remove_some(l);
        break;
    case 6:
        copy_some(l, false);
        break;
    case 7:
        copy_some(l, true);
        break;
    case 8:
        exchange_two(l);
        break;
    case 9:
        l->format->random_head(head, &l->random);
        break;
    case 10:
    case 11:
        change_one(l, true);
        break;
    default:
        change_one(l, false);
        break;
    }
}

static size_t records_in(const record_format *format, size_t count) {
    size_t records =
        count < format->head_bytes ? 0 : (count - format->head_bytes) / format->record_bytes;
    return least(records, format->records_max);
}

size_t records_mutate(const record_format *format, uint8_t *bytes, size_t count, size_t max,
                      unsigned seed) {
    record_list l = {.format = format,
                     .records = bytes + format->head_bytes,
                     .count = records_in(format, count),
                     .max = records_in(format, max),
                     .random = seed};
    random_next(&l.random);
    if (count < format->head_bytes) format->random_head(bytes, &l.random);
    for (size_t times = (size_t)1 << below(&l, STACKED_LOG2_MAX); times > 0; times--)
        mutate_once(&l, bytes);
    while (l.count == 0)
        insert_some(&l);
    return format->head_bytes + l.count * format->record_bytes;
}

size_t records_cross(const record_format *format, const uint8_t *first, size_t first_count,
                     const uint8_t *second, size_t second_count, uint8_t *bytes, size_t max,
                     unsigned seed) {
    const uint8_t *parents[] = {first, second};
    size_t counts[] = {records_in(format, first_count), records_in(format, second_count)};
    record_list l = {.format = format,
                     .records = bytes + format->head_bytes,
                     .max = records_in(format, max),
                     .random = seed};
    size_t places[] = {0, 0}, parent = below(&l, 2);
    if (first_count < format->head_bytes || second_count < format->head_bytes)
        format->random_head(bytes, &l.random);
    else
        memcpy(bytes, parents[parent], format->head_bytes);
    // Alternating runs of both; the last one is the rest of its input.
    for (size_t turns = 1 + below(&l, 6); turns-- > 0; parent = !parent) {
        size_t left = counts[parent] - places[parent];
        size_t run = turns ? below(&l, left + 1) : left;
        run = least(run, l.max - l.count);
        memcpy(at(&l, l.count),
               parents[parent] + format->head_bytes + places[parent] * format->record_bytes,
               run * format->record_bytes);
        places[parent] += run;
        l.count += run;
    }
    return format->head_bytes + l.count * format->record_bytes;
}

// Views: elements and their conversions, sub views, copies, pointers.
//
// Where a buffer lies is looked up at each access, with no lock. A slot's memory, start and size
// are written under the lock before anybody has its handle, and change in resize alone, which wants
// the buffer's only reference. Whoever holds one, as each view does, reads them unchanged:
//
//     another thread resizes   this one's reference is a second: LM_SHARED. If this one releases it
//                              first, that is a release, and resize acquires before it writes.
//     this thread resizes      its later accesses come after, and look at the size again.
//
// The word is loaded relaxed: it is there to tell misuse from use, and orders nothing. Who uses one
// reference in two threads, of which one ends it, races with itself, lock or no lock: the bytes go.
#include "alloc/buffers/view.h"

#include "alloc/buffers/buffer_table_state.h"

static const uint8_t shifts[LM_KINDS] = {
    [LM_I8] = 0,  [LM_U8] = 0,  [LM_C8] = 0,  [LM_I16] = 1, [LM_U16] = 1, [LM_I32] = 2,
    [LM_U32] = 2, [LM_F32] = 2, [LM_F64] = 3, [LM_I64] = 3, [LM_U64] = 3, [LM_BYTES] = 0,
};

// Sets of kinds.
#define ONE(kind) (1u << (kind))
#define ELEMENTS  (ONE(LM_BYTES) - 1)
#define FLOATS    (ONE(LM_F32) | ONE(LM_F64))
#define BIGINTS   (ONE(LM_I64) | ONE(LM_U64))
#define INTEGERS  (ELEMENTS & ~FLOATS)
#define NUMBERS   (ELEMENTS & ~BIGINTS)

static inline bool is_kind(lm_kind kind) {
    return (unsigned)kind < LM_KINDS;
}

uint32_t lm_kind_bytes(lm_kind kind) {
    return is_kind(kind) ? 1u << shifts[kind] : 0;
}

// Conversions. An element is its bits, in the low bytes of 64; a store cuts off what is above.

typedef union double_bits {
    double value;
    uint64_t bits;
} double_bits;

typedef union float_bits {
    float value;
    uint32_t bits;
} float_bits;

#define F64_NAN 0x7ff8000000000000u
#define F32_NAN 0x7fc00000u

// Truncated and modulo 2^32, of which 2^8 and 2^16 are divisors. NaN and infinities are 0.
static uint32_t modulo(double value) {
    if (LM_LIKELY(value > -0x1p63 && value < 0x1p63)) return (uint32_t)(int64_t)value;
    const double_bits of = {.value = value};
    // What stands above the mantissa's 52 bits is shifted by 11 at least, so beyond 32.
    int shift = (int)(of.bits >> 52 & 0x7ff) - (1023 + 52);
    uint32_t low = shift < 32 ? (uint32_t)(of.bits << shift) : 0;
    return value < 0 ? 0 - low : low;
}

// To the nearest of 0 … 255, halves to the even. NaN is 0.
static uint64_t clamp(double value) {
    if (!(value > 0)) return 0;
    if (value >= 255) return 255;
    uint32_t floor = (uint32_t)value;
    double rest = value - floor;
    return floor + (rest > 0.5 || (rest == 0.5 && floor & 1));
}

// NaNs are all stored as one, so that the same bytes come about on every machine.
static uint64_t bits_of_number(lm_kind kind, double value) {
    if (kind == LM_F64) return value == value ? (double_bits){.value = value}.bits : F64_NAN;
    if (kind == LM_F32) return value == value ? (float_bits){.value = (float)value}.bits : F32_NAN;
    return kind == LM_C8 ? clamp(value) : modulo(value);
}

static uint64_t bits_of_integer(lm_kind kind, int64_t value) {
    if (kind == LM_C8) return value < 0 ? 0 : value > 255 ? 255 : (uint64_t)value;
    return (uint64_t)value;
}

static int64_t integer_of(lm_kind kind, uint64_t bits) {
    if (kind == LM_I8) return (int8_t)bits;
    if (kind == LM_I16) return (int16_t)bits;
    if (kind == LM_I32) return (int32_t)bits;
    return (int64_t)bits;
}

static double number_of(lm_kind kind, uint64_t bits) {
    if (kind == LM_F64) return (double_bits){.bits = bits}.value;
    if (kind == LM_F32) return (double)(float_bits){.bits = (uint32_t)bits}.value;
    return (double)integer_of(kind, bits);
}

// Bytes.

// Where bytes of a buffer lie.
typedef struct place {
    uint32_t memory, start;
    uint32_t size; // of the buffer
} place;

static inline bool fits(uint64_t offset, uint64_t bytes, uint64_t size) {
    return offset <= size && bytes <= size - offset;
}

// Finds the buffer of one of the owner's references. False: there is something wrong, or there was,
// a moment ago. Of a slot that is another share's by now nothing but the word is read: who has it
// may be writing the rest.
static inline bool find(const lm_buffer_table *r, uint32_t owner, lm_handle handle, place *p) {
    uint32_t number = lm_handle_slot(handle);
    if (LM_UNLIKELY(!r->state || number >= lm_records_count(&lm_state_of(r)->slots))) return false;
    const lm_slot *s = lm_slot_at(r, number);
    uint64_t word = __atomic_load_n(&s->word, __ATOMIC_ACQUIRE);
    bool counted = lm_word_count_for(word & ~LM_WORD_KEPT, handle) - 1 < LM_COUNT_MAX;
    if (LM_UNLIKELY(!(counted & (lm_handle_owner(handle) == owner)))) return false; // one branch
    *p = (place){lm_handle_memory(handle), s->start, s->size};
    return true;
}

// What is wrong with a handle; or nothing is, another thread having made it good meanwhile.
static __attribute__((noinline)) lm_status look_again(lm_buffer_table *r, uint32_t owner,
                                                      lm_handle handle, place *p) {
    lm_buffer_info info;
    if (!r->state) return LM_NOT_STARTED;
    lm_status status = lm_buffer_describe(r, owner, handle, &info);
    if (status == LM_OK) *p = (place){info.memory, info.start, info.size};
    return status;
}

static inline lm_status locate(lm_buffer_table *r, uint32_t owner, lm_handle handle, place *p) {
    return find(r, owner, handle, p) ? LM_OK : look_again(r, owner, handle, p);
}

// Of a view whose kind there is.
static inline uint64_t view_bytes(const lm_view *view) {
    return (uint64_t)view->length << shifts[view->kind];
}

// Finds `bytes` of a view, from `offset` on: they must lie in the view, and in the buffer as it is
// now, for with the view's own reference it can be resized.
static inline lm_status reach(lm_buffer_table *r, const lm_view *view, uint64_t offset,
                              uint64_t bytes, place *p) {
    if (LM_UNLIKELY(!is_kind(view->kind))) return LM_WRONG_KIND;
    if (LM_UNLIKELY(!fits(offset, bytes, view_bytes(view)))) return LM_OUT_OF_RANGE;
    lm_status status = locate(r, view->owner, view->handle, p);
    if (LM_UNLIKELY(status != LM_OK)) return status;
    if (LM_UNLIKELY(!fits(view->offset + offset, bytes, p->size))) return LM_OUT_OF_RANGE;
    p->start += (uint32_t)(view->offset + offset);
    return LM_OK;
}

// The same for an element of a view that is one of `kinds`.
static inline lm_status reach_element(lm_buffer_table *r, const lm_view *view, uint32_t index,
                                      unsigned kinds, place *p) {
    if (LM_UNLIKELY(!is_kind(view->kind) || !(kinds & ONE(view->kind)))) return LM_WRONG_KIND;
    uint32_t shift = shifts[view->kind];
    return reach(r, view, (uint64_t)index << shift, 1u << shift, p);
}

// A size that the compiler knows is a single instruction.
static inline uint64_t load_bits(const lm_memories *all, uint32_t memory, uint32_t offset,
                                 lm_kind kind) {
    switch (shifts[kind]) {
    case 0:
        return lm_access_load(all, memory, offset, 1);
    case 1:
        return lm_access_load(all, memory, offset, 2);
    case 2:
        return lm_access_load(all, memory, offset, 4);
    default:
        return lm_access_load(all, memory, offset, 8);
    }
}
static inline void store_bits(const lm_memories *all, uint32_t memory, uint32_t offset,
                              lm_kind kind, uint64_t bits) {
    switch (shifts[kind]) {
    case 0:
        lm_access_store(all, memory, offset, 1, bits);
        break;
    case 1:
        lm_access_store(all, memory, offset, 2, bits);
        break;
    case 2:
        lm_access_store(all, memory, offset, 4, bits);
        break;
    default:
        lm_access_store(all, memory, offset, 8, bits);
    }
}

// Making and ending.

// A view of `length` elements at `offset`, which must end at `end` or before. Its reference is a
// share of its own, so that no other view, and no copy of this one, can end it twice.
static lm_status show(lm_buffer_table *r, uint32_t owner, lm_handle handle, lm_kind kind,
                      uint64_t offset, uint32_t length, uint64_t end, lm_view *view) {
    place p;
    lm_handle own;
    if (!is_kind(kind)) return LM_WRONG_KIND;
    lm_status status = locate(r, owner, handle, &p);
    if (status != LM_OK) return status;
    if (offset & (lm_kind_bytes(kind) - 1)) return LM_MISALIGNED;
    uint64_t bytes = (uint64_t)length << shifts[kind];
    if (!fits(offset, bytes, end < p.size ? end : p.size)) return LM_OUT_OF_RANGE;
    status = lm_buffer_share(r, owner, handle, owner, &own);
    if (status == LM_OK) *view = (lm_view){own, owner, (uint32_t)offset, length, kind};
    return status;
}

lm_status lm_view_make(lm_buffer_table *r, uint32_t owner, lm_handle handle, lm_kind kind,
                       uint32_t offset, uint32_t length, lm_view *view) {
    return show(r, owner, handle, kind, offset, length, UINT64_MAX, view);
}

lm_status lm_view_sub(lm_buffer_table *r, const lm_view *view, lm_kind kind, uint32_t from,
                      uint32_t length, lm_view *sub) {
    if (!is_kind(view->kind)) return LM_WRONG_KIND;
    uint64_t offset = view->offset + ((uint64_t)from << shifts[view->kind]);
    return show(r, view->owner, view->handle, kind, offset, length, view->offset + view_bytes(view),
                sub);
}

lm_status lm_view_end(lm_buffer_table *r, lm_view *view) {
    lm_status status = lm_buffer_release(r, view->owner, view->handle);
    if (!lm_failed(status)) view->handle = 0;
    return status;
}

// Elements.

lm_status lm_view_get_integer(lm_buffer_table *r, const lm_view *view, uint32_t index,
                              int64_t *value) {
    place p;
    lm_status status = reach_element(r, view, index, INTEGERS, &p);
    if (LM_LIKELY(status == LM_OK))
        *value = integer_of(view->kind, load_bits(&r->memories, p.memory, p.start, view->kind));
    return status;
}

lm_status lm_view_set_integer(lm_buffer_table *r, const lm_view *view, uint32_t index,
                              int64_t value) {
    place p;
    lm_status status = reach_element(r, view, index, INTEGERS, &p);
    if (LM_LIKELY(status == LM_OK))
        store_bits(&r->memories, p.memory, p.start, view->kind, bits_of_integer(view->kind, value));
    return status;
}

lm_status lm_view_get_number(lm_buffer_table *r, const lm_view *view, uint32_t index,
                             double *value) {
    place p;
    lm_status status = reach_element(r, view, index, NUMBERS, &p);
    if (LM_LIKELY(status == LM_OK))
        *value = number_of(view->kind, load_bits(&r->memories, p.memory, p.start, view->kind));
    return status;
}

lm_status lm_view_set_number(lm_buffer_table *r, const lm_view *view, uint32_t index,
                             double value) {
    place p;
    lm_status status = reach_element(r, view, index, NUMBERS, &p);
    if (LM_LIKELY(status == LM_OK))
        store_bits(&r->memories, p.memory, p.start, view->kind, bits_of_number(view->kind, value));
    return status;
}

// Byte accesses.

static inline uint64_t ordered(uint64_t bits, lm_kind kind, bool little_endian) {
    return little_endian ? bits : __builtin_bswap64(bits) >> (64 - 8 * lm_kind_bytes(kind));
}

lm_status lm_view_load(lm_buffer_table *r, const lm_view *view, uint32_t offset, lm_kind kind,
                       bool little_endian, uint64_t *bits) {
    place p;
    if ((unsigned)kind >= LM_BYTES) return LM_WRONG_KIND;
    lm_status status = reach(r, view, offset, lm_kind_bytes(kind), &p);
    if (LM_LIKELY(status == LM_OK))
        *bits = ordered(load_bits(&r->memories, p.memory, p.start, kind), kind, little_endian);
    return status;
}

lm_status lm_view_store(lm_buffer_table *r, const lm_view *view, uint32_t offset, lm_kind kind,
                        bool little_endian, uint64_t bits) {
    place p;
    if ((unsigned)kind >= LM_BYTES) return LM_WRONG_KIND;
    lm_status status = reach(r, view, offset, lm_kind_bytes(kind), &p);
    if (LM_LIKELY(status == LM_OK))
        store_bits(&r->memories, p.memory, p.start, kind, ordered(bits, kind, little_endian));
    return status;
}

// Copies.

// Whether elements of one kind are taken as values of the other.
static bool converts(lm_kind from, lm_kind to) {
    if (!is_kind(from) || !is_kind(to)) return false;
    unsigned both = ONE(from) | ONE(to);
    return !(both & ~NUMBERS) || !(both & ~BIGINTS) || !(both & ~ONE(LM_BYTES));
}

// Whether the conversion leaves the bits as they are.
static bool keeps_bits(lm_kind from, lm_kind to) {
    if (from == to) return true;
    if (shifts[from] != shifts[to] || (ONE(from) | ONE(to)) & ~INTEGERS) return false;
    return to != LM_C8 || from == LM_U8;
}

// Elements that are read one way and written another.
typedef struct conversion {
    const lm_memories *all;
    place to, from;
    lm_kind to_kind, from_kind;
} conversion;

static inline void convert(const conversion *c, uint32_t i) {
    uint32_t from = c->from.start + (i << shifts[c->from_kind]);
    uint32_t to = c->to.start + (i << shifts[c->to_kind]);
    double value = number_of(c->from_kind, load_bits(c->all, c->from.memory, from, c->from_kind));
    store_bits(c->all, c->to.memory, to, c->to_kind, bits_of_number(c->to_kind, value));
}

// The element at which old places and new ones have met, which begin `gap` bytes apart and come
// closer by `step` with each; at most `length`. 0: they are past each other from the first on.
static uint32_t meeting(uint32_t gap, uint32_t step, uint32_t length) {
    if (gap == 0) return 0;
    if (step == 0 || gap / step >= length) return length;
    return gap / step + 1;
}

// Converts as if all were read before one is written, and keeps nothing meanwhile. Element i, of a
// bytes, is read at F + i a and written, b bytes, at T + i b. Upwards, a write must end where the
// next read begins or before it; downwards, begin where the read before ended or behind it: for
// each i inside,
//
//     upwards     T + i b ≤ F + i a            downwards     T + i b ≥ F + i a
//
// Both sides are lines, so one way is right up to where they meet and the other from there on. If
// b ≥ a, as [ upwards | downwards ]: what is written above the meeting lies above all that is read
// below. If b < a, as [ downwards | upwards ]: what is written below the meeting lies below all
// that is read above. So the part that goes downwards comes first, and spoils nothing of the other.
static void convert_all(const conversion *c, uint32_t length) {
    uint32_t a = lm_kind_bytes(c->from_kind), b = lm_kind_bytes(c->to_kind);
    uint32_t f = c->from.start, t = c->to.start;
    bool widens = b >= a;
    uint32_t m = widens ? meeting(f > t ? f - t : 0, b - a, length)
                        : meeting(t > f ? t - f : 0, a - b, length);
    for (uint32_t low = widens ? m : 0, i = widens ? length : m; i-- > low;)
        convert(c, i);
    for (uint32_t high = widens ? m : length, i = widens ? 0 : m; i < high; i++)
        convert(c, i);
}

lm_status lm_view_copy(lm_buffer_table *r, const lm_view *to, uint32_t at, const lm_view *from,
                       uint32_t from_at, uint32_t length) {
    if (!converts(from->kind, to->kind)) return LM_WRONG_KIND;
    conversion c = {.all = &r->memories, .to_kind = to->kind, .from_kind = from->kind};
    uint32_t shift = shifts[to->kind], from_shift = shifts[from->kind];
    lm_status status = reach(r, to, (uint64_t)at << shift, (uint64_t)length << shift, &c.to);
    if (status == LM_OK)
        status = reach(r, from, (uint64_t)from_at << from_shift, (uint64_t)length << from_shift,
                       &c.from);
    if (status != LM_OK) return status;
    if (keeps_bits(from->kind, to->kind))
        lm_access_copy(c.all, c.to.memory, c.to.start, c.from.memory, c.from.start,
                       length << shift);
    else
        convert_all(&c, length);
    return LM_OK;
}

// Pointers.

// Of a view's first byte. Not the offset's address: a view of nothing may begin at 2^32.
static unsigned char *address_of(const lm_buffer_table *r, const place *buffer, uint32_t offset) {
    return (unsigned char *)lm_at(r->memories.at[buffer->memory].memory, buffer->start) + offset;
}

lm_status lm_view_point(lm_buffer_table *r, const lm_view *view, lm_pointer *pointer) {
    place p;
    if (!is_kind(view->kind)) return LM_WRONG_KIND;
    lm_status status = reach(r, view, 0, view_bytes(view), &p);
    if (status != LM_OK) return status;
    LM_ELSEWHERE(p.memory, LM_NO_MEMORY);
    if (p.start & (lm_kind_bytes(view->kind) - 1)) return LM_MISALIGNED;
    p.start -= view->offset;
    *pointer = (lm_pointer){address_of(r, &p, view->offset), *view, p.memory,
                            lm_access_epoch(&r->memories, p.memory)};
    return LM_OK;
}

// Whether it would be given once more as it is.
lm_status lm_pointer_check(const lm_buffer_table *r, const lm_pointer *pointer) {
    const lm_view *v = &pointer->view;
    place p;
    bool good = is_kind(v->kind) && find(r, v->owner, v->handle, &p) &&
                p.memory == pointer->memory && fits(v->offset, view_bytes(v), p.size) &&
                pointer->epoch == lm_access_epoch(&r->memories, p.memory) &&
                pointer->address == address_of(r, &p, v->offset);
    return good ? LM_OK : LM_OLD_POINTER;
}

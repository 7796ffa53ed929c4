// Views: elements and their conversions, sub views, copies, pointers.
//
// Each access looks up the buffer's place, without a lock. A slot's memory, start and size are
// written under the lock before any thread has its handle, and changed only by resize, which
// requires the buffer's only reference. A thread that holds a reference, as each view does, reads
// them unchanged:
//
//     another thread resizes   this thread's reference is a second one: LM_SHARED. If this thread
//                              releases it first, resize acquires that before it writes.
//     this thread resizes      its later accesses see the new place and size.
//
// The load of the word only detects misuse. A program that uses one reference in two threads, one
// of which ends it, has a race in any case: the bytes are freed.
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

static inline bool view_is_kind(lm_kind kind) {
    return (unsigned)kind < LM_KINDS;
}

uint32_t lm_kind_bytes(lm_kind kind) {
    return view_is_kind(kind) ? 1u << shifts[kind] : 0;
}

// Conversions. An element is its bits, in the low bytes of 64; a store ignores the higher ones.

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

// Truncates, modulo 2^32, which is a multiple of 2^8 and 2^16. NaN and infinities become 0.
static uint32_t view_modulo(double value) {
    if (LM_LIKELY(value > -0x1p63 && value < 0x1p63)) return (uint32_t)(int64_t)value;
    const double_bits of = {.value = value};
    // The bits above the mantissa's 52 are shifted by at least 11, so beyond 2^32 after the cast.
    int shift = (int)(of.bits >> 52 & 0x7ff) - (1023 + 52);
    uint32_t low = shift < 32 ? (uint32_t)(of.bits << shift) : 0;
    return value < 0 ? 0 - low : low;
}

// Rounds to the nearest of 0 … 255, halves to even. NaN becomes 0.
static uint64_t view_clamp(double value) {
    if (!(value > 0)) return 0;
    if (value >= 255) return 255;
    uint32_t floor = (uint32_t)value;
    double rest = value - floor;
    return floor + (rest > 0.5 || (rest == 0.5 && floor & 1));
}

// Every NaN is stored as the canonical one, so that the bytes are the same on every machine.
static uint64_t view_bits_of_number(lm_kind kind, double value) {
    if (kind == LM_F64) return value == value ? (double_bits){.value = value}.bits : F64_NAN;
    if (kind == LM_F32) return value == value ? (float_bits){.value = (float)value}.bits : F32_NAN;
    return kind == LM_C8 ? view_clamp(value) : view_modulo(value);
}

static uint64_t view_bits_of_integer(lm_kind kind, int64_t value) {
    if (kind == LM_C8) return value < 0 ? 0 : value > 255 ? 255 : (uint64_t)value;
    return (uint64_t)value;
}

static int64_t view_integer_of(lm_kind kind, uint64_t bits) {
    if (kind == LM_I8) return (int8_t)bits;
    if (kind == LM_I16) return (int16_t)bits;
    if (kind == LM_I32) return (int32_t)bits;
    return (int64_t)bits;
}

static double view_number_of(lm_kind kind, uint64_t bits) {
    if (kind == LM_F64) return (double_bits){.bits = bits}.value;
    if (kind == LM_F32) return (double)(float_bits){.bits = (uint32_t)bits}.value;
    return (double)view_integer_of(kind, bits);
}

// Bytes.

// The place of a buffer, or of bytes in it.
typedef struct place {
    uint32_t memory, start;
    uint32_t size; // of the buffer
} place;

static inline bool view_fits(uint64_t offset, uint64_t bytes, uint64_t size) {
    return offset <= size && bytes <= size - offset;
}

// Finds the buffer of one of the owner's references. Returns false if the handle is invalid, or was
// a moment ago. If the slot is another share's by now, only the word is read: another thread may be
// writing the rest.
static inline bool view_find(const lm_buffer_table *r, uint32_t owner, lm_handle handle, place *p) {
    uint32_t number = lm_handle_slot(handle);
    if (LM_UNLIKELY(!r->state || number >= lm_records_count(&lm_state_of(r)->slots))) return false;
    const lm_slot *s = lm_slot_at(r, number);
    uint64_t word = __atomic_load_n(&s->word, __ATOMIC_ACQUIRE);
    bool counted = lm_word_count_for(word & ~LM_WORD_KEPT, handle) - 1 < LM_COUNT_MAX;
    if (LM_UNLIKELY(!(counted & (lm_handle_owner(handle) == owner)))) return false; // one branch
    *p = (place){lm_handle_memory(handle), s->start, s->size};
    return true;
}

// Returns the error of a rejected handle, or LM_OK if another thread has made it valid meanwhile.
static __attribute__((noinline)) lm_status view_look_again(lm_buffer_table *r, uint32_t owner,
                                                           lm_handle handle, place *p) {
    lm_buffer_info info;
    if (!r->state) return LM_NOT_STARTED;
    lm_status status = lm_buffer_describe(r, owner, handle, &info);
    if (status == LM_OK) *p = (place){info.memory, info.start, info.size};
    return status;
}

static inline lm_status view_locate(lm_buffer_table *r, uint32_t owner, lm_handle handle,
                                    place *p) {
    return view_find(r, owner, handle, p) ? LM_OK : view_look_again(r, owner, handle, p);
}

// The size of a view of a valid kind.
static inline uint64_t view_bytes(const lm_view *view) {
    return (uint64_t)view->length << shifts[view->kind];
}

// Finds `bytes` of a view, from `offset` on. They must be in the view, and in the buffer, which may
// have been resized by the view's own reference.
static inline lm_status view_reach(lm_buffer_table *r, const lm_view *view, uint64_t offset,
                                   uint64_t bytes, place *p) {
    if (LM_UNLIKELY(!view_is_kind(view->kind))) return LM_WRONG_KIND;
    if (LM_UNLIKELY(!view_fits(offset, bytes, view_bytes(view)))) return LM_OUT_OF_RANGE;
    lm_status status = view_locate(r, view->owner, view->handle, p);
    if (LM_UNLIKELY(status != LM_OK)) return status;
    if (LM_UNLIKELY(!view_fits(view->offset + offset, bytes, p->size))) return LM_OUT_OF_RANGE;
    p->start += (uint32_t)(view->offset + offset);
    return LM_OK;
}

// The same for an element of a view of one of `kinds`.
static inline lm_status view_reach_element(lm_buffer_table *r, const lm_view *view, uint32_t index,
                                           unsigned kinds, place *p) {
    if (LM_UNLIKELY(!view_is_kind(view->kind) || !(kinds & ONE(view->kind)))) return LM_WRONG_KIND;
    uint32_t shift = shifts[view->kind];
    return view_reach(r, view, (uint64_t)index << shift, 1u << shift, p);
}

// An access of a constant size is a single instruction.
static inline uint64_t view_load_bits(const lm_memories *all, uint32_t memory, uint32_t offset,
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
static inline void view_store_bits(const lm_memories *all, uint32_t memory, uint32_t offset,
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

// Makes a view of `length` elements at `offset`, which must end at `end` or before. Its reference
// is a share of its own, so that neither another view nor a copy of this one can end it twice.
static lm_status view_show(lm_buffer_table *r, uint32_t owner, lm_handle handle, lm_kind kind,
                           uint64_t offset, uint32_t length, uint64_t end, lm_view *view) {
    place p;
    lm_handle own;
    if (!view_is_kind(kind)) return LM_WRONG_KIND;
    lm_status status = view_locate(r, owner, handle, &p);
    if (status != LM_OK) return status;
    if (offset & (lm_kind_bytes(kind) - 1)) return LM_MISALIGNED;
    uint64_t bytes = (uint64_t)length << shifts[kind];
    if (!view_fits(offset, bytes, end < p.size ? end : p.size)) return LM_OUT_OF_RANGE;
    status = lm_buffer_share(r, owner, handle, owner, &own);
    if (status == LM_OK) *view = (lm_view){own, owner, (uint32_t)offset, length, kind};
    return status;
}

lm_status lm_view_make(lm_buffer_table *r, uint32_t owner, lm_handle handle, lm_kind kind,
                       uint32_t offset, uint32_t length, lm_view *view) {
    return view_show(r, owner, handle, kind, offset, length, UINT64_MAX, view);
}

lm_status lm_view_sub(lm_buffer_table *r, const lm_view *view, lm_kind kind, uint32_t from,
                      uint32_t length, lm_view *sub) {
    if (!view_is_kind(view->kind)) return LM_WRONG_KIND;
    uint64_t offset = view->offset + ((uint64_t)from << shifts[view->kind]);
    return view_show(r, view->owner, view->handle, kind, offset, length,
                     view->offset + view_bytes(view), sub);
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
    lm_status status = view_reach_element(r, view, index, INTEGERS, &p);
    if (LM_LIKELY(status == LM_OK))
        *value = view_integer_of(view->kind,
                                 view_load_bits(&r->memories, p.memory, p.start, view->kind));
    return status;
}

lm_status lm_view_set_integer(lm_buffer_table *r, const lm_view *view, uint32_t index,
                              int64_t value) {
    place p;
    lm_status status = view_reach_element(r, view, index, INTEGERS, &p);
    if (LM_LIKELY(status == LM_OK))
        view_store_bits(&r->memories, p.memory, p.start, view->kind,
                        view_bits_of_integer(view->kind, value));
    return status;
}

lm_status lm_view_get_number(lm_buffer_table *r, const lm_view *view, uint32_t index,
                             double *value) {
    place p;
    lm_status status = view_reach_element(r, view, index, NUMBERS, &p);
    if (LM_LIKELY(status == LM_OK))
        *value =
            view_number_of(view->kind, view_load_bits(&r->memories, p.memory, p.start, view->kind));
    return status;
}

lm_status lm_view_set_number(lm_buffer_table *r, const lm_view *view, uint32_t index,
                             double value) {
    place p;
    lm_status status = view_reach_element(r, view, index, NUMBERS, &p);
    if (LM_LIKELY(status == LM_OK))
        view_store_bits(&r->memories, p.memory, p.start, view->kind,
                        view_bits_of_number(view->kind, value));
    return status;
}

// Byte accesses.

static inline uint64_t view_ordered(uint64_t bits, lm_kind kind, bool little_endian) {
    return little_endian ? bits : __builtin_bswap64(bits) >> (64 - 8 * lm_kind_bytes(kind));
}

lm_status lm_view_load(lm_buffer_table *r, const lm_view *view, uint32_t offset, lm_kind kind,
                       bool little_endian, uint64_t *bits) {
    place p;
    if ((unsigned)kind >= LM_BYTES) return LM_WRONG_KIND;
    lm_status status = view_reach(r, view, offset, lm_kind_bytes(kind), &p);
    if (LM_LIKELY(status == LM_OK))
        *bits = view_ordered(view_load_bits(&r->memories, p.memory, p.start, kind), kind,
                             little_endian);
    return status;
}

lm_status lm_view_store(lm_buffer_table *r, const lm_view *view, uint32_t offset, lm_kind kind,
                        bool little_endian, uint64_t bits) {
    place p;
    if ((unsigned)kind >= LM_BYTES) return LM_WRONG_KIND;
    lm_status status = view_reach(r, view, offset, lm_kind_bytes(kind), &p);
    if (LM_LIKELY(status == LM_OK))
        view_store_bits(&r->memories, p.memory, p.start, kind,
                        view_ordered(bits, kind, little_endian));
    return status;
}

// Copies.

// Whether elements of one kind can be copied to the other.
static bool view_converts(lm_kind from, lm_kind to) {
    if (!view_is_kind(from) || !view_is_kind(to)) return false;
    unsigned both = ONE(from) | ONE(to);
    return !(both & ~NUMBERS) || !(both & ~BIGINTS) || !(both & ~ONE(LM_BYTES));
}

// Whether the conversion keeps the bits.
static bool view_keeps_bits(lm_kind from, lm_kind to) {
    if (from == to) return true;
    if (shifts[from] != shifts[to] || (ONE(from) | ONE(to)) & ~INTEGERS) return false;
    return to != LM_C8 || from == LM_U8;
}

// A copy that converts.
typedef struct conversion {
    const lm_memories *all;
    place to, from;
    lm_kind to_kind, from_kind;
} conversion;

static inline void view_convert(const conversion *c, uint32_t i) {
    uint32_t from = c->from.start + (i << shifts[c->from_kind]);
    uint32_t to = c->to.start + (i << shifts[c->to_kind]);
    double value =
        view_number_of(c->from_kind, view_load_bits(c->all, c->from.memory, from, c->from_kind));
    view_store_bits(c->all, c->to.memory, to, c->to_kind, view_bits_of_number(c->to_kind, value));
}

// Two ranges begin `gap` bytes apart, and each element brings them `step` bytes closer. Returns the
// first element at which they have met, at most `length`; 0 if `gap` is 0.
static uint32_t view_meeting(uint32_t gap, uint32_t step, uint32_t length) {
    if (gap == 0) return 0;
    if (step == 0 || gap / step >= length) return length;
    return gap / step + 1;
}

// Converts as if all elements were read before one is written, without a copy of them. Element i is
// read, a bytes, at F + i a, and written, b bytes, at T + i b. Upwards, each write must end at or
// before the next read; downwards, each must begin at or after the end of the read before: for each
// i inside,
//
//     upwards     T + i b ≤ F + i a            downwards     T + i b ≥ F + i a
//
// Both sides are lines, so one direction is right up to where they meet, and the other from there
// on. If b ≥ a, as [ upwards | downwards ]: the writes above the meeting are above all reads below
// it. If b < a, as [ downwards | upwards ]: the writes below the meeting are below all reads above
// it. So the downward part runs first, and overwrites nothing that the other part reads.
static void view_convert_all(const conversion *c, uint32_t length) {
    uint32_t a = lm_kind_bytes(c->from_kind), b = lm_kind_bytes(c->to_kind);
    uint32_t f = c->from.start, t = c->to.start;
    bool widens = b >= a;
    uint32_t m = widens ? view_meeting(f > t ? f - t : 0, b - a, length)
                        : view_meeting(t > f ? t - f : 0, a - b, length);
    for (uint32_t low = widens ? m : 0, i = widens ? length : m; i-- > low;)
        view_convert(c, i);
    for (uint32_t high = widens ? m : length, i = widens ? 0 : m; i < high; i++)
        view_convert(c, i);
}

lm_status lm_view_copy(lm_buffer_table *r, const lm_view *to, uint32_t at, const lm_view *from,
                       uint32_t from_at, uint32_t length) {
    if (!view_converts(from->kind, to->kind)) return LM_WRONG_KIND;
    conversion c = {.all = &r->memories, .to_kind = to->kind, .from_kind = from->kind};
    uint32_t shift = shifts[to->kind], from_shift = shifts[from->kind];
    lm_status status = view_reach(r, to, (uint64_t)at << shift, (uint64_t)length << shift, &c.to);
    if (status == LM_OK)
        status = view_reach(r, from, (uint64_t)from_at << from_shift,
                            (uint64_t)length << from_shift, &c.from);
    if (status != LM_OK) return status;
    if (view_keeps_bits(from->kind, to->kind))
        lm_access_copy(c.all, c.to.memory, c.to.start, c.from.memory, c.from.start,
                       length << shift);
    else
        view_convert_all(&c, length);
    return LM_OK;
}

// Pointers.

// The address of a view's first byte. Not lm_at of its offset: an empty view may begin at 2^32.
static unsigned char *view_address_of(const lm_buffer_table *r, const place *buffer,
                                      uint32_t offset) {
    return (unsigned char *)lm_at(r->memories.at[buffer->memory].memory, buffer->start) + offset;
}

lm_status lm_view_point(lm_buffer_table *r, const lm_view *view, lm_pointer *pointer) {
    place p;
    if (!view_is_kind(view->kind)) return LM_WRONG_KIND;
    lm_status status = view_reach(r, view, 0, view_bytes(view), &p);
    if (status != LM_OK) return status;
    LM_ELSEWHERE(p.memory, LM_NO_MEMORY);
    if (p.start & (lm_kind_bytes(view->kind) - 1)) return LM_MISALIGNED;
    p.start -= view->offset;
    *pointer = (lm_pointer){view_address_of(r, &p, view->offset), *view, p.memory,
                            lm_access_epoch(&r->memories, p.memory)};
    return LM_OK;
}

// A pointer is valid if lm_view_point would return the same again.
lm_status lm_pointer_check(const lm_buffer_table *r, const lm_pointer *pointer) {
    const lm_view *v = &pointer->view;
    place p;
    bool good = view_is_kind(v->kind) && view_find(r, v->owner, v->handle, &p) &&
                p.memory == pointer->memory && view_fits(v->offset, view_bytes(v), p.size) &&
                pointer->epoch == lm_access_epoch(&r->memories, p.memory) &&
                pointer->address == view_address_of(r, &p, v->offset);
    return good ? LM_OK : LM_OLD_POINTER;
}

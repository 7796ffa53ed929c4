// Views: typed lists over buffers, as Dart's TypedData and JavaScript's TypedArrays are, and byte
// views (DataView, ByteData) whose accesses name their type and byte order.
//
// A view holds a reference to its buffer, under a handle of its own, and says which bytes it shows.
// It stores an offset, never an address, so it stays good when memories grow and move. A view of a
// view is a view of the buffer: depth one. Many views may show the same bytes. A view may be copied
// as a struct: all copies are the same view, which ends once.
//
// Kinds, and what a value is taken and given as:
//
//     i8 u8 i16 u16 i32 u32    integers, stored modulo 2^bits
//     c8                       stored clamped to 0 … 255, halves to the even (Uint8Clamped)
//     f32 f64                  floating point
//     i64 u64                  BigInt64, BigUint64: integers, stored modulo 2^64
//     bytes                    no elements: byte accesses only
//
// Conversions are ECMAScript's (ToInt8 … ToUint8Clamp; a float is rounded to the nearest, halves to
// the even). NaNs are stored as 0x7fc00000 and 0x7ff8000000000000; a copy within a kind keeps all
// bits.
//
// Errors, with nothing changed:
//
//     elements that lie outside the buffer or the view    LM_OUT_OF_RANGE
//     a typed list that does not begin at a multiple      LM_MISALIGNED
//       of its element, counted from the buffer's start
//     a pointer to a typed list whose buffer itself       LM_MISALIGNED
//       lies askew for its element
//     an element access to a byte view                    LM_WRONG_KIND
//     an integer access to f32 or f64                     LM_WRONG_KIND
//     a number access to i64 or u64                       LM_WRONG_KIND
//     a copy between BigInts and numbers                  LM_WRONG_KIND
//     a copy between a byte view and a typed list         LM_WRONG_KIND
//     a kind that there is none of, in any place          LM_WRONG_KIND
//     a byte access as LM_BYTES, which is no element      LM_WRONG_KIND
//     an address used after the memory grew or moved,     LM_OLD_POINTER
//       the buffer moved or became too short for the
//       view, or the view ended or was transferred
//     a view used after its end                           LM_INVALID_HANDLE
//     a copy of it used after that                        LM_USE_AFTER_ZERO, LM_STALE_HANDLE
//     a copy of it ended once more                        LM_RELEASE_AFTER_ZERO, LM_STALE_HANDLE
//     a view made when home is full, or all slots are     LM_OUT_OF_MEMORY, LM_OUT_OF_SLOTS
//     the buffer's own (stale handle, wrong owner, …)     as alloc/buffers/buffer.h says
//     any use of a table that has ended, but for what     LM_NOT_STARTED
//       the view tells alone (its kind, its range)
//     a pointer checked after the table's end             LM_OLD_POINTER
//
// A view keeps its buffer from being resized by anyone who holds another reference: LM_SHARED.
// Where its own is the last, its owner can resize through it; what it shows beyond the new end is
// then out of range.
//
// Threads: as many as use views with references of their own, if the buffer table's counts are
// atomic. Accesses take no lock; what two threads write to the same bytes is theirs to order.
#pragma once

#include "alloc/buffers/buffer.h"

typedef enum lm_kind { // in the order of the trace's kinds
    LM_I8,
    LM_U8,
    LM_C8,
    LM_I16,
    LM_U16,
    LM_I32,
    LM_U32,
    LM_F32,
    LM_F64,
    LM_I64,
    LM_U64,
    LM_BYTES,
    LM_KINDS
} lm_kind;

typedef struct lm_view {
    lm_handle handle; // its own; who retains it by hand lets copies end it so often
    uint32_t owner;
    uint32_t offset; // in bytes, from the buffer's start
    uint32_t length; // in elements, of LM_BYTES in bytes
    lm_kind kind;
} lm_view;

// Bytes an element, 1 for LM_BYTES, 0 of a kind that there is none of.
uint32_t lm_kind_bytes(lm_kind kind);

// Makes a view of the owner's buffer, with a reference of its own: a share, which takes a slot of
// 32 bytes until the view ends. `offset` is counted in bytes, `length` in elements; a view of none
// may begin at the buffer's very end. O(1), and once in a while home has to find room for more
// slots.
lm_status lm_view_make(lm_buffer_table *table, uint32_t owner, lm_handle handle, lm_kind kind,
                       uint32_t offset, uint32_t length, lm_view *view);

// A view of the elements from … from + length − 1, of any kind: of the same bytes, never a copy.
// `from` is counted in the view's elements, `length` in those of `kind`. O(1).
lm_status lm_view_sub(lm_buffer_table *table, const lm_view *view, lm_kind kind, uint32_t from,
                      uint32_t length, lm_view *sub);

// Ends a view: its reference is released, and its handle set to 0. LM_FREED: it was the last of the
// buffer. O(1), but for the free.
lm_status lm_view_end(lm_buffer_table *table, lm_view *view);

// Elements. Integers of 64 bits for all but f32 and f64, doubles for all but i64 and u64; a u64 is
// the integer modulo 2^64. O(1).
lm_status lm_view_get_integer(lm_buffer_table *table, const lm_view *view, uint32_t index,
                              int64_t *value);
lm_status lm_view_set_integer(lm_buffer_table *table, const lm_view *view, uint32_t index,
                              int64_t value);
lm_status lm_view_get_number(lm_buffer_table *table, const lm_view *view, uint32_t index,
                             double *value);
lm_status lm_view_set_number(lm_buffer_table *table, const lm_view *view, uint32_t index,
                             double value);

// Byte accesses, to any view, at any offset in bytes: the bits of an element of `kind`, in the byte
// order asked for. They are the low ones of `bits`: a load leaves zero above them, a store looks at
// no others. O(1).
lm_status lm_view_load(lm_buffer_table *table, const lm_view *view, uint32_t offset, lm_kind kind,
                       bool little_endian, uint64_t *bits);
lm_status lm_view_store(lm_buffer_table *table, const lm_view *view, uint32_t offset, lm_kind kind,
                        bool little_endian, uint64_t bits);

// Copies `length` elements (setRange, TypedArray.set), across memories or within one, where they
// may overlap; as if all were read before one is written. Elements of different kinds are
// converted, BigInts to BigInts and numbers to numbers; byte views are copied to byte views, by the
// byte. O(length), and no memory.
lm_status lm_view_copy(lm_buffer_table *table, const lm_view *to, uint32_t at, const lm_view *from,
                       uint32_t from_at, uint32_t length);

// An address of the view's first byte: good for all bytes of the view until the view ends, the
// buffer is moved or shrunk below the view by a resize, or the memory's epoch changes. Natively of
// any memory; C on wasm32 has addresses in home only, elsewhere it is LM_NO_MEMORY. JavaScript
// derives its TypedArray from memory, start and length in the same way, and refuses what is
// LM_MISALIGNED here.
typedef struct lm_pointer {
    void *address;
    lm_view view; // of which it is
    uint32_t memory, epoch;
} lm_pointer;

lm_status lm_view_point(lm_buffer_table *table, const lm_view *view, lm_pointer *pointer);

// Whether the pointer is still good, or LM_OLD_POINTER. O(1).
lm_status lm_pointer_check(const lm_buffer_table *table, const lm_pointer *pointer);

// The address, for use now. At check level 1 and above it traps where the pointer is old.
static inline void *lm_pointer_use(const lm_buffer_table *table, const lm_pointer *pointer) {
    LM_CHECK(lm_pointer_check(table, pointer) == LM_OK);
    (void)table;
    return pointer->address;
}

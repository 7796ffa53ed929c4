// Views: typed lists over buffers, like Dart's TypedData and JavaScript's TypedArrays, and byte
// views (DataView, ByteData), whose accesses state their type and byte order.
//
// A view has a reference to its buffer, under a handle of its own, and a range of the buffer's
// bytes. It stores an offset, not an address, so it stays valid when memories grow and move. A view
// of a view is a view of the buffer. Views may overlap. A view may be copied as a struct: all
// copies are the same view, which ends once.
//
// Kinds, and how values are stored:
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
//     elements outside the buffer or the view             LM_OUT_OF_RANGE
//     a typed list whose offset in the buffer is not a    LM_MISALIGNED
//       multiple of its element size
//     a pointer to a typed list if the buffer's start     LM_MISALIGNED
//       is not aligned to the element size
//     an element access to a byte view                    LM_WRONG_KIND
//     an integer access to f32 or f64                     LM_WRONG_KIND
//     a number access to i64 or u64                       LM_WRONG_KIND
//     a copy between BigInts and numbers                  LM_WRONG_KIND
//     a copy between a byte view and a typed list         LM_WRONG_KIND
//     a number that is not a kind, in any argument        LM_WRONG_KIND
//     a byte access with kind LM_BYTES                    LM_WRONG_KIND
//     an address used after the memory grew or moved,     LM_OLD_POINTER
//       the buffer moved or became too short for the
//       view, or the view ended or was transferred
//     a view used after its end                           LM_INVALID_HANDLE
//     a copy of it used after its end                     LM_USE_AFTER_ZERO, LM_STALE_HANDLE
//     a copy of it ended once more                        LM_RELEASE_AFTER_ZERO, LM_STALE_HANDLE
//     a view made when home is out of memory or slots     LM_OUT_OF_MEMORY, LM_OUT_OF_SLOTS
//     errors of the buffer (stale handle, wrong owner…)   as in alloc/buffers/buffer.h
//     any use after the table's end, unless the error     LM_NOT_STARTED
//       is in the view alone (its kind, its range)
//     a pointer checked after the table's end             LM_OLD_POINTER
//
// While a view exists, holders of other references cannot resize the buffer (LM_SHARED). If the
// view's reference is the only one, its owner can resize the buffer through the view's handle;
// elements beyond the new end are then out of range.
//
// Threads: any number may use views with references of their own, if the buffer table's counts are
// atomic. Accesses take no lock; the program synchronizes threads that access the same bytes.
#pragma once

#include "alloc/buffers/buffer.h"

#ifdef __cplusplus
extern "C" {
#endif

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
    lm_handle handle; // its own; each further retain lets copies of the view end it once more
    uint32_t owner;
    uint32_t offset; // in bytes, from the buffer's start
    uint32_t length; // in elements; LM_BYTES: in bytes
    lm_kind kind;
} lm_view;

// Returns the element size in bytes: 1 for LM_BYTES, 0 for a number that is not a kind.
uint32_t lm_kind_bytes(lm_kind kind);

// Makes a view of the owner's buffer, with a reference of its own: a share, which takes a slot of
// 32 bytes until the view ends. `offset` is in bytes, `length` in elements; an empty view may begin
// at the buffer's end. O(1), except that home's allocator is called when a new part of slots is
// needed.
lm_status lm_view_make(lm_buffer_table *table, uint32_t owner, lm_handle handle, lm_kind kind,
                       uint32_t offset, uint32_t length, lm_view *view);

// Makes a view of part of a view, as any kind, over the same bytes. `from` is in the view's
// elements, `length` in elements of `kind`. O(1).
lm_status lm_view_sub(lm_buffer_table *table, const lm_view *view, lm_kind kind, uint32_t from,
                      uint32_t length, lm_view *sub);

// Ends a view: releases its reference and sets its handle to 0. Returns LM_FREED if it was the
// buffer's last. O(1), and a free.
lm_status lm_view_end(lm_buffer_table *table, lm_view *view);

// Element accesses: as 64-bit integers for all kinds but f32 and f64, as doubles for all but i64
// and u64. A u64 is passed as an int64_t modulo 2^64. O(1).
lm_status lm_view_get_integer(lm_buffer_table *table, const lm_view *view, uint32_t index,
                              int64_t *value);
lm_status lm_view_set_integer(lm_buffer_table *table, const lm_view *view, uint32_t index,
                              int64_t value);
lm_status lm_view_get_number(lm_buffer_table *table, const lm_view *view, uint32_t index,
                             double *value);
lm_status lm_view_set_number(lm_buffer_table *table, const lm_view *view, uint32_t index,
                             double value);

// Byte accesses, to any view at any offset in bytes: load or store an element of `kind`, in the
// given byte order, as the low bits of `bits`. A load zeroes the higher bits; a store ignores them.
// O(1).
lm_status lm_view_load(lm_buffer_table *table, const lm_view *view, uint32_t offset, lm_kind kind,
                       bool little_endian, uint64_t *bits);
lm_status lm_view_store(lm_buffer_table *table, const lm_view *view, uint32_t offset, lm_kind kind,
                        bool little_endian, uint64_t bits);

// Copies `length` elements (setRange, TypedArray.set) within a memory or between two. The ranges
// may overlap: the result is as if all were read before one is written. Elements of different kinds
// are converted, BigInts to BigInts and numbers to numbers; byte views are copied to byte views, in
// bytes. O(length); allocates nothing.
lm_status lm_view_copy(lm_buffer_table *table, const lm_view *to, uint32_t at, const lm_view *from,
                       uint32_t from_at, uint32_t length);

// The address of a view's first byte, valid for all bytes of the view until the view ends, a resize
// moves the buffer or shrinks it below the view's end, or the memory's epoch changes. On wasm32, C
// can address home only; for other memories lm_view_point returns LM_NO_MEMORY. JavaScript makes
// its TypedArray from memory, start and length in the same way, and throws if it is misaligned.
typedef struct lm_pointer {
    void *address;
    lm_view view; // a copy
    uint32_t memory, epoch;
} lm_pointer;

lm_status lm_view_point(lm_buffer_table *table, const lm_view *view, lm_pointer *pointer);

// Returns LM_OK if the pointer is still valid, else LM_OLD_POINTER. O(1).
lm_status lm_pointer_check(const lm_buffer_table *table, const lm_pointer *pointer);

// Returns the address, for immediate use. At check level 1 and above it traps if the pointer is not
// valid any more.
static inline void *lm_pointer_use(const lm_buffer_table *table, const lm_pointer *pointer) {
    LM_CHECK(lm_pointer_check(table, pointer) == LM_OK);
    (void)table;
    return pointer->address;
}

#ifdef __cplusplus
}
#endif

// The runtime that the C of wasm2c (npm wabt 1.0.39) includes, for one module without imports: one
// 32-bit memory, which is an lm_memory, and tables of functions.
//
// WASM_RT_MEMCHECK_GUARD_PAGES 1: accesses outside of the memory fault, because linear memory ends
// in unmapped pages (alloc/linear_memory.h). 0: each access is compared with the size first.
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define UNLIKELY(x)                  __builtin_expect(!!(x), 0)
#define LIKELY(x)                    __builtin_expect(!!(x), 1)
#define wasm_rt_memcpy               __builtin_memcpy
#define wasm_rt_unreachable          __builtin_unreachable
#define WABT_BIG_ENDIAN              0
#define WASM_RT_USE_SEGUE            0
#define WASM_RT_SANITY_CHECKS        0
#define WASM_RT_STACK_DEPTH_COUNT    0
#define WASM_RT_MAX_CALL_STACK_DEPTH 0
#define WASM_RT_NO_RETURN            _Noreturn

typedef enum wasm_rt_trap_t {
    WASM_RT_TRAP_NONE,
    WASM_RT_TRAP_OOB,
    WASM_RT_TRAP_INT_OVERFLOW,
    WASM_RT_TRAP_DIV_BY_ZERO,
    WASM_RT_TRAP_INVALID_CONVERSION,
    WASM_RT_TRAP_UNREACHABLE,
    WASM_RT_TRAP_CALL_INDIRECT,
} wasm_rt_trap_t;

typedef enum wasm_rt_type_t {
    WASM_RT_I32,
    WASM_RT_I64,
    WASM_RT_F32,
    WASM_RT_F64,
    WASM_RT_V128,
    WASM_RT_FUNCREF,
    WASM_RT_EXTERNREF,
    WASM_RT_EXNREF,
} wasm_rt_type_t;

typedef void (*wasm_rt_function_ptr_t)(void);
typedef const char *wasm_rt_func_type_t;
typedef struct wasm_rt_tailcallee_t {
    void (*fn)(void **, void *, struct wasm_rt_tailcallee_t *);
} wasm_rt_tailcallee_t;
typedef struct wasm_rt_funcref_t {
    wasm_rt_func_type_t func_type;
    wasm_rt_function_ptr_t func;
    wasm_rt_tailcallee_t func_tailcallee;
    void *module_instance;
} wasm_rt_funcref_t;
typedef struct wasm_rt_memory_t {
    uint8_t *data;
    uint64_t pages, max_pages, size;
    uint32_t page_size;
    bool is64;
} wasm_rt_memory_t;
typedef struct wasm_rt_funcref_table_t {
    wasm_rt_funcref_t *data;
    uint32_t max_size, size;
} wasm_rt_funcref_table_t;
typedef void *wasm_rt_externref_t;
typedef struct wasm_rt_externref_table_t {
    wasm_rt_externref_t *data;
    uint32_t max_size, size;
} wasm_rt_externref_table_t;

#define wasm_rt_funcref_null_value   ((wasm_rt_funcref_t){NULL, NULL, {NULL}, NULL})
#define wasm_rt_externref_null_value NULL

static inline bool wasm_rt_is_initialized(void) {
    return true;
}
WASM_RT_NO_RETURN void wasm_rt_trap(wasm_rt_trap_t trap);
void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, uint64_t pages, uint64_t pages_max,
                             bool is64, uint32_t page_bytes);
uint64_t wasm_rt_grow_memory(wasm_rt_memory_t *memory, uint64_t pages);
void wasm_rt_free_memory(wasm_rt_memory_t *memory);
void wasm_rt_allocate_funcref_table(wasm_rt_funcref_table_t *table, uint32_t size,
                                    uint32_t size_max);
void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t *table);

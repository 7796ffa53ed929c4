// Reports stores of instrumented code: the callbacks of clang's trace-stores, and
// AddressSanitizer's versions of the library functions, wrapped by the linker (--wrap).
#include "fuzz/play/dirty.h"

#include <stddef.h>

#define STORE(bits)                                                                                \
    void __sanitizer_cov_store##bits(const void *at);                                              \
    void __sanitizer_cov_store##bits(const void *at) {                                             \
        dirty_mark(at, bits);                                                                      \
    }
STORE(1)
STORE(2)
STORE(4)
STORE(8)
STORE(16)

void *__real___asan_memset(void *to, int byte, size_t count);
void *__real___asan_memcpy(void *to, const void *from, size_t count);
void *__real___asan_memmove(void *to, const void *from, size_t count);

void *__wrap___asan_memset(void *to, int byte, size_t count);
void *__wrap___asan_memset(void *to, int byte, size_t count) {
    dirty_mark(to, count);
    return __real___asan_memset(to, byte, count);
}
void *__wrap___asan_memcpy(void *to, const void *from, size_t count);
void *__wrap___asan_memcpy(void *to, const void *from, size_t count) {
    dirty_mark(to, count);
    return __real___asan_memcpy(to, from, count);
}
void *__wrap___asan_memmove(void *to, const void *from, size_t count);
void *__wrap___asan_memmove(void *to, const void *from, size_t count) {
    dirty_mark(to, count);
    return __real___asan_memmove(to, from, count);
}

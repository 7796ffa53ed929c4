# Toolchain of the library for wasm32, with clang and its lld:
#
#     cmake -S alloc -B build/wasm -DCMAKE_TOOLCHAIN_FILE=wasm/wasm32.cmake [-DCMAKE_C_COMPILER=clang-19]
#
# The library then consists of the strategies, the buffers, memcpy, memmove and memset; it calls no
# other function. A module makes its own lm_memory, as alloc/wasm/exports.c does, and names the tables
# of the strategies that it uses.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(CMAKE_C_COMPILER clang CACHE STRING "clang")
set(CMAKE_C_COMPILER_TARGET wasm32-unknown-unknown)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
# Offset 0 is an address like others: a memory's base.
set(CMAKE_C_FLAGS_INIT "-mbulk-memory -ffreestanding -fno-builtin -fno-delete-null-pointer-checks")

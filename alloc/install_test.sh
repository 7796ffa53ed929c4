#!/usr/bin/env bash
# The library as its users get it. It is built and installed where PATH has cc, c++, make, cmake and
# pkg-config only (and what these call). The examples are built with it by CMake and by pkg-config,
# before and after the installation is moved, and with its sources by add_subdirectory; all run. Each
# header is compiled alone, as C and C++ and for wasm32, without warnings. A module for wasm32 is built
# with the toolchain file.
set -euo pipefail
alloc=$(dirname -- "$(realpath -- "$0")")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir bin
for tool in cc c++ make cmake pkg-config as ld ar ranlib sh; do
    ln -s "$(command -v $tool)" bin
done

# quiet COMMAND…: prints the output if it fails.
quiet() { "$@" >log 2>&1 || { printf 'failed: %s\n' "$*"; cat log; exit 1; }; }
bare() { quiet env -i PATH="$folder/bin" "${variables[@]}" "$@"; }

# run_examples FOLDER
run_examples() {
    for name in heap_c buffers_c heap_cc; do quiet "$1/example_$name"; done
}

# use PREFIX: builds the examples with the library that is installed there.
use() {
    variables=(PKG_CONFIG_PATH="$PWD/$1/lib/pkgconfig")
    bare cmake -S "$alloc/examples" -B "by_cmake_$1" -DCMAKE_PREFIX_PATH="$PWD/$1"
    bare cmake --build "by_cmake_$1"
    run_examples "by_cmake_$1"
    mkdir "by_pkg_config_$1"
    bare make -C "by_pkg_config_$1" -f "$alloc/examples/Makefile" CXX=c++
    run_examples "by_pkg_config_$1"
}

variables=()
bare cmake -S "$alloc" -B build -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_C_FLAGS_RELEASE=-O1
bare cmake --build build -j2
bare cmake --install build --prefix "$PWD/here"
use here
mv here there
use there

# In another project: the library adds no options, no tests and no files to install.
mkdir project
cat >project/CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C CXX)
enable_testing()
add_subdirectory($alloc linmem)
add_subdirectory($alloc/examples examples)
END
bare cmake -S project -B by_subdirectory
bare cmake --build by_subdirectory -j2 --target example_heap_c example_buffers_c example_heap_cc
run_examples by_subdirectory/examples
bare cmake --install by_subdirectory --prefix "$PWD/nothing"
[ ! -e nothing ] || { echo "a project that contains the library installs:"; find nothing; exit 1; }

# compile COMPILER…: compiles each header alone, and with itself.
compile() {
    command -v "$1" >/dev/null || { echo "left out: $1 is not installed"; return; }
    local header
    while read -r header; do
        printf '#include <%s>\n#include <%s>\nextern int alone;\n' "$header" "$header" >alone
        quiet "$@" -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only -I there/include alone
    done < <(cd there/include && find . -name '*.h' -printf '%P\n')
}
for c in cc clang-19; do compile "$c" -std=c17 -x c; done
for cxx in c++ clang++-19; do
    for standard in 17 20; do compile "$cxx" -std=c++$standard -x c++; done
done
wasm32=(--target=wasm32 -ffreestanding)
compile clang-19 "${wasm32[@]}" -std=c17 -x c
compile clang++-19 "${wasm32[@]}" -std=c++17 -x c++

# The example of a WebAssembly module, which needs nothing but the library.
if command -v clang-19 >/dev/null && command -v wasm-ld-19 >/dev/null; then
    quiet cmake -S "$alloc" -B wasm -DCMAKE_TOOLCHAIN_FILE=wasm/wasm32.cmake \
        -DCMAKE_C_COMPILER=clang-19 -DCMAKE_BUILD_TYPE=Debug
    quiet cmake --build wasm -j2
    quiet clang-19 "${wasm32[@]}" -nostdlib -Wl,--no-entry -I wasm/include \
        "$alloc/examples/module.c" wasm/liblinmem.a -o module.wasm
else
    echo "left out: clang-19 and wasm-ld-19 are not both installed"
fi

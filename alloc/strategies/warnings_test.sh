#!/usr/bin/env bash
# Warnings in a new strategy stop the presets that only tests are run from, and are shown by those that
# verbs are run from; an error stops all. A strategy's names are its own: it may use those that others
# use. In a copy of the tree with such a strategy.
set -euo pipefail
here=$(dirname -- "$(realpath -- "$0")")/../..
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$here"
cp -r --parents CMakeLists.txt CMakePresets.json README.md linmem.c alloc bench cli fuzz reports \
    corpus/trace corpus/replay corpus/record "$folder"
cd "$folder"
echo 'STRATEGY(mine)' >>alloc/strategies.def
: >alloc/strategies/mine.c
failed=0

# expect PRESET OBJECT STATUS PATTERN: how its compilation ends, and what it says.
expect() {
    local said ended=0
    said=$(ninja -C "build/$1" "$2" 2>&1) || ended=1
    if [ "$ended" != "$3" ] || ! grep -q -- "$4" <<<"$said"; then
        printf '%s of preset %s ended with %s, not %s and "%s": %s\n' "$2" "$1" "$ended" "$3" "$4" "$said"
        failed=1
    fi
}

for preset in bench fuzz gcc dev; do
    cmake --preset "$preset" >configure.log 2>&1 || { cat configure.log; exit 1; }
done
for warning in 'unused-function:static int unused(void) { return 1; }' \
    'conversion:char narrow(int wide); char narrow(int wide) { return wide; }'; do
    printf '%s\n' "${warning#*:}" >alloc/strategies/mine.c
    for object in CMakeFiles/linmem_level0.dir/alloc/strategies/mine.c.o \
        wasm32/mine.level0/mine.o; do
        for preset in bench fuzz; do expect "$preset" "$object" 0 "warning: .*${warning%%:*}"; done
        for preset in gcc dev; do expect "$preset" "$object" 1 "error: .*${warning%%:*}"; done
    done
done
# Names are its own: it may use those that other strategies have for their geometry.
{
    printf 'enum { %s };\n' 'CLASSES = 1, GROUPS, LONG, ORDERS, PAGE_SHIFT, SLAB_BLOCKS, TABLE_PAGES_MIN'
    sed 's/LM_STRATEGY(minimal,/LM_STRATEGY(mine,/' alloc/conformance/minimal.c
} >alloc/strategies/mine.c
for object in CMakeFiles/linmem_level0.dir/alloc/strategies/mine.c.o \
    CMakeFiles/explored_mine_level1.dir/fuzz/explore/explorer/strategy.c.o; do
    for preset in gcc dev; do expect "$preset" "$object" 0 Building; done
done
echo 'int' >alloc/strategies/mine.c
expect bench CMakeFiles/linmem_level0.dir/alloc/strategies/mine.c.o 1 'mine.c:1:.*error: '
expect bench wasm32/mine.level0/mine.o 1 'mine.c:1:.*error: '
exit "$failed"

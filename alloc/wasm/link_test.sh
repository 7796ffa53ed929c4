#!/bin/sh
# link_test.sh SOURCE_DIR STRATEGY: compiles one strategy to wasm32, freestanding,
# at every check level, links it with no undefined symbol, prints its size, and runs it where node is.
set -eu
root=$1 strategy=$2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cd "$root"

# Offset 0 is an address like others here: the base is 0. -c and wasm-ld apart, as the clang driver
# runs any wasm-opt it finds.
compile() {
  clang-19 --target=wasm32-unknown-unknown -std=c17 -ffreestanding -nostdlib -mcpu=mvp \
    -mno-bulk-memory -Oz -fno-builtin -fno-delete-null-pointer-checks -I. -Ialloc/wasm/include \
    -Wall -Wextra -Wundef -Wshadow -Wconversion -Wstrict-prototypes -Werror "$@"
}

for level in 0 1 2; do
  compile -DLM_CHECK_LEVEL=$level -c "alloc/strategies/$strategy.c" -o "$out/strategy.o"
  compile -DLM_CHECK_LEVEL=$level -DSTRATEGY="$strategy" -c alloc/wasm/exports.c -o "$out/exports.o"
  compile -c alloc/wasm/memory.c -o "$out/memory.o"
  wasm-ld-19 --no-entry --gc-sections -z stack-size=4096 -s "$out/strategy.o" "$out/exports.o" \
    "$out/memory.o" -o "$out/$strategy.$level.wasm"
  echo "$strategy, check level $level: $(wc -c <"$out/$strategy.$level.wasm") bytes of wasm32"
  if command -v node >/dev/null; then
    node alloc/wasm/play.mjs "$out/$strategy.$level.wasm"
  else
    echo "SKIPPED: no node here, so the module was linked and not run"
  fi
done

#!/bin/sh
# link_test.sh STRATEGY SOURCE…: compiles a strategy and the other sources to wasm32, freestanding, at
# every check level, links them with no undefined symbol, prints the size, and runs it where node is.
# From the repository's root.
set -eu
strategy=$1
shift
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# Offset 0 is an address like others here: the base is 0. -c and wasm-ld apart, as the clang driver
# runs any wasm-opt it finds.
compile() {
  clang-19 --target=wasm32-unknown-unknown -std=c17 -ffreestanding -nostdlib -mcpu=mvp \
    -mno-bulk-memory -Oz -fno-builtin -fno-delete-null-pointer-checks -I. \
    -Wall -Wextra -Wundef -Wshadow -Wconversion -Wstrict-prototypes -Werror "$@"
}

for level in 0 1 2; do
  for source in "alloc/strategies/$strategy.c" "$@"; do
    compile -DLM_CHECK_LEVEL=$level -DSTRATEGY="$strategy" -c "$source" \
      -o "$out/$(basename "$source" .c).o"
  done
  wasm-ld-19 --no-entry --gc-sections -z stack-size=4096 -s "$out"/*.o -o "$out/$strategy.$level.wasm"
  echo "$strategy, check level $level: $(wc -c <"$out/$strategy.$level.wasm") bytes of wasm32"
  if command -v node >/dev/null; then
    node alloc/wasm/play.mjs "$out/$strategy.$level.wasm"
  else
    echo "SKIPPED: no node here, so the module was linked and not run"
  fi
done

#!/bin/sh
# wasmtime.sh WIZER [MODULE REPLAY WHAT ROUNDS HEAP-OFFSET HANDICAP]: runs a cell in the wasmtime
# that wizer has inside: it runs one function of a module (bench/engines/module/wasi.c), with
# standard input and output, and discards what it makes of the module.
# bench/engines/engine.h describes the arguments and the outcome.
export LC_ALL=C
wizer=$1 module=${2-}
if [ -z "$module" ]; then
    version=$(sed -n 's/^ *"version": "\(.*\)".*/\1/p' "${wizer%/*}/package.json")
    features='"bulk-memory","simd","multi-memory","memory64","tail-calls"' # of wizer 11.0.3, tried
    printf '{"version":"wasmtime (in wizer %s)","features":[%s]}\n' "$version" "$features"
    exit
fi
{
    printf '%s %s %s %.0f %s\n' "$4" "$5" "$6" "${7}e6" "$(stat -L -c %s "$3")"
    cat "$3"
} | "$wizer" --allow-wasi -f run "$module" -o /dev/null

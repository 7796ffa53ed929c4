#!/usr/bin/env bash
# README.md shows the lines of buffers.c between the marks, ten at most.
set -euo pipefail
here=$(dirname -- "$(realpath -- "$0")")
lines=$(sed -n '/^ *\/\/ README {$/,/^ *\/\/ README }$/{//!p}' "$here/buffers.c")
[ "$(wc -l <<<"$lines")" -le 10 ] && [[ $lines == '    '* ]]
[[ $(<"$here/../../README.md") == *$'\n\n'"$lines"$'\n\n'* ]] ||
    { printf 'README.md does not have these lines of buffers.c:\n%s\n' "$lines"; exit 1; }

#!/usr/bin/env bash
# left_out_test.sh LINMEM: the command, built for a system that has neither jemalloc nor mimalloc.
set -euo pipefail
linmem=$1 folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
has() { grep -q -- "$2" "$1" || { printf '%s has no "%s":\n' "$1" "$2"; cat "$1"; exit 1; }; }
has_not() { ! grep -- "$2" "$1" || { printf '%s has "%s"\n' "$1" "$2"; exit 1; }; }

"$linmem" list allocators >list
has list '^  mimalloc .*not on this system: libnone.so.3|libnone.so.2'
has list '^  tcmalloc .*libtcmalloc_minimal.so.4'

printf 'linmem-trace 1\na 1 100\na 2 30\nf 1\nf 2\n' >tiny.lmt
"$linmem" compare --profile smoke --blocks 1 --workloads tiny.lmt >said 2>errors
has errors '^linmem compare: not on this system, so left out: jemalloc (.*), mimalloc (.*)$'
has said '^glibc#2 '
has_not said '^mimalloc '
for file in results.json report.md; do has linmem-results/*/"$file" 'left.out.*libnone.so.2'; done
has linmem-results/*/results.json '"baseline": "glibc"'

ended=0
"$linmem" compare --allocators tlsf,mimalloc --workloads tiny.lmt >said 2>&1 || ended=$?
[ "$ended" = 2 ] || { echo "status $ended"; exit 1; }
has said "^linmem compare: this system has no mimalloc (libnone.so.3|libnone.so.2)"

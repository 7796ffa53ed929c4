#!/usr/bin/env bash
# left_out_test.sh LINMEM: tests the command built for a system without jemalloc and mimalloc.
set -euo pipefail
linmem=$1 folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
has() { grep -q -- "$2" "$1" || { printf 'no "%s" in %s:\n' "$2" "$1"; cat "$1"; exit 1; }; }

"$linmem" list allocators >list
has list '^  mimalloc .*not installed: libnone.so.3|libnone.so.2'
has list '^  tcmalloc .*libtcmalloc_minimal.so.4'

printf 'linmem-trace 1\na 1 100\na 2 30\nf 1\nf 2\n' >tiny.lmt
"$linmem" compare --profile smoke --blocks 1 --workloads tiny.lmt >output 2>errors
has errors '^linmem compare: left out because not installed: jemalloc (.*), mimalloc (.*)$'
has output '^glibc#2 '
! grep '^mimalloc ' output || exit 1
for file in results.json report.md; do has linmem-results/*/"$file" 'left.out.*libnone.so.2'; done
has linmem-results/*/results.json '"baseline": "glibc"'

ended=0
"$linmem" compare --allocators tlsf,mimalloc --workloads tiny.lmt >output 2>&1 || ended=$?
[ "$ended" = 2 ] || { echo "status $ended"; exit 1; }
has output "^linmem compare: mimalloc is not installed (libnone.so.3|libnone.so.2)"

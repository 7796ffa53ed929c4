#!/usr/bin/env bash
# installed_test.sh BUILD: installs the tools of the build folder, moves what was installed, and runs
# it from another folder: it finds its own files, not the checkout's.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { printf 'installed_test.sh: %s\n' "$*"; exit 1; }

cmake --install "$1" --component tools --prefix "$folder/first" >/dev/null
mv "$folder/first" "$folder/moved [1]"
mkdir "$folder/elsewhere"
cd "$folder/elsewhere"
PATH="$folder/moved [1]/bin:$PATH"
own="$folder/moved [1]/lib/linmem"

# lists NAME KIND: whether `linmem list KIND` has the name.
lists() { [[ $(linmem list "$2" --json 2>/dev/null) == *"\"name\": \"$1\""* ]]; }
mv "$own/corpus/traces/jq.lmt.zst" "$own/corpus/traces/mine.lmt.zst"
lists mine workloads || fail 'list workloads does not have an installed trace'
! lists jq workloads || fail "list workloads has the checkout's traces"
lists tlsf allocators || fail 'list allocators does not have tlsf'
! lists enqueue-makes-room mutants || fail "list mutants has the checkout's"

linmem compare --allocators tlsf,segregated --workloads mine --blocks 1 --out out >/dev/null
grep -q '"commit": "[0-9a-f]' out/results.json || fail 'results.json has no commit'
linmem record -o recorded.lmt -- ls >/dev/null 2>&1
linmem trace check recorded.lmt >/dev/null
linmem trace generate "$own/corpus/synthetic/batches.json" --operations 100 -o made.lmt
linmem explore --depth 2 --allocator tlsf >/dev/null
linmem export tlsf -o tlsf.c
grep -q 'Permission is hereby granted' tlsf.c || fail 'the exported file has no licence'

for verb in fuzz reproduce test; do
    status=0
    said=$(linmem "$verb" 2>&1) || status=$?
    [ "$status" = 2 ] || fail "$verb exits with $status"
    [[ $said == "linmem: $verb needs the checkout"* ]] || fail "$verb says: $said"
    linmem "$verb" --help | grep -q '^Usage:' || fail "$verb --help prints no help"
done
[ -s "$folder/moved [1]/share/man/man1/linmem.1" ] || fail 'no manual page'
# shellcheck source=/dev/null
source "$folder/moved [1]/share/bash-completion/completions/linmem"
COMP_WORDS=(linmem compare --allocators "=" tls) COMP_CWORD=4
_linmem
[ "${COMPREPLY[*]}" = tlsf ] || fail "completion of tls: ${COMPREPLY[*]}"
COMP_WORDS=(linmem compare --wor) COMP_CWORD=2
compopt() { true; } # only while bash completes
_linmem
[ "${COMPREPLY[*]}" = --workloads= ] || fail "completion of --wor: ${COMPREPLY[*]}"

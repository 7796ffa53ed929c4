#!/usr/bin/env bash
# renew.sh [--check] LINMEM: writes what the built command LINMEM answers to --help and --version into
# this folder, where ./linmem reads it. --check writes nothing: status 1 if a text is not current.
set -euo pipefail
here=$(cd -- "$(dirname -- "$0")" && pwd)
check=
[ "${1-}" != --check ] || { check=1; shift; }
linmem=$1 folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset ARGP_HELP_FMT

"$linmem" --version >"$folder/version.txt"
"$linmem" --help >"$folder/linmem.txt"
for verb in $(sed -n 's/^  \([a-z]*\) .*/\1/p' "$folder/linmem.txt"); do
    "$linmem" "$verb" --help >"$folder/$verb.txt"
done
"$linmem" fuzz score --help >"$folder/fuzz-score.txt"

if [ -n "$check" ]; then
    diff -ru --exclude=renew.sh "$here" "$folder" ||
        { echo "cli/help is not current. To renew it: cmake --build --preset bench -t help_texts"; exit 1; }
else
    rm -f "$here"/*.txt
    cp "$folder"/*.txt "$here"
fi

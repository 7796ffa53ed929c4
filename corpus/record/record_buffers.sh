#!/bin/sh
# Records the shipped buffer traces again: corpus/record/record_buffers.sh [NAME…], all where none is
# named.
# LINMEM names the command to convert and describe with, NODE the node to record in. The packages
# are installed from npm into a folder that goes in the end.
#
# Each program is recorded twice, and both recordings must be the same to the byte. Two things are
# set for that:
#   --predictable         V8 marks without helpers, who find the dead in another order each time.
#                         Without it births, views and drains stay the same; two recordings of
#                         messages told of 105 of its 158,621 deaths a drain earlier or later, and
#                         of the others in another order.
#   UV_THREADPOOL_SIZE=1  modules are read one after the other. Without it two buffers of pictures,
#                         which hold modules, may be born in the other order.
# Another version of node may give another trace: by what it allocates itself, and by the order in
# which it finds the dead.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
linmem=${LINMEM:-$here/../../build/bench/linmem}
node=$(command -v "${NODE:-node}" || echo none)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

say() { echo "record_buffers: $*" >&2; }

# record NAME PACKAGE@VERSION…: inputs/NAME.mjs, in a fresh folder with those packages.
record() {
    name=$1
    shift
    (cd "$work/$name" && npm install --no-save --no-audit --no-fund --ignore-scripts --silent \
        "$@") || {
        say "$name: npm could not install $*"
        exit 1
    }
    cp "$here/inputs/$name.mjs" "$here/record_buffers.mjs" "$work/$name"
    note="program: node $("$node" --version), $*
input: inputs/$name.mjs
command: node --import ./record_buffers.mjs $name.mjs"
    for time in first second; do
        (cd "$work/$name" && env -i PATH=/usr/bin:/bin LC_ALL=C TZ=UTC HOME=/nonexistent \
            UV_THREADPOOL_SIZE=1 BUFFERS_TRACE="$work/$time.lmt" BUFFERS_NOTE="$note" \
            "$node" --expose-gc --predictable --import ./record_buffers.mjs "$name.mjs" \
            > "$work/$time") || {
            say "$name failed"
            exit 1
        }
    done
    if ! cmp "$work/first.lmt" "$work/second.lmt" >&2; then
        say "$name: two recordings differ, in $(diff "$work/first.lmt" "$work/second.lmt" |
            grep -c '^[<>]') lines"
        exit 1
    fi
    "$linmem" trace convert "$work/second.lmt" "$here/../traces/$name.lmt.zst"
    echo "$name: $(grep -c '^b' "$work/second.lmt") buffers," \
        "$(grep -c '^v' "$work/second.lmt") views, $(stat -c %s "$here/../traces/$name.lmt.zst") bytes"
}

record_messages() { record messages @msgpack/msgpack@3.1.3 fflate@0.8.3; }
record_geometry() { record geometry three@0.187.0; }
record_pictures() { record pictures fast-png@8.0.0 fflate@0.8.3 iobuffer@6.0.1; }

missing=
for program in "$node" npm; do
    command -v "$program" > /dev/null || missing="$missing $program"
done
[ -x "$linmem" ] || missing="$missing $linmem"
if [ -n "$missing" ]; then
    say "not here:$missing"
    exit 2
fi

[ $# -gt 0 ] || set -- messages geometry pictures
for name; do
    command -v "record_$name" > /dev/null || { say "no such trace: $name"; exit 2; }
    mkdir "$work/$name"
    "record_$name"
done

#!/bin/sh
# Records the shipped traces again: corpus/record/record_traces.sh [NAME…], all where none is named.
# LINMEM names the command to record with. Each program is recorded twice, and the counts must agree.
# Installs nothing: says which Debian packages are missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
linmem=${LINMEM:-$here/../../build/bench/linmem}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

say() { echo "record_traces: $*" >&2; }

# need PROGRAM PACKAGE
missing=
need() { command -v "$1" > /dev/null || missing="$missing $2"; }

version() { dpkg-query -W -f '${Package} ${Version}' "$1" 2> /dev/null || echo "$1, unknown version"; }

# record NAME PACKAGE INPUT [OPTION…] -- COMMAND…
# In a fresh folder, with a fixed environment and no address randomisation: sets that are ordered by
# address, hashes and the listing of the folder are the same each time.
record() {
    name=$1 note="program: $(version "$2")
input: $3"
    shift 3
    for time in first second; do
        if ! env -i PATH=/usr/bin:/bin LC_ALL=C TZ=UTC HOME=/nonexistent TMPDIR="$work" \
            PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0 \
            PYTHONHASHSEED=0 PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 \
            MAGICK_THREAD_LIMIT=1 OMP_NUM_THREADS=1 \
            setarch -R "$linmem" record -o "$work/$time.lmt.zst" --note "$note" "$@" \
            > "$work/said" 2> "$work/$time"; then
            cat "$work/$time" >&2
            say "$name failed"
            exit 1
        fi
        # "N operations, N blocks, peak live N bytes in N blocks, N lanes"
        sed -n 's/^linmem record: \(.* lanes\{0,1\}\);.*/\1/p' "$work/$time" > "$work/$time.counts"
    done
    if ! cmp -s "$work/first.counts" "$work/second.counts"; then
        cat "$work/first.counts" "$work/second.counts" >&2
        say "$name: two recordings differ"
        exit 1
    fi
    mv "$work/second.lmt.zst" "$here/../traces/$name.lmt.zst"
    echo "$name: $(cat "$work/first.counts"), $(stat -c %s "$here/../traces/$name.lmt.zst") bytes"
}

record_sqlite3() {
    sqlite3 :memory: < "$here/inputs/sqlite3_statements.sql" > statements
    cat "$here/inputs/sqlite3.sql" statements > shop.sql
    record sqlite3 sqlite3 "inputs/sqlite3.sql and what inputs/sqlite3_statements.sql writes" \
        -- sqlite3 :memory: '.read shop.sql'
}

record_jq() {
    cp "$here/inputs/jq.jq" questions.jq
    perl "$here/inputs/jq.pl" > deliveries.json
    record jq jq "inputs/jq.jq on what inputs/jq.pl writes" -- jq -f questions.jq deliveries.json
}

record_python3() {
    cp "$here/inputs/python3.py" .
    record python3 python3.11-minimal "inputs/python3.py, which reads modules of the library; PYTHONMALLOC=malloc" \
        -- /usr/bin/python3 -S python3.py
}

record_lua() {
    cp "$here/inputs/lua.lua" .
    record lua lua5.4 "inputs/lua.lua" -- lua5.4 lua.lua
}

record_perl() {
    cp "$here/inputs/perl.pl" .
    for licence in Apache-2.0 Artistic GPL-2 GPL-3 LGPL-2.1; do
        cp "/usr/share/common-licenses/$licence" .
    done
    record perl perl-base "inputs/perl.pl on /usr/share/common-licenses" \
        -- perl perl.pl Apache-2.0 Artistic GPL-2 GPL-3 LGPL-2.1
}

record_cc1plus() {
    cp "$here/inputs/cc1plus.cpp" .
    record cc1plus g++-12 "inputs/cc1plus.cpp" --process cc1plus \
        -- g++-12 -std=c++17 -O1 -S -o /dev/null cc1plus.cpp
}

# Pictures of megabytes and their tiles, each copied by each step.
record_convert() {
    record convert imagemagick-6.q16 "none: it draws its pictures" \
        -- convert-im6.q16 -seed 7 -size 240x180 plasma:tomato-steelblue plasma:gold-navy -morph 4 \
        -resize 110% -crop 90x90 +repage -rotate 3 -unsharp 0x0.7 -shave 6x6 -normalize \
        -roll +20+10 -modulate 110,80 -border 4 -colorspace Lab -gaussian-blur 0x0.5 \
        -colorspace sRGB -flip -resize 75% -emboss 1 -charcoal 1 -swirl 30 -resize 180% -negate \
        -sepia-tone 80% -transpose -flatten -format '%w %h' info:
}

record_bc() {
    cp "$here/inputs/bc.bc" .
    echo quit > end.bc
    record bc bc "inputs/bc.bc" -- bc -q bc.bc end.bc
}

need setarch util-linux
need sqlite3 sqlite3
need jq jq
need /usr/bin/python3 python3
need lua5.4 lua5.4
need perl perl-base
need g++-12 g++-12
need convert-im6.q16 imagemagick-6.q16
need bc bc
if [ -n "$missing" ]; then
    say "these Debian packages are missing:$missing"
    exit 2
fi
if [ ! -x "$linmem" ]; then
    say "$linmem is not built"
    exit 2
fi

[ $# -gt 0 ] || set -- sqlite3 jq python3 lua perl cc1plus convert bc
for name; do
    command -v "record_$name" > /dev/null || { say "no such trace: $name"; exit 2; }
    mkdir "$work/$name"
    (cd "$work/$name" && "record_$name")
done

#!/usr/bin/env bash
# export_test.sh TEST BUILD-FOLDER [STRATEGY…]: tests the files that `linmem export` writes. In an empty
# folder. TEST:
#   strategy STRATEGY     its file compiles alone without warnings, natively with two compilers and for
#                         wasm32, defines its own names only, and serves a trace with the bytes of the
#                         library's strategy
#   together STRATEGY…    all files link into one program, whose heaps work
#   buffers               the file compiles likewise, and the README's example runs on it and on tlsf's
#   threads               paged_shared's entry points serve more threads than it has numbers
#   wasi STRATEGY         the file replaces malloc in a program that is linked with wasi-libc
#   command               names and output of linmem export
set -euo pipefail
here=$(dirname -- "$(realpath -- "$0")") test=$1 build=$(realpath -- "$2")
root=$here/../.. linmem=$build/linmem
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
warnings=(-std=c17 -Wall -Wextra -Wpedantic -Werror)
wasm32=(clang-19 --target=wasm32 -ffreestanding -nostdlib)

fail() { printf '%s\n' "$*"; exit 1; }

# compile NAME: exports NAME.c and compiles it; NAME.gcc.o, NAME.o and NAME.wasm.o are left.
compile() {
    "$linmem" export "$1" -o "$1.c"
    gcc "${warnings[@]}" -O2 -c "$1.c" -o "$1.gcc.o"
    clang-19 "${warnings[@]}" -O2 -c "$1.c"
    "${wasm32[@]}" "${warnings[@]}" -O2 -c "$1.c" -o "$1.wasm.o"
}

# only_names FILE PREFIX: fails if the object defines a global name without the prefix.
only_names() {
    local other
    other=$(nm -g --defined-only "$1" | awk -v prefix="$2" 'NF == 3 && index($3, prefix) != 1')
    [ -z "$other" ] || fail "$1 defines $other"
}

test_strategy() {
    local name=$1 trace=trace.lmt flags line heap_start pages
    compile "$name"
    for object in "$name.gcc.o" "$name.o"; do only_names "$object" "${name}_"; done
    # With aligned and zeroed blocks, resizes and frees.
    "$linmem" trace convert "$root/corpus/traces/convert.lmt.zst" - | head -n 10000 >"$trace" || true
    flags=(-DEXPORTED="\"$PWD/$name.c\"" -DNAME="$name" "$here/fixtures/replay.c")
    gcc "${warnings[@]}" -O2 "${flags[@]}" "$name.gcc.o" -pthread -o replay
    line=$(./replay 16 0 <"$trace")
    [ "$line" = "$("$build/replay" 16 0 "$name" <"$trace")" ] ||
        fail "natively, the file leaves $line, and not as the library $("$build/replay" 16 0 "$name" <"$trace")"
    "${wasm32[@]}" "${warnings[@]}" -O2 "${flags[@]}" "$name.wasm.o" -o replay.wasm \
        -Wl,--no-entry,--export=replay_start,--export=replay_step,--export=replay_hash
    mapfile -t line < <(node "$here/fixtures/replay.mjs" replay.wasm "$trace")
    read -r heap_start pages <<<"${line[0]}"
    [ "${line[1]-}" = "$("$build/replay" "$heap_start" "$pages" "$name" <"$trace")" ] ||
        fail "on wasm32, the file leaves ${line[1]-}, and not as the library" \
            "$("$build/replay" "$heap_start" "$pages" "$name" <"$trace")"
    echo "  $(wc -l <"$name.c") lines, natively and on wasm32 as the library: ${line[1]}"
}

test_together() {
    local name
    {
        echo '#include <stdint.h>'
        echo '#define LINMEM_DECLARATIONS'
        for name in "$@"; do echo "#include \"$name.c\""; done
        echo 'int main(void) {'
        for name in "$@"; do
            echo "char *$name = ${name}_calloc(1000, 3);"
            echo "if (!$name || ${name}[2999] || ${name}_malloc_usable_size($name) < 3000) return 1;"
            echo "$name = ${name}_realloc($name, 100000);"
            echo "if (!$name || ${name}_calloc(SIZE_MAX, 2) || ${name}_malloc(SIZE_MAX)) return 2;"
            echo "if (${name}_allocator.validate(${name}_memory(), NULL)) return 3;"
            echo "${name}_free($name); ${name}_free(NULL); ${name}_reset();"
        done
        echo 'return 0; }'
    } >main.c
    for name in "$@"; do
        "$linmem" export "$name" -o "$name.c"
        gcc -std=c17 -O0 -c "$name.c"
    done
    gcc "${warnings[@]}" main.c "${@/%/.o}" -pthread -o together
    ./together
}

test_buffers() {
    compile buffers
    for object in buffers.gcc.o buffers.o; do only_names "$object" lm_; done
    compile tlsf
    clang-19 "${warnings[@]}" -O2 -DLM_ATOMIC_COUNTS -c buffers.c -o atomic.o
    {
        echo '#define LINMEM_DECLARATIONS'
        echo '#include "tlsf.c"'
        echo '#include "buffers.c"'
        echo '#include <stdio.h>'
        echo 'enum { DART, SCRIPT };'
        # Each call's status, and the number of live blocks at the end.
        echo 'static void ok(lm_status status) { printf("%d ", (int)status); }'
        echo 'int main(void) {'
        echo 'const lm_allocator *allocator = &tlsf_allocator;'
        echo 'lm_memory memory; lm_buffer_table table; lm_handle handle, shared; lm_token token;'
        echo 'lm_memory_create(&memory, &(lm_memory_options){.pages = 1, .pages_max = 65536});'
        echo 'allocator->start(&memory);'
        echo 'lm_buffer_table_start(&table, &lm_counts_plain, allocator, &memory);'
        echo 'lm_finalizers_start(&table);'
        sed -n '/README {$/,/README }$/{//!p}' "$root/alloc/examples/buffers.c"
        echo 'lm_finalizers_end(&table); lm_buffer_table_end(&table);'
        echo 'lm_census census; allocator->validate(&memory, &census);'
        echo 'printf("%d\n", (int)census.live_blocks); return 0; }'
    } >main.c
    gcc "${warnings[@]}" main.c tlsf.gcc.o buffers.gcc.o -o example
    [ "$(./example)" = "0 0 0 0 1 0" ] || fail "the example returns $(./example)"
}

test_threads() {
    "$linmem" export paged_shared -o paged_shared.c
    gcc "${warnings[@]}" -D_GNU_SOURCE -O2 -DLM_CHECK_LEVEL=1 -DEXPORTED='"paged_shared.c"' \
        "$here/fixtures/threads.c" paged_shared.c -I. -pthread -o threads
    ./threads
}

# The program: linmem's reader and writer of traces, which convert text to binary and back. The trace is
# small because node 20 aborts in calls of WASI after a memory has grown to some 30 MiB.
test_wasi() {
    local name=$1 links sources=("$root"/corpus/trace/{trace,trace_text,trace_binary,scopes}.c)
    "$linmem" export "$name" -o "$name.c"
    "$linmem" trace generate "$root/corpus/synthetic/power_law.json" --operations 20000 -o trace.lmt
    cat >main.c <<'END'
#include "corpus/trace/trace_form.h"
#include <stdlib.h>
#include <string.h>

static void need(bool holds) {
    if (!holds) exit(1);
}

int main(int argc, char **argv) {
    FILE *stream = argc == 2 ? fopen(argv[1], "r") : NULL;
    need(stream != NULL);
    char *text = NULL, *line = NULL;
    size_t length = 0, room = 0;
    for (ssize_t got; (got = getline(&line, &room, stream)) >= 0; length += (size_t)got) {
        need((text = realloc(text, length + (size_t)got)) != NULL);
        memcpy(text + length, line, (size_t)got);
    }
    trace read, again;
    trace_error error;
    trace_builder *builder = trace_builder_new();
    need(trace_text_parse(text, length, builder, &error));
    need(trace_builder_finish(builder, &read, &error));
    size_t count;
    unsigned char *binary = trace_binary_form(&read, &count);
    builder = trace_builder_new();
    need(trace_binary_parse(binary, count, builder, &error));
    need(trace_builder_finish(builder, &again, &error));
    trace_print(&again, stdout);
    trace_free(&read), trace_free(&again);
    free(text), free(line), free(binary), fclose(stream);
    return 0;
}
END
    links=$(clang-19 --target=wasm32-wasi --sysroot=/usr -O2 -I"$root" -DLINMEM_REPLACE_MALLOC main.c \
        "${sources[@]}" "$name.c" -o program.wasm \
        -Wl,--trace-symbol=malloc,--trace-symbol=free,--trace-symbol=dlmalloc)
    ! grep -q 'libc.a.*: definition' <<<"$links" || fail "linked with the library's malloc: $links"
    node --no-warnings "$here/fixtures/wasi.mjs" program.wasm trace.lmt >out.lmt
    cmp trace.lmt out.lmt
    echo "  $(wc -c <program.wasm) bytes; $(grep -c . out.lmt) lines are the same"
}

test_command() {
    local said
    "$linmem" export bump >bump.c
    "$linmem" export bump -o other.c
    cmp bump.c other.c
    grep -q 'Permission is hereby granted' bump.c || fail "there is no licence"
    ! "$linmem" export tlfs -o none.c 2>said || fail "exports tlfs"
    grep -q "unknown strategy 'tlfs'; did you mean 'tlsf'" said || fail "says $(cat said)"
    ! "$linmem" export nothing -o none.c 2>said || fail "exports nothing"
    grep -q "bump, scope, .*, buffers" said || fail "says $(cat said)"
    ! "$linmem" export 2>said || fail "needs no name"
    ! "$linmem" export bump -o none/none.c 2>said || fail "writes into no folder"
    [ ! -e none.c ] || fail "wrote none.c"
}

"test_$test" "$@"

#!/usr/bin/env bash
# Tests of ./linmem, in a copy of it where the commands that it calls are replaced by fakes, which
# append their arguments to `calls`.
# shellcheck disable=SC2016 # the fakes are scripts
set -euo pipefail
here=$(dirname -- "$(realpath -- "$0")")
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
copy="$folder/it's (a) copy"
fakes=$folder/fakes calls=$folder/calls failed=0

wrong() { printf '%s: %s\n' "$test" "$*" && failed=1; }

# fake NAME SCRIPT: makes a command of this name.
fake() {
    printf '#!/bin/sh\necho "%s $*" >>%q\n%s\n' "$1" "$calls" "$2" >"$fakes/$1"
    chmod +x "$fakes/$1"
}

# start TEST: makes a clean copy. All packages are installed, builds succeed and tests pass.
start() {
    test=$1
    rm -rf "$copy" "$fakes"
    mkdir -p "$copy/cli" "$fakes"
    cp "$here"/{linmem,packages,packages-lock.json,CMakePresets.json} "$copy"
    cp -r "$here/cli/help" "$copy/cli"
    : >"$calls"
    fake sudo 'exit 1'
    fake id 'echo 0'
    fake apt-cache 'echo "  Candidate: 1.0"; seq 100000' # more than a pipe holds
    fake apt-get ''
    fake dpkg-query 'shift 3; for name; do echo "installed $name"; done'
    fake npm ''
    fake cmake 'mkdir -p "build/$2"
        echo "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" >"build/$2/CMakeCache.txt"
        cp CMakePresets.json "build/$2/build.ninja"; touch "build/$2/build.ninja"'
    fake ninja 'echo "-- GLOB mismatch!"; while [ "$1" != -C ]; do shift; done
        [ -e "$2/linmem" ] || echo "[1/1] Building C object linmem.o"
        printf "#!/bin/sh\necho it runs: \$* || exit 3" >"$2/linmem"
        chmod +x "$2/linmem"; echo "ninja: Entering directory"; echo "ninja: no work to do."'
    fake ctest 'echo "100% tests passed, 0 tests failed out of 2"'
}

# expect STATUS PATTERN COMMAND…: tests its exit status and its output on both streams.
expect() {
    local status=$1 pattern=$2 output ended=0
    shift 2
    output=$(PATH=$fakes:$PATH "$@" 2>&1) || ended=$?
    [ "$ended" = "$status" ] || wrong "$*: status $ended, not $status: $output"
    # shellcheck disable=SC2053
    [[ $output == $pattern ]] || wrong "$* printed: $output"
}
called() { grep -qx -- "$1" "$calls" || wrong "not called: $1, but: $(cat "$calls")"; }
not_called() { ! grep -q -- "$1" "$calls" || wrong "called: $(grep -- "$1" "$calls")"; }

# ---- Help ----------------------------------------------------------------------------------------

start "help needs nothing"
text() { sed 's/[][*?\\]/\\&/g' "$here/cli/help/$1.txt"; } # as a pattern
expect 2 "$(text linmem)" "$copy/linmem"
for arguments in --help help '-?' 'help --help'; do
    # shellcheck disable=SC2086
    expect 0 "$(text linmem)" "$copy/linmem" $arguments
done
expect 0 "$(text version)" "$copy/linmem" --version
for verb in compare explore export fuzz list record reproduce trace test; do
    expect 0 "$(text $verb)" "$copy/linmem" "$verb" --help
    expect 0 "$(text $verb)" "$copy/linmem" help "$verb"
done
expect 0 "$(text fuzz)" "$copy/linmem" fuzz heap --help
expect 0 "$(text trace)" "$copy/linmem" trace generate '-?'
expect 0 "$(text fuzz-score)" "$copy/linmem" fuzz score --help
expect 0 "$(text fuzz-score)" "$copy/linmem" help fuzz score
expect 2 "linmem: unknown verb 'comapre'; there are: compare, explore, *--help*" "$copy/linmem" comapre
expect 2 "cat: *" sh -c '"$0" --help >/dev/full' "$copy/linmem"
expect 2 "cat: *" sh -c '"$0" --help <&- >&-' "$copy/linmem"
[ ! -s "$calls" ] || wrong "called: $(cat "$calls")"
[ ! -e "$copy/build" ] || wrong "there is a build folder"

test="the built command answers unknown verbs"
mkdir -p "$copy/build/bench"
ln -s "$LINMEM" "$copy/build/bench/linmem"
for word in comapre COMPARE x '' 'list list' --hlep -h; do
    expect 2 "$("$LINMEM" "$word" 2>&1 || true)" "$copy/linmem" "$word"
done

# ---- Where it is called, and how -----------------------------------------------------------------

start "a call installs, builds and runs"
expect 0 $'linmem: building…\nit runs: list targets' "$copy/linmem" list targets
expect 0 'it runs: record -o x -- ls --help' "$copy/linmem" record -o x -- ls --help
not_called apt-get
called "cmake --preset bench --fresh"
[ "$(grep -c ^cmake "$calls")" = 1 ] || wrong "configured twice"

test="a call without /proc"
without_proc() { unshare -rm sh -c 'mount -t tmpfs none /proc && "$@"' sh "$@"; }
if without_proc true 2>/dev/null; then
    expect 0 "$(text version)" without_proc "$copy/linmem" --version
    expect 0 'it runs: x' without_proc "$copy/linmem" x
    expect 0 'it runs: list' without_proc "$copy/linmem" list
else
    echo "skipped: $test (no permission to mount)"
fi

test="a call through a link, from elsewhere, with odd variables"
ln -sf "$copy/linmem" link
export CDPATH=/ GREP_OPTIONS=--color=always MAKEFLAGS=-n POSIXLY_CORRECT=1 NINJA_STATUS='%e '
(cd / && expect 0 'it runs: list' "$folder/link" list)
unset CDPATH GREP_OPTIONS MAKEFLAGS POSIXLY_CORRECT NINJA_STATUS

test="the command has the streams of the caller"
expect 0 'it runs: list' "$copy/linmem" list <&-
expect 3 '*' sh -c "'$folder/link' list >&-"
expect 0 'it runs: list' sh -c "'$folder/link' list 2>&-"
rm "$copy/build/bench/build.ninja" # with a build to do
expect 0 'it runs: list' sh -c "'$folder/link' list <&- 2>&-"
expect 3 '*' sh -c "'$folder/link' list <&- >&- 2>&-"

test="the command has the environment of the caller"
printf '#!/bin/sh\necho "$CC $CFLAGS $MAKEFLAGS"' >"$copy/build/bench/linmem"
fake ninja 'echo "env ${CC-none} ${CFLAGS-none}" >>'"$calls"'; echo "ninja: no work to do."'
CC=tcc CFLAGS=-O0 MAKEFLAGS=-k expect 0 'tcc -O0 -k' "$copy/linmem" list
called "env none none"

test="a checkout that moved is configured anew"
start "$test"
expect 0 '*it runs:*' "$copy/linmem" list
mv "$copy" moved
expect 0 '*it runs:*' moved/linmem list
rm -rf moved
[ "$(grep -c ^cmake "$calls")" = 2 ] || wrong "$(cat "$calls")"

start "a path with syntax of CMake, shells or the dynamic linker"
for character in : ';' '"' \\ '$' '#' '[' ']' '*' '`' '|'; do
    mkdir "a${character}b"
    cp -r "$copy/." "a${character}b"
    expect 2 "linmem: unsupported character in the checkout's path: *" "a${character}b/linmem" list
    expect 0 'linmem *' "a${character}b/linmem" --version
    rm -r "a${character}b"
done

start "a folder that cannot be written"
touch "$copy/build"
expect 2 "linmem: cannot write to $copy/build*" "$copy/linmem" list

# ---- Packages ------------------------------------------------------------------------------------

start "missing packages are installed, by the name that the system has"
printf 'build one two|three\npeer four five|six\n' >"$copy/packages"
fake dpkg-query 'echo "installed one"; exit 1'
fake apt-cache 'case $2 in three | four) echo "  Candidate: 1.0" ;; two) echo "  Candidate: (none)" ;; esac'
expect 0 '*left out: five|six (to compare with): this system has no such package*it runs:*' \
    "$copy/linmem" list
called "apt-get .*install -y --no-install-recommends three"
called "apt-get .*install -y --no-install-recommends four"
: >"$calls"
expect 0 "it runs: list" "$copy/linmem" list
not_called apt-get

start "a required package that is not available"
fake dpkg-query 'exit 1'
fake apt-cache ''
expect 2 "linmem: cannot install gcc g++ *: this system has no such package" "$copy/linmem" list
not_called ^ninja

start "a failed installation"
fake dpkg-query 'exit 1'
fake apt-get 'echo no network; exit 100'
expect 2 "*no network*linmem: cannot install gcc *: apt-get failed *" "$copy/linmem" list
printf 'build gcc\npeer four\n' >"$copy/packages"
fake dpkg-query 'echo "installed gcc"; exit 1'
expect 0 "*linmem: left out: four (*it runs: list" "$copy/linmem" list

start "packages of an engine are installed when it is asked for"
printf 'build one\nengine-a npm:@x/two@2.0 npm:three@3\nengine-peers npm:three@3 four\n' >"$copy/packages"
fake ninja '[ -e "$2/linmem" ] || echo "[1/1] Building C object linmem.o"
    printf "#!/bin/sh\ncase \$2 in --targets) exec echo engine-a-fast ;; esac\necho it runs" >"$2/linmem"
    chmod +x "$2/linmem"'
fake dpkg-query 'echo "installed one"'
expect 0 '*it runs' "$copy/linmem" compare
not_called ^npm
expect 0 '*it runs' "$copy/linmem" compare --engine=a:fast
called "npm install --prefix .*/build/npm .*"
called "apt-get .*install .* four"
called "ninja -C .* linmem engine-a-fast"
[ "$(cat "$copy/build/npm/package.json")" = \
    '{"private":true,"dependencies":{"@x/two":"2.0","three":"3"}}' ] ||
    wrong "$(cat "$copy/build/npm/package.json")"
: >"$calls"
expect 0 'it runs' "$copy/linmem" compare --engine a:fast
not_called ^npm

start "neither root nor sudo"
fake id 'echo 1000'
rm "$fakes/sudo"
fake dpkg-query 'exit 1'
cp "$(command -v bash)" "$(command -v env)" "$fakes" 2>/dev/null || true
expect 2 "linmem: cannot install gcc *: run as root: apt-get install gcc *" "$copy/linmem" list
printf 'build\npeer four\n' >"$copy/packages"
expect 0 "linmem: left out: four (to compare with): run as root: apt-get install four*" "$copy/linmem" list

start "a system without apt-get"
mkdir others
ln -s /usr/bin/* others
rm -f "$fakes"/{apt-get,ninja} others/{apt-get,ninja}
PATH=$folder/others expect 2 "linmem: not Debian, so nothing is installed; Debian's names of what is used \
to build linmem: gcc *linmem: not found, and needed to build linmem: ninja" "$copy/linmem" list
start "$test"
rm "$fakes/apt-get"
PATH=$folder/others expect 0 '*; *used to compare with: libjemalloc2 *it runs: list' "$copy/linmem" list

start "missing libraries are printed, and searched again"
fake cmake 'mkdir -p "build/$2"
    echo "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" >"build/$2/CMakeCache.txt"
    cp CMakePresets.json "build/$2/build.ninja"; touch "build/$2/build.ninja"
    echo "linmem: not found: x: no tests" >"build/$2/missing.txt"'
expect 0 $'linmem: not found: x: no tests\nlinmem: building…\nit runs: list' "$copy/linmem" list
expect 0 $'linmem: not found: x: no tests\nit runs: list' "$copy/linmem" list
fake cmake 'mkdir -p "build/$2"; echo "linmem: not found: x: no command" >"build/$2/missing.txt"'
expect 2 $'linmem: not found: x: no command\nlinmem: without these only *' "$copy/linmem" list

# ---- Building ------------------------------------------------------------------------------------

start "a warning is printed once, and the verb runs"
fake ninja 'for object in one two; do
        echo "[1/9] Building C object $object.o"; echo "mine.c:1:1: warning: unused"
    done
    echo "[2/9] Building C object explorer.o"; echo "In file included from explorer.c:3:"
    echo "mine.c:1:1: warning: unused"
    echo "[3/9] Linking C executable linmem"
    printf "#!/bin/sh\necho it runs" >"$2/linmem"; chmod +x "$2/linmem"'
expect 0 $'linmem: building…\nmine.c:1:1: warning: unused\nit runs' "$copy/linmem" list

start "an error ends the launcher"
fake ninja 'echo "[1/9] Building C object mine.o"; echo "FAILED: mine.o"; echo "cc -c mine.c"
    echo "mine.c:1:1: error: expected a declaration"
    echo "ninja: build stopped: subcommand failed."; exit 1'
expect 2 $'linmem: building…\nmine.c:1:1: error: expected a declaration
linmem: building bench failed (log: *)' "$copy/linmem" list

# ---- Tests ---------------------------------------------------------------------------------------

start "tests are counted"
printf 'build\n' >"$copy/packages"
expect 0 $'*\n9 passed, 0 failed' "$copy/linmem" test # with one a preset: nothing is dirty

test="the last lines list the failed tests"
fake ctest 'echo "50% tests passed, 1 tests failed out of 4"; echo; echo "The following tests FAILED:"
    printf "\t  3 - alloc.mine (Failed)\n"; echo "Errors while running CTest"
    printf "\t  4 - other (Skipped)\n"; exit 8'
expect 1 $'*\n
failed in dev: alloc.mine (Failed)
failed in gcc: alloc.mine (Failed)
failed in fuzz: alloc.mine (Failed)
9 passed, 3 failed, 3 skipped' "$copy/linmem" test

test="a build with something left to do fails"
fake ctest 'echo "100% tests passed, 0 tests failed out of 2"'
fake ninja 'echo "[1/1] Generating a.wasm"'
expect 1 $'*A second build should have nothing to do:*Generating a.wasm*
failed in dev: nothing is dirty after a build
failed in gcc: nothing is dirty after a build
failed in fuzz: nothing is dirty after a build
6 passed, 3 failed' "$copy/linmem" test

test="a failed build counts as a failed test"
fake ninja 'echo "ninja: error: no rule"; exit 1'
expect 1 $'*ninja: error: no rule*
failed in dev: the build failed
failed in gcc: the build failed
failed in fuzz: the build failed
0 passed, 3 failed' "$copy/linmem" test

start "options of tests"
printf 'build\n' >"$copy/packages"
fake ctest 'case $* in --help) echo "  -R <regex>, --tests-regex <regex> = Run tests"
        echo "  -j [<level>] = parallel" ;;
    *) echo "No tests were found!!!" ;; esac'
expect 2 "*linmem: no test matches '-R' 'x y'" "$copy/linmem" test -R 'x y'
expect 2 "*linmem: ctest has no option --al" "$copy/linmem" test --al
expect 2 "*linmem: ctest has no option -Q" "$copy/linmem" test -j4 -Q
expect 2 "*linmem: test takes options only; -R mine *" "$copy/linmem" test mine

test="--all"
fake ctest 'case $* in *--all*) exit 9 ;; --help) echo "  -R <regex>" ;; *)
        mkdir -p build/$2/Testing/Temporary
        echo "skipped   musl    not installed: musl-gcc" >build/$2/Testing/Temporary/LastTest.log
        echo "${LINMEM_TEST_ALL-no}% tests passed, 0 tests failed out of 2" ;; esac'
skipped='skipped in *: corpus.recorded_alike: musl    not installed: musl-gcc'
expect 0 $'*\n'"1% *$skipped"$'\n9 passed, 0 failed' "$copy/linmem" test --all -R mine
LINMEM_TEST_ALL='' expect 0 $'*\n9 passed, 0 failed' "$copy/linmem" test -R mine
called "ctest --preset gcc .* --output-on-failure -R mine"

# ---- Interrupts ----------------------------------------------------------------------------------

# interrupted SIGNAL STATUS WHOM ARGUMENT…: sends a signal while a fake runs, which wrote its pid to
# `started`. WHOM: the process `group`, as a terminal does, or linmem `alone`.
interrupted() {
    local signal=$1 status=$2 whom=$3 ended=0 process
    shift 3
    rm -f started
    set -m # a process group of its own, as a terminal gives it, where SIGINT is not ignored
    PATH=$fakes:$PATH "$copy/linmem" "$@" >output 2>&1 &
    process=$!
    set +m
    for ((i = 0; i < 600; i++)); do [ ! -s started ] || break; sleep 0.1; done
    [ "$whom" = alone ] || process=-$process
    kill "-$signal" -- "$process"
    # A process that does not end is killed, which changes its status.
    for ((i = 0; i < 200; i++)); do [ -n "$(jobs -pr)" ] || break; sleep 0.1; done
    kill -KILL -- "-${process#-}" 2>/dev/null || true
    wait "${process#-}" || ended=$?
    [ "$ended" = "$status" ] || wrong "$signal, $whom: $ended, $(cat output)"
    ! grep -q "failed\|passed\|it runs" output || wrong "$signal, $whom: continued: $(cat output)"
    ! kill -0 "$(cat started)" 2>/dev/null || wrong "$signal, $whom: its command still runs"
}
start "an interrupted build ends, and the next one works"
works="echo \$\$ >$folder/started; trap 'exit 1' INT TERM; while :; do sleep 0.1; done"
cp "$fakes/ninja" ninja
fake ninja "$works"
for whom in group alone; do
    interrupted HUP 129 $whom list
    interrupted INT 130 $whom list
    interrupted TERM 143 $whom list
done
cp ninja "$fakes/ninja"
expect 0 '*it runs: list' "$copy/linmem" list

test="interrupted tests end"
printf 'build\n' >"$copy/packages"
fake ctest "case \$* in --help) ;; *) $works ;; esac"
interrupted INT 130 group test
interrupted TERM 143 alone test

for command in cmake apt-get npm; do
    start "an interrupted $command ends"
    printf 'build one\ntest npm:two@2\n' >"$copy/packages"
    [ "$command" != apt-get ] || fake dpkg-query 'exit 1'
    fake "$command" "$works"
    interrupted TERM 143 alone test
done

exit "$failed"

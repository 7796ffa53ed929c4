#!/usr/bin/env bash
# Programs with the recorder and without it: corpus/record/recorded_alike_test.sh BUILD [--all] [NAME…]
#
# BUILD is a build folder, with linmem and the fixtures in it. Each program runs twice; standard
# output, standard error (but for the recorder's lines) and exit status must be the same. Programs
# that are not installed are named as skipped; --all, or LINMEM_TEST_ALL in the environment, runs those
# as well that no package of ours provides. Status: 0 all alike, 1 one differs, 2 bad usage.
set -u
build=$(cd "${1:?which build folder?}" && pwd) || exit 2
shift
all=${LINMEM_TEST_ALL-}
[ "${1-}" != --all ] || { all=1; shift; }
chosen=" $* "
[ -x "$build/linmem" ] || { echo "$build/linmem is not built" >&2; exit 2; }
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

export LC_ALL=C TZ=UTC HOME=$work TMPDIR=$work PERL_HASH_SEED=0 NO_COLOR=1
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
probe=$build/inherited calls=$build/heap_calls
export probe calls build

alike=0 different=0 skipped=0
report() { printf '%-9s %-26s %s\n' "$1" "$2" "$3"; }

# once FOLDER SCRIPT RECORDER: runs the script in a fresh folder, with $R before the program under
# test. Left out of what is compared: bash's word for a job names its pid.
once() {
    mkdir "$1" && cd "$1" || exit 2
    timeout 120 bash -c "R=\$1; $2" bash "$3" > ../stdout 2> ../said < /dev/null
    echo "status $?" > ../status
    grep -v '^linmem record: ' ../said | sed 's/^bash: line \([0-9]*\):  *[0-9]* /bash: line \1: /' > ../stderr
    cd ..
    rm -rf "$1"
}

# try NAME NEEDS SCRIPT: NEEDS are commands, or "-" for none.
try() {
    local name=$1 needs=$2 script=$3 missing= command
    [ "$chosen" = "  " ] || [[ $chosen = *" $name "* ]] || return
    for command in ${needs#-}; do
        command -v "$command" > /dev/null || missing="$missing $command"
    done
    if [ -n "$missing" ]; then
        report skipped "$name" "not installed:$missing"
        skipped=$((skipped + 1))
        return
    fi
    for run in without with; do
        mkdir -p "$work/$name/$run"
        cd "$work/$name/$run" || exit 2
        recorder=
        [ $run = without ] || recorder="$build/linmem record -o $work/$name/trace.lmt.zst --"
        cd "$work/$name" && once here "$script" "$recorder"
        mv stdout stderr status said "$run"
    done
    if diff -r -x said "$work/$name/without" "$work/$name/with" > "$work/$name/diff"; then
        report alike "$name" "$(cat "$work/$name/with/status"), $(wc -c < "$work/$name/with/stdout") bytes of output; $(grep -m 1 -o '[0-9]* operations\|no trace' "$work/$name/with/said" | head -n 1)"
        alike=$((alike + 1))
    else
        report DIFFERENT "$name" "< without, > with:"
        head -n 40 "$work/$name/diff"
        grep '^linmem record: ' "$work/$name/with/said" | head -n 5
        different=$((different + 1))
    fi
}

# ---- what a program finds ----

try path-with-spaces - 'mkdir "a b:c"; cp "$build/linmem" "$build/linmem-record.so" "a b:c"
    ${R:+"a b:c/linmem" record -o trace.lmt.zst --} $calls plain
    [ -z "$R" ] || [ -s trace.lmt.zst ] || echo "no trace"'
try inherits-plainly - '$R $probe'
try inherits-descriptors - '$R $probe 3< /dev/null 5>> log 9<> file 200> high'
try inherits-pipes - 'echo text | $R $probe 3< <(echo hi) | cat'
try inherits-closed-streams - '{ $R $probe <&- 2>&-; } | cat'
try inherits-ignored-signals - 'trap "" HUP INT QUIT PIPE CHLD USR1 TSTP XFSZ; $R $probe'
try inherits-blocked-signals env 'env --block-signal=USR1,TERM,CHLD --ignore-signal=RTMIN $R $probe'
try inherits-limits - 'ulimit -c 0 -n 100 -f 100000 -s 4096 -t 100 -v 10000000; $R $probe'
try inherits-soft-limits - 'ulimit -S -n 50 -f 100 -d 500000 -t 90 -v 9000000; $R $probe'
try inherits-few-descriptors - 'ulimit -n 5; $R $probe'
try inherits-environment env 'env -i A=1 B= "C=a b" LD_PRELOAD=$build/other_malloc.so PATH="$PATH" Z=$(printf "\377") $R $probe'
try inherits-umask - 'umask 077; $R $probe'
try inherits-folder - 'mkdir "a b"; cd "a b"; $R $probe'
try inherits-niceness nice 'nice -n 7 $R $probe'
try inherits-new-session setsid 'setsid -w $R $probe'
# Job control ends before the wait: else bash may tell that the job is done, or may not.
try inherits-background-job - 'set -m; $R $probe > out & set +m; wait; cat out'
try inherits-arguments - '$R $probe "" "a b" -- --help -o "$(printf "\377\n")"'

# ---- how a program ends ----

try exit-status - '$R sh -c "echo out; echo err >&2; exit 42"'
try killed-by-segv - 'ulimit -c 0; $R sh -c "kill -SEGV \$\$"; echo $?'
try killed-by-kill - '$R sh -c "kill -KILL \$\$"; echo $?'
try aborts - 'ulimit -c 0; $R $calls abort; echo $?'
try not-found - '$R /no/such/program 2> /dev/null; echo $?'
try not-executable - '$R /dev/null 2> /dev/null; echo $?'
try script-without-a-first-line - 'printf "echo a script\n" > s; chmod +x s; $R env ./s'
try timeout timeout 'timeout -s INT 0.3 $R sleep 10; echo $?'
try nohup nohup 'nohup $R sh -c "kill -HUP \$\$; echo lives"'
try own-ctrl-c - 'set -m; $R bash -c "trap \"echo caught; exit 3\" INT; kill -INT 0; sleep 1"; echo $?'
try signals-counted - 'set -m; $R $build/count_signals > out & until grep -qs ready out; do sleep 0.02; done
    kill -TERM %1; kill -HUP $!; kill -USR1 %1; sleep 0.1; kill -USR1 %1; kill -CONT %1; kill -USR2 $!; wait; cat out'

# ---- programs that are hard to be unseen by ----

try sandboxed - '$R $calls sandbox'
try confined-address-space - '$R $calls confined'
try closes-all-descriptors - '$R $calls closed'
try own-malloc - '$R $build/own_malloc'
try other-malloc - 'LD_PRELOAD=$build/other_malloc.so $R $calls threads'
try address-sanitizer gcc 'printf "#include <stdlib.h>\nint main(int n, char **a){a[0] = malloc(99); free(a[0]); return n > 1 ? a[0][0] : 5;}\n" > m.c
    gcc -fsanitize=address -o m m.c; export ASAN_OPTIONS=exitcode=9
    $R sh -c "./m; echo \$?; ./m wrong 2> /dev/null; echo \$?; exec ./m"; echo $?
    [ -z "$R" ] || "$build/linmem" trace convert ../trace.lmt.zst - | grep -q " 99\b" || echo "no trace"'
try threads - '$R $calls threads'
try forks - '$R $calls fork'
try vforks - '$R $calls vfork'
try daemon perl '$R perl -e "use POSIX; exit 0 if fork; setsid; exit 0 if fork; sleep 1; open F, q(>), q(done.part); print F q(works); close F; rename q(done.part), q(done)"
    for i in $(seq 100); do [ ! -e done ] || break; sleep 0.1; done; cat done'
try prefork-server perl 'cat > server.pl <<"EOF"
use IO::Socket::UNIX; use strict; $| = 1;
my $server = IO::Socket::UNIX->new(Local => "socket", Listen => 8) or die;
my @workers;
for my $n (1 .. 4) {
    my $pid = fork;
    if (!$pid) {
        while (my $client = $server->accept) {
            my $line = <$client>; my %h = map { $_ => [1 .. 9] } 1 .. 500;
            print $client scalar(keys %h), " $line"; close $client;
        }
        exit 0;
    }
    push @workers, $pid;
}
for my $n (1 .. 40) {
    my $client = IO::Socket::UNIX->new(Peer => "socket") or die;
    print $client "request $n\n"; print scalar <$client>;
}
kill TERM => @workers; print "ended: ", scalar(grep { waitpid($_, 0) == $_ && ($? & 127) == 15 } @workers), "\n";
EOF
    $R perl server.pl'
root=; [ "$(id -u)" = 0 ] || root=a-root-user
try setuid-as-a-user "setpriv passwd $root" 'chmod 777 .; TMPDIR=/tmp; export TMPDIR
    R=${R/-o * --/-o \/dev\/null.lmt --}; [ -z "$R" ] || R="${R/record */record -o $PWD/t.lmt --}"
    setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all $R passwd -S nobody'

# ---- programs that people use ----

try process-substitution - '$R cat <(echo one) <(echo two | tr a-z A-Z) | $R sort -r'
try descriptor-three - 'echo hi > f; $R sh -c "cat <&3" 3< f'
try pipeline - '$R bash -c "seq 2000 | awk \"{s += \\\$1} END {print s}\" | tee >(cat >&2)"'
try make-jobserver make 'printf "all: a b c\na b c:; @sleep 0.1; echo \$@ >> log\n" > sub.mk
    printf "all:; +@%s \$(MAKE) --no-print-directory -f sub.mk\n" "$R" > Makefile
    make -j4 --no-print-directory; sort log; $R make -j3 -f sub.mk > /dev/null; wc -l < log'
try gcc gcc 'printf "#include <stdio.h>\nint main(void){puts(\"built\");return 5;}\n" > m.c; $R gcc -O2 -o m m.c && ./m; echo $?; $R gcc -c no.c; echo $?'
try cmake cmake 'echo "message(STATUS \${CMAKE_VERSION})" > c.cmake; $R cmake -P c.cmake'
try git git '$R git init -q -b main . && echo x > f && $R git add f && $R git commit -q -m one && $R git log --format="%H %s" && $R git status --short && $R git gc -q && $R git fsck'
try sqlite3 sqlite3 '$R sqlite3 t.db "CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5000) INSERT INTO t SELECT hex(i) FROM n; SELECT count(*), max(a) FROM t"'
try perl perl '$R perl -e "for (1..5000) { \$h{\$_ % 77} .= qq(x\$_) } print sort values %h"'
try node node '$R node -e "const c = require(\"child_process\"); console.log([1,2,3].map(x => x * 2), c.execSync(\"echo child\").toString(), process.argv.length)"'
try xargs xargs 'seq 20 | $R xargs -P 4 -n 1 expr 1 + | sort -n'
try tar tar 'mkdir d; seq 3000 > d/f; $R tar cf - --mtime=@0 --owner=0 --group=0 d | $R gzip -n | md5sum'
try find find 'mkdir -p a/b/c; touch a/x; $R find a -exec $R echo {} + | sort'
try ctest ctest 'echo "add_test(one true)" > CTestTestfile.cmake; $R ctest | grep -c Passed'
try python3-multiprocessing /usr/bin/python3 'cat > m.py <<"EOF"
import multiprocessing as m
def f(x): return sum(len(str(i)) for i in range(x))
if __name__ == "__main__":
    for way in "fork", "spawn", "forkserver":
        with m.get_context(way).Pool(3) as p: print(way, p.map(f, range(1000, 1020)))
EOF
    $R /usr/bin/python3 m.py'
if [ -n "$all" ]; then
    try python3-subprocess /usr/bin/python3 '$R /usr/bin/python3 -c "import subprocess, os; print(subprocess.run([\"sh\", \"-c\", \"ls /proc/self/fd | wc -l\"], close_fds=True, capture_output=True)); os.closerange(3, 1024); print(sorted(map(str, range(50000)))[-1])"'
    try python3-malloc /usr/bin/python3 'PYTHONMALLOC=malloc $R /usr/bin/python3 -c "print(sum(len(str(i)) for i in range(200000)))"'
    try go-restic restic 'export RESTIC_PASSWORD=p; $R restic init -q --repo r && seq 1000 > f && $R restic backup -q --repo r f && $R restic check -q --repo r; echo $?'
    try go-gh gh '$R gh --version'
    try go-hugo hugo '$R hugo version'
    try rust-ripgrep rg 'seq 5000 > a; seq 300 > b; $R rg --sort path -c 77'
    try rust-fd fdfind 'mkdir -p a/b; touch a/b/x.txt; $R fdfind -j 2 txt | sort'
    try static-busybox busybox '$R busybox sh -c "echo static; exit 3"; echo $?'
    try musl "$(command -v musl-gcc || echo musl-gcc)" 'printf "#include <stdlib.h>\n#include <stdio.h>\nint main(void){char *p = malloc(99); puts(p ? \"musl\" : \"\"); free(p); return 4;}\n" > m.c; musl-gcc -o m m.c; $R ./m; echo $?'
    try bwrap bwrap '$R bwrap --ro-bind / / --tmpfs /tmp --proc /proc --dev /dev --unshare-all sh -c "echo inside; seq 1000 | sort -n | tail -n 1"; echo $?'
    try unshare unshare '$R unshare --mount --pid --fork sh -c "echo \$\$"; echo $?'
    try java java '$R java -XX:+UseSerialGC -version 2>&1 | head -n 1; printf "class H { public static void main(String[] a) { System.out.println(a.length); System.exit(6); } }" > H.java; $R java H.java x y; echo $?'
    try ruby ruby '$R ruby -e "puts (1..1000).map { |i| i.to_s * 3 }.sort.last; exit 7"; echo $?'
    try php php '$R php -r "echo count(array_unique(array_map(fn(\$i) => \$i % 77, range(1, 9999)))); exit(8);"; echo $?'
    try lua lua5.4 '$R lua5.4 -e "t = {} for i = 1, 9999 do t[#t + 1] = tostring(i) end print(#table.concat(t)) os.exit(9)"; echo $?'
    try jq jq 'seq 1000 | $R jq -s "map(. * 2) | add"'
    try xz xz 'seq 200000 | $R xz -T2 --block-size=100000 | $R xz -d | md5sum'
    try openssl openssl 'seq 1000 | $R openssl dgst -sha256'
    try curl curl 'echo page > p; $R curl -s "file://$PWD/p"'
    try gdb gdb '$R gdb -q -batch -ex "run plain" -ex "info program" $calls 2>&1 | grep -c "exited normally"'
    try strace strace '$R strace -f -q -o log $calls fork; grep -c exited log'
    try valgrind valgrind '$R valgrind -q --error-exitcode=9 $calls plain; echo $?'
    try script script '$R script -q -c "tty > /dev/null && echo a terminal" log; grep -a -c "a terminal" log'
    try tcsh tcsh '$R tcsh -f -c "echo a; echo b | cat"'
    try zsh zsh '$R zsh -f -c "cat =(echo temporary) <(echo pipe)"'
    try screen screen '$R screen -D -m sh -c "echo x > $PWD/out"; cat out'
    try nginx-prefork nginx 'mkdir logs; printf "worker_processes 3; daemon on; pid %s/pid; error_log %s/logs/e; events {} http { access_log off; client_body_temp_path %s/b; proxy_temp_path %s/p; fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s; server { listen unix:%s/sock; return 200 served; } }" "$PWD" "$PWD" "$PWD" "$PWD" "$PWD" "$PWD" "$PWD" "$PWD" > conf
        $R nginx -c "$PWD/conf"; for i in 1 2 3; do curl -s --unix-socket sock http://x/; echo; done; nginx -c "$PWD/conf" -s quit 2> /dev/null; sleep 0.5'
    try redis redis-server '$R redis-server --port 0 --unixsocket "$PWD/s" --save "" --daemonize yes > /dev/null; sleep 1; for i in $(seq 50); do redis-cli -s s set k$i v$i; done | sort | uniq -c; redis-cli -s s get k7; redis-cli -s s shutdown nosave'
    try jemalloc-preloaded - 'LD_PRELOAD=libjemalloc.so.2 $R perl -e "print join q(,), map { \$_ * 2 } 1 .. 999"'
    try mimalloc-preloaded - 'LD_PRELOAD=libmimalloc.so.2 $R perl -e "print join q(,), map { \$_ * 2 } 1 .. 999"'
    try tcmalloc-preloaded - 'LD_PRELOAD=libtcmalloc_minimal.so.4 $R perl -e "print join q(,), map { \$_ * 2 } 1 .. 999"'
    try bind-now - 'LD_BIND_NOW=1 $R sort -r /usr/share/common-licenses/GPL-3'
fi

echo "$alike alike, $different different, $skipped skipped"
[ $different = 0 ]

#!/usr/bin/env bash
# renew.sh [--check] LINMEM: writes, from the built command LINMEM, what it answers to --help and
# --version into this folder, where ./linmem reads it, and the manual page and bash's completion into
# cli/. --check writes nothing: status 1 if a text is not current.
set -euo pipefail
here=$(cd -- "$(dirname -- "$0")" && pwd)
check=
[ "${1-}" != --check ] || { check=1; shift; }
linmem=$1 folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset ARGP_HELP_FMT

"$linmem" --version >"$folder/version.txt"
"$linmem" --help >"$folder/linmem.txt"
verbs=$(sed -n 's/^  \([a-z]*\) .*/\1/p' "$folder/linmem.txt")
for verb in $verbs; do
    "$linmem" "$verb" --help >"$folder/$verb.txt"
done
"$linmem" fuzz score --help >"$folder/fuzz-score.txt"

# options VERB…: the verb's options as a table (cli/options.h).
options() { "$linmem" "$@" --options; }

manual() {
    read -r name version <"$folder/version.txt"
    printf '.TH LINMEM 1 "" "%s %s"\n' "$name" "$version"
    printf '.SH NAME\nlinmem \\- test and compare allocators for linear memories\n'
    printf '.SH SYNOPSIS\n.B linmem\n.I VERB\n[\\fIOPTION\\fR...]\n.SH DESCRIPTION\n'
    sed -n '2p' "$folder/linmem.txt"
    printf '.SH VERBS\n'
    for verb in $verbs "fuzz score"; do
        # shellcheck disable=SC2086 # two words
        options $verb | awk -F'\t' -v verb="$verb" '
            function roff(text,  lines, count, i, result) {
                count = split(text, lines, /\\n/)
                for (i = 1; i <= count; i++) {
                    sub(/^ +/, "", lines[i])
                    gsub(/\\/, "\\e", lines[i]); gsub(/-/, "\\-", lines[i])
                    if (lines[i] == "") { if (i < count) result = result "\n.PP"; continue }
                    if (i > 1 && lines[i - 1] != "") result = result "\n.br"
                    result = result (i > 1 ? "\n" : "") (lines[i] ~ /^[.\047]/ ? "\\&" : "") lines[i]
                }
                return result
            }
            /^arguments/ { gsub(/\\n/, " or ", $2)
                printf ".SS linmem %s%s%s\n", verb, $2 == "" ? "" : " ", roff($2) }
            /^before/ { print roff($2) }
            /^after/ { after = $2 }
            /^option/ {
                print ".TP"
                printf "%s\\fB\\-\\-%s\\fR%s\n", $2 == "" ? "" : "\\fB\\-" $2 "\\fR, ", roff($3),
                    $4 == "" ? "" : "=\\fI" roff($4) "\\fR"
                print roff($5)
            }
            END { if (after != "") print ".PP\n" roff(after) }'
    done
    printf '.SH EXIT STATUS\n0 no failure, 1 a failure was found, 2 bad usage or input.\n'
}

# The completion is completion.bash with the verbs and, for each, its options.
completion() {
    local text verb cases=
    text=$(<"$here/completion.bash")
    for verb in $verbs "fuzz score"; do
        # shellcheck disable=SC2086 # two words
        cases+="        ${verb/ /-}) words='$(options $verb |
            awk -F'\t' '/^option/ { printf "--%s%s ", $3, $4 == "" ? "" : "=" }')--help' ;;"$'\n'
    done
    text=${text/@VERBS@/${verbs//$'\n'/ }}
    printf '%s\n' "${text/        @OPTIONS@$'\n'/"$cases"}"
}

manual >"$folder/linmem.1"
completion >"$folder/linmem.bash"

if [ -n "$check" ]; then
    for text in "$folder"/*; do
        current=$here/${text##*/}
        [ "${text##*.}" = txt ] || current=$here/../${text##*/}
        diff -u "$current" "$text" || stale=1
    done
    [ "$(cd "$here" && echo *.txt)" = "$(cd "$folder" && echo *.txt)" ] || stale=1
    [ -z "${stale-}" ] ||
        { echo "cli/help is not current. To renew it: cmake --build --preset bench -t help_texts"; exit 1; }
else
    rm -f "$here"/*.txt
    cp "$folder"/*.txt "$here"
    cp "$folder"/linmem.1 "$folder"/linmem.bash "$here/.."
fi

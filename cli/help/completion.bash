# bash's completion of linmem. cli/help/renew.sh makes cli/linmem.bash from cli/help/completion.bash.
_linmem() {
    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]-} words=
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W '@VERBS@ --help --version' -- "$word")
        return
    fi
    local option=${COMP_WORDS[COMP_CWORD - 1]} # bash splits --option=value at the =
    [ "$option" != = ] || option=${COMP_WORDS[COMP_CWORD - 2]}
    [ "$word" != = ] || word=
    case $option in
        --allocator | --allocators | --baseline | --workloads | --mutants)
            option=${option#--} option=${option/baseline/allocator}
            words=$("${COMP_WORDS[0]}" list "${option%s}s" --json 2>/dev/null |
                sed -n 's/^ *"name": "\(.*\)".*/\1/p')
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
            return
            ;;
    esac
    [ "$verb ${COMP_WORDS[2]}" != 'fuzz score' ] || verb=fuzz-score
    case $verb in
        @OPTIONS@
    esac
    case $verb-$COMP_CWORD in
        list-*) words+=' allocators workloads targets mutants' ;;
        trace-2) words+=' check stat convert generate' ;;
        fuzz-2) words+=' score' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}
complete -o bashdefault -o default -F _linmem linmem ./linmem

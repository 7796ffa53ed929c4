# bash's completion of linmem. cli/help/renew.sh makes cli/linmem.bash from cli/help/completion.bash.
_linmem() {
    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]-} words=
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W 'compare explore export fuzz list record reproduce trace test --help --version' -- "$word")
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
        compare) words='--allocators= --workloads= --baseline= --profile= --engine= --memory= --threads --blocks= --cell-seconds= --seed= --out= --help' ;;
        explore) words='--allocator= --depth= --sizes= --verbs= --refuse --level= --memory= --traces= --json= --help' ;;
        export) words='--output= --help' ;;
        fuzz) words='--allocator= --seconds= --shrink-seconds= --jobs= --seed= --out= --from-nothing --minimise --help' ;;
        list) words='--json --help' ;;
        record) words='--output= --process= --limit= --note= --help' ;;
        reproduce) words='--allocator= --target= --out= --keep= --refuse-growth --shrink-seconds= --help' ;;
        trace) words='--json --output= --seed= --operations= --live-bytes= --help' ;;
        test) words='--help' ;;
        fuzz-score) words='--seconds= --seeds= --mutants= --generated= --sample= --explorer --depth= --control= --jobs= --json= --help' ;;
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


run "${command[@]}" "$@"

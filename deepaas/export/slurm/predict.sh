
[ $# -eq 1 ] || fail "name the file, the zip archive or the folder to predict"
inputs=$(realpath -e -- "$1")
if [ -d "$inputs" ]; then
    mount "$inputs" /inputs
    run "${command[@]}" --input /inputs
else
    mount "$(dirname -- "$inputs")" /inputs
    run "${command[@]}" --input "/inputs/$(basename -- "$inputs")"
fi

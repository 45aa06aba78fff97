
# From here on the script is the same for every module.

set -euo pipefail

fail() {
    printf '%s: %s\n' "$name" "$1" >&2
    exit 1
}

udocker=(udocker)
[ "$EUID" -ne 0 ] || udocker+=(--allow-root)
command -v udocker >/dev/null || fail "udocker is not on PATH: pip install udocker"

outputs=${DEEPAAS_OUTPUTS:-$PWD/$name-${SLURM_JOB_ID:-$$}}
mkdir -p -- "$outputs"
outputs=$(realpath -- "$outputs")
volumes=()

mount() {
    [[ $1 != *:* ]] || fail "'$1' has a colon in its path, which udocker cannot mount"
    volumes+=(--volume="$1:$2")
}

# Jobs with the same image share a container, which the first of them makes; it gets its name last,
# so that one that was not finished is none. In names of udocker's there are no dots and slashes.
container=$(tr './:@' ',%+=' <<<"$image")
prepare() {
    local id
    "${udocker[@]}" inspect -p "$container" >/dev/null 2>&1 && return
    "${udocker[@]}" inspect "$image" >/dev/null 2>&1 || "${udocker[@]}" pull "$image"
    id=$("${udocker[@]}" create "$image" | tail -n 1)
    "${udocker[@]}" setup --execmode="${UDOCKER_EXECMODE:-P1}" "$id"
    "${udocker[@]}" name "$id" "$container"
}
locks=${UDOCKER_DIR:-$HOME/.udocker}
mkdir -p -- "$locks"
exec 9>"$locks/$container.lock"
flock 9
prepare
# The node may have another driver than the one before.
[ "$gpus" -eq 0 ] || "${udocker[@]}" setup --nvidia --force "$container"
exec 9>&-

# What runs prints into a file and leaves its status in another: in mode R1 and without a terminal,
# udocker 1.3 loses the status, and stops at the first letter that is not ASCII. SIGTERM, which
# Slurm sends to all of a job, is for what runs in the container: it ends in order, and says so.
run() {
    local said=$outputs/status inside='exec >>"$0/log" 2>&1; "$@"; echo "$?" >"$0/status"'
    rm -f -- "$said"
    printf '%s: see %s\n' "$name" "$outputs/log"
    trap : TERM
    (
        trap '' TERM
        "${udocker[@]}" run --nobanner --user=root "${environment[@]}" "${volumes[@]}" \
            "$container" /bin/sh -c "$inside" "$state" "$@"
    ) || true
    [ -s "$said" ] || fail "udocker has not run the container to its end"
    return "$(<"$said")"
}

mount "$outputs" "$state"

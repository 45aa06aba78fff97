
keys=${DEEPAAS_API_KEYS_FILE:-}
[ -f "$keys" ] || fail "DEEPAAS_API_KEYS_FILE has to name the file that 'deepaas keys create' made"
keys=$(realpath -- "$keys")
# The folder, since not every mode mounts files; and a file that is replaced is seen in it.
mount "$(dirname -- "$keys")" /keys

# Others are on the node, too: on loopback only, and on a port of this job's own.
port=${DEEPAAS_PORT:-$((20000 + ${SLURM_JOB_ID:-$$} % 40000))}
printf '%s: on your machine: ssh -L 5000:127.0.0.1:%s %s\n' "$name" "$port" "$(hostname)"
run "${command[@]}" --auth-keys-file "/keys/$(basename -- "$keys")" \
    --listen-ip 127.0.0.1 --listen-port "$port" "$@"


keys=${DEEPAAS_API_KEYS_FILE:-}
[ -f "$keys" ] || fail "DEEPAAS_API_KEYS_FILE has to name the file of keys that 'deepaas keys create' made"
mount "$(realpath -- "$keys")" "$keys_file"

# Others are on the node, too: on loopback only, and on a port of this job's own.
port=${DEEPAAS_PORT:-$((20000 + ${SLURM_JOB_ID:-$$} % 40000))}
printf '%s: from your machine: ssh -L 5000:127.0.0.1:%s %s\n' "$name" "$port" "$(hostname)"
run "${command[@]}" --listen-ip 127.0.0.1 --listen-port "$port" "$@"

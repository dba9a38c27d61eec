#!/usr/bin/env bash
# Samples/s of a whole training step (forward, loss, backward, SGD) for the three networks of docs/performance.md.
#   bench/training_step.sh PROGRAM [options of "spikeloom bench step", e.g. --firing-rate 0.1 --iterations 10]
set -euo pipefail
program=${1:?usage: bench/training_step.sh PROGRAM [options]}
shift
"$program" info
echo
while read -r net input batch steps; do
  "$program" bench step --net "$net" --input "$input" --batch "$batch" --steps "$steps" "$@"
done <<'EOF'
32C3(Encoding)-AP2-64C3-AP2-256FC-Voting 1x28x28 100 8
128C3(Encoding)-128C3-AP2-384C3-384C3-AP2-1024FC-512FC-Voting 2x34x34 8 10
128C3(Encoding)-256C3-AP2-512C3-AP2-1024C3-512C3-1024FC-512FC-Voting 3x32x32 8 8
EOF

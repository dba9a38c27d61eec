#!/usr/bin/env bash
# All work on a GPU machine, unattended: build, tests, kernel figures, matrix rate, training steps beside peers,
# trainings; results.json, README.md and log.txt in DIR, written after every stage. docs/gpu.md explains it.
#   tools/gpu_check.sh --out DIR [--seconds N] [--data DIR] [--bundle FILE|DIR] [--stage build,test,...] [--recipes ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
command -v "$python" >/dev/null || { echo "gpu_check.sh needs Python 3.11 or newer (PYTHON=... names it)" >&2; exit 2; }
exec "$python" -B tools/gpu/check.py "$@"

#!/usr/bin/env bash
# Installs the Debian packages of a folder on a bare Debian 12, in a folder that is thrown away, and uses them:
#   tools/check_packages.sh build/package
# As root, with debootstrap; packages come from this machine's mirror. Takes some minutes and 3 GB in $TMPDIR or /tmp.
set -euo pipefail

packages=$(readlink -f "${1:?usage: tools/check_packages.sh FOLDER}")
ls "$packages"/*.deb >/dev/null
command -v debootstrap >/dev/null || { echo "install debootstrap"; exit 1; }
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | head -1)
root=$(mktemp -d)
trap 'umount "$root/proc" 2>/dev/null || true; rm -rf --one-file-system "$root"' EXIT
say() { printf '== %s\n' "$*"; }
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }
# Their output only where it fails.
quietly() { "$@" >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }; }
install() { quietly inside apt-get install -q -y --no-install-recommends "$@"; }

say "a bare Debian 12 of ${mirror:=http://deb.debian.org/debian}"
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" || { cat "$root.log"; exit 1; }
rm "$root.log"
mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/"
cp -r /etc/apt/sources.list* /etc/apt/apt.conf.d "$root/etc/apt/"
mkdir "$root/debs"
cp "$packages"/*.deb "$root/debs/"
quietly inside apt-get update

say "the runtime by itself"
inside sh -c 'apt-get install -q -y --no-install-recommends /debs/libspikeloom-runtime1_*.deb' >"$root/log" 2>&1 ||
  { cat "$root/log"; exit 1; }
inside ldconfig -p | grep libspikeloom_runtime.so.1 >/dev/null
if inside dpkg-query -W -f '${Package}\n' | grep -E 'torch|hdf5|python3'; then
  echo 'the runtime needs more than it says'
  exit 1
fi

say "the program without LibTorch"
inside sh -c 'apt-get install -q -y --no-install-recommends /debs/spikeloom_*.deb' >"$root/log" 2>&1 ||
  { cat "$root/log"; exit 1; }
if inside dpkg-query -W -f '${Package}\n' | grep torch; then
  echo 'the program needs LibTorch'
  exit 1
fi
inside spikeloom predict --help >/dev/null

say "all packages"
inside sh -c 'apt-get install -q -y --no-install-recommends /debs/*.deb' >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }
inside spikeloom --version
inside spikeloom train --list | grep fashion-mnist-demo
inside test -s /usr/share/man/man1/spikeloom-train.1
for name in left right; do
  for number in 0 1 2 3; do
    for part in train test; do
      mkdir -p "$root/sets/own/$part/$name"
      for ((k = 0; k < 40 + number; k++)); do
        echo "$((100 * k)),$([ $name = left ] && echo 2 || echo 20),$((k % 20)),$((k % 2))"
      done | sed '1i t,x,y,p' >"$root/sets/own/$part/$name/$number.csv"
    done
  done
done
cat >"$root/own.toml" <<'TOML'
[data]
dataset = "folder"
folder = "own"
sensor = "24x20"
time_unit = "us"
window_us = 1000
[network]
structure = "8C3(Encoding)-AP2-Voting"
num_steps = 4
[training]
epochs = 3
batch_size = 4
TOML
quietly inside env SPIKELOOM_DATA_DIR=/sets spikeloom train /own.toml --out /run --quiet
inside spikeloom predict /run /sets/own/test/right/0.csv
inside spikeloom predict /run /sets/own/test/right/0.csv --json >"$root/predicted.json"
quietly inside spikeloom convert /sets/own/test/right/0.csv /recording.npy --sensor 24x20

say "from Python"
inside python3 - <<'PYTHON'
import json, spikeloom
events = spikeloom.read_events("/recording.npy")
stream = spikeloom.Model("/run").stream()
for step in range(4):
    stream.add_events(events[events["t"] // 1000 == step])
    said = stream.end_step()
expected = json.load(open("/predicted.json"))["predictions"][0]
assert said.name == expected["class"] and abs(said.votes[said.index] - expected["vote"]) < 1e-6, (said, expected)
print(said.name, said.share)
PYTHON

say "from C, by pkg-config"
install gcc libc6-dev pkg-config
inside sh -c 'cc -O1 -Wall -Werror -o /replay /usr/share/doc/spikeloom/examples/runtime/replay.c \
  $(pkg-config --cflags --libs spikeloom-runtime spikeloom-events)'
inside /replay /run /recording.npy

say "python3-torch, and spikeloom.torch"
SECONDS=0
install python3-torch
echo "python3-torch took $SECONDS s to fetch and install"
inside python3 -c 'import spikeloom.torch as t, torch; print(t.LIF()(torch.rand(8, 2, 3)).sum())'

say "removed again"
quietly inside sh -c 'apt-get purge -q -y "*spikeloom*"'
[ -z "$(inside find /usr -name '*spikeloom*')" ] || { inside find /usr -name '*spikeloom*'; exit 1; }
say "done"

#!/usr/bin/env bash
# Debian's arm64 libraries in a folder, to compile and run programs for arm64 on another machine:
#   tools/arm64_sysroot.sh FOLDER PACKAGE...
# Downloads the packages and what they need from this machine's mirror and unpacks them. Needs no root, and leaves the
# system's own packages and architectures alone. FOLDER is made anew unless it was made of the same packages.
set -euo pipefail

root=$(mkdir -p "$1" && cd "$1" && pwd)
shift
if [ "$(cat "$root/.packages" 2>/dev/null)" = "$*" ]; then exit 0; fi
rm -rf "$root"
state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT
mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/usr/sbin" "$state/lists/partial" "$state/archives/partial"
: >"$state/status"
cat >"$state/conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
Dir::State "$state";
Dir::State::status "$state/status";
Dir::Cache "$state";
CONF
export APT_CONFIG=$state/conf
{ apt-get update -q && apt-get install -q -y --download-only "$@"; } >"$state/log" 2>&1 || { cat "$state/log"; exit 1; }
for folder in bin lib sbin; do ln -s "usr/$folder" "$root/$folder"; done  # as Debian has it
for package in "$state"/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink --no-same-owner
done
# Links from the root of the file system would leave the folder.
find "$root" -type l -lname '/*' | while read -r link; do ln -sfrn "$root$(readlink "$link")" "$link"; done
echo "$*" >"$root/.packages"

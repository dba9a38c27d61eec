#!/usr/bin/env bash
# Gathers what a machine that cannot install anything lacks for building this project with its PyTorch: the headers,
# CMake files and libraries of the packages of ./run, LibTorch apart, with every library that these need in turn.
#   tools/offline_bundle.sh DEST     ->  DEST/ and DEST.tar.xz        (docs/gpu.md)
# There: tar xf DEST.tar.xz; cmake -DCMAKE_PREFIX_PATH=.../DEST ... The libraries find each other wherever DEST is.
# Runs on Debian 12 (apt-get, patchelf); what it makes needs x86-64, glibc 2.36 and libstdc++ of GCC 12 or newer.
set -euo pipefail
dest=${1:?usage: tools/offline_bundle.sh DEST}
packages=(libtomlplusplus-dev nlohmann-json3-dev libfmt-dev libcli11-dev libhwy-dev zlib1g-dev libssl-dev libhdf5-dev
          libgif-dev libjpeg-dev liblz4-dev libpng-dev libzstd-dev libarchive-dev libxxhash-dev libcurl4-openssl-dev
          libprotobuf-dev protobuf-compiler libmicrohttpd-dev libjs-chart.js libgtest-dev libgmock-dev librapidcheck-dev
          libbenchmark-dev)
tools=(patchelf binutils gcc libc6-dev xz-utils)
# Shared where the program links them; static where only tests and benchmarks do, or where there is nothing else.
shared='fmt|tomlplusplus|z|crypto|ssl|hdf5_serial|gif|jpeg|lz4|png16|zstd|archive|xxhash|curl|protobuf|microhttpd'
shared+='|hwy|hwy_contrib|hwy_test'
static='gtest|gtest_main|gmock|gmock_main|rapidcheck|benchmark|benchmark_main'
from_compiler='^(linux-vdso|ld-linux.*|lib(c|m|dl|rt|pthread|resolv|stdc\+\+|gcc_s|gomp))\.so'

missing=()
for package in "${packages[@]}" "${tools[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null
fi

rm -rf "$dest"
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)
arch=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch)
libraries=$dest/lib/$arch
mkdir -p "$libraries" "$dest/include"

dpkg -L "${packages[@]}" | sort -u | while read -r file; do
  [ -f "$file" ] || continue
  case $file in
    # A compiler looks into include/ARCH of its own system only.
    /usr/include/"$arch"/*) target=$dest/include/${file#/usr/include/"$arch"/} ;;
    /usr/include/*/openmpi/* | /usr/include/hdf5/mpich/*) continue ;;
    /usr/include/* | /usr/share/cmake/* | /usr/share/javascript/chart.js/*.min.js | /usr/lib/"$arch"/cmake/* | /usr/lib/cmake/*) target=$dest/${file#/usr/} ;;
    *) continue ;;
  esac
  mkdir -p "$(dirname "$target")"
  cp -L "$file" "$target"
done

# The libraries go by names of their own (libz-spikeloom.so.1): under the usual ones they would stand in for the machine's,
# which may be newer and needed in full by what its PyTorch brings along.
own_name() { echo "${1/.so/-spikeloom.so}"; }
soname_of() { objdump -p "$1" | awk '/SONAME/ {print $2}'; }

declare -A carried=()
carry() {
  local path=$1 soname needed
  soname=$(soname_of "$path")
  [ -z "${carried[$soname]:-}" ] || return 0
  carried[$soname]=$(own_name "$soname")
  cp -L "$path" "$libraries/${carried[$soname]}"
  ln -sf "${carried[$soname]}" "$libraries/$(basename "$(readlink -f "$path")")"  # as CMake files call it
  while read -r needed; do
    [ -n "$needed" ] && carry "$needed"
  done < <(ldd "$path" | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}' | grep -vE "$from_compiler" | awk '{print $2}')
  return 0
}
for path in /usr/lib/"$arch"/lib*.so; do
  name=$(basename "$path" .so)
  [[ ${name#lib} =~ ^($shared)$ ]] || continue
  carry "$path"
  ln -sf "$(own_name "$(soname_of "$path")")" "$libraries/$name.so"
done
# The one program that the build runs.
mkdir -p "$dest/bin"
cp -L /usr/bin/protoc "$dest/bin/protoc"
while read -r needed; do
  carry "$needed"
done < <(ldd /usr/bin/protoc | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}' | grep -vE "$from_compiler" | awk '{print $2}')
for path in /usr/lib/"$arch"/lib*.a; do
  name=$(basename "$path" .a)
  [[ ${name#lib} =~ ^($static)$ ]] && cp "$path" "$libraries/"
done

# 31 MB of character tables that nothing here reads: libxml2, below libarchive, names the library. An empty one of
# that name and symbol stands in.
for soname in "${!carried[@]}"; do
  [[ $soname == libicudata.* ]] || continue
  symbol=$(nm -D --defined-only "$libraries/${carried[$soname]}" | awk '$3 ~ /^icudt/ {sub("@.*", "", $3); print $3; exit}')
  echo "const char ${symbol}[64] = {0};" | gcc -shared -fPIC -x c -o "$libraries/${carried[$soname]}" -
done
for soname in "${!carried[@]}"; do
  file=$libraries/${carried[$soname]}
  # One change a call: patchelf 0.14 mixes several up.
  patchelf --set-soname "${carried[$soname]}" "$file"
  patchelf --set-rpath "\$ORIGIN" "$file"
  while read -r needed; do
    [ -z "${carried[$needed]:-}" ] || patchelf --replace-needed "$needed" "${carried[$needed]}" "$file"
  done < <(objdump -p "$file" | awk '/NEEDED/ {print $2}')
done
patchelf --set-rpath "\$ORIGIN/../lib/$arch" "$dest/bin/protoc"
for soname in "${!carried[@]}"; do
  patchelf --replace-needed "$soname" "${carried[$soname]}" "$dest/bin/protoc"
done
"$dest/bin/protoc" --version >/dev/null
for soname in "${!carried[@]}"; do
  if LD_BIND_NOW=1 ldd -r "$libraries/${carried[$soname]}" 2>&1 | grep -E 'not found|undefined|Inconsistency'; then
    echo "$soname cannot be carried" >&2
    exit 1
  fi
done

# CMake files that look at a place of this machine would find nothing elsewhere.
if grep -rnE '(LOCATION|DIRECTORIES|LIBRARIES).*"/usr/(include|lib)' "$dest" --include='*.cmake'; then
  echo "these CMake files name fixed places" >&2
  exit 1
fi
glibc=$(find "$libraries" -name '*.so*' -type f -exec objdump -T {} + 2>/dev/null |
        grep -oE 'GLIBC_2\.[0-9]+' | sort -t. -k2 -n -u | tail -1)
{
  echo "# Made by tools/offline_bundle.sh; needs $glibc or newer"
  dpkg-query -W "${packages[@]}"
} >"$dest/CONTENTS"
tar -C "$(dirname "$dest")" -c --owner=0 --group=0 --sort=name "$(basename "$dest")" | xz -9e -T0 >"$dest.tar.xz"
echo "$dest: $(find "$libraries" -name '*.so*' -type f | wc -l) shared libraries, $(du -sm "$dest" | cut -f1) MB;" \
     "$dest.tar.xz: $(stat -c %s "$dest.tar.xz") bytes; needs $glibc"

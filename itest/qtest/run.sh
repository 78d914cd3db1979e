#!/usr/bin/env bash
# QEMU's own qtest programs for IOMMUs, unmodified, against this project's boards. Usage: run.sh [PROGRAM...], names as in expected.txt.
# The programs come from Debian's source of QEMU, the newest that can be had, or from the tree that VMM_QEMU_SOURCE names; only the few
# files they need are compiled. Ends with 0 if every subtest ended as expected, 77 if a program cannot be had here.
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
readonly here
root=$(cd "$here/../.." && pwd)
readonly root
readonly cache=${IOMMUFD_QTEST_DIR:-$HOME/.cache/iommufd-qtest}
# shellcheck source=../debian.sh
source "$here/../debian.sh"

# Of all these the newest version is taken.
readonly RELEASES=(unstable testing stable-backports stable)
# What all programs share. A file that this QEMU has not, or has elsewhere, is not needed by it.
readonly SHARED=(tests/qtest/libqtest.c tests/qtest/libqmp.c tests/qtest/libqos/pci.c tests/qtest/libqos/pci-pc.c
  tests/qtest/libqos/generic-pcihost.c tests/qtest/libqos/qgraph.c tests/qtest/libqos/qos-iommu-testdev.c tests/qtest/libqos/qos-smmuv3.c
  tests/qtest/libqos/qos-intel-iommu.c util/cutils.c util/unicode.c util/error.c util/exit-with-parent.c util/osdep.c)

for tool in gcc python3 dpkg; do command -v "$tool" >/dev/null || skip "$tool is missing, which QEMU's programs are built with"; done
mkdir -p "$cache"

# Sets source, QEMU's source tree, and build, where things made of it go.
find_source() {
  if [[ -n ${VMM_QEMU_SOURCE:-} ]]; then
    source=$VMM_QEMU_SOURCE
    build=$cache/other
    rm -rf "$build"
    [[ -f $source/tests/qtest/libqtest.c ]] || skip "VMM_QEMU_SOURCE=$source is no source of QEMU"
    return
  fi
  source=$cache/source
  build=$cache/build
  if [[ ! -d $source ]]; then
    debian_source "$cache/archive" qemu "${RELEASES[@]}"
    rm -rf "$cache/unpacked" "$build"
    mkdir -p "$cache/unpacked"
    # Without most of what these programs do not need.
    tar -x -C "$cache/unpacked" --strip-components=1 -f "$cache"/archive/qemu_*.orig.tar.* --exclude='*/hw/*.c' --exclude='*/target/*' \
      --exclude='*/docs/*' --exclude='*/tests/tcg/*' --exclude='*/tests/data/*' --exclude='*/linux-user/*' --exclude='*/bsd-user/*' \
      --exclude='*/tests/qemu-iotests/*' --exclude='*/pc-bios/*' --exclude='*/roms/*'
    rm -rf "$cache/archive"
    mv "$cache/unpacked" "$source"
  fi
}

# Headers that QEMU's build would make: what the machine has, and the types of QMP.
make_headers() {
  [[ ! -d $build/headers ]] || return 0
  local version=$1 major minor micro
  IFS=. read -r major minor micro <<<"$version"
  rm -rf "$build/new"
  mkdir -p "$build/new/qapi"
  cat >"$build/new/config-host.h" <<TEXT
#define CONFIG_POSIX 1
#define CONFIG_LINUX 1
#define CONFIG_IOVEC 1
#define CONFIG_MADVISE 1
#define CONFIG_PPOLL 1
#define CONFIG_SYSMACROS 1
#define HAVE_STRCHRNUL 1
#define CONFIG_KVM_TARGETS ""
#define CONFIG_PREFIX "/usr"
#define CONFIG_BINDIR "/usr/bin"
#define HOST_DSOSUF ".so"
#define QEMU_VERSION "$version"
#define QEMU_VERSION_MAJOR $major
#define QEMU_VERSION_MINOR $minor
#define QEMU_VERSION_MICRO ${micro:-0}
TEXT
  : >"$build/new/config-poison.h"
  (cd "$source" && python3 scripts/qapi-gen.py -b -o "$build/new/qapi" qapi/qapi-schema.json)
  mv "$build/new" "$build/headers"
}

# build_program NAME: $build/NAME is the program, linked with nothing of the machine but its C library.
build_program() {
  local name=$1 libraries=$cache/glib/usr/lib/$(gcc -print-multiarch) file objects=() log=$build/build.log
  [[ ! -x $build/$name ]] || return 0
  local flags=(-std=gnu11 -O1 -w -D_GNU_SOURCE -ffunction-sections "-I$build/headers" "-I$source" "-I$source/include" "-I$source/linux-headers"
    "-I$source/tests" "-I$source/tests/qtest" "-I$source/host/include/x86_64" "-I$source/host/include/generic"
    "-I$cache/glib/usr/include/glib-2.0" "-I$libraries/glib-2.0/include")
  mkdir -p "$build/objects"
  cd "$source"
  for file in "${SHARED[@]}" qobject/q*.c qobject/json*.c "tests/qtest/$name.c" "$here/stand-ins.c"; do
    [[ -f $file ]] || continue
    objects+=("$build/objects/$(basename "$file" .c).o")
    [[ -f ${objects[-1]} ]] || gcc "${flags[@]}" -c "$file" -o "${objects[-1]}" >>"$log" 2>&1 || broken "$file of QEMU does not compile (log: $log)"
  done
  gcc -Wl,--gc-sections -o "$build/$name" "${objects[@]}" "$libraries/libglib-2.0.a" "$libraries/libpcre2-8.a" -lpthread -lm >>"$log" 2>&1 ||
    broken "$name of QEMU does not link (log: $log)"
  cd "$root"
}

broken() {
  printf 'FAILED: %s\n' "$1"
  exit 1
}

# run_program NAME ARCHITECTURE: prints "result subtest" for each subtest, one process for each, so that one does not end the others.
run_program() {
  local name=$1 subtest report=$build/$1.tap
  export QTEST_QEMU_BINARY=$cache/bin/vmm-system-$2
  : >"$report"
  for subtest in $("$build/$name" -l | grep '^/'); do
    (timeout -k 5 120 "$build/$name" --tap -p "$subtest" || true) >"$build/one.tap" 2>&1
    cat "$build/one.tap" >>"$report"
    sed -nE "s|^not ok [0-9]+ ($subtest)( .*)?\$|fail \\1|p; s|^ok [0-9]+ ($subtest) # SKIP.*|skip \\1|p; s|^ok [0-9]+ ($subtest)\$|pass \\1|p" \
      "$build/one.tap" >"$build/one.result"
    if [[ -s $build/one.result ]]; then cat "$build/one.result"; else printf 'fail %s\n' "$subtest"; fi
  done
}

find_source
version=$(<"$source/VERSION")
programs=("$@")
if ((${#programs[@]} == 0)); then mapfile -t programs < <(sed '/^#/d' "$here/expected.txt" | cut -d ' ' -f 1 | uniq); fi
debian_packages "$cache/glib" libglib2.0-dev libpcre2-dev
make_headers "$version"
"$root/vmm" qtest --install "$cache/bin" >/dev/null

absent=()
wrong=0
for program in "${programs[@]}"; do
  if [[ ! -f $source/tests/qtest/$program.c ]]; then
    absent+=("$program")
    continue
  fi
  build_program "$program"
  architecture=$(awk -v program="$program" '$1 == program {print $2; exit}' "$here/expected.txt")
  found=$(run_program "$program" "$architecture" | sort)
  expected=$(awk -v program="$program" '$1 == program {print "pass " $3}' "$here/expected.txt" | sort)
  printf '%s of QEMU %s:\n%s\n' "$program" "$version" "$found"
  if [[ $found != "$expected" ]]; then
    printf 'not as expected (report: %s):\n' "$build/$program.tap"
    diff <(printf '%s\n' "$expected") <(printf '%s\n' "$found") || true
    wrong=1
  fi
done
if ((wrong)); then exit 1; fi
if ((${#absent[@]} > 0)); then skip "QEMU $version, the newest source that can be had here, has no ${absent[*]}"; fi

#!/usr/bin/env bash
# Runs Linux's own iommufd selftests against this project's /dev/iommu and compares the result with expected.txt.
#
#   run-iommufd.sh                    every test; exit code 0 if each ended as expected
#   run-iommufd.sh -r NAME...         only these, and print what they print (-r, -t, -f, -v: options of the kernel's test harness)
#   run-iommufd.sh --fetch            only gets the source; a unit test compares the uAPI's layouts with its headers
#
# The program is built from Debian's package of the kernel's source (linux-source, from backports) and kept in
# ${IOMMUFD_SELFTESTS_DIR:-~/.cache/iommufd-selftests}; IOMMUFD_SELFTEST names one that is built already.
# Exit code 77, and a line that begins with SKIPPED, if something is missing that cannot be had here.
set -euo pipefail

readonly KERNEL=7.3                    # expected.txt is about this one
readonly RELEASE=trixie                # the Debian release whose backports have it
readonly TESTS=246
readonly SKIP=77
# Of 2 MiB. The largest test has 64, and a file stays mapped for a second or two after its last use.
readonly HUGE_PAGES=256
readonly RUN_SECONDS=600

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
readonly here
root=$(cd "$here/../.." && pwd)
readonly root
readonly cache=${IOMMUFD_SELFTESTS_DIR:-$HOME/.cache/iommufd-selftests}

skip() {
  printf 'SKIPPED: %s\n' "$1"
  exit $SKIP
}

# Prints the archive this machine gets its own Debian packages from.
debian_archive() {
  local archives
  archives=$({ sed -n 's/^URIs:[[:space:]]*//p' /etc/apt/sources.list.d/*.sources
    sed -n 's/^deb[[:space:]]\+\(\[[^]]*\][[:space:]]\+\)\?\([^[:space:]]\+\).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
  } 2>/dev/null | tr ' ' '\n' | grep -v -e '^$' -e security || true)
  head -n 1 <<<"$archives"
}

# Downloads and unpacks the few files of the kernel's source that are needed, to $cache/source. The package lists are kept
# apart, so the machine's own are left as they are.
fetch_source() {
  local archive package own
  grep -qs '^ID=debian$' /etc/os-release ||
    skip "the selftests' source is a Debian package and this is no Debian; build the program and name it in IOMMUFD_SELFTEST"
  archive=$(debian_archive)
  [[ -n $archive ]] || skip "apt has no package archive here to get linux-source-$KERNEL from"
  mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s-backports main\n' "$archive" "$RELEASE" >"$cache/apt/sources.list"
  own=(-o "Dir::Etc::sourcelist=$cache/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$cache/apt/lists" -o "Dir::Cache=$cache/apt/cache" -o APT::Sandbox::User=root)
  package=linux-source-$KERNEL
  printf 'fetching %s (about 150 MB, once)\n' "$package" >&2
  apt-get "${own[@]}" update -q >"$cache/fetch.log" 2>&1 || skip "the package archive cannot be reached (log: $cache/fetch.log)"
  (cd "$cache/apt" && apt-get "${own[@]}" download -q "$package") >>"$cache/fetch.log" 2>&1 ||
    skip "$package cannot be downloaded from $RELEASE-backports (log: $cache/fetch.log)"
  rm -rf "$cache/source" "$cache/unpacked"
  mkdir -p "$cache/unpacked"
  # One stream: neither the package nor the whole source is ever laid out on disk.
  dpkg --fsys-tarfile "$cache"/apt/"$package"_*.deb | tar -xO --wildcards "*/$package.tar.xz" | tar -xJ -C "$cache/unpacked" --strip-components=1 --wildcards \
    "$package/tools/testing/selftests/iommu/*" "$package/tools/testing/selftests/kselftest*.h" \
    "$package/drivers/iommu/iommufd/iommufd_test.h" "$package/include/uapi/linux/iommufd.h" "$package/include/uapi/linux/vfio.h"
  rm -rf "$cache/apt"
  mv "$cache/unpacked" "$cache/source"
}

# Sets program.
build_program() {
  program=${IOMMUFD_SELFTEST:-$cache/iommufd-$KERNEL}
  if [[ -x $program ]]; then return; fi
  [[ -z ${IOMMUFD_SELFTEST:-} ]] || skip "IOMMUFD_SELFTEST names $program, which cannot be executed"
  command -v gcc >/dev/null || skip "gcc is missing (package gcc)"
  printf '#include <sys/capability.h>\n' | gcc -fsyntax-only -xc - 2>/dev/null || skip "libcap's header is missing (package libcap-dev)"
  [[ -d $cache/source ]] || fetch_source
  # Two headers as `make headers_install` would leave them.
  mkdir -p "$cache/headers/linux"
  local header
  for header in iommufd vfio; do
    sed 's/\b__user\b//g; s/__counted_by([a-z_]*)//g' "$cache/source/include/uapi/linux/$header.h" >"$cache/headers/linux/$header.h"
  done
  (cd "$cache/source/tools/testing/selftests/iommu" &&
    gcc -O2 -w -isystem "$cache/headers" -I.. -D_GNU_SOURCE= iommufd.c -lcap -o "$program.new") || {
    printf 'the selftests could not be built\n' >&2
    exit 1
  }
  mv "$program.new" "$program"
}

# Has enough free huge pages for the run, and gives back what it took.
reserve_huge_pages() {
  local -r setting=/proc/sys/vm/nr_hugepages
  local free
  free=$(sed -n 's/^HugePages_Free: *//p' /proc/meminfo)
  [[ -n $free ]] || skip "this kernel has no huge pages (hugetlb)"
  if ((free >= HUGE_PAGES)); then return; fi
  local before
  before=$(<"$setting")
  # shellcheck disable=SC2064  # now, not later
  trap "echo $before >$setting" EXIT
  echo $((before + HUGE_PAGES - free)) 2>/dev/null >"$setting" || skip "the number of huge pages ($setting) cannot be changed"
  free=$(sed -n 's/^HugePages_Free: *//p' /proc/meminfo)
  ((free >= HUGE_PAGES)) || skip "only $free of $HUGE_PAGES huge pages of 2 MiB can be had; memory is short or fragmented"
}

# Prints "result name" for each line of a TAP report.
results() {
  sed -nE 's/^not ok [0-9]+ ([^ ]+).*/fail \1/p; s/^ok [0-9]+ ([^ ]+) # SKIP.*/skip \1/p; s/^ok [0-9]+ ([^ ]+)( *)$/pass \1/p' "$1" | sort -k2
}

# Prints "result name" for each test that is not expected to pass on this machine.
expectations() {
  local capabilities when
  capabilities=$((16#$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)))
  when=always
  if ((!(capabilities >> 24 & 1))); then when='always|no-sys-resource'; fi
  sed -nE "s/^(fail|skip) +($when) +([^ ]+).*/\\1 \\3/p" "$here/expected.txt" | sort -k2
}

main() {
  if [[ ${1:-} == --fetch ]]; then
    [[ -d $cache/source ]] || fetch_source
    return
  fi
  ((EUID == 0)) || skip "the selftests need root"
  [[ -c /dev/fuse ]] || skip "/dev/fuse is missing: this kernel, or container, has no FUSE"
  local program
  build_program
  reserve_huge_pages
  if (($# > 0)); then
    "$root/vmm" exec --with iommu.mock -- "$program" "$@"
    return
  fi

  local -r report=$cache/report.tap
  mkdir -p "$cache"
  local code=0
  timeout -k 10 $RUN_SECONDS "$root/vmm" exec --with iommu.mock -- "$program" >"$report" 2>&1 </dev/null || code=$?
  # 0 and 1 are the harness's own verdict.
  if ((code > 1)); then
    tail -n 20 "$report" >&2
    printf 'the run ended with exit code %d; the report is in %s\n' "$code" "$report" >&2
    exit 1
  fi
  local found expected
  found=$(results "$report")
  expected=$(expectations)
  printf '%d passed, %d failed, %d skipped\n' "$(grep -c '^pass' <<<"$found")" "$(grep -c '^fail' <<<"$found")" "$(grep -c '^skip' <<<"$found")"

  local differences=0 result name wanted
  while read -r result name; do
    wanted=$(awk -v name="$name" '$2 == name {print $1}' <<<"$expected")
    if [[ $result != "${wanted:-pass}" ]]; then
      differences=$((differences + 1))
      printf '%s: %s, expected %s\n' "$name" "$result" "${wanted:-pass}"
      sed -n "/^#  RUN  *$name \.\.\./,/^\(not \)\?ok /p" "$report" | sed -n '2,12s/^/    /p'
    fi
  done <<<"$found"
  if (($(wc -l <<<"$found") != TESTS)); then
    printf '%d tests ended, expected %d; the report is in %s\n' "$(wc -l <<<"$found")" $TESTS "$report"
    exit 1
  fi
  if ((differences > 0)); then
    printf '%d tests did not end as %s says; the report is in %s\n' $differences "$here/expected.txt" "$report"
    exit 1
  fi
  printf 'all as expected; why some do not pass is said in %s\n' "$here/expected.txt"
}

main "$@"

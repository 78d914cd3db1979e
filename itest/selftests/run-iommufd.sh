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

readonly TESTS=246
# Of 2 MiB. The largest test has 64, and a file stays mapped for a second or two after its last use.
readonly HUGE_PAGES=256
readonly RUN_SECONDS=600

# shellcheck source=selftests.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/selftests.sh"

# Sets program.
build_program() {
  program=${IOMMUFD_SELFTEST:-$cache/iommufd-$KERNEL}
  if [[ -x $program ]]; then return; fi
  [[ -z ${IOMMUFD_SELFTEST:-} ]] || skip "IOMMUFD_SELFTEST names $program, which cannot be executed"
  command -v gcc >/dev/null || skip "gcc is missing (package gcc)"
  printf '#include <sys/capability.h>\n' | gcc -fsyntax-only -xc - 2>/dev/null || skip "libcap's header is missing (package libcap-dev)"
  fetch_source
  install_headers
  (cd "$cache/source/tools/testing/selftests/iommu" &&
    gcc -O2 -w -isystem "$cache/headers" -I.. -D_GNU_SOURCE= iommufd.c -lcap -o "$program.new") || {
    printf 'the selftests could not be built\n' >&2
    exit 1
  }
  mv "$program.new" "$program"
}

main() {
  if [[ ${1:-} == --fetch ]]; then
    fetch_source
    install_headers
    return
  fi
  require_device_nodes
  local program
  build_program
  reserve_huge_pages 2048 $HUGE_PAGES ||
    skip "$HUGE_PAGES huge pages of 2 MiB cannot be had: the kernel has none, they may not be changed, or memory is short or fragmented"
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
  expected=$(expectations "$here/expected.txt")
  printf '%d passed, %d failed, %d skipped\n' "$(grep -c '^pass' <<<"$found")" "$(grep -c '^fail' <<<"$found")" "$(grep -c '^skip' <<<"$found")"

  local differences
  differences=$(differences "$report" "$found" "$expected")
  [[ -z $differences ]] || printf '%s\n' "$differences"
  if (($(wc -l <<<"$found") != TESTS)); then
    printf '%d tests ended, expected %d; the report is in %s\n' "$(wc -l <<<"$found")" $TESTS "$report"
    exit 1
  fi
  if [[ -n $differences ]]; then
    printf 'tests did not end as %s says; the report is in %s\n' "$here/expected.txt" "$report"
    exit 1
  fi
  printf 'all as expected; why some do not pass is said in %s\n' "$here/expected.txt"
}

main "$@"

#!/usr/bin/env bash
# Runs Linux's own VFIO selftests against this project's device nodes and compares the result with expected-vfio.txt.
#
#   run-vfio.sh                       every test; exit code 0 if each ended as expected
#   run-vfio.sh TEST [OPTION...]      one program of tools/testing/selftests/vfio, and print what it prints (-r, -t, -f, -v:
#                                     options of the kernel's test harness)
#
# The programs are built from Debian's package of the kernel's source (linux-source, from backports) and kept in
# ${IOMMUFD_SELFTESTS_DIR:-~/.cache/iommufd-selftests}.
# Exit code 77, and a line that begins with SKIPPED, if something is missing that cannot be had here.
set -euo pipefail

readonly HUGE_PAGES_2M=4
readonly HUGE_PAGES_1G=1
readonly RUN_SECONDS=120

# shellcheck source=selftests.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/selftests.sh"

# Every program, and the device it is given.
readonly DISK=0000:00:0a.0 COPIER=0000:00:0b.0
readonly PROGRAMS=(
  "vfio_iommufd_setup_test $DISK"
  "vfio_pci_device_test $DISK"
  "vfio_dma_mapping_test $DISK"
  "vfio_dma_mapping_mmio_test $COPIER"
  "vfio_pci_device_init_perf_test $DISK $COPIER"
)
readonly programs=$cache/vfio-$KERNEL
readonly DEVICES=(--device nvme --set "address=$DISK" --device ioat --set "address=$COPIER")

build_programs() {
  if [[ -d $programs ]]; then return; fi
  command -v gcc >/dev/null || skip 'gcc is missing (package gcc)'
  printf '#include <uuid/uuid.h>\n' | gcc -fsyntax-only -xc - 2>/dev/null || skip "libuuid's header is missing (package uuid-dev)"
  fetch_source
  install_headers
  rm -rf "$programs.new"
  mkdir -p "$programs.new"
  local source=$cache/source test
  local options=(-O1 -w -pthread -D_GNU_SOURCE= -isystem "$cache/headers" -I"$source/tools/testing/selftests"
    -I"$source/tools/testing/selftests/vfio/lib/include" -I"$source/tools/include")
  for test in "${PROGRAMS[@]}"; do
    test=${test%% *}
    (cd "$source/tools/testing/selftests/vfio" && gcc "${options[@]}" -o "$programs.new/$test" "$test.c" lib/*.c lib/drivers/*/*.c -luuid) || {
      printf 'the selftest %s could not be built\n' "$test" >&2
      exit 1
    }
  done
  mv "$programs.new" "$programs"
}

# Runs every program in one runtime, one after the other.
run_all() {
  local program words
  {
    printf 'cd %q\n' "$programs"
    for program in "${PROGRAMS[@]}"; do
      read -ra words <<<"$program"
      printf 'echo "# PROGRAM %s"\ntimeout -k 5 %d ./%s\necho "# EXIT %s $?"\n' "${words[0]}" $RUN_SECONDS "$program" "${words[0]}"
    done
  } | "$root/vmm" exec "${DEVICES[@]}" -- bash
}

main() {
  require_device_nodes
  build_programs
  reserve_huge_pages 2048 $HUGE_PAGES_2M || skip "$HUGE_PAGES_2M huge pages of 2 MiB cannot be had"
  local conditions=()
  reserve_huge_pages 1048576 $HUGE_PAGES_1G || conditions+=(no-1g-pages)
  if (($# > 0)); then
    local test=$1 line
    shift
    for line in "${PROGRAMS[@]}"; do
      if [[ ${line%% *} == "$test" ]]; then
        # shellcheck disable=SC2086  # one argument per device
        "$root/vmm" exec "${DEVICES[@]}" -- "$programs/$test" "$@" ${line#* }
        return
      fi
    done
    printf 'no such test: %s\n' "$test" >&2
    exit 2
  fi

  local -r report=$cache/report-vfio.tap
  run_all >"$report" 2>&1 || {
    tail -n 20 "$report" >&2
    printf 'the tests could not be run; the report is in %s\n' "$report" >&2
    exit 1
  }
  local found expected differences
  found=$(results "$report")
  expected=$(expectations "$here/expected-vfio.txt" "${conditions[@]}")
  printf '%d passed, %d failed, %d skipped\n' "$(grep -c '^pass' <<<"$found")" "$(grep -c '^fail' <<<"$found")" "$(grep -c '^skip' <<<"$found")"
  differences=$(differences "$report" "$found" "$expected")
  [[ -z $differences ]] || printf '%s\n' "$differences"
  # A program that dies, or skips everything, ends fewer tests than it announces.
  local announced
  announced=$(sed -n 's/^1\.\.//p' "$report" | awk '{sum += $1} END {print sum + 0}')
  if (($(grep -c '^1\.\.' "$report") != ${#PROGRAMS[@]} || $(wc -l <<<"$found") != announced)); then
    grep '^# EXIT' "$report"
    printf '%d tests of %d programs ended, %d were announced; the report is in %s\n' "$(wc -l <<<"$found")" ${#PROGRAMS[@]} "$announced" "$report"
    exit 1
  fi
  if [[ -n $differences ]]; then
    printf 'tests did not end as %s says; the report is in %s\n' "$here/expected-vfio.txt" "$report"
    exit 1
  fi
  printf 'all as expected; why some do not pass is said in %s\n' "$here/expected-vfio.txt"
}

main "$@"

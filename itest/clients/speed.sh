#!/usr/bin/env bash
# Measures QEMU's own emulated NVMe controller and this runtime's in the same guest, in turns, and compares the medians with the goals.
#
#   speed.sh [ROUNDS [OPTION...]]     3 rounds; options are guest.sh's, for example --ram private
#
# The guests are QEMU 10's: the model of 7.2 loses a doorbell now and then, and its guest waits for ever.
# Exit code 0 if the goals are met, 1 if not; 77, and a line that begins with SKIPPED, if something is missing that cannot be had.
set -euo pipefail
# shellcheck source=clients.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/clients.sh"

readonly IMAGE_MIB=256
readonly LEAST_RATE=0.5 MOST_LATENCY=2.5

require_device_nodes
rounds=${1:-3}
shift || true
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
truncate -s ${IMAGE_MIB}M "$work/emulated.img" "$work/ours.img"

# Appends the guest's line of results to a file.
measure() {
  local of=$1 output code=0
  shift
  output=$("$@" --work speed,speed 2>&1) || code=$?
  if ((code == SKIP)); then
    printf '%s\n' "$output"
    exit $SKIP
  fi
  # Of the two the second is the one whose code is compiled.
  grep '^@@ speed' <<<"$output" | tail -n 1 | tr ' ' '\n' | grep = >>"$work/$of" || {
    printf '%s\n' "$output" >&2
    exit 1
  }
}

median() { sed -n "s/^$2=//p" "$work/$1" | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

for ((round = 1; round <= rounds; round++)); do
  measure emulated "$clients/guest.sh" --qemu 10 --disk emulated --image "$work/emulated.img" "$@"
  measure ours "$root/vmm" exec --device nvme --set "namespaces=$work/ours.img" -- "$clients/guest.sh" --qemu 10 --disk group "$@"
done

missed=0
# Prints a line of the table: name, key, unit, whether more is better, goal.
row() {
  local theirs ours
  theirs=$(median emulated "$2")
  ours=$(median ours "$2")
  awk -v name="$1" -v theirs="$theirs" -v ours="$ours" -v unit="$3" -v more="$4" -v goal="$5" 'BEGIN {
    ratio = ours / theirs
    met = goal == "" || (more ? ratio >= goal : ratio <= goal)
    printf "%-26s %10.1f %10.1f %-6s %6.2f x  %-9s %s\n", name, theirs, ours, unit, ratio, goal == "" ? "" : (more ? ">= " : "<= ") goal " x", goal == "" ? "" : met ? "met" : "MISSED"
    exit !met }' || missed=1
}
printf '%-26s %10s %10s %-6s %8s  %-9s\n' "median of $rounds" emulated ours '' ratio goal
row 'sequential read, 128 KiB' read_128k_mib_s MiB/s 1 $LEAST_RATE
row 'sequential write, 128 KiB' write_128k_mib_s MiB/s 1 $LEAST_RATE
row 'random read, 4 KiB, p50' read_4k_us_p50 us 0 $MOST_LATENCY
row 'random read, 4 KiB, mean' read_4k_us_mean us 0 ''
row 'random read, 4 KiB, p99' read_4k_us_p99 us 0 ''
exit $missed

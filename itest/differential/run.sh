#!/usr/bin/env bash
# Holds this project's /dev/iommu against Linux's: the same random requests, line by line the same results.
#
#   run.sh [SEEDS [OPERATIONS]]       200 seeds of 1,000 operations unless told otherwise
#
# ORACLE_RUN names a command that runs a static program, with its arguments, in a real Linux 7.3 that has iommufd with its
# selftest support, and prints what it prints. Without it ours is compared with what that kernel answered when the transcripts
# here were recorded; then SEEDS and OPERATIONS are those of the transcripts.
#
#   run.sh --record                   records the transcripts anew, from ORACLE_RUN
#
# Exit code 77, and a line that begins with SKIPPED, if something is missing that cannot be had here.
set -euo pipefail

readonly SKIP=77
readonly RECORDED_SEEDS=20 RECORDED_OPERATIONS=300
# An oracle may be an emulated machine with a limit on its time.
readonly SEEDS_AT_ONCE=25
readonly SHOWN_SEEDS=3 SHOWN_LINES=20
readonly MODES=(plain mock)

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
readonly here
readonly vmm=$here/../../vmm
work=$(mktemp -d)
readonly work
trap 'rm -rf "$work"' EXIT

skip() {
  printf 'SKIPPED: %s\n' "$1"
  exit $SKIP
}

oracle() { "$ORACLE_RUN" "$work/iommufd-random" "$@"; }

# Arguments are the program's; its last one is the mode.
ours() {
  local with=()
  if [[ ${*: -1} == mock ]]; then with=(--with iommu.mock); fi
  "$vmm" exec "${with[@]}" -- "$work/iommufd-random" "$@"
}

# The lines in which two files differ, for people.
show_difference() {
  printf -- '--- Linux, +++ ours\n'
  diff -U 0 "$1" "$2" | grep '^[-+] *[0-9]' | head -n $SHOWN_LINES || true
}

# Whether the seeds $1..$1+$2-1 of $3 operations end alike in mode $4.
compare() {
  local first=$1 count=$2 operations=$3 mode=$4 seed shown=0
  oracle "$first" "$count" "$operations" hash "$mode" >"$work/theirs"
  ours "$first" "$count" "$operations" hash "$mode" >"$work/ours"
  if [[ $(grep -c '^seed' "$work/theirs") != "$count" ]]; then
    printf 'the oracle did not finish; its last lines:\n' >&2
    tail -n 5 "$work/theirs" >&2
    exit 1
  fi
  cmp -s "$work/theirs" "$work/ours" && return
  while read -r seed; do
    printf 'mode %s, seed %s:\n' "$mode" "$seed"
    if ((shown++ < SHOWN_SEEDS)); then
      oracle "$seed" 1 "$operations" text "$mode" >"$work/theirs.text"
      ours "$seed" 1 "$operations" text "$mode" >"$work/ours.text"
      show_difference "$work/theirs.text" "$work/ours.text"
    fi
  done < <(diff "$work/theirs" "$work/ours" | sed -n 's/^< seed \([0-9]*\) .*/\1/p')
  return 1
}

compare_with_oracle() {
  local seeds=$1 operations=$2 mode first count differing=0
  for mode in "${MODES[@]}"; do
    for ((first = 1; first <= seeds; first += SEEDS_AT_ONCE)); do
      count=$((seeds - first + 1 < SEEDS_AT_ONCE ? seeds - first + 1 : SEEDS_AT_ONCE))
      compare "$first" "$count" "$operations" "$mode" || differing=1
    done
    printf '%s: %d operations of %d seeds compared with the oracle\n' "$mode" $((seeds * operations)) "$seeds"
  done
  return $differing
}

compare_with_transcripts() {
  local mode differing=0
  for mode in "${MODES[@]}"; do
    gzip -dc "$here/linux-7.3-$mode.txt.gz" >"$work/theirs"
    ours 1 $RECORDED_SEEDS $RECORDED_OPERATIONS text "$mode" >"$work/ours"
    if cmp -s "$work/theirs" "$work/ours"; then
      printf '%s: %d operations of %d seeds as Linux 7.3 answered them\n' "$mode" $((RECORDED_SEEDS * RECORDED_OPERATIONS)) $RECORDED_SEEDS
    else
      show_difference "$work/theirs" "$work/ours"
      differing=1
    fi
  done
  return $differing
}

record() {
  local mode
  for mode in "${MODES[@]}"; do
    oracle 1 $RECORDED_SEEDS $RECORDED_OPERATIONS text "$mode" | gzip -9n >"$here/linux-7.3-$mode.txt.gz"
  done
}

command -v cc >/dev/null || skip 'no C compiler (cc)'
cc -std=gnu17 -O1 -Wall -Wextra -static -o "$work/iommufd-random" "$here/iommufd-random.c" 2>"$work/cc.log" ||
  skip "the client cannot be compiled: $(head -n 1 "$work/cc.log")"
if [[ ${1:-} == --record ]]; then
  record
  exit
fi
[[ $(id -u) == 0 ]] || skip 'needs root'
[[ -c /dev/fuse ]] || skip 'needs /dev/fuse'
if [[ -n ${ORACLE_RUN:-} ]]; then
  compare_with_oracle "${1:-200}" "${2:-1000}"
else
  compare_with_transcripts
fi

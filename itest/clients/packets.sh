#!/usr/bin/env bash
# Measures how many packets of 64 bytes a second DPDK's testpmd and this runtime's network device pass to each other by vhost-vdpa, and
# compares with the goal. Each of the two has a processor if there are two.
#
#   packets.sh [SECONDS]     of each row (5)
#
# Exit code 0 if the goal is met, 1 if not; 77, and a line that begins with SKIPPED, if something is missing that cannot be had here.
set -euo pipefail
# shellcheck source=clients.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/clients.sh"

readonly LEAST_RATE=1500000

require_device_nodes
seconds=${1:-5}
missed=0
# Prints a line of the table: name, way, cable, arguments of virtio-user, goal.
row() {
  local output code=0
  output=$("$root/vmm" exec --char-devices --device virtio.net --set "cable=$3" -- "$clients/dpdk-net.sh" "$2" "$seconds" "$4" 2>&1) || code=$?
  if ((code != 0)); then
    printf '%s\n' "$output"
    exit $code
  fi
  sed -n 's/.* pps=//p' <<<"$output" | awk -v name="$1" -v goal="$5" '{
    met = goal == "" || $1 >= goal
    printf "%-30s %8.2f Mpps  %-14s %s\n", name, $1 / 1e6, goal == "" ? "" : sprintf(">= %.1f Mpps", goal / 1e6), goal == "" ? "" : met ? "met" : "MISSED"
    exit !met }' || missed=1
}
row 'sent, split queues' send null packed_vq=0 $LEAST_RATE
row 'sent, packed queues' send null packed_vq=1 $LEAST_RATE
row 'received, split queues' receive null,generate=64 packed_vq=0 ''
row 'received, packed queues' receive null,generate=64 packed_vq=1 ''
exit $missed

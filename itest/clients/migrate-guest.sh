#!/usr/bin/env bash
# A guest of QEMU 10 with a virtual function of an NVMe controller moves from one runtime to another while it works on its disk, by
# QEMU's own migration.
#   migrate-guest.sh [FROM [TO [WAY]]]    IOMMUs of the two runtimes (vtd smmuv3); WAY is group or cdev
set -euo pipefail
# shellcheck source=clients.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/clients.sh"

from=${1:-vtd} to=${2:-smmuv3} way=${3:-group}
require_device_nodes

nodes=()
if [[ $way == cdev ]]; then nodes=(--char-devices); fi
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
truncate -s 32M "$work/disk"
truncate -s 1M "$work/own-source" "$work/own-target"
# What must be fetched is fetched before the two start.
"$clients/guest.sh" --qemu 10 --pattern 1 1 >/dev/null

run() {
  local role=$1 hardware=$2
  shift 2
  "$root/vmm" exec --hardware "$hardware" "${nodes[@]}" --device nvme --set address=0000:00:0a.0 --set namespaces="$work/own-$role" \
    --set virtual.functions="$work/disk" -- "$clients/guest.sh" --qemu 10 --disk "$way" --device 0000:00:0a.1 --work churn:8 --timeout 90 "$@" |
    sed -u "s/^/$role: /"
}
run target "$to" --incoming "$work/socket" &
for ((i = 0; i < 300; i++)); do
  if [[ -S $work/socket ]]; then break; fi
  sleep 0.1
done
run source "$from" --migrate-to "$work/socket"
wait

#!/usr/bin/env bash
# DPDK 22.11 copies memory with an Intel I/OAT engine by way of vfio-pci: its own test of DMA devices, 640 bursts of copies of
# random bytes, fills, and bursts as large as the ring. A program of ./vmm exec finds the device.
#
#   dpdk.sh [BUS-ADDRESS]             0000:00:0b.0 unless told otherwise
#
# Exit code 0 if the test says so; 77, and a line that begins with SKIPPED, if something is missing that cannot be had here.
set -euo pipefail
# shellcheck source=clients.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/clients.sh"

readonly SECONDS_AT_MOST=60
device=${1:-0000:00:0b.0}
[[ $(uname -m) == x86_64 ]] || skip 'the clients are programs for x86-64'
one_at_a_time
dpdk
done_fetching

debian_program "$cache/dpdk-22.11" dpdk-test
drivers=$cache/dpdk-22.11/usr/lib/x86_64-linux-gnu
report=$(mktemp)
trap 'rm -f "$report"' EXIT
code=0
DPDK_TEST=dmadev_autotest timeout -k 5 $SECONDS_AT_MOST "${program[@]}" --no-huge -m 256 --iova-mode=va --no-telemetry --no-shconf -l 0 \
  -d "$drivers/librte_bus_pci.so.23" -d "$drivers/librte_dma_ioat.so.23" -d "$drivers/librte_mempool_ring.so.23" -a "$device" \
  </dev/null >"$report" 2>&1 || code=$?
# A counter is overwritten some thousand times.
sed -i 's/\r$//; s/.*\r//' "$report"
grep -a -e '^DMA Dev' -e '^Ops submitted' -e '^### Test dmadev' -e '^Test ' "$report" || true
# Without a device there is nothing to fail.
if ((code != 0)) || ! grep -q "^### Test dmadev instance .*$device" "$report" || ! grep -q '^Test OK' "$report"; then
  tail -n 40 "$report"
  printf 'DPDK is not content (exit code %d)\n' "$code"
  exit 1
fi

#!/usr/bin/env bash
# QEMU's own NVMe driver, in user space over VFIO (no guest): patterns are written and must be read back, at once and many at a
# time, also what was cleared; then reads of 4 KiB are counted. A program of ./vmm exec finds the device.
#
#   qemu-io.sh [BUS-ADDRESS [NAMESPACE]]    0000:00:0a.0 and 1 unless told otherwise; what is on it is lost
#
# Exit code 0 if everything was read as written; 77, and a line that begins with SKIPPED, if something is missing that cannot be had.
set -euo pipefail
# shellcheck source=clients.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/clients.sh"

readonly SECONDS_AT_MOST=60
readonly READS=50000 DEPTH=16
disk=nvme://${1:-0000:00:0a.0}/${2:-1}
one_at_a_time
qemu 10 qemu-io
done_fetching

# Exit codes say nothing of a pattern that is not there: the text does.
said=$(timeout -k 5 $SECONDS_AT_MOST "${program[@]}" -f raw "$disk" \
  -c 'write -P 0x5a 0 64k' -c 'write -P 0x3c 1M 4M' -c 'read -P 0x5a 0 64k' -c 'read -P 0x3c 1M 4M' \
  -c 'write -P 0x11 512 512' -c 'read -P 0x5a 0 512' -c 'read -P 0x11 512 512' -c 'read -P 0x5a 1k 63k' \
  -c 'aio_write -P 0x77 8M 1M' -c 'aio_write -P 0x78 9M 1M' -c 'aio_write -P 0x79 10M 1M' -c 'aio_write -P 0x7a 11M 1M' -c aio_flush \
  -c 'read -P 0x77 8M 1M' -c 'read -P 0x78 9M 1M' -c 'read -P 0x79 10M 1M' -c 'read -P 0x7a 11M 1M' \
  -c 'write -z 2M 64k' -c 'read -P 0 2M 64k' -c 'read -P 0x3c 2112k 64k' -c 'discard 3M 1M' -c flush -c 'read -P 0x3c 4M 1M' 2>&1) || {
  printf '%s\n' "$said"
  exit 1
}
if grep -i -e 'pattern verification failed' -e error -e fail -e 'no such' <<<"$said"; then exit 1; fi
printf '%d requests, every pattern as written\n' "$(grep -c -e '^read ' -e '^wrote ' <<<"$said")"

debian_program "$cache/qemu-10" qemu-img
timeout -k 5 $SECONDS_AT_MOST "${program[@]}" bench -f raw -t none -c $READS -d $DEPTH -s 4k "$disk" | tail -n 1

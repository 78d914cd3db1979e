#!/usr/bin/env bash
# A guest with a virtual function of an NVMe controller moves from one runtime to another while it works: see migrate.c.
#   migrate.sh [FROM [TO [MIB]]]    IOMMUs of the two runtimes (vtd smmuv3), and the guest's memory (64)
set -euo pipefail
# shellcheck source=clients.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/clients.sh"

from=${1:-vtd} to=${2:-smmuv3} mib=${3:-64}
require_device_nodes
command -v cc >/dev/null || skip 'there is no C compiler'

work=$(mktemp -d)
trap 'rm -rf "$work"; kill $(jobs -p) 2>/dev/null || true' EXIT
cc -O2 -Wall -Wno-parentheses -pthread -o "$work/migrate" "$clients/migrate.c"
# Both runtimes have the virtual function's disk; the physical functions' own are different ones.
truncate -s 32M "$work/disk"
truncate -s 1M "$work/own-source" "$work/own-target"

run() {
  "$root/vmm" exec --hardware "$2" --device nvme --set address=0000:00:0a.0 --set namespaces="$work/own-$1" --set virtual.functions="$work/disk" \
    -- "$work/migrate" "$1" "$work/socket" "$mib"
}
run source "$from" &
run target "$to"
wait -n
printf '@@ end\n'

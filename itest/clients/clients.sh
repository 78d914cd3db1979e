# What the scripts beside this one share: the programs they run, fetched or built once and kept in
# ${VMM_CLIENTS_DIR:-~/.cache/vmm-clients}. To be sourced.
# shellcheck shell=bash

clients=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
readonly clients
root=$(cd "$clients/../.." && pwd)
readonly root
readonly cache=${VMM_CLIENTS_DIR:-$HOME/.cache/vmm-clients}
# shellcheck source=../debian.sh
source "$clients/../debian.sh"

# Two tests at once must not fetch the same thing.
one_at_a_time() {
  mkdir -p "$cache"
  exec {cache_lock}>"$cache/lock"
  flock "$cache_lock"
}

done_fetching() { exec {cache_lock}>&-; }

require_device_nodes() {
  ((EUID == 0)) || skip 'device nodes need root'
  [[ -c /dev/fuse ]] || skip '/dev/fuse is missing: this kernel, or container, has no FUSE'
}

# qemu VERSION PROGRAM: sets program, the words that run a program of QEMU 7.2 (Debian 12) or 10 (its backports).
qemu() {
  [[ $(uname -m) == x86_64 ]] || skip 'the clients are programs for x86-64'
  case $1 in
    7.2) debian_tree "$cache/qemu-7.2" bookworm qemu-system-x86 qemu-utils ;;
    10) debian_tree "$cache/qemu-10" bookworm-backports qemu-system-x86 qemu-utils ;;
  esac
  export QEMU_MODULE_DIR=$cache/qemu-$1/usr/lib/x86_64-linux-gnu/qemu
  debian_program "$cache/qemu-$1" "$2"
}

# Sets firmware, the options by which QEMU finds its own.
qemu_firmware() {
  local share=$cache/qemu-$1/usr/share
  firmware=(-L "$share/seabios" -L "$share/qemu")
}

# DPDK 22.11 (Debian 12), with all its drivers.
dpdk() { debian_tree "$cache/dpdk-22.11" bookworm dpdk-dev librte-dma-ioat23 librte-net-virtio23 librte-net-pcap23; }

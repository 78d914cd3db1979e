#!/usr/bin/env bash
# Boots a Linux guest in QEMU whose only program is guest.c, and prints what it says of its NVMe disk: lines of "@@ ...".
#
#   --qemu 7.2|10              which QEMU (7.2)
#   --disk emulated|group|cdev QEMU's own NVMe model (emulated), or the device at --device by way of a VFIO group, or of a VFIO
#                              character device and iommufd (which needs QEMU 10). A program of ./vmm exec finds these.
#   --device BUS-ADDRESS       0000:00:0a.0 unless told otherwise
#   --image FILE               of the emulated disk
#   --ram memfd|private        what the guest's memory is (memfd)
#   --viommu                   the guest has a VT-d of its own and uses it
#   --removable                the device can be pulled out of the guest, which gives up on a disk that does not answer after 3 s
#   --work TASKS, --seed N     see guest.c
#   --timeout SECONDS          for the whole run (60)
#
#   guest.sh --pattern SEED MIB       prints what a guest with --seed SEED --work check:MIB leaves on its disk
#
# Exit code 0 if the guest came to its end; 77, and a line that begins with SKIPPED, if something is missing that cannot be had here.
set -euo pipefail
# shellcheck source=clients.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/clients.sh"

readonly GUEST_MIB=256
readonly KERNEL='linux-image-6\.1\.0-[0-9]+-cloud-amd64'

version=7.2 disk=emulated device=0000:00:0a.0 image='' ram=memfd viommu='' removable='' work=check:64 seed=1 seconds=60 pattern=()
while (($# > 0)); do
  case $1 in
    --qemu) version=$2; shift ;;
    --disk) disk=$2; shift ;;
    --device) device=$2; shift ;;
    --image) image=$2; shift ;;
    --ram) ram=$2; shift ;;
    --viommu) viommu=1 ;;
    --removable) removable=1 ;;
    --work) work=$2; shift ;;
    --seed) seed=$2; shift ;;
    --timeout) seconds=$2; shift ;;
    --pattern) pattern=("$2" "$3"); shift 2 ;;
    *) printf 'guest.sh: %s?\n' "$1" >&2; exit 2 ;;
  esac
  shift
done

# An archive of the kernel's own format (cpio, newc) with the console and the guest's program: no tool is needed for so little.
initramfs_entry() {
  local name=$1 mode=$2 size=$3 major=$4 minor=$5
  printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X' 1 "$mode" 0 0 1 0 "$size" 0 0 "$major" "$minor" $((${#name} + 1)) 0
  printf '%s\0' "$name"
  head -c $(((4 - (110 + ${#name} + 1) % 4) % 4)) /dev/zero
}

initramfs() {
  local size
  size=$(stat -c %s "$1")
  initramfs_entry dev $((8#040755)) 0 0 0
  initramfs_entry dev/console $((8#020600)) 0 5 1
  initramfs_entry init $((8#100755)) "$size" 0 0
  cat "$1"
  head -c $(((4 - size % 4) % 4)) /dev/zero
  initramfs_entry 'TRAILER!!!' 0 0 0 0
}

build_guest() {
  if [[ $cache/guest.cpio -nt $clients/guest.c && $cache/guest.cpio -nt ${BASH_SOURCE[0]} ]]; then return; fi
  command -v gcc >/dev/null || skip 'gcc is missing (package gcc)'
  printf 'int main(void) { return 0; }\n' | gcc -static -o "$cache/guest.new" -xc - 2>/dev/null || skip 'static programs cannot be linked here (package libc6-dev)'
  gcc -static -O2 -Wall -o "$cache/guest.new" "$clients/guest.c"
  initramfs "$cache/guest.new" >"$cache/guest.cpio.new"
  mv "$cache/guest.new" "$cache/guest"
  mv "$cache/guest.cpio.new" "$cache/guest.cpio"
}

fetch_kernel() {
  if [[ -s $cache/vmlinuz ]]; then return; fi
  debian_newest "$cache/kernel.deb" bookworm "$KERNEL"
  dpkg --fsys-tarfile "$cache"/kernel.deb/*.deb | tar -xO --wildcards './boot/vmlinuz-*' >"$cache/vmlinuz.new"
  mv "$cache/vmlinuz.new" "$cache/vmlinuz"
  rm -r "$cache/kernel.deb"
}

one_at_a_time
if ((${#pattern[@]} > 0)); then
  build_guest
  exec "$cache/guest" pattern "${pattern[@]}"
fi
qemu "$version" qemu-system-x86_64
qemu_firmware "$version"
fetch_kernel
build_guest
done_fetching

append="console=ttyS0 quiet panic=-1 work=$work seed=$seed"
options=("${firmware[@]}" -nodefaults -no-user-config -no-reboot -display none -serial stdio -accel tcg -cpu max -m "$GUEST_MIB"
  -kernel "$cache/vmlinuz" -initrd "$cache/guest.cpio")
machine=q35
case $ram in
  memfd)
    options+=(-object "memory-backend-memfd,id=ram,size=${GUEST_MIB}M,share=on")
    machine+=,memory-backend=ram
    ;;
  private) ;;
esac
if [[ -n $viommu ]]; then
  options+=(-device intel-iommu,caching-mode=on)
  append+=' intel_iommu=on'
fi
bus=pcie.0
if [[ -n $removable ]]; then
  bus=rp0
  options+=(-device pcie-root-port,id=rp0,chassis=1)
  append+=' nvme_core.io_timeout=3 nvme_core.admin_timeout=3'
fi
case $disk in
  emulated) options+=(-drive "file=$image,if=none,id=disk,format=raw" -device "nvme,drive=disk,serial=emulated,bus=$bus") ;;
  group) options+=(-device "vfio-pci,host=$device,bus=$bus") ;;
  cdev) options+=(-object iommufd,id=iommufd -device "vfio-pci,host=$device,iommufd=iommufd,bus=$bus") ;;
esac

report=$(mktemp)
trap 'rm -f "$report"' EXIT
code=0
timeout -k 5 "$seconds" "${program[@]}" -machine "$machine" "${options[@]}" -append "$append" </dev/null 2>&1 |
  sed -u 's/\r//g' | tee "$report" | grep --line-buffered -a -e '^@@ ' -e qemu-system -e vfio || code=$?
if ! grep -q '^@@ end' "$report"; then
  printf 'the guest did not come to its end (%s); its last lines:\n' "$code" >&2
  tail -n 20 "$report" >&2
  exit 1
fi

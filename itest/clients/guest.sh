#!/usr/bin/env bash
# Boots a Linux guest in QEMU whose only program is guest.c, and prints what it says of its disk and network: lines of "@@ ...".
#
#   --qemu 7.2|10              which QEMU (7.2)
#   --disk emulated|group|cdev QEMU's own NVMe model (emulated), or the device at --device by way of a VFIO group, or of a VFIO
#                              character device and iommufd (which needs QEMU 10). A program of ./vmm exec finds these.
#   --disk vdpa                the virtio block device at --vdpa-disk, as QEMU 10's vhost-vdpa-device-pci
#   --disk none                no disk
#   --device BUS-ADDRESS       0000:00:0a.0 unless told otherwise
#   --vdpa-disk NODE           /dev/vhost-vdpa-0 unless told otherwise
#   --image FILE               of the emulated disk
#   --nic NODE                 a network device: -netdev vhost-vdpa with that node
#   --address IP, --peer IP    of the guest, and of whom it speaks to
#   --tap NAME                 whom it speaks to is this host, behind that interface, which gets the address of --peer
#   --packed                   its queues are packed
#   --no-control               it has no control queue
#   --pauses N                 N times, under way, QEMU is told to stop and to go on: "@@ pauses=N"
#   --incoming SOCKET          the guest is one that arrives there (QEMU 10)
#   --migrate-to SOCKET        once it is at work the guest moves to the QEMU that waits there: "@@ migrated downtime_ms=... total_ms=... device_bytes=..."
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

readonly PAUSE_SECONDS=0.1 BETWEEN_SECONDS=0.15
readonly VIRTIO=virtio.virtio_ring.virtio_pci_modern_dev.virtio_pci_legacy_dev.virtio_pci

version=7.2 disk=emulated device=0000:00:0a.0 vdpa_disk=/dev/vhost-vdpa-0 image='' ram=memfd viommu='' removable='' work=check:64 seed=1 seconds=60
nic='' address='' peer='' tap='' packed=off control=on without= pauses=0 incoming='' migrate_to='' pattern=()
while (($# > 0)); do
  case $1 in
    --qemu) version=$2; shift ;;
    --disk) disk=$2; shift ;;
    --device) device=$2; shift ;;
    --vdpa-disk) vdpa_disk=$2; shift ;;
    --image) image=$2; shift ;;
    --nic) nic=$2; shift ;;
    --address) address=$2; shift ;;
    --peer) peer=$2; shift ;;
    --tap) tap=$2; shift ;;
    --packed) packed=on ;;
    --no-control) control=off without=,ctrl_rx=off,ctrl_rx_extra=off,ctrl_vlan=off,ctrl_mac_addr=off,ctrl_guest_offloads=off,guest_announce=off ;;
    --pauses) pauses=$2; shift ;;
    --incoming) incoming=$2; shift ;;
    --migrate-to) migrate_to=$2; shift ;;
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

# An archive of the kernel's own format (cpio, newc) with the console, kernel modules and the guest's program: no tool is needed for
# so little.
initramfs_entry() {
  local name=$1 mode=$2 size=$3 major=$4 minor=$5
  printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X' 1 "$mode" 0 0 1 0 "$size" 0 0 "$major" "$minor" $((${#name} + 1)) 0
  printf '%s\0' "$name"
  head -c $(((4 - (110 + ${#name} + 1) % 4) % 4)) /dev/zero
}

initramfs_file() {
  local size
  size=$(stat -c %s "$3")
  initramfs_entry "$1" "$2" "$size" 0 0
  cat "$3"
  head -c $(((4 - size % 4) % 4)) /dev/zero
}

initramfs() {
  local module
  initramfs_entry dev $((8#040755)) 0 0 0
  initramfs_entry dev/console $((8#020600)) 0 5 1
  initramfs_entry modules $((8#040755)) 0 0 0
  for module in "$cache"/modules/*.ko; do initramfs_file "modules/${module##*/}" $((8#100644)) "$module"; done
  initramfs_file init $((8#100755)) "$1"
  initramfs_entry 'TRAILER!!!' 0 0 0 0
}

# Sets guest, the program, and its archive, by the name of what they are made of.
build_guest() {
  local sources=("$clients/guest.c" "$clients/guest_net.c" "$clients/guest.h") sum
  sum=$(cat "${sources[@]}" "${BASH_SOURCE[0]}" | cksum)
  guest=$cache/guest-${sum%% *}
  archive=$guest.cpio
  if [[ -f $guest && -f $archive ]]; then return; fi
  find "$cache" -maxdepth 1 -name 'guest-*' -mtime +1 -delete
  command -v gcc >/dev/null || skip 'gcc is missing (package gcc)'
  printf 'int main(void) { return 0; }\n' | gcc -static -o "$guest.new" -xc - 2>/dev/null || skip 'static programs cannot be linked here (package libc6-dev)'
  gcc -static -O2 -Wall -o "$guest.new" "$clients/guest.c" "$clients/guest_net.c"
  initramfs "$guest.new" >"$archive.new"
  mv "$archive.new" "$archive"
  mv "$guest.new" "$guest"
}

fetch_kernel() {
  if [[ -s $cache/vmlinuz && -d $cache/modules ]]; then return; fi
  debian_newest "$cache/kernel.deb" bookworm "$KERNEL"
  dpkg --fsys-tarfile "$cache"/kernel.deb/*.deb | tar -xO --wildcards './boot/vmlinuz-*' >"$cache/vmlinuz.new"
  rm -rf "$cache/modules.new" "$cache/modules"
  mkdir "$cache/modules.new"
  dpkg --fsys-tarfile "$cache"/kernel.deb/*.deb | tar -x -C "$cache/modules.new" --transform 's,.*/,,' --wildcards './lib/modules/*/drivers/virtio/virtio*.ko' \
    './lib/modules/*/virtio_net.ko' './lib/modules/*/virtio_blk.ko' './lib/modules/*failover.ko'
  mv "$cache/vmlinuz.new" "$cache/vmlinuz"
  mv "$cache/modules.new" "$cache/modules"
  rm -r "$cache/kernel.deb"
}

# Tells QEMU's monitor something, and fails if it is not content. Sets answer.
monitor() {
  printf '{"execute": "%s", "arguments": %s}\n' "$1" "${2:-{\}}" >&"$monitor_in"
  while read -r -t 20 answer <&"$monitor_out"; do
    case $answer in
      '{"return": '*) return ;;
      *'"error"'*) break ;;
    esac
  done
  printf '@@ error monitor %s: %s\n' "$1" "${answer:-no answer}"
  return 1
}

await_work() {
  local count
  for ((count = 0; count < 400; count++)); do
    if grep -qE '^@@ (stream bytes|churn blocks)=[1-9]' "$report"; then break; fi
    sleep 0.1
  done
}

# Moves the guest to another QEMU while its program is at work, and ends this one.
migrate() {
  local count number
  monitor qmp_capabilities || return 0
  await_work
  monitor migrate "{\"uri\": \"unix:$migrate_to\"}" || return 0
  for ((count = 0; count < 300; count++)); do
    sleep 0.1
    monitor query-migrate || return 0
    case $answer in
      *'"status": "completed"'*)
        number='s/.*"%s": \([0-9]*\).*/\1/p'
        printf '@@ migrated downtime_ms=%s total_ms=%s device_bytes=%s\n' "$(sed -n "${number/\%s/downtime}" <<<"$answer")" \
          "$(sed -n "${number/\%s/total-time}" <<<"$answer")" "$(sed -n 's/.*"vfio": {"transferred": \([0-9]*\).*/\1/p' <<<"$answer")"
        break
        ;;
      *'"status": "failed"'*) printf '@@ error migration: %s\n' "$answer"; break ;;
    esac
  done
  monitor quit
}

# Stops and resumes the machine while its program is at work.
pause_and_resume() {
  local count
  monitor qmp_capabilities || return 0
  await_work
  for ((count = 0; count < pauses; count++)); do
    monitor stop || return 0
    sleep $PAUSE_SECONDS
    monitor cont || return 0
    sleep $BETWEEN_SECONDS
  done
  if grep -qE '^@@ (stream .*wrong|churn .*wrong)' "$report"; then
    printf '@@ error the work was done before the last pause\n'
  fi
  printf '@@ pauses=%d\n' "$count"
}

one_at_a_time
if ((${#pattern[@]} > 0)); then
  fetch_kernel
  build_guest
  exec "$guest" pattern "${pattern[@]}"
fi
qemu "$version" qemu-system-x86_64
qemu_firmware "$version"
fetch_kernel
build_guest
done_fetching

# A busy host makes the guest doubt its timer.
append="console=ttyS0 quiet panic=-1 no_timer_check work=$work seed=$seed"
options=("${firmware[@]}" -nodefaults -no-user-config -no-reboot -display none -serial stdio -accel tcg -cpu max -m "$GUEST_MIB"
  -kernel "$cache/vmlinuz" -initrd "$archive")
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
load=$VIRTIO moves=
if [[ -n $incoming$migrate_to ]]; then moves=,enable-migration=on; fi
if [[ -n $incoming ]]; then options+=(-incoming "unix:$incoming"); fi
case $disk in
  emulated) options+=(-drive "file=$image,if=none,id=disk,format=raw" -device "nvme,drive=disk,serial=emulated,bus=$bus") ;;
  group) options+=(-device "vfio-pci,host=$device,bus=$bus$moves") ;;
  cdev) options+=(-object iommufd,id=iommufd -device "vfio-pci,host=$device,iommufd=iommufd,bus=$bus$moves") ;;
  vdpa)
    options+=(-device "vhost-vdpa-device-pci,vhostdev=$vdpa_disk,bus=$bus")
    load+=.virtio_blk
    append+=' disk=vda'
    ;;
  none) append+=' disk=none' ;;
esac
if [[ -n $nic ]]; then
  options+=(-netdev "vhost-vdpa,id=net,vhostdev=$nic" -device "virtio-net-pci,netdev=net,packed=$packed,ctrl_vq=$control$without,bus=pcie.0,romfile=")
  load+=.failover.net_failover.virtio_net
  append+=" address=$address peer=$peer"
fi
if [[ -n $nic || $disk == vdpa ]]; then append+=" load=$load"; fi

folder=$(mktemp -d)
report=$folder/report
: >"$report"
background=()
trap 'kill "${background[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
if [[ -n $tap ]]; then
  command -v ip >/dev/null || skip 'ip is missing (package iproute2)'
  ip address replace "$peer/24" dev "$tap"
  ip link set "$tap" up
  "$guest" echo "$peer" </dev/null &
  background+=($!)
fi
if [[ -n $migrate_to ]] || ((pauses > 0)); then
  mkfifo "$folder/monitor.in" "$folder/monitor.out"
  options+=(-chardev "pipe,id=monitor,path=$folder/monitor" -mon chardev=monitor,mode=control)
  exec {monitor_in}<>"$folder/monitor.in" {monitor_out}<>"$folder/monitor.out"
  if [[ -n $migrate_to ]]; then migrate & else pause_and_resume & fi
  background+=($!)
fi
code=0
timeout -k 5 "$seconds" "${program[@]}" -machine "$machine" "${options[@]}" -append "$append" </dev/null 2>&1 |
  sed -u 's/\r//g' | tee "$report" | grep --line-buffered -a -e '^@@ ' -e qemu-system -e vfio -e vhost || code=$?
if [[ -n $migrate_to ]]; then
  wait "${background[@]}" || true
elif ! grep -q '^@@ end' "$report"; then
  printf 'the guest did not come to its end (%s); its last lines:\n' "$code" >&2
  tail -n 20 "$report" >&2
  exit 1
fi

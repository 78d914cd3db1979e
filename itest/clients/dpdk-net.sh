#!/usr/bin/env bash
# DPDK 22.11's testpmd drives virtio network devices at /dev/vhost-vdpa-N, as its virtio-user. A program of ./vmm exec --char-devices.
#
#   dpdk-net.sh send SECONDS [ARGUMENTS]     packets of 64 bytes, as fast as it goes: "@@ send packets=... pps=..."; ARGUMENTS of the
#                                            device, such as packed_vq=1
#   dpdk-net.sh receive SECONDS [ARGUMENTS]  the other way: "@@ receive packets=... pps=..."
#   dpdk-net.sh pass IN OUT [ARGUMENTS]      packets of the pcap file IN are sent by device 0, received by device 1, and come to the pcap
#                                            file OUT
#
# Exit code 0 if testpmd ran to its end; 77, and a line that begins with SKIPPED, if something is missing that cannot be had here.
set -euo pipefail
# shellcheck source=clients.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/clients.sh"

readonly SECONDS_AT_MOST=60
readonly FEW_PACKETS_SECONDS=20
way=$1
shift
[[ $(uname -m) == x86_64 ]] || skip 'the clients are programs for x86-64'
(($(nproc) >= 2)) || skip 'DPDK wants a processor of its own, and there is one only'
one_at_a_time
dpdk
done_fetching

debian_program "$cache/dpdk-22.11" dpdk-testpmd
drivers=$cache/dpdk-22.11/usr/lib/x86_64-linux-gnu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
report=$folder/report
: >"$report"
options=(--no-huge -m 256 --iova-mode=va --no-telemetry --no-shconf --no-pci -l "0,1")
for driver in bus_vdev mempool_ring net_virtio net_pcap; do options+=(-d "$drivers/librte_$driver.so.23"); done

# Commands of testpmd come from a pipe, which stays open until the program is told to quit.
mkfifo "$folder/commands"
exec {commands}<>"$folder/commands"
testpmd() {
  timeout -k 5 $SECONDS_AT_MOST "${program[@]}" "${options[@]}" -- -i --no-mlockall --total-num-mbufs=16384 "$@" <"$folder/commands" >"$report" 2>&1 &
  tester=$!
  # It asks for a command when its devices work.
  for ((count = 0; count < 300; count++)); do
    if grep -q 'testpmd>' "$report"; then return; fi
    kill -0 "$tester" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 40 "$report"
  exit 1
}

command() { printf '%s\n' "$1" >&"$commands"; }

quit() {
  command stop
  command quit
  wait "$tester" || {
    tail -n 40 "$report"
    printf 'DPDK is not content\n'
    exit 1
  }
}

# The number that testpmd shows last under a name.
shown() { grep -o "$1: *[0-9]*" "$report" | tail -n 1 | grep -o '[0-9]*$'; }

# testpmd says how many packets a second there were between its last two answers; the first seconds are the compilers'.
rate() {
  command start
  sleep 3
  command 'show port stats 0'
  sleep "$2"
  command 'show port stats 0'
  quit
  printf '@@ %s packets=%s pps=%s\n' "$way" "$(shown "$1-packets")" "$(shown "${1:0:1}x-pps")"
}

case $way in
  send | receive)
    seconds=$1
    options+=("--vdev=net_virtio_user0,path=/dev/vhost-vdpa-0${2:+,$2}")
    if [[ $way == send ]]; then
      testpmd --forward-mode=txonly
      rate TX "$seconds"
    else
      testpmd --forward-mode=rxonly
      rate RX "$seconds"
    fi
    ;;
  pass)
    # Ports are paired in this order: 0 with 1, 2 with 3.
    options+=("--vdev=net_pcap0,rx_pcap=$1" "--vdev=net_virtio_user0,path=/dev/vhost-vdpa-0${3:+,$3}"
      "--vdev=net_virtio_user1,path=/dev/vhost-vdpa-1${3:+,$3}" "--vdev=net_pcap1,tx_pcap=$2")
    testpmd --forward-mode=io --no-flush-rx
    command 'set fwd io retry'
    command 'set burst tx delay 10 retry 100000'
    command start
    size=-1
    for ((count = 0; count < FEW_PACKETS_SECONDS; count++)); do
      sleep 1
      now=$(stat -c %s "$2" 2>/dev/null || printf 0)
      if ((now > 0 && now == size)); then break; fi
      size=$now
    done
    quit
    printf '@@ pass ended\n'
    ;;
  *)
    printf 'dpdk-net.sh: %s?\n' "$way" >&2
    exit 2
    ;;
esac

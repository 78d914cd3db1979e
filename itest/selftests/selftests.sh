# What the runs of Linux's selftests share: their source, huge pages, and the comparison of a report with what is expected.
# To be sourced.
# shellcheck shell=bash

readonly KERNEL=7.3                    # the expectations are about this one
readonly RELEASE=trixie                # the Debian release whose backports have it
readonly CAP_SYS_RESOURCE=24

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
readonly here
root=$(cd "$here/../.." && pwd)
readonly root
readonly cache=${IOMMUFD_SELFTESTS_DIR:-$HOME/.cache/iommufd-selftests}
# shellcheck source=../debian.sh
source "$here/../debian.sh"

require_device_nodes() {
  ((EUID == 0)) || skip 'the selftests need root'
  [[ -c /dev/fuse ]] || skip '/dev/fuse is missing: this kernel, or container, has no FUSE'
}

# Downloads and unpacks the few files of the kernel's source that are needed, to $cache/source.
fetch_source() {
  [[ ! -d $cache/source/tools/testing/selftests/vfio ]] || return 0
  mkdir -p "$cache"
  debian_newest "$cache/source.deb" "$RELEASE-backports" "linux-source-${KERNEL//./\\.}"
  rm -rf "$cache/source" "$cache/unpacked"
  mkdir -p "$cache/unpacked"
  # One stream: neither the package nor the whole source is ever laid out on disk.
  dpkg --fsys-tarfile "$cache"/source.deb/*.deb | tar -xO --wildcards "*/linux-source-$KERNEL.tar.xz" |
    tar -xJ -C "$cache/unpacked" --strip-components=1 --wildcards \
      '*/tools/testing/selftests/iommu/*' '*/tools/testing/selftests/vfio/*' '*/tools/testing/selftests/kselftest*.h' '*/tools/include/*' \
      '*/tools/arch/x86/include/*' '*/drivers/iommu/iommufd/iommufd_test.h' '*/include/linux/pci_ids.h' '*/include/uapi/linux/*' \
      '*/drivers/dma/ioat/*.h' '*/drivers/dma/idxd/registers.h' '*/drivers/net/ethernet/intel/igb/*.h'
  rm -r "$cache/source.deb"
  mv "$cache/unpacked" "$cache/source"
}

# Headers that the machine's own may be too old for, as `make headers_install` would leave them, in $cache/headers.
install_headers() {
  local header
  mkdir -p "$cache/headers/linux"
  for header in iommufd vfio idxd typelimits; do
    sed 's/\b__user\b//g; s/__counted_by([a-z_]*)//g' "$cache/source/include/uapi/linux/$header.h" >"$cache/headers/linux/$header.h"
  done
}

# reserve_huge_pages KIB COUNT: has that many free huge pages of this size for the run, and gives back at its end what it took.
reserve_huge_pages() {
  local size=$1 count=$2 pages before free
  pages=/sys/kernel/mm/hugepages/hugepages-${size}kB
  free=$(cat "$pages/free_hugepages" 2>/dev/null) || return 1
  if ((free >= count)); then return; fi
  before=$(<"$pages/nr_hugepages")
  gives_back="${gives_back:-}echo $before >$pages/nr_hugepages;"
  # shellcheck disable=SC2064  # now, not later
  trap "$gives_back" EXIT
  echo $((before + count - free)) 2>/dev/null >"$pages/nr_hugepages" || return 1
  free=$(<"$pages/free_hugepages")
  ((free >= count))
}

# Prints "result name" for each line of a TAP report.
results() {
  sed -nE 's/^not ok [0-9]+ ([^ ]+).*/fail \1/p; s/^ok [0-9]+ ([^ ]+) # SKIP.*/skip \1/p; s/^ok [0-9]+ ([^ ]+)( *)$/pass \1/p' "$1" | sort -k2
}

# expectations FILE [CONDITION...]: prints "result name" for each test that is not expected to pass on this machine.
expectations() {
  local file=$1 capabilities when=always condition
  shift
  capabilities=$((16#$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)))
  if ((!(capabilities >> CAP_SYS_RESOURCE & 1))); then when+='|no-sys-resource'; fi
  for condition in "$@"; do when+="|$condition"; done
  sed -nE "s/^(fail|skip) +($when) +([^ ]+).*/\\1 \\3/p" "$file" | sort -k2
}

# differences REPORT FOUND EXPECTED: prints the tests that did not end as expected, and what they said.
differences() {
  local report=$1 found=$2 expected=$3 result name wanted
  while read -r result name; do
    wanted=$(awk -v name="$name" '$2 == name {print $1}' <<<"$expected")
    if [[ $result != "${wanted:-pass}" ]]; then
      printf '%s: %s, expected %s\n' "$name" "$result" "${wanted:-pass}"
      sed -n "/^#  RUN  *$name \.\.\./,/^\(not \)\?ok /p" "$report" | sed -n '2,12s/^/    /p'
    fi
  done <<<"$found"
}

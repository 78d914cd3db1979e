#!/usr/bin/env bash
# Two guests (guest.sh) speak to each other, each by a network device at /dev/vhost-vdpa-0 and -1. What the second one says, which does the
# task "echo", begins with "@@ peer".
#
#   guest-pair.sh [--work TASKS] [OPTION...]     options are guest.sh's, for both
#
# Exit code 0 if both came to their end; 77, and a line that begins with SKIPPED, if something is missing that cannot be had here.
set -euo pipefail
clients=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
readonly clients FIRST=10.9.0.1 SECOND=10.9.0.2

work=ping:20,traffic:4,bye options=()
while (($# > 0)); do
  case $1 in
    --work) work=$2; shift ;;
    *) options+=("$1") ;;
  esac
  shift
done

folder=$(mktemp -d)
trap 'kill "$second" 2>/dev/null || true; rm -rf "$folder"' EXIT
"$clients/guest.sh" "${options[@]}" --disk none --nic /dev/vhost-vdpa-1 --address $SECOND --peer $FIRST --work echo >"$folder/second" 2>&1 &
second=$!
code=0
"$clients/guest.sh" "${options[@]}" --disk none --nic /dev/vhost-vdpa-0 --address $FIRST --peer $SECOND --work "$work" || code=$?
if ((code == 0)); then wait "$second" || code=$?; fi
sed 's/^@@ /@@ peer /' "$folder/second"
exit $code

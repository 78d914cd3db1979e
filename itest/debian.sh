# Debian's packages for the scripts beside this one: fetched from the archive this machine gets its own packages from, and
# unpacked in a folder. Nothing is installed, and the machine's own package lists are left as they are. To be sourced.
# shellcheck shell=bash

readonly SKIP=77
readonly DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# Ends the script: something is missing that cannot be had here.
skip() {
  printf 'SKIPPED: %s\n' "$1"
  exit $SKIP
}

# Prints the archive this machine gets its own Debian packages from.
debian_archive() {
  local archives
  archives=$({ sed -n 's/^URIs:[[:space:]]*//p' /etc/apt/sources.list.d/*.sources
    sed -n 's/^deb[[:space:]]\+\(\[[^]]*\][[:space:]]\+\)\?\([^[:space:]]\+\).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
  } 2>/dev/null | tr ' ' '\n' | grep -v -e '^$' -e security || true)
  head -n 1 <<<"$archives"
}

# Package lists of the Debian releases named after the folder, in a folder of their own. Sets debian_apt, apt's options for them:
# no package counts as installed, so whatever is asked for comes with all it needs.
debian_lists() {
  local apt=$1 log=${1%/*}/fetch.log archive release
  shift
  grep -qs '^ID=debian$' /etc/os-release || skip "the packages are Debian's and this is no Debian"
  archive=$(debian_archive)
  [[ -n $archive ]] || skip 'apt has no package archive here'
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  for release in "$@"; do
    printf 'deb [signed-by=%s] %s %s main\n' "$DEBIAN_KEYRING" "$archive" "$release"
  done >"$apt/sources.list"
  : >"$apt/status"
  debian_apt=(-q -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$apt/lists"
    -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
  apt-get "${debian_apt[@]}" update >"$log" 2>&1 || skip "the package archive cannot be reached (log: $log)"
}

# debian_tree FOLDER RELEASE PACKAGE...: FOLDER holds these packages of the release (or release-backports) and all that they need,
# as if installed there.
debian_tree() {
  local tree=$1 release=$2 apt=$1.apt log=${1%/*}/fetch.log package
  shift 2
  [[ -d $tree ]] && return
  printf 'fetching %s of %s, once\n' "$*" "$release" >&2
  local releases=("$release")
  if [[ $release == *-backports ]]; then releases+=("${release%-backports}"); fi
  debian_lists "$apt" "${releases[@]}"
  apt-get "${debian_apt[@]}" install --download-only --no-install-recommends -y -t "$release" "$@" >>"$log" 2>&1 ||
    skip "$* cannot be downloaded from $release (log: $log)"
  rm -rf "$tree.new"
  mkdir -p "$tree.new"
  for package in "$apt"/cache/archives/*.deb; do dpkg -x "$package" "$tree.new"; done
  rm -rf "$apt"
  mv "$tree.new" "$tree"
}

# debian_newest FOLDER RELEASE PATTERN: FOLDER holds the package whose name matches the pattern, of several the newest; not what it
# needs. It is not unpacked: `dpkg --fsys-tarfile FOLDER/*.deb` is what it holds.
debian_newest() {
  local folder=$1 release=$2 pattern=$3 apt=$1.apt log=${1%/*}/fetch.log package
  [[ -d $folder ]] && return
  debian_lists "$apt" "$release"
  package=$(apt-cache "${debian_apt[@]}" search --names-only "^$pattern\$" | cut -d ' ' -f 1 | sort -V | tail -n 1)
  [[ -n $package ]] || skip "$release has no package $pattern"
  printf 'fetching %s of %s, once\n' "$package" "$release" >&2
  mkdir -p "$apt/package"
  (cd "$apt/package" && apt-get "${debian_apt[@]}" download "$package") >>"$log" 2>&1 ||
    skip "$package cannot be downloaded from $release (log: $log)"
  mv "$apt/package" "$folder"
  rm -rf "$apt"
}

# debian_program FOLDER PROGRAM: sets program, the words that run a program of a tree with the tree's own libraries.
debian_program() {
  local tree=$1
  program=("$tree/lib64/ld-linux-x86-64.so.2" --library-path
    "$tree/lib/x86_64-linux-gnu:$tree/usr/lib/x86_64-linux-gnu" "$tree/usr/bin/$2")
}

# debian_packages FOLDER PACKAGE...: FOLDER holds these packages of the machine's own release, unpacked; not what they need.
debian_packages() {
  local folder=$1 apt=$1.apt log=${1%/*}/fetch.log release package
  shift
  [[ -d $folder ]] && return
  release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  debian_lists "$apt" "$release"
  printf 'fetching %s of %s, once\n' "$*" "$release" >&2
  mkdir -p "$apt/package" "$folder.new"
  (cd "$apt/package" && apt-get "${debian_apt[@]}" download "$@") >>"$log" 2>&1 || skip "$* cannot be downloaded from $release (log: $log)"
  for package in "$apt"/package/*.deb; do dpkg -x "$package" "$folder.new"; done
  rm -rf "$apt"
  mv "$folder.new" "$folder"
}

# debian_source FOLDER PACKAGE RELEASE...: FOLDER holds the upstream archive of the newest version of a source package that is in any of
# these releases and can be downloaded: a mirror's lists may be newer than what it keeps.
debian_source() {
  local folder=$1 package=$2 apt=$1.apt log=${1%/*}/fetch.log version
  shift 2
  [[ -d $folder ]] && return
  debian_lists "$apt" "$@"
  sed -i 's/^deb /deb-src /' "$apt/sources.list"
  apt-get "${debian_apt[@]}" update >>"$log" 2>&1 || skip "the package archive has no sources (log: $log)"
  mkdir -p "$apt/source"
  while read -r version; do
    printf 'fetching the source of %s %s, once\n' "$package" "$version" >&2
    if (cd "$apt/source" && apt-get "${debian_apt[@]}" source --download-only "$package=$version") >>"$log" 2>&1; then
      mv "$apt/source" "$folder"
      rm -rf "$apt"
      return
    fi
  done < <(apt-cache "${debian_apt[@]}" showsrc "$package" | sed -n 's/^Version: //p' | sort -uVr)
  skip "no source of $package can be downloaded (log: $log)"
}

# Family debian: Debian and Ubuntu. See family.sh.
APT_PROXY=/etc/apt/apt.conf.d/90onprem-mlops-proxy
APT_LISTS_LOCK=/var/lib/apt/lists/lock
export DEBIAN_FRONTEND=noninteractive

# shellcheck disable=SC2034 # read through family.sh
debian_constants() {
  TRUST_DIRECTORY=/usr/local/share/ca-certificates TRUST_SUFFIX=crt
  TRUST_BUNDLE=/etc/ssl/certs/ca-certificates.crt TRUST_TOOL=update-ca-certificates
  SNAPD_UNITS=(snapd.socket)
}

debian_has_package() { dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -qx 'install ok installed'; }

# on a file system that the kernel and stat number differently (btrfs) nobody is seen, and apt-get itself tells
debian_lists_are_free() {
  local device inode
  [ -f "$APT_LISTS_LOCK" ] || return 0
  read -r device inode < <(stat -c '%d %i' "$APT_LISTS_LOCK")
  ! grep -qF " $(printf '%02x:%02x' $((device >> 8 & 0xfff)) $((device & 0xff | device >> 12 & 0xfff00))):$inode " /proc/locks
}

debian_read_lists() {
  # a host that has just booted may be reading them; `apt-get update` does not wait, whatever DPkg::Lock::Timeout says
  until_true 300 'no other program reads the package lists of apt' debian_lists_are_free
  quiet apt-get update
}

debian_install() {
  debian_read_lists
  # nor has it installed its updates yet
  quiet apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

debian_update_trust() { quiet update-ca-certificates --fresh; }

debian_configure_package_proxy() {
  if [ -n "$PLAIN_PROXY" ]; then
    debian_proxy_lines | write_file "$APT_PROXY" "$PROXY_MODE"
  else
    rm -f "$APT_PROXY"
  fi
}

debian_proxy_lines() {
  local entry
  printf 'Acquire::http::Proxy "%s";\nAcquire::https::Proxy "%s";\n' "$PLAIN_PROXY" "$TLS_PROXY"
  # apt knows hosts only, no networks and no domains
  for entry in ${DIRECT//,/ }; do
    case "$entry" in
      .* | */*) ;;
      *) printf 'Acquire::http::Proxy::%s "DIRECT";\nAcquire::https::Proxy::%s "DIRECT";\n' "$entry" "$entry" ;;
    esac
  done
}

# its own archive has it
debian_add_snapd_source() { :; }

debian_module_packages() {
  local kernel flavour
  # Debian's kernel comes whole
  if [ "$(release_value ID)" != ubuntu ]; then return 0; fi
  kernel=$(uname -r)
  printf 'linux-modules-extra-%s\n' "$kernel"
  # and, where there is one, the package that brings those of the next kernel along with it
  flavour="linux-modules-extra-${kernel##*-}"
  debian_read_lists
  if apt-cache show "$flavour" >/dev/null 2>&1 9>&-; then printf '%s\n' "$flavour"; fi
}

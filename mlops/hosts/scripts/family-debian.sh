# Family debian: Debian and Ubuntu. See family.sh.
APT_PROXY=/etc/apt/apt.conf.d/90onprem-mlops-proxy
export DEBIAN_FRONTEND=noninteractive

# shellcheck disable=SC2034 # read through family.sh
debian_constants() {
  TRUST_DIRECTORY=/usr/local/share/ca-certificates TRUST_SUFFIX=crt
  TRUST_BUNDLE=/etc/ssl/certs/ca-certificates.crt TRUST_TOOL=update-ca-certificates
  SNAPD_UNITS=(snapd.socket)
}

debian_has_package() { dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -qx 'install ok installed'; }

debian_install() {
  quiet apt-get update
  # a host that has just booted may still be installing its updates
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
  quiet apt-get update
  if apt-cache show "$flavour" >/dev/null 2>&1 9>&-; then printf '%s\n' "$flavour"; fi
}

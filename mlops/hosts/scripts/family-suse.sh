# Family suse: openSUSE Leap and SUSE Linux Enterprise Server. See family.sh.
SUSE_PROXY=/etc/sysconfig/proxy
SNAPPY=https://download.opensuse.org/repositories/system:/snappy/openSUSE_Leap_15.6
# another zypper (updates of a host that has just booted) holds its lock: wait for it
export ZYPP_LOCK_TIMEOUT=300

# shellcheck disable=SC2034 # read through family.sh
suse_constants() {
  TRUST_DIRECTORY=/etc/pki/trust/anchors TRUST_SUFFIX=pem
  TRUST_BUNDLE=/etc/ssl/ca-bundle.pem TRUST_TOOL=update-ca-certificates
  SNAPD_UNITS=(snapd.apparmor.service snapd.socket)
}

suse_has_package() { rpm -q "$1" >/dev/null 2>&1; }

# 102 and 103 only say that the host should be rebooted, or zypper started again
zypper_quiet() {
  local code=0
  zypper --non-interactive "$@" || code=$?
  case "$code" in 102 | 103) code=0 ;; esac
  return "$code"
}

suse_install() { quiet zypper_quiet install --no-recommends "$@"; }

suse_update_trust() { quiet update-ca-certificates; }

suse_configure_package_proxy() {
  local text=''
  if [ -n "$PLAIN_PROXY" ]; then
    printf -v text 'PROXY_ENABLED="yes"\nHTTP_PROXY="%s"\nHTTPS_PROXY="%s"\nNO_PROXY="%s"' "$PLAIN_PROXY" "$TLS_PROXY" "$DIRECT"
  fi
  write_block "$SUSE_PROXY" "$PROXY_MODE" "$text"
}

# snapd comes from the project system:snappy; SLES takes that of the Leap it shares its packages with
suse_add_snapd_source() {
  if zypper --non-interactive search --match-exact --type package snapd >/dev/null 2>&1 9>&-; then return 0; fi
  if ! zypper --non-interactive repos snappy >/dev/null 2>&1 9>&-; then
    quiet zypper_quiet addrepo --refresh "$SNAPPY" snappy
  fi
  quiet zypper_quiet --gpg-auto-import-keys refresh snappy
}

# kernel-default-base, which small images have, is without most modules
suse_module_packages() { printf 'kernel-default\n'; }

# Family redhat: Red Hat Enterprise Linux, Rocky Linux, AlmaLinux. See family.sh.
DNF_CONFIGURATION=/etc/dnf/dnf.conf

# shellcheck disable=SC2034 # read through family.sh
redhat_constants() {
  TRUST_DIRECTORY=/etc/pki/ca-trust/source/anchors TRUST_SUFFIX=pem
  TRUST_BUNDLE=/etc/pki/tls/certs/ca-bundle.crt TRUST_TOOL=update-ca-trust
  SNAPD_UNITS=(snapd.socket)
}

redhat_has_package() { rpm -q "$1" >/dev/null 2>&1; }

redhat_install() { quiet dnf install -y "$@"; }

redhat_update_trust() { quiet update-ca-trust extract; }

# dnf has no setting for what goes without the proxy; its library reads no_proxy of the environment (see configure_proxy)
redhat_configure_package_proxy() {
  local text=''
  if [ -n "$PLAIN_PROXY" ]; then
    text="proxy=$TLS_PROXY"
    # the lines go to the end of the file, which is not always its section [main]
    if [ "$(without_block "$DNF_CONFIGURATION" | awk '/^\[/ {last = $0} END {print last}')" != '[main]' ]; then text="[main]"$'\n'"$text"; fi
  fi
  write_block "$DNF_CONFIGURATION" "$PROXY_MODE" "$text"
}

# snapd comes from EPEL
redhat_add_snapd_source() {
  local major
  if dnf -q list snapd >/dev/null 2>&1 9>&-; then return 0; fi
  if [ "$(release_value ID)" != rhel ]; then
    quiet dnf install -y epel-release
    return 0
  fi
  major=$(release_value VERSION_ID)
  major=${major%%.*}
  # packages of EPEL may depend on CodeReady Builder; a host without subscription (cloud images) has it by other means
  if subscription-manager identity >/dev/null 2>&1 9>&-; then
    quiet subscription-manager repos --enable "codeready-builder-for-rhel-${major}-$(uname -m)-rpms"
  fi
  quiet dnf install -y "https://dl.fedoraproject.org/pub/epel/epel-release-latest-${major}.noarch.rpm"
}

redhat_module_packages() {
  # of the running kernel: without a version dnf brings a newer kernel's, which help after a reboot only
  printf 'kernel-modules-%s\nkernel-modules-extra-%s\n' "$(uname -r)" "$(uname -r)"
}

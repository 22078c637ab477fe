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

# url_for_libzypp URL: libzypp decodes a proxy's user and password twice, wherever it has the URL from: itself, then libcurl for
# CURLOPT_PROXYUSERPWD (MediaCurl.cc, request.cc). Of what is encoded once only `%` before two hexadecimal digits does not survive that.
url_for_libzypp() {
  local credentials=''
  if [[ $1 == *@* ]]; then credentials=${1%@*}; fi
  printf '%s%s' "$(sed -E 's/%25([0-9A-Fa-f]{2})/%2525\1/g' <<<"$credentials")" "${1#"$credentials"}"
}

# ask_zypper ARGUMENT...: the variables of /etc/environment may be set here; libproxy asks them before SUSE_PROXY, so they must say the same.
ask_zypper() (
  if [ -n "$PLAIN_PROXY" ]; then
    http_proxy=$(url_for_libzypp "$PLAIN_PROXY")
    https_proxy=$(url_for_libzypp "$TLS_PROXY")
    export http_proxy https_proxy
  fi
  zypper --non-interactive "$@"
)

# 102 and 103 only say that the host should be rebooted, or zypper started again
zypper_quiet() {
  local code=0
  ask_zypper "$@" || code=$?
  case "$code" in 102 | 103) code=0 ;; esac
  return "$code"
}

suse_install() { quiet zypper_quiet install --no-recommends "$@"; }

suse_update_trust() { quiet update-ca-certificates; }

# libzypp and libproxy take the last of two equal names. What aaa_base reads this file with goes line by line: profile.sh of log-in shells takes
# an address only after PROXY_ENABLED="yes", so that they keep what /etc/environment says, encoded once; setup-systemd-proxy-env ends at
# "no", else it would write the password into a file that everybody may read.
suse_configure_package_proxy() {
  local text=''
  if [ -n "$PLAIN_PROXY" ]; then
    printf -v text 'PROXY_ENABLED="no"\nHTTP_PROXY="%s"\nHTTPS_PROXY="%s"\nNO_PROXY="%s"\nPROXY_ENABLED="yes"' \
      "$(url_for_libzypp "$PLAIN_PROXY")" "$(url_for_libzypp "$TLS_PROXY")" "$DIRECT"
  fi
  write_block "$SUSE_PROXY" "$PROXY_MODE" "$text"
}

# snapd comes from the project system:snappy; SLES takes that of the Leap it shares its packages with
suse_add_snapd_source() {
  if ask_zypper search --match-exact --type package snapd >/dev/null 2>&1 9>&-; then return 0; fi
  if ! ask_zypper repos snappy >/dev/null 2>&1 9>&-; then
    quiet zypper_quiet addrepo --refresh "$SNAPPY" snappy
  fi
  quiet zypper_quiet --gpg-auto-import-keys refresh snappy
}

# kernel-default-base, which small images have, is without most modules
suse_module_packages() { printf 'kernel-default\n'; }

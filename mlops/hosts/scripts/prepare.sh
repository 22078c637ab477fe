# Checks the host before anything on it changes, then gives it the site's trust bundle and proxy.
# Values: HOST_NAME OS_FAMILY MIN_FREE_KIB CERTIFICATES (PEM, many) PROXY_ENVIRONMENT (lines NAME="value", or empty)
#   APT_PROXY_CONFIGURATION PROXY_PASSWORD PROXY_PASSWORD_IN_URL (may be empty)
TRUST_DIRECTORY=/usr/local/share/ca-certificates
TRUST_BUNDLE=/etc/ssl/certs/ca-certificates.crt
APT_PROXY=/etc/apt/apt.conf.d/90onprem-mlops-proxy

release_value() {
  # shellcheck disable=SC1091 # a file of the host's
  (. /etc/os-release && printf '%s' "${!1-}")
}

check_family() {
  local id like found
  id=$(release_value ID)
  like=$(release_value ID_LIKE)
  case " $id $like " in
    *' debian '* | *' ubuntu '*) found=debian ;;
    *) found="$id" ;;
  esac
  if [ "$found" != debian ]; then
    problem "operating system '$(release_value PRETTY_NAME)'" "Debian 12 or 13, Ubuntu 22.04, 24.04 or 26.04" "install one of these"
  elif [ "$OS_FAMILY" != auto ] && [ "$OS_FAMILY" != "$found" ]; then
    problem "operating system family '$found'" "'$OS_FAMILY', as the settings say" "set osFamily of this host to auto or '$found'"
  fi
}

check_name() {
  local name
  name=$(hostname | tr '[:upper:]' '[:lower:]')
  # MicroK8s registers a node under its lower-case host name (canonical/microk8s scripts/wrappers/join.py).
  [ "$name" = "$HOST_NAME" ] || problem "host name '$name'" "'$HOST_NAME', as the settings say" "hostnamectl set-hostname $HOST_NAME, or mend hosts.nodes[].name"
}

check_space() {
  local free needed="$MIN_FREE_KIB"
  # what MicroK8s has taken of it since is not asked for a second time
  if [ -d /var/snap/microk8s/current ]; then needed=$((1024 * 1024)); fi
  mkdir -p /var/snap
  free=$(df -Pk /var/snap | awk 'NR==2 {print $4}')
  [ "$free" -ge "$needed" ] || problem "$((free / 1024)) MiB free under /var/snap" "at least $((needed / 1024)) MiB" "free some space or give /var/snap a disk of its own"
}

# TLS breaks when clocks differ: a certificate authority that is not yet valid here means that this clock is slow (or the other one fast).
check_clock() {
  local certificate="$1" start end now
  now=$(date -u +%s)
  start=$(date -u -d "$(openssl x509 -in "$certificate" -noout -startdate | cut -d= -f2)" +%s)
  end=$(date -u -d "$(openssl x509 -in "$certificate" -noout -enddate | cut -d= -f2)" +%s)
  if [ "$now" -lt "$start" ]; then
    problem "the clock shows $(date -u -d "@$now" +%FT%TZ), $((start - now)) s before a trusted certificate becomes valid" "a clock in time with the site's" "set the time: install chrony, or timedatectl set-ntp true"
    return 1
  fi
  if [ "$now" -ge "$end" ]; then
    problem "the clock shows $(date -u -d "@$now" +%FT%TZ), after the trusted certificate '$(openssl x509 -in "$certificate" -noout -subject)' expired" "a clock in time with the site's, and certificates that are valid" "set the time, or take the certificate out of trust.extraRoots"
    return 1
  fi
}

split_certificates() {
  # one certificate a file, as update-ca-certificates wants it; the name carries the digest, so an old one is told from a new one
  local directory="$1" block='' line file
  while IFS= read -r line; do
    block+="$line"$'\n'
    if [ "$line" = '-----END CERTIFICATE-----' ]; then
      file="onprem-mlops-$(printf '%s' "$block" | sha256sum | cut -c 1-16).crt"
      printf '%s' "$block" >"$directory/$file"
      block=''
    fi
  done <<<"$CERTIFICATES"
}

install_trust() {
  local wanted="$1" file target
  CHANGED=no
  for file in "$wanted"/onprem-mlops-*.crt; do
    target="$TRUST_DIRECTORY/$(basename "$file")"
    write_file "$target" 0644 <"$file"
  done
  for file in "$TRUST_DIRECTORY"/onprem-mlops-*.crt; do
    if [ ! -f "$wanted/$(basename "$file")" ]; then
      rm -f "$file"
      CHANGED=yes
    fi
  done
  if [ "$CHANGED" = yes ] || ! [ -s "$TRUST_BUNDLE" ]; then quiet update-ca-certificates --fresh; fi
  for file in "$wanted"/onprem-mlops-*.crt; do
    # -partial_chain: an intermediate given as an extra root is an anchor of its own
    openssl verify -partial_chain -CAfile "$TRUST_BUNDLE" "$file" >/dev/null 2>&1 ||
      fail "$(openssl x509 -in "$file" -noout -subject) is not trusted after update-ca-certificates" "trusted by $TRUST_BUNDLE" "look at $TRUST_DIRECTORY on the host"
  done
}

configure_proxy() {
  # readable by everybody as long as no password stands in it; root reads it at log-in, snapd and systemd read it as root
  local mode=0644
  if [ -n "$PROXY_PASSWORD" ]; then mode=0600; fi
  write_block /etc/environment "$mode" "$PROXY_ENVIRONMENT"
  if [ -n "$APT_PROXY_CONFIGURATION" ]; then
    write_file "$APT_PROXY" 0600 <<<"$APT_PROXY_CONFIGURATION"
  else
    rm -f "$APT_PROXY"
  fi
}

with_certificates() {
  local wanted
  wanted=$(mktemp -d)
  split_certificates "$wanted"
  "$1" "$wanted"
  rm -rf "$wanted"
}

check_clocks() {
  local file
  for file in "$1"/onprem-mlops-*.crt; do check_clock "$file" || break; done
}

apply() {
  check_family
  check_name
  check_space
  # with the other checks where openssl is there already, so that all is told at once; else it is installed first
  if command -v openssl >/dev/null; then with_certificates check_clocks; fi
  stop_on_problems
  configure_proxy
  install_packages ca-certificates openssl
  with_certificates check_clocks
  stop_on_problems
  with_certificates install_trust
  say "host ${HOST_NAME} is prepared"
}

reset() {
  rm -f "$TRUST_DIRECTORY"/onprem-mlops-*.crt
  quiet update-ca-certificates --fresh
  PROXY_ENVIRONMENT='' APT_PROXY_CONFIGURATION='' configure_proxy
  say "host ${HOST_NAME} no longer trusts the site's certificates and has no proxy set"
}

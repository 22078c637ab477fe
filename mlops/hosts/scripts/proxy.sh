# The proxy, for everything on the host that goes outside: /etc/environment, the package manager, snapd. containerd's is configure.sh's.
# Values, all empty without a proxy: PROXY_ENVIRONMENT (lines NAME="value"), PLAIN_PROXY and TLS_PROXY (URLs, for http and https), DIRECT (names,
# addresses and networks that are reached without, separated by commas), PROXY_PASSWORD
SNAPD_DROP_IN=/etc/systemd/system/snapd.service.d/onprem-mlops.conf

configure_proxy() {
  # readable by everybody as long as no password stands in it; root reads it at log-in, systemd reads it as root
  PROXY_MODE=0644
  if [ -n "$PROXY_PASSWORD" ]; then PROXY_MODE=0600; fi
  write_block /etc/environment "$PROXY_MODE" "$PROXY_ENVIRONMENT"
  configure_package_proxy
  # for this step's own package manager
  export no_proxy="$DIRECT"
  # Not `snap set system proxy.http=...`: it takes a value in its arguments only, where a password shows, and snapd then asks nobody for
  # NO_PROXY. Without that setting snapd reads its environment, but only Debian's unit looks into /etc/environment.
  if [ -n "$PROXY_ENVIRONMENT" ]; then
    write_file "$SNAPD_DROP_IN" 0644 <<<$'[Service]\nEnvironmentFile=-/etc/environment'
  else
    rm -f "$SNAPD_DROP_IN"
  fi
}

# shellcheck disable=SC2034 # read by the family
remove_proxy() {
  PROXY_ENVIRONMENT='' PLAIN_PROXY='' TLS_PROXY='' DIRECT='' PROXY_PASSWORD=''
  configure_proxy
}

# snapd: installed, seeded, new enough, with the site's certificates, and started again when its environment or the trust store changed.
# Value: OFFLINE (yes: the snaps come from the machine that deploys, not from the store)
STORE_CERTIFICATES=/var/lib/snapd/ssl/store-certs
# `snap refresh --hold` came with it
SNAPD_NEEDED=2.58
SNAPD_STARTED_WITH="$STATE/snapd-started-with"

install_snapd() {
  local unit
  if ! has_package snapd; then
    add_snapd_source
    install_packages snapd
  fi
  # classic snaps need /snap; the packages of other families than Debian's put snaps elsewhere
  if [ "$FAMILY" != debian ] && [ ! -e /snap ] && [ ! -L /snap ]; then ln -s /var/lib/snapd/snap /snap; fi
  for unit in "${SNAPD_UNITS[@]}"; do
    quiet systemctl enable --now "$unit"
    record unit "$unit" enabled
  done
  restart_stale_snapd
  # it waits by itself, and without end
  until_true 120 'snapd has finished seeding' timeout 120 snap wait system seed.loaded
}

snapd_reads() {
  local file
  for file in /etc/environment "$SNAPD_DROP_IN" "$TRUST_DIRECTORY"/*; do
    if [ -f "$file" ]; then
      printf '%s\n' "$file"
      cat "$file"
    fi
  done
}

# Not by what this run has written: a run that was cut after the writing would leave snapd with its old environment for good.
restart_stale_snapd() {
  local now
  now=$(snapd_reads | digest)
  if [ -f "$SNAPD_STARTED_WITH" ] && [ "$(cat "$SNAPD_STARTED_WITH")" = "$now" ]; then return 0; fi
  quiet systemctl daemon-reload
  quiet systemctl restart snapd.service
  replace_file "$SNAPD_STARTED_WITH" 0600 <<<"$now"
}

snapd_is_new_enough() {
  local version
  version=$(snap version 9>&- | awk '$1 == "snapd" {print $2}')
  [ "$(printf '%s\n' "$SNAPD_NEEDED" "$version" | sort -V | head -n 1)" = "$SNAPD_NEEDED" ]
}

# Debian 12 packages an older one; there the snap of the same name takes its place. Other families' snapd does not hand over to the snap.
ensure_snapd_version() {
  if [ "$OFFLINE" = yes ] || snapd_is_new_enough; then return 0; fi
  if [ "$FAMILY" != debian ]; then
    fail "snapd $(snap version 9>&- | awk '$1 == "snapd" {print $2}')" "$SNAPD_NEEDED or newer" 'update the package snapd on the host, then run pulumi up again'
  fi
  quiet snap install snapd
  until_true 120 "snapd is $SNAPD_NEEDED or newer" snapd_is_new_enough
}

# set_store_certificates DIRECTORY: for snapd's own connections, which on some families does not read the host's store.
set_store_certificates() {
  local wanted="$1" file name
  for file in "$wanted"/onprem-mlops-*."$TRUST_SUFFIX"; do
    name=$(name_of "$file")
    if [ ! -f "$STORE_CERTIFICATES/$name.pem" ]; then quiet snap set system "store-certs.$name=$(cat "$file")"; fi
  done
  for file in "$STORE_CERTIFICATES"/onprem-mlops-*.pem; do
    name=$(name_of "$file")
    if [ -f "$file" ] && [ ! -f "$wanted/$name.$TRUST_SUFFIX" ]; then quiet snap unset system "store-certs.$name"; fi
  done
}

# the package stays: others may use it
release_snapd() {
  local file
  for file in "$STORE_CERTIFICATES"/onprem-mlops-*.pem; do
    if [ -f "$file" ]; then quiet snap unset system "store-certs.$(name_of "$file")"; fi
  done
  if has_package snapd; then restart_stale_snapd; fi
  rm -f "$SNAPD_STARTED_WITH"
}

# The site's certificates in the host's own trust store, which Go programs of classic snaps read, too. Value: CERTIFICATES (PEM, many)

# split_certificates DIRECTORY: one certificate a file, as the stores want it; the name carries the digest, so an old one is told from a new.
split_certificates() {
  local directory="$1" block='' line name
  while IFS= read -r line; do
    block+="$line"$'\n'
    if [ "$line" = '-----END CERTIFICATE-----' ]; then
      name=$(printf '%s' "$block" | digest)
      printf '%s' "$block" >"$directory/onprem-mlops-${name:0:16}.$TRUST_SUFFIX"
      block=''
    fi
  done <<<"$CERTIFICATES"
}

# with_certificates COMMAND: runs it with a directory that holds the wanted certificates.
with_certificates() {
  local wanted
  wanted=$(mktemp -d)
  split_certificates "$wanted"
  "$1" "$wanted"
  rm -rf "$wanted"
}

# of a file DIRECTORY/onprem-mlops-DIGEST.SUFFIX: without directory and suffix
name_of() {
  local name="${1##*/}"
  printf '%s' "${name%.*}"
}

install_trust() {
  local wanted="$1" file target
  CHANGED=no
  for file in "$wanted"/onprem-mlops-*."$TRUST_SUFFIX"; do
    target="$TRUST_DIRECTORY/${file##*/}"
    write_file "$target" 0644 <"$file"
  done
  for file in "$TRUST_DIRECTORY"/onprem-mlops-*."$TRUST_SUFFIX"; do
    if [ ! -f "$wanted/${file##*/}" ]; then
      rm -f "$file"
      CHANGED=yes
    fi
  done
  # also when an earlier run was cut after it had written the files
  if [ "$CHANGED" = yes ] || ! trusts_all "$wanted"; then update_trust; fi
}

# -partial_chain: an intermediate given as an extra root is an anchor of its own
trusts() { [ -s "$TRUST_BUNDLE" ] && openssl verify -partial_chain -CAfile "$TRUST_BUNDLE" "$1" >/dev/null 2>&1; }

trusts_all() {
  local file
  for file in "$1"/onprem-mlops-*."$TRUST_SUFFIX"; do trusts "$file" || return 1; done
}

verify_trust() {
  local file
  for file in "$1"/onprem-mlops-*."$TRUST_SUFFIX"; do
    trusts "$file" || fail "$(openssl x509 -in "$file" -noout -subject) is not trusted after $TRUST_TOOL" "trusted by $TRUST_BUNDLE" \
      "look at $TRUST_DIRECTORY and at the clock of the host"
  done
}

remove_trust() {
  rm -f "$TRUST_DIRECTORY"/onprem-mlops-*."$TRUST_SUFFIX"
  if command -v "$TRUST_TOOL" >/dev/null; then update_trust; fi
}

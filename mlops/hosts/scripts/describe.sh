# Tells how to reach the cluster, from its first control-plane host: JSON with the kubeconfig and the fingerprints that a joining host checks.
# Lets hosts join by the site's token, whichever host is the first now.
# Values: HOST_NAME ADDRESS TOKEN
CERTIFICATES_FOLDER="$CURRENT/certs"
ACCEPTED="$CURRENT/credentials/persistent-cluster-tokens.txt"

fingerprint() { openssl x509 -in "$1" -outform der | digest; }

# as canonical/microk8s-cluster-agent does with persistentClusterToken of a launch configuration, and reads it at each join
accept_token() {
  [ -f "$ACCEPTED" ] && grep -qxF "$TOKEN" "$ACCEPTED" && return 0
  printf '%s\n' "$TOKEN" >>"$ACCEPTED"
}

apply() {
  local kubeconfig
  accept_token
  # `microk8s config` names the address of the default route; the settings name the one that the site uses
  kubeconfig=$("$SNAP/microk8s" config 9>&- | sed -E "s#^( *server: https://).*(:[0-9]+)\$#\1${ADDRESS}\2#" | base64 -w 0)
  [ -n "$kubeconfig" ] || fail 'microk8s config printed nothing' 'a kubeconfig' 'microk8s inspect on the host tells why'
  printf '{"kubeconfig": "%s", "agent": "%s", "authority": "%s"}\n' \
    "$kubeconfig" "$(fingerprint "$CERTIFICATES_FOLDER/server.crt")" "$(fingerprint "$CERTIFICATES_FOLDER/ca.crt")"
}

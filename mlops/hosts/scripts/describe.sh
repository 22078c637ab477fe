# Tells how to reach the cluster, from its first control-plane host: JSON with the kubeconfig and the fingerprints that a joining host checks.
# Values: HOST_NAME ADDRESS
CERTIFICATES_DIRECTORY=/var/snap/microk8s/current/certs

fingerprint() { openssl x509 -in "$1" -outform der | sha256sum | cut -d ' ' -f 1; }

apply() {
  local kubeconfig
  # `microk8s config` names the address of the default route; the settings name the one that the site uses
  kubeconfig=$(/snap/bin/microk8s config 9>&- | sed -E "s#^( *server: https://).*(:[0-9]+)\$#\1${ADDRESS}\2#" | base64 -w 0)
  [ -n "$kubeconfig" ] || fail 'microk8s config printed nothing' 'a kubeconfig' 'microk8s inspect on the host tells why'
  printf '{"kubeconfig": "%s", "agent": "%s", "authority": "%s"}\n' \
    "$kubeconfig" "$(fingerprint "$CERTIFICATES_DIRECTORY/server.crt")" "$(fingerprint "$CERTIFICATES_DIRECTORY/ca.crt")"
}

reset() { say 'nothing to undo'; }

# Joins this host to the cluster and verifies that its node is Ready.
# Values: HOST_NAME ROLE (control-plane or worker) FIRST_ADDRESS FIRST_NAME TOKEN AGENT_FINGERPRINT AUTHORITY_FINGERPRINT WAIT_SECONDS
CURRENT=/var/snap/microk8s/current
WORKER_LOCK="$CURRENT/var/lock/clustered.lock"

fingerprint() { [ -f "$1" ] && openssl x509 -in "$1" -outform der | sha256sum | cut -d ' ' -f 1; }

# A worker has no admin credentials, and the wrapper `microk8s kubectl` only prints a remark there; its kubelet may read its own node
# (Node authoriser), by the binary of the snap.
kubectl() {
  if [ "$ROLE" = worker ]; then
    /snap/microk8s/current/kubectl --kubeconfig "$CURRENT/credentials/kubelet.config" "$@" 9>&-
  else
    /snap/bin/microk8s kubectl "$@" 9>&-
  fi
}

# Where `microk8s join` leaves the cluster's authority and its mark: canonical/microk8s scripts/wrappers/join.py.
is_member() {
  if [ "$ROLE" = worker ]; then
    [ -f "$WORKER_LOCK" ] && [ "$(fingerprint "$CURRENT/certs/ca.remote.crt")" = "$AUTHORITY_FINGERPRINT" ]
  else
    [ ! -f "$WORKER_LOCK" ] && [ "$(fingerprint "$CURRENT/certs/ca.crt")" = "$AUTHORITY_FINGERPRINT" ] && kubectl get node "$FIRST_NAME" >/dev/null 2>&1
  fi
}

is_ready() { [ "$(kubectl get node "$HOST_NAME" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]; }

apply() {
  if [ "$ROLE" = control-plane ] && [ -f "$WORKER_LOCK" ]; then
    fail 'this host is a worker of a cluster' 'a control-plane node, as the settings say' 'microk8s leave on the host, then run pulumi up again'
  fi
  if ! is_member; then
    # microk8s takes the connection string, token included, as an argument and in no other way: for the seconds of the join the
    # processes of this host can see it (docs/decisions/0005)
    quiet_join || fail "microk8s join ended with an error (see above)" "a node of the cluster at $FIRST_ADDRESS" \
      'if the message says that the node is known already: microk8s remove-node on the first host; if it was half joined: microk8s reset here; then run pulumi up again'
  fi
  until_true "$WAIT_SECONDS" "node $HOST_NAME is Ready" is_ready
  say "node ${HOST_NAME} has joined as ${ROLE} and is Ready"
}

quiet_join() {
  local connection="$FIRST_ADDRESS:25000/$TOKEN/$AGENT_FINGERPRINT"
  if [ "$ROLE" = worker ]; then
    quiet /snap/bin/microk8s join "$connection" --worker
  else
    quiet /snap/bin/microk8s join "$connection"
  fi
}

reset() {
  # the others forget this node; a control plane that is taken down whole has nobody left to tell
  if is_member; then quiet /snap/bin/microk8s leave; fi
  say "${HOST_NAME} has left the cluster"
}

# Joins this host to the cluster and verifies that its node is Ready.
# Values: HOST_NAME ROLE (control-plane or worker) FIRST_ADDRESS FIRST_NAME TOKEN AGENT_FINGERPRINT AUTHORITY_FINGERPRINT WAIT_SECONDS

fingerprint() { [ -f "$1" ] && openssl x509 -in "$1" -outform der | digest; }

# Where `microk8s join` leaves the cluster's authority and its mark: canonical/microk8s scripts/wrappers/join.py.
has_joined() {
  if [ "$ROLE" = worker ]; then
    [ -f "$WORKER_LOCK" ] && [ "$(fingerprint "$CURRENT/certs/ca.remote.crt")" = "$AUTHORITY_FINGERPRINT" ]
  else
    [ ! -f "$WORKER_LOCK" ] && [ "$(fingerprint "$CURRENT/certs/ca.crt")" = "$AUTHORITY_FINGERPRINT" ]
  fi
}

# The authority's certificate comes first in a join; a control plane that was cut after it does not see the others.
is_member() { has_joined && { [ "$ROLE" = worker ] || kubectl get node "$FIRST_NAME" >/dev/null 2>&1; }; }

# A join throws the host's own database away: nothing is lost with that of a fresh installation, all with that of another cluster.
check_no_other_cluster() {
  local nodes found
  if [ -f "$WORKER_LOCK" ]; then
    found='this host is a worker of a cluster, and not as the settings say'
  elif [ "$(fingerprint "$CURRENT/certs/ca.crt")" = "$AUTHORITY_FINGERPRINT" ]; then
    return 0 # of this one, half joined
  else
    # awk and not grep, which ends with 1 where there is none yet
    nodes=$(ROLE=control-plane kubectl get nodes -o name | awk 'NF {count++} END {print count + 0}')
    [ "$nodes" -gt 1 ] || return 0
    found="this host is a control plane of another cluster, with ${nodes} nodes"
  fi
  fail "$found" "a host of the cluster at $FIRST_ADDRESS, or of none" \
    "if ${FIRST_NAME} was reinstalled: declare it lost in the settings (lost: true) and run pulumi up; if this host is to change sides: microk8s leave on it; then run pulumi up again"
}

apply() {
  if ! is_member; then
    check_no_other_cluster
    # microk8s takes the connection string, token included, as an argument and in no other way: for the seconds of the join the
    # processes of this host can see it (docs/decisions/0005)
    if ! quiet_join || ! has_joined; then
      fail 'microk8s join did not end in a membership (see above)' "a node of the cluster at $FIRST_ADDRESS" \
        "raise hosts.nodes[].epoch of ${FIRST_NAME} by one and run pulumi up again: it takes out what is known of this host and accepts the site's token anew; where that does not help: microk8s reset on this host before"
    fi
  fi
  until_true "$WAIT_SECONDS" "node $HOST_NAME is Ready" node_is_ready
  say "node ${HOST_NAME} has joined as ${ROLE} and is Ready"
}

quiet_join() {
  local connection="$FIRST_ADDRESS:25000/$TOKEN/$AGENT_FINGERPRINT"
  if [ "$ROLE" = worker ]; then
    quiet "$SNAP/microk8s" join "$connection" --worker
  else
    quiet "$SNAP/microk8s" join "$connection"
  fi
}

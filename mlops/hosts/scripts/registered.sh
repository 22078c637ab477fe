# The cluster's members as one of its control planes sees them, and how one that is gone is taken out.
# shellcheck disable=SC2034 # read by kubectl of cluster.sh
ROLE=control-plane

# A host that has just booted answers before its MicroK8s does.
READY_SECONDS=120

wait_until_ready() {
  quiet "$SNAP/microk8s" status --wait-ready --timeout "$READY_SECONDS" ||
    fail "MicroK8s is not ready after ${READY_SECONDS} s" 'ready' 'microk8s inspect on the host tells why; then run pulumi up again'
}

# One line a node: NAME|MACHINE_ID|READY|CONTROL_PLANE|ADDRESS, CONTROL_PLANE being empty for a worker.
registered_nodes() {
  kubectl get nodes -o 'jsonpath={range .items[*]}{.metadata.name}{"|"}{.status.nodeInfo.machineID}{"|"}{.status.conditions[?(@.type=="Ready")].status}{"|"}{.metadata.labels.node\.kubernetes\.io/microk8s-controlplane}{"|"}{.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}'
}

# One line for each member of the datastore: ADDRESS ROLE, ROLE being voter, standby or spare (canonical/microk8s scripts/wrappers/status.py).
datastore_members() {
  "$SNAP/microk8s" status --format yaml 9>&- |
    awk '$1 == "-" && $2 == "address:" {address = $3; sub(/:[0-9]+$/, "", address)} $1 == "role:" {print address, $2}'
}

is_registered() { [ -n "$(kubectl get node "$1" --ignore-not-found -o name)" ]; }
is_not_registered() { ! is_registered "$1"; }

in_datastore() {
  local members
  members=$(datastore_members)
  [[ $'\n'"$members" == *$'\n'"$1 "* ]]
}

is_not_in_datastore() { ! in_datastore "$1"; }

# remove_node NAME ADDRESS: for a node whose host is dead, was installed anew, or has left.
remove_node() {
  if is_not_registered "$1"; then
    # of an address without a node it takes the datastore's entry out, and ends with exit code 1 all the same (scripts/wrappers/remove_node.py)
    if in_datastore "$2" && ! quiet "$SNAP/microk8s" remove-node "$2" --force && in_datastore "$2"; then cannot_remove "$1"; fi
  elif in_datastore "$2"; then
    # without --force one that the datastore still has is refused: it may be alive, which the callers have ruled out
    quiet "$SNAP/microk8s" remove-node "$1" --force || cannot_remove "$1"
  else
    quiet "$SNAP/microk8s" remove-node "$1" || cannot_remove "$1"
  fi
  until_true 60 "the datastore has let $1 go" is_not_in_datastore "$2"
  until_true 60 "node $1 is gone from the cluster" is_not_registered "$1"
}

cannot_remove() {
  fail "microk8s remove-node $1 ended with an error (see above)" 'a cluster without that node' \
    'microk8s status on this host tells whether its datastore has a majority; then run pulumi up again'
}

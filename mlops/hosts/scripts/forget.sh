# Removes a node whose host has left. Runs on another control plane, on deletion only, and only for a node that was checked and marked.
# Values: HOST_NAME DEPARTED (name of its node)
reset() {
  local node mark
  wait_until_ready
  node=$(registered_nodes | awk -F '|' -v name="$DEPARTED" '$1 == name')
  if [ -z "$node" ]; then
    say "node ${DEPARTED} is not registered any more"
    return 0
  fi
  mark=$(kubectl get node "$DEPARTED" -o 'jsonpath={.metadata.annotations.onprem-mlops/leaving}')
  if [ -z "$mark" ]; then
    say "node ${DEPARTED} stays: it was not taken out"
    return 0
  fi
  remove_node "$DEPARTED" "${node##*|}"
  say "node ${DEPARTED} is removed"
}

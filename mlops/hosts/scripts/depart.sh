# Takes this host out of its cluster and removes what the steps have left on it. Runs on deletion only, and only for a host whose node was
# checked and marked (mlops.nodes withdraw), or when the whole site is destroyed with hosts.onDestroy reset.
# Values: HOST_NAME RESET (reset or keep)
# How far an earlier run came, since nobody can be asked any more once the host has left: checked, leaving, left.
PROGRESS="$STATE/departing"
LAUNCH_FILE=/var/snap/microk8s/common/.microk8s.yaml

is_installed() { command -v snap >/dev/null && [ -n "$(installed_version)" ]; }

progress() { if [ -f "$PROGRESS" ]; then cat "$PROGRESS"; fi; }
set_progress() { replace_file "$PROGRESS" 0600 <<<"$1"; }

# the mark on the host's own node
own_mark() {
  ROLE=control-plane
  # shellcheck disable=SC2034 # read by kubectl of cluster.sh
  if [ -f "$WORKER_LOCK" ]; then ROLE=worker; fi
  kubectl get node "$HOST_NAME" --ignore-not-found -o 'jsonpath={.metadata.annotations.onprem-mlops/leaving}'
}

# Says with exit code 1 that the host is to stay as it is.
decide() {
  local mark
  if [ -n "$(progress)" ]; then return 0; fi
  if ! is_installed; then
    set_progress left
  elif [ "$RESET" = reset ]; then
    # of a destroyed site nobody is left to tell; of one host's removal the mark is there
    mark=$(own_mark) || mark=''
    if [ -n "$mark" ]; then set_progress checked; else set_progress left; fi
  else
    mark=$(own_mark) || fail 'the cluster does not answer, so nobody knows whether this host was taken out' 'a host whose node is marked' \
      'microk8s inspect on the host tells why; then run pulumi up again'
    [ -n "$mark" ] || return 1
    set_progress checked
  fi
}

leave_cluster() {
  local before
  before=$(progress)
  if [ "$before" = left ]; then return 0; fi
  if is_installed; then
    set_progress leaving
    if ! quiet "$SNAP/microk8s" leave; then
      if [ "$before" != leaving ]; then
        set_progress checked
        fail 'microk8s leave ended with an error (see above)' 'a host that has left its cluster' \
          'mend what it says, or declare the host lost: true; then run pulumi up again'
      fi
      # cut in the middle of an earlier try, it cannot be done again: the step forget takes out what is left in the cluster
      say 'an earlier microk8s leave was cut short; the others take this host out'
    fi
  fi
  set_progress left
}

# Its remove hook takes links, interfaces and mounts away (canonical/microk8s snap/hooks/remove).
remove_microk8s() {
  if command -v snap >/dev/null; then wait_for_running_change; fi
  if is_installed; then quiet snap remove --purge microk8s; fi
  # it lies there before the snap does; no more is deleted by us, as volumes may still be mounted below
  rm -f "$LAUNCH_FILE"
}

# The first control plane has the backups of the database, which outlive it: who needs one needs it when that host is gone.
remove_state() {
  local but=''
  if compgen -G "$STATE/backups/*" >/dev/null; then
    find "$STATE" -mindepth 1 -maxdepth 1 ! -name backups -exec rm -rf {} +
    but=" but $STATE/backups, the backups of the cluster's database: copy what you need"
  else
    rm -rf "$STATE"
  fi
  say "${HOST_NAME} has left the cluster and nothing of it is left there${but}; rules of iptables stay until it boots again"
}

reset() {
  if ! decide; then
    say "${HOST_NAME} stays as it is: its node was not taken out of the cluster"
    return 0
  fi
  leave_cluster
  remove_microk8s
  unprepare
  # the last: until here a run that was cut goes on
  remove_state
}

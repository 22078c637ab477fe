#!/usr/bin/env bats
# MicroK8s is the pinned one, held, and this node is Ready.
load helper

setup() { needs microk8s; }

# NAME CHANNEL held|-: a sideloaded snap has no channel
snap_is_as_recorded() {
  local notes
  read -r tracking notes < <(snap list "$1" | awk 'NR == 2 {print $4, $6}')
  { [ "$2" = - ] || [ "$tracking" = "$2" ]; } && { [ "$3" = - ] || [[ ",$notes," = *,held,* ]]; }
}

this_node() {
  if [ -f /var/snap/microk8s/current/var/lock/clustered.lock ]; then
    /snap/microk8s/current/kubectl --kubeconfig /var/snap/microk8s/current/credentials/kubelet.config get node "$HOST_NAME" "$@"
  else
    microk8s kubectl get node "$HOST_NAME" "$@"
  fi
}

@test "recorded snaps follow their channel and are held" {
  recorded snap | all_true snap_is_as_recorded
}

@test "/snap is there, as classic confinement needs it" {
  [ -d /snap/microk8s/current/ ]
}

@test "this node is Ready" {
  needs configure
  [ "$(this_node -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]
}

@test "the node is this machine" {
  needs configure
  [ "$(this_node -o 'jsonpath={.status.nodeInfo.machineID}')" = "$(cat /etc/machine-id)" ]
}

@test "what MicroK8s keeps for itself is for root only" {
  run find /var/snap/microk8s/current/credentials -type f -perm /o+r
  [ "$output" = '' ]
}

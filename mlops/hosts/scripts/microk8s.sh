# Installs MicroK8s from its pinned channel with a launch configuration and waits until it is ready.
# Values: HOST_NAME CHANNEL LAUNCH_CONFIGURATION (YAML) CONTAINERD_ENVIRONMENT (lines NAME="value", or empty) WAIT_SECONDS
CONTAINERD_FILE=/var/snap/microk8s/current/args/containerd-env
LAUNCH_FILE=/var/snap/microk8s/common/.microk8s.yaml
WORKER_LOCK=/var/snap/microk8s/current/var/lock/clustered.lock
APPLIED_DIGEST=/var/snap/microk8s/common/.onprem-mlops-launch.sha256

# all snaps are listed, since asking for one that is not installed is an error
installed_channel() { snap list 2>/dev/null 9>&- | awk '$1 == "microk8s" {print $4}'; }

# `snap refresh --hold` needs snapd 2.58; Debian 12 packages an older one, which the snap of the same name replaces.
ensure_snapd() {
  local version
  install_packages snapd
  until_true 120 'snapd has finished seeding' snap wait system seed.loaded
  version=$(snap version 9>&- | awk '$1 == "snapd" {print $2}')
  if [ "$(printf '%s\n' 2.58 "$version" | sort -V | head -n 1)" != 2.58 ]; then
    quiet snap install snapd
  fi
}

# A `snap install` that lost its caller goes on in snapd, or is being undone: wait for it instead of starting a second one.
wait_for_running_change() {
  local change
  change=$(snap changes 2>/dev/null 9>&- | awk '$2 ~ /^(Do|Doing|Undo|Undoing)$/ && /microk8s/ {id = $1} END {print id}')
  if [ -n "$change" ]; then quiet snap watch "$change"; fi
}

# In place rather than in the launch configuration, which is read only once: a proxy's password changes more often than a host is installed.
# containers go on while their containerd restarts
configure_containerd() {
  CHANGED=no
  write_block "$CONTAINERD_FILE" 0660 "$CONTAINERD_ENVIRONMENT"
  if [ "$CHANGED" = yes ]; then quiet snap restart microk8s.daemon-containerd; fi
}

launch_digest() { printf '%s' "$LAUNCH_CONFIGURATION" | sha256sum | cut -d ' ' -f 1; }

apply() {
  local present
  ensure_snapd
  wait_for_running_change
  present=$(installed_channel)
  if [ -n "$present" ] && [ "$present" != "$CHANNEL" ]; then
    fail "MicroK8s from channel $present is already installed" "channel $CHANNEL, or no MicroK8s" "set cluster.channel to $present to keep it, or remove it with its data: snap remove --purge microk8s"
  fi
  if [ -n "$present" ] && [ -f "$APPLIED_DIGEST" ] && [ "$(cat "$APPLIED_DIGEST")" != "$(launch_digest)" ]; then
    fail 'MicroK8s runs with another launch configuration: networks or DNS servers were changed in the settings after the installation' \
      'the networks and DNS servers that it was installed with' 'undo that change in the settings; a running cluster keeps its networks'
  fi
  if [ -z "$present" ]; then
    # MicroK8s reads this file once, while it is installed (canonical/microk8s pkg/k8sinit); it holds the join token, hence root only
    printf '%s' "$LAUNCH_CONFIGURATION" | write_file "$LAUNCH_FILE" 0600
    launch_digest | write_file "$APPLIED_DIGEST" 0600
    quiet snap install microk8s --classic "--channel=$CHANNEL"
  fi
  configure_containerd
  # without the hold an automatic refresh restarts nodes at a time of its own choosing
  quiet snap refresh --hold microk8s
  # on a joined worker `microk8s status` refuses to answer; there the join step verifies that the node is Ready
  if [ ! -f "$WORKER_LOCK" ]; then
    quiet /snap/bin/microk8s status --wait-ready --timeout "$WAIT_SECONDS" ||
      fail "MicroK8s is not ready after ${WAIT_SECONDS} s" 'ready' 'microk8s inspect on the host tells why; then run pulumi up again'
  fi
  [ "$(installed_channel)" = "$CHANNEL" ] || fail "MicroK8s tracks '$(installed_channel)'" "$CHANNEL" 'snap refresh microk8s on the host'
  say "MicroK8s ${CHANNEL} is ready on ${HOST_NAME}"
}

reset() {
  wait_for_running_change
  if [ -n "$(installed_channel)" ]; then quiet snap remove --purge microk8s; fi
  rm -f "$LAUNCH_FILE" "$APPLIED_DIGEST"
  say "MicroK8s is removed from ${HOST_NAME}"
}

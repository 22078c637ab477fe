# Installs MicroK8s from its pinned channel with a launch configuration and waits until it is ready. On a host that has MicroK8s it only
# checks: what restarts a daemon of a formed cluster is the step `configure`, one host after the other.
# Values: HOST_NAME CHANNEL OFFLINE_SNAPS (words, or empty) LAUNCH_CONFIGURATION (YAML) POD_CIDR SERVICE_CIDR FILES (lines DAEMON MODE PATH BASE64)
#   CONTAINERD_ENVIRONMENT (lines NAME="value", or empty) TRUST_DIGEST WAIT_SECONDS
LAUNCH_FILE=/var/snap/microk8s/common/.microk8s.yaml
# are read in its place where they are there (canonical/microk8s snap/hooks/install)
OTHER_LAUNCH_FILES=(/etc/microk8s.yaml ~root/snap/microk8s/common/.microk8s.yaml)
SIDELOAD=/var/snap/microk8s/common/sideload

cni_value() { awk -F = -v name="$1" '$1 == name {gsub(/"/, "", $2); print $2}' "$ARGUMENTS_FOLDER/cni-env"; }

check_networks() {
  local found
  [ -f "$ARGUMENTS_FOLDER/cni-env" ] || return 0
  found="$(cni_value IPv4_CLUSTER_CIDR) for pods, $(cni_value IPv4_SERVICE_CIDR) for Services"
  [ "$found" = "$POD_CIDR for pods, $SERVICE_CIDR for Services" ] ||
    problem "MicroK8s runs with the networks ${found}" "those: a running cluster keeps its networks (the settings say $POD_CIDR and $SERVICE_CIDR)" \
      'undo that change of network.podCidr and network.serviceCidr'
}

check_launch_file() {
  local file
  for file in "${OTHER_LAUNCH_FILES[@]}"; do
    if [ -f "$file" ]; then
      problem "$file, which MicroK8s would read in place of the site's launch configuration" 'no such file on a host without MicroK8s' \
        'move it away; what it sets belongs into cluster.arguments of the settings'
    fi
  done
}

sideload_images() {
  local file
  mkdir -p "$SIDELOAD"
  for file in "$(offline_folder images)"/*.tar; do
    if [ -f "$file" ]; then cp "$file" "$SIDELOAD/"; fi
  done
}

install_microk8s() {
  # MicroK8s reads this file once, while it is installed (canonical/microk8s snap/hooks/install); it holds keys, hence root only
  write_file "$LAUNCH_FILE" 0600 <<<"$LAUNCH_CONFIGURATION"
  must_restart containerd
  must_restart kubelite
  if [ -n "$OFFLINE_SNAPS" ]; then
    sideload_images
    install_from_files
  else
    quiet snap install microk8s --classic "--channel=$CHANNEL"
  fi
  # the launch configuration was read before either of them started; the proxy for pulling images does not stand in it
  has_started kubelite
  if [ -z "$CONTAINERD_ENVIRONMENT" ]; then has_started containerd; fi
}

apply() {
  wait_for_running_change
  if [ -n "$(installed_version)" ]; then
    check_channel
    check_networks
  else
    check_launch_file
  fi
  stop_on_problems
  write_files none <<<"$FILES"
  if [ -z "$(installed_version)" ]; then
    install_microk8s
    check_version_installed
  fi
  # without its proxy containerd pulls nothing and the node never becomes ready; containers go on while it restarts
  if ! is_formed && ! is_started_with_it containerd; then
    write_containerd_environment
    quiet snap restart microk8s.daemon-containerd
    has_started containerd
  fi
  # without the hold an automatic refresh restarts nodes at a time of its own choosing
  quiet snap refresh --hold microk8s
  # later that is for the steps that join and configure: here a daemon that has to be configured otherwise first would be waited for
  if [ ! -f "$CONFIGURED" ] && [ ! -f "$WORKER_LOCK" ]; then
    quiet "$SNAP/microk8s" status --wait-ready --timeout "$WAIT_SECONDS" ||
      fail "MicroK8s is not ready after ${WAIT_SECONDS} s" 'ready' 'microk8s inspect on the host tells why; then run pulumi up again'
  fi
  say "MicroK8s $(installed_version) is installed on ${HOST_NAME}"
}

# Shared by the steps that work on MicroK8s. Values that functions read: HOST_NAME ROLE CHANNEL TRUST_DIGEST CONTAINERD_ENVIRONMENT
#   OFFLINE_SNAPS (names of files, the one of MicroK8s last; empty where the store is used)
CURRENT=/var/snap/microk8s/current
ARGUMENTS_FOLDER="$CURRENT/args"
# shellcheck disable=SC2034 # read by the steps
WORKER_LOCK="$CURRENT/var/lock/clustered.lock"
# What each daemon was started with, as far as it lies outside MicroK8s' folder; not there while a daemon has to be restarted.
STARTED="$STATE/started"
# what the step `configure` has set, one a line: PROGRAM --NAME, or file PATH
# shellcheck disable=SC2034 # read by the steps
CONFIGURED="$STATE/configured"
HUGE_PAGES=/proc/sys/vm/nr_hugepages

# all snaps are listed, since asking for one that is not installed is an error
snap_column() { snap list 2>/dev/null 9>&- | awk -v name="$1" -v column="$2" '$1 == name {print $column}'; }
installed_version() { snap_column microk8s 2; }
# `-` for a snap from a file, which follows no channel
installed_channel() { snap_column microk8s 4; }

# minor_of TEXT: a number that grows with the minor version in 1.35/stable, v1.35.4 or 1.35.
minor_of() { sed -E 's/^v?([0-9]+)\.([0-9]+).*/\1 \2/' <<<"$1" | awk '{print $1 * 1000 + $2}'; }

channel_differs() {
  local followed
  followed=$(installed_channel)
  if [ "$followed" = - ]; then
    [ "$(minor_of "$(installed_version)")" != "$(minor_of "$CHANNEL")" ]
  else
    [ "$followed" != "$CHANNEL" ]
  fi
}

# Kubernetes is updated one minor version at a time, and never back: its database would not be read any more.
check_channel() {
  local version step
  version=$(installed_version)
  step=$(($(minor_of "$CHANNEL") - $(minor_of "$version")))
  if [ "$step" -lt 0 ]; then
    problem "MicroK8s ${version} is installed, which is newer than channel ${CHANNEL}" 'the same minor version or the next one' \
      'set cluster.channel to the minor version that is installed; an older one needs hosts without MicroK8s: snap remove --purge microk8s'
  elif [ "$step" -gt 1 ]; then
    problem "MicroK8s ${version} is installed, channel ${CHANNEL} is ${step} minor versions ahead" 'the next minor version, one at a time' \
      'set cluster.channel to the next one, run pulumi up, and so on'
  fi
}

# A change of snapd that lost its caller goes on, or is being undone: wait for it instead of starting a second one.
wait_for_running_change() {
  local change
  change=$(snap changes 2>/dev/null 9>&- | awk '$2 ~ /^(Do|Doing|Undo|Undoing)$/ && /microk8s/ {id = $1} END {print id}')
  if [ -n "$change" ]; then quiet snap watch "$change"; fi
}

# A worker has no admin credentials, and the wrapper `microk8s kubectl` only prints a remark there; its kubelet may read its own node
# and lease (Node authoriser), by the binary of the snap.
kubectl() {
  if [ "$ROLE" = worker ]; then
    /snap/microk8s/current/kubectl --kubeconfig "$CURRENT/credentials/kubelet.config" "$@" 9>&-
  else
    "$SNAP/microk8s" kubectl "$@" 9>&-
  fi
}

node_is_ready() { [ "$(kubectl get node "$HOST_NAME" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]; }

now() { date -u +%FT%T.000000Z; }

# node_is_back SINCE: Ready, and its kubelet has renewed the lease since; for 40 s the condition is what the kubelet wrote that was ended.
node_is_back() {
  local renewed
  renewed=$(kubectl -n kube-node-lease get lease "$HOST_NAME" -o 'jsonpath={.spec.renewTime}') || return 1
  [[ "$renewed" > "$1" ]] && node_is_ready
}

# lines NAME READY of all control planes
control_planes() {
  kubectl get nodes -l node.kubernetes.io/microk8s-controlplane \
    -o 'jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}'
}

other_control_planes_are_ready() {
  local planes
  planes=$(control_planes) || return 1
  awk -v own="$HOST_NAME" 'NF && $1 != own && $2 != "True" {missing = 1} END {exit missing}' <<<"$planes"
}

# dqlite takes three voters as soon as there are three control planes; below that one
voters_are_there() {
  local planes wanted=1
  planes=$(control_planes) || return 1
  if [ "$(grep -c . <<<"$planes")" -ge 3 ]; then wanted=3; fi
  [ "$("$SNAP/microk8s" status --format yaml 9>&- | grep -c '^ *role: voter$')" -ge "$wanted" ]
}

# Nodes of a formed cluster hold this lock, the one that was contacted too (cluster-agent pkg/api/v2/join.go).
is_formed() { [ -f "$CURRENT/var/lock/no-cert-reissue" ]; }

# started_with DAEMON: what it reads of the host while it starts. Go programs read the trust store and the proxy's variables then (snapd
# hands them /etc/environment), the kubelet counts huge pages. Names without proxy grow with the site and are of no use to kubelite, which
# reaches nodes by addresses in its network.
started_with() {
  local environment="$CONTAINERD_ENVIRONMENT"
  if [ "$1" = kubelite ]; then
    environment=$(sed -E '/^(NO_PROXY|no_proxy)=/d' <<<"$environment")
    if [ -f "$HUGE_PAGES" ]; then printf 'huge-pages %s\n' "$(cat "$HUGE_PAGES")"; fi
  fi
  printf 'trust %s\nproxy %s\n' "$TRUST_DIGEST" "$(digest <<<"$environment")"
}

is_started_with_it() { [ -f "$STARTED/$1" ] && [ "$(cat "$STARTED/$1")" = "$(started_with "$1")" ]; }

must_restart() { rm -f "$STARTED/$1"; }

has_started() { started_with "$1" | replace_file "$STARTED/$1" 0600; }

# In place rather than in the launch configuration, which is read only once: a proxy's password changes more often than a host is installed.
write_containerd_environment() { write_block "$ARGUMENTS_FOLDER/containerd-env" 0660 "$CONTAINERD_ENVIRONMENT"; }

# write_files DAEMON: those of standard input's lines DAEMON MODE PATH BASE64 that are for it.
write_files() {
  local daemon mode path content
  while read -r daemon mode path content; do
    if [ "$daemon" = "$1" ]; then base64 -d <<<"$content" | write_file "$path" "$mode"; fi
  done
}

# below the login user's home, where the files of cluster.offline are copied to
offline_folder() { printf '%s/onprem-mlops/%s' "$(getent passwd "${SUDO_USER:-root}" | cut -d : -f 6)" "$1"; }

# The base and snapd first, since snapd asks the store for what is missing. With its assertion, by which snapd knows whose a file is.
install_from_files() {
  local file name
  for name in $OFFLINE_SNAPS; do
    file="$(offline_folder snaps)/$name"
    name="${name%%_*}"
    if [ "$name" = microk8s ]; then
      quiet snap ack "${file%.snap}.assert"
      quiet snap install "$file" --classic
    elif [ -z "$(snap_column "$name" 2)" ]; then
      quiet snap ack "${file%.snap}.assert"
      quiet snap install "$file"
    fi
  done
}

check_version_installed() {
  [ "$(minor_of "$(installed_version)")" = "$(minor_of "$CHANNEL")" ] ||
    fail "MicroK8s $(installed_version) is installed" "the minor version of cluster.channel, ${CHANNEL}" 'where cluster.offline is set: put the snap of that version into its folder'
}

# Makes MicroK8s on this host what the settings say, after its installation and its join: arguments, files, registries, proxy, trust,
# channel. The only step that restarts a daemon of a formed cluster, and only one that reads what has changed: hosts run it one after the
# other, each asks before a restart that the other control planes are there, and verifies after it that this one is back.
# Values: HOST_NAME ROLE (control-plane or worker) CHANNEL OFFLINE_SNAPS (words, or empty) ARGUMENTS (lines PROGRAM --NAME=VALUE)
#   FILES (lines DAEMON MODE PATH BASE64) CONTAINERD_ENVIRONMENT (lines NAME="value", or empty) TRUST_DIGEST ENCRYPTION_KEY (its name)
#   WAIT_SECONDS FIRST (yes or no) DNS_SERVERS (words, or empty) CHECKSUM_OFFLOAD_BROKEN (yes or no)
#   CONTROL_PLANES (how many there are once all have joined; only on the last of them, else empty)
DEFAULT_ARGUMENTS=/snap/microk8s/current/default-args
ENCRYPTION_FILE="$ARGUMENTS_FOLDER/encryption.yaml"
BACKUPS="$STATE/backups"
KEPT_BACKUPS=5
PROGRAMS=(kube-apiserver kubelet kube-proxy kube-controller-manager kube-scheduler)
ASK_SECONDS=60 # others have come back from restarts of their own before this step begins
SETTLE_SECONDS=300 # dqlite gives roles anew

# wanted_arguments PROGRAM: its lines --NAME=VALUE
wanted_arguments() { awk -v program="$1" '$1 == program {print substr($0, length($1) + 2)}' <<<"$ARGUMENTS"; }

ours_before() { if [ -f "$CONFIGURED" ]; then cat "$CONFIGURED"; fi; }

# dropped_arguments PROGRAM: names that this step set once and that the settings no longer have, with MicroK8s' own value if there is one
dropped_arguments() {
  local program="$1" name wanted
  wanted=$'\n'$(wanted_arguments "$program")
  ours_before | awk -v program="$program" '$1 == program {print $2}' | while read -r name; do
    if [[ "$wanted" == *$'\n'"$name="* ]]; then continue; fi
    grep -hE -- "^${name}([= ]|\$)" "$DEFAULT_ARGUMENTS/$program" || printf '%s\n' "$name"
  done
}

# merged_arguments PROGRAM: its file as it is to be. Lines of others stay as and where they are, since MicroK8s writes there as well.
merged_arguments() {
  local program="$1"
  awk '
    function name(line) { sub(/[= ].*/, "", line); return line }
    FILENAME == ARGV[1] { if (NF) { wanted[name($0)] = $0; order[++count] = name($0) } next }
    FILENAME == ARGV[2] { if (NF) { dropped[name($0)] = ($0 ~ /[= ]/) ? $0 : "" } next }
    name($0) in wanted { if (!(name($0) in done)) print wanted[name($0)]; done[name($0)] = 1; next }
    name($0) in dropped { if (dropped[name($0)] != "" && !(name($0) in done)) print dropped[name($0)]; done[name($0)] = 1; next }
    { print }
    END { for (i = 1; i <= count; i++) if (!(order[i] in done)) print wanted[order[i]] }
  ' <(wanted_arguments "$program") <(dropped_arguments "$program") "$ARGUMENTS_FOLDER/$program"
}

argument_file_differs() { ! merged_arguments "$1" | cmp -s - "$ARGUMENTS_FOLDER/$1"; }

arguments_differ() {
  local program
  for program in "${PROGRAMS[@]}"; do
    if [ -f "$ARGUMENTS_FOLDER/$program" ] && argument_file_differs "$program"; then return 0; fi
  done
  return 1
}

# not recorded: what others put into these files is no drift
write_arguments() {
  local program
  for program in "${PROGRAMS[@]}"; do
    if [ -f "$ARGUMENTS_FOLDER/$program" ]; then
      merged_arguments "$program" | replace_file "$ARGUMENTS_FOLDER/$program" "$(stat -c %a "$ARGUMENTS_FOLDER/$program")"
    fi
  done
}

kubelite_files_differ() {
  local daemon path content
  while read -r daemon _ path content; do
    if [ "$daemon" = kubelite ] && ! base64 -d <<<"$content" | cmp -s - "$path"; then return 0; fi
  done <<<"$FILES"
  return 1
}

# Files that this step wrote once and that the settings no longer have: gone, or MicroK8s' own again.
remove_dropped_files() {
  local kind path own
  while read -r kind path; do
    if [ "$kind" != file ] || awk '{print $3}' <<<"$FILES" | grep -xF -- "$path" >/dev/null; then continue; fi
    own="$DEFAULT_ARGUMENTS/${path#"$ARGUMENTS_FOLDER/"}"
    if [ -f "$own" ]; then cp "$own" "$path"; else rm -f "$path"; fi
  done < <(ours_before)
}

remember_what_is_ours() {
  {
    awk 'NF {sub(/=.*/, "", $2); print $1, $2}' <<<"$ARGUMENTS"
    awk 'NF {print "file", $3}' <<<"$FILES"
  } | replace_file "$CONFIGURED" 0600
}

# An API server that has not changed yet must be able to read what one that has writes. So each knows the key of the next epoch already.
check_encryption_key() {
  [ "$ROLE" = control-plane ] || return 0
  if [ ! -f "$ENCRYPTION_FILE" ]; then
    if [ "$(control_planes | grep -c .)" -gt 1 ]; then
      problem 'a cluster of several control planes that stores Secrets unencrypted' 'one that encrypts them since it was made' \
        'move its content to a new cluster; an API server that encrypts already would write what the others cannot read'
    fi
  elif ! grep -q "name: ${ENCRYPTION_KEY}\$" "$ENCRYPTION_FILE"; then
    problem "the key ${ENCRYPTION_KEY} for Secrets, which the API servers do not know yet" 'the key of the next epoch' \
      'raise cluster.secretsEncryption.epoch by one, run pulumi up, and so on'
  fi
}

own_api_server_answers() { kubectl get --raw /readyz >/dev/null 2>&1; }

# A control plane whose own API server has not come back from this step's last restart is the one that is down, and nobody can be asked
# there: to start it again with other arguments takes nothing away.
ask_before_restart() {
  [ "$ROLE" = control-plane ] || return 0
  if [ ! -f "$STARTED/kubelite" ] && ! channel_differs && ! own_api_server_answers; then return 0; fi
  until_true "$ASK_SECONDS" 'all other control planes are Ready' other_control_planes_are_ready
  until_true "$ASK_SECONDS" 'the database has its voters' voters_are_there
}

# verify_after_restart SINCE
verify_after_restart() {
  until_true "$WAIT_SECONDS" "node $HOST_NAME is Ready again" node_is_back "$1"
  if [ "$ROLE" = control-plane ]; then until_true "$SETTLE_SECONDS" 'the database has its voters again' voters_are_there; fi
}

# Before the first host changes its minor version: after that the database may no longer be readable by the old one.
back_up_database() {
  local name old
  mkdir -p "$BACKUPS"
  name="dqlite-$(installed_version)-$(date -u +%Y%m%dT%H%M%SZ)"
  (cd "$BACKUPS" && quiet "$SNAP/microk8s" dbctl backup -o "$name")
  tar -tzf "$BACKUPS/$name.tar.gz" >/dev/null || fail "$BACKUPS/$name.tar.gz is no archive" 'a backup of the database' 'microk8s inspect on the host tells why'
  # names end in the time, which sorts; versions do not
  find "$BACKUPS" -name 'dqlite-*.tar.gz' -printf '%T@ %p\n' | sort -n | head -n "-$KEPT_BACKUPS" | while read -r _ old; do rm -f "$old"; done
}

change_channel() {
  if [ -n "$OFFLINE_SNAPS" ]; then
    install_from_files
  else
    quiet snap refresh microk8s "--channel=$CHANNEL"
  fi
  check_version_installed
}

# bring_about RESTART...: writes everything and restarts these daemons, or changes the channel, which restarts all of them.
bring_about() {
  local daemon since
  for daemon in "$@"; do must_restart "$daemon"; done
  write_files none <<<"$FILES"
  write_files kubelite <<<"$FILES"
  write_arguments
  write_containerd_environment
  remove_dropped_files
  remember_what_is_ours
  [ "$#" -gt 0 ] || return 0
  if channel_differs; then
    change_channel
  else
    for daemon in "$@"; do quiet snap restart "microk8s.daemon-$daemon"; done
  fi
  since=$(now)
  verify_after_restart "$since"
  for daemon in "$@"; do has_started "$daemon"; done
  say "restarted on ${HOST_NAME}: $*"
}

# --- what there is once in a cluster -----------------------------------------------------------------------------------------------------

# CoreDNS reads its file again by itself. Without servers in the settings the addon's choice stays: it has looked at the host.
set_dns_servers() {
  local present wanted
  [ -n "$DNS_SERVERS" ] || return 0
  present=$(kubectl -n kube-system get configmap coredns -o 'jsonpath={.data.Corefile}')
  # a block behind the servers stays
  wanted=$(sed -E "s#^( *forward \.) [^{]*(\{?)\$#\1 ${DNS_SERVERS} \2#; s# +\$##" <<<"$present")
  if [ "$(tr -s ' ' <<<"$present")" != "$(tr -s ' ' <<<"$wanted")" ]; then
    awk 'BEGIN {print "data:\n  Corefile: |"} {print "    " $0}' <<<"$wanted" |
      quiet kubectl -n kube-system patch configmap coredns --type=merge --patch-file=/dev/stdin
    say "the cluster's DNS asks ${DNS_SERVERS}"
  fi
}

# OpenEBS replicated storage on MicroK8s: the nodes' own pods cannot reach Service addresses over VXLAN on some network cards otherwise
# (canonical/microk8s #3695; OpenEBS documentation, prerequisites).
set_checksum_offload() {
  [ "$CHECKSUM_OFFLOAD_BROKEN" = yes ] || return 0
  until_true "$SETTLE_SECONDS" 'Calico has its settings (FelixConfiguration default)' kubectl get felixconfigurations.crd.projectcalico.org default
  quiet kubectl patch felixconfigurations.crd.projectcalico.org default --type=merge \
    --patch '{"spec":{"featureDetectOverride":"ChecksumOffloadBroken=true"}}'
}

all_control_planes_joined() { [ "$(control_planes | grep -c .)" -ge "$CONTROL_PLANES" ]; }

rewrite_secrets() { kubectl get secrets --all-namespaces -o json | kubectl replace -f -; }

# Once every API server has a new key, all Secrets are written anew; the namespace says with which key that was done.
encrypt_with_present_key() {
  local present
  present=$(kubectl get namespace kube-system -o 'jsonpath={.metadata.annotations.onprem-mlops/secrets-key}')
  if [ "$present" = "$ENCRYPTION_KEY" ]; then return 0; fi
  if [ -n "$(kubectl get secrets --all-namespaces -o name)" ]; then
    quiet rewrite_secrets || fail 'Secrets changed while they were written anew (see above)' "all Secrets stored with the key ${ENCRYPTION_KEY}" 'run pulumi up again'
  fi
  quiet kubectl annotate --overwrite namespace kube-system "onprem-mlops/secrets-key=$ENCRYPTION_KEY"
}

finish_control_plane() {
  [ -n "$CONTROL_PLANES" ] || return 0
  until_true "$SETTLE_SECONDS" "there are ${CONTROL_PLANES} control planes" all_control_planes_joined
  until_true "$SETTLE_SECONDS" 'the database has its voters' voters_are_there
  encrypt_with_present_key
}

apply() {
  local restart=() refresh=no
  wait_for_running_change
  check_channel
  check_encryption_key
  stop_on_problems
  if channel_differs; then refresh=yes; fi
  if [ "$refresh" = yes ] || ! is_started_with_it containerd; then restart+=(containerd); fi
  if [ "$refresh" = yes ] || ! is_started_with_it kubelite || arguments_differ || kubelite_files_differ; then restart+=(kubelite); fi
  if [ "${#restart[@]}" -gt 0 ]; then ask_before_restart; fi
  if [ "$refresh" = yes ] && [ "$FIRST" = yes ]; then back_up_database; fi
  bring_about "${restart[@]}"
  # whether or not a refresh that was asked for has ended it
  quiet snap refresh --hold microk8s
  record snap microk8s "$CHANNEL" held
  if [ "$FIRST" = yes ]; then
    set_dns_servers
    set_checksum_offload
  fi
  finish_control_plane
  say "MicroK8s on ${HOST_NAME} is as the settings say"
}

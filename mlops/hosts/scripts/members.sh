# Takes out of the cluster what is registered and is not that host any more: hosts declared lost, and hosts that were installed anew.
# Runs on the first living control plane, before the others join. Everything is judged first, then changed.
# Values: HOST_NAME LOST (names, one a line) MACHINES (lines NAME MACHINE_ID ROLE ADDRESS of the living hosts, ROLE control-plane or worker)
NODES='' MEMBERS='' OUT=()

is_lost() { [[ $'\n'"$LOST"$'\n' == *$'\n'"$1"$'\n'* ]]; }

# machine_of NAME, role_of NAME: what the settings and the host itself say; empty for a host that is not in the file
machine_of() { awk -v name="$1" '$1 == name {print $2}' <<<"$MACHINES"; }
role_of() { awk -v name="$1" '$1 == name {print $3}' <<<"$MACHINES"; }

judge_node() {
  local name="$1" registered="$2" ready="$3" role=worker address="$5" machine wanted
  machine=$(machine_of "$name")
  wanted=$(role_of "$name")
  if [ -n "$4" ]; then role=control-plane; fi
  if is_lost "$name"; then
    judge_lost "$name" "$ready" "$address"
  elif [ -n "$machine" ] && [ -n "$registered" ] && [ "$machine" != "$registered" ]; then
    judge_reinstalled "$name" "$registered" "$ready" "$address" "$machine"
  elif [ -n "$wanted" ] && [ "$wanted" != "$role" ]; then
    problem "host ${name} is a ${role} of the cluster" "a ${wanted}, as the settings say" \
      "put its roles back; to change them, take the host out of the file, run pulumi up, then put it in again with its new roles"
  fi
}

judge_lost() {
  if [ "$2" = True ]; then
    problem "host $1 is declared lost in the settings, but its node is Ready" 'a host that is switched off for good' \
      "if it lives, take the line lost: true away; if it has just died, run pulumi up again in a minute"
  else
    OUT+=("$1|$3|host $1 is declared lost")
  fi
}

judge_reinstalled() {
  local name="$1" registered="$2" ready="$3" address="$4" machine="$5"
  if [ "$name" = "$HOST_NAME" ]; then
    say "this host's machine id is $machine; its node still tells $registered, until the kubelet is started again"
  elif [ "$ready" = True ]; then
    problem "host ${name} has machine id $machine, but its node is Ready with $registered" 'a node with the machine id of its host' \
      "if the host was installed anew just now, run pulumi up again in a minute; if its machine id was changed, on it: snap restart microk8s.daemon-kubelite"
  else
    OUT+=("$name|$address|host $name was installed anew: its machine id is $machine and no longer $registered")
  fi
}

# A member goes by the agreement of a majority of the voters that there are, itself among them although it is dead.
judge_majority() {
  local address role name ready voters=0 living=0 leaving=no entry
  while read -r address role; do
    [ "$role" = voter ] || continue
    voters=$((voters + 1))
    ready=$(awk -F '|' -v address="$address" '$5 == address {print $3}' <<<"$NODES")
    if [[ $'\n'"$(printf '%s\n' "${OUT[@]}" | cut -d '|' -f 2)"$'\n' == *$'\n'"$address"$'\n'* ]]; then
      leaving=yes
    elif [ "$ready" = True ]; then
      living=$((living + 1))
    fi
  done <<<"$MEMBERS"
  if [ "$leaving" = yes ] && [ $((living * 2)) -le "$voters" ]; then
    for entry in "${OUT[@]}"; do
      name=${entry%%|*}
      problem "without ${name} ${living} of ${voters} voters of the datastore are alive" "$((voters / 2 + 1)) or more" \
        'bring another control plane up again; if none can be: MicroK8s documentation, "Recover from lost quorum"'
    done
  fi
}

# A member's datastore listens on the address by which the others know it, that of a fresh installation on 127.0.0.1 only.
datastore_answers() { timeout 5 bash -c "exec 3<>/dev/tcp/$1/19001" 2>/dev/null; }

# A control plane that was cut off while it joined: the datastore has its address, and lets it in a second time by no means.
judge_half_joined() {
  local name machine role address
  while read -r name machine role address; do
    if [ "$name" = "$HOST_NAME" ] || [[ $'\n'"$MEMBERS" != *$'\n'"$address "* ]] || [[ $'\n'"$NODES" == *$'\n'"$name|"* ]]; then continue; fi
    if datastore_answers "$address"; then
      problem "host ${name} (${role}, machine id ${machine}) is a member of the datastore, but has no node" 'a node for each living member' \
        "its kubelet registers it again: on the host, snap restart microk8s.daemon-kubelite; then run pulumi up again"
    else
      OUT+=("$name|$address|the datastore has $address of host $name, where nothing answers, and there is no node of it")
    fi
  done <<<"$MACHINES"
}

apply() {
  local name registered ready plane address entry reason
  wait_until_ready
  NODES=$(registered_nodes)
  MEMBERS=$(datastore_members)
  while IFS='|' read -r name registered ready plane address; do
    judge_node "$name" "$registered" "$ready" "$plane" "$address"
  done <<<"$NODES"
  judge_half_joined
  if [ "${#OUT[@]}" -gt 0 ]; then judge_majority; fi
  stop_on_problems
  for entry in "${OUT[@]}"; do
    IFS='|' read -r name address reason <<<"$entry"
    remove_node "$name" "$address"
    say "node ${name} was taken out by force: ${reason}"
  done
}

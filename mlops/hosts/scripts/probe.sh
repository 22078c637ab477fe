# Reads the facts of a host and changes nothing: prints one JSON object, which mlops.hosts.facts reads. Programs are started as seldom as
# possible, and whatever may wait waits at the same time, so that twenty hosts are probed about as fast as one.
# Values: HOST_NAME ASK_SECONDS (of every question over the network)
#   OTHERS (lines NAME ADDRESS) PEERS (lines ADDRESS PORT) SHARED_ADDRESSES (of the load balancer, one a line)
#   DATA_DISKS (one a line) ORIGINS (lines HOST PORT PATH) EXTRA_ROOTS (PEM)
#   PROXY (HOST PORT of the proxy, or empty) PROXY_USER PROXY_PASSWORD NO_PROXY (comma separated)
#   ASK_CLUSTER ASK_RECORDS (yes or empty; with records nothing else is read that does not belong to them) EPOCH (one more probes again)
SYSCTLS=(fs.inotify.max_user_instances fs.inotify.max_user_watches fs.aio-max-nr vm.nr_hugepages)
MODULES=(br_netfilter overlay nf_conntrack vxlan ip_set ip_tables nf_tables nvme_tcp)
FACTS=''

# quoted TEXT: sets REPLY to the text as a JSON string.
quoted() {
  local text="$1"
  text="${text//\\/\\\\}" text="${text//\"/\\\"}" text="${text//$'\n'/\\n}" text="${text//$'\t'/\\t}"
  REPLY="\"${text//[[:cntrl:]]/}\""
}

fact_json() { FACTS+="${FACTS:+, }\"$1\": $2"; }

fact() {
  quoted "$2"
  fact_json "$1" "$REPLY"
}

yes_if() { if "$@" >/dev/null 2>&1; then REPLY=true; else REPLY=false; fi; }

# content PATH: sets REPLY to what a file holds, nothing when it is not there; no program is started.
content() {
  REPLY=''
  # `read` ends with 1 where the file ends
  if [ -r "$1" ] && [ -f "$1" ] && ! IFS= read -r -d '' REPLY <"$1"; then REPLY="${REPLY%$'\n'}"; fi
}

# answer COMMAND...: sets REPLY to what a program prints, nothing when it fails or is not there.
answer() {
  REPLY=''
  if command -v "$1" >/dev/null; then REPLY=$("$@" 2>/dev/null) || REPLY=''; fi
}

# --- of this host alone ---

listening() {
  local protocol file line lines address state found='' _
  for protocol in tcp udp; do
    for file in "/proc/net/$protocol" "/proc/net/${protocol}6"; do
      [ -r "$file" ] || continue
      mapfile -t lines <"$file"
      for line in "${lines[@]}"; do
        # 0A is LISTEN; of UDP, which knows no such thing, 07 is a socket that is bound and not connected
        case "$line" in *' 0A '* | *' 07 '*) ;; *) continue ;; esac
        read -r _ address _ state _ <<<"$line"
        case "$protocol/$state" in tcp/0A | udp/07) found+="$protocol $((16#${address##*:}))"$'\n' ;; esac
      done
    done
  done
  REPLY="$found"
}

memory() {
  local line lines total=0 pages=0
  mapfile -t lines </proc/meminfo
  for line in "${lines[@]}"; do
    case "$line" in
      MemTotal:*) total="${line//[^0-9]/}" ;;
      HugePages_Total:*) pages="${line//[^0-9]/}" ;;
    esac
  done
  fact_json memory_kib "$total"
  fact_json hugepages "$pages"
}

processors() {
  local line lines cores=0 flags=''
  mapfile -t lines </proc/cpuinfo
  for line in "${lines[@]}"; do
    case "$line" in
      processor*) cores=$((cores + 1)) ;;
      flags*) flags="${line#*:}" ;;
    esac
  done
  fact_json cores "$cores"
  case " $flags " in *' sse4_2 '*) fact_json sse4_2 true ;; *) fact_json sse4_2 false ;; esac
}

modules() {
  local name unknown=() missing='' found=''
  for name in "${MODULES[@]}"; do
    if ! [ -d "/sys/module/$name" ]; then unknown+=("$name"); fi
  done
  if [ "${#unknown[@]}" -gt 0 ] && ! modprobe -n -q -a "${unknown[@]}" >/dev/null 2>&1; then
    for name in "${unknown[@]}"; do
      if ! modprobe -n -q "$name" >/dev/null 2>&1; then missing+=" $name"; fi
    done
  fi
  for name in "${MODULES[@]}"; do
    case " $missing " in *" $name "*) found+=", \"$name\": false" ;; *) found+=", \"$name\": true" ;; esac
  done
  fact_json modules "{${found#, }}"
}

sysctls() {
  local key found=''
  for key in "${SYSCTLS[@]}"; do
    content "/proc/sys/${key//.//}"
    quoted "$REPLY"
    found+=", \"$key\": $REPLY"
  done
  fact_json sysctls "{${found#, }}"
}

data_disks() {
  local disk found='' device tree
  while read -r disk; do
    [ -n "$disk" ] || continue
    device='' tree=null
    if [ -b "$disk" ] || [ -L "$disk" ]; then
      device=$(readlink -f "$disk")
      answer lsblk -J -b -o PATH,TYPE,SIZE,FSTYPE,PTTYPE,MOUNTPOINT "$disk"
      tree="${REPLY:-null}"
    fi
    quoted "$disk"
    found+=", {\"path\": $REPLY"
    quoted "$device"
    found+=", \"device\": $REPLY, \"lsblk\": $tree}"
  done <<<"$DATA_DISKS"
  fact_json data_disks "[${found#, }]"
}

firewall() {
  REPLY=''
  if command -v firewall-cmd >/dev/null || command -v ufw >/dev/null; then
    if systemctl is-active --quiet firewalld 2>/dev/null; then REPLY=firewalld; return; fi
    if command -v ufw >/dev/null && LC_ALL=C ufw status 2>/dev/null | grep -q '^Status: active'; then REPLY=ufw; fi
  fi
}

snapd_version() {
  local file line
  REPLY=''
  for file in /snap/snapd/current/usr/lib/snapd/info /usr/lib/snapd/info /usr/libexec/snapd/info; do
    [ -r "$file" ] || continue
    while IFS= read -r line; do
      case "$line" in VERSION=*) REPLY="${line#VERSION=}" && REPLY="${REPLY//[\"\']/}" ;; esac
    done <"$file"
    if [ -n "$REPLY" ]; then return; fi
  done
}

interfaces() {
  local _ name rest found=''
  while read -r _ name rest; do
    name="${name%:}" name="${name%%@*}"
    case "$name" in lo | cali* | veth* | '') continue ;; esac
    if [[ "$rest" =~ mtu\ ([0-9]+) ]]; then found+=", \"$name\": ${BASH_REMATCH[1]}"; fi
  done < <(ip -o link show)
  fact_json mtu "{${found#, }}"
}

routes() {
  local name rest found=''
  while read -r name rest; do
    case "$name" in Iface | cali* | vxlan.calico | tunl* | '*') continue ;; esac
    found+="$name ${rest//$'\t'/ }"$'\n'
  done </proc/net/route
  fact routes "$found"
}

names_in_hosts_file() {
  local address names name other known=''
  [ -r /etc/hosts ] || return 0
  while read -r address names; do
    case "$address" in '#'* | *:* | '') continue ;; esac
    for name in ${names%%#*}; do
      while read -r other _; do
        if [ "$name" = "$other" ]; then known+="$name $address"$'\n'; fi
      done <<<"$OTHERS"
    done
  done </etc/hosts
  REPLY="$known"
}

# --- all of it ---

# Starts what waits; what it prints is read at the end by `asked`.
start_questions() {
  local unknown
  exec 4</dev/null 5</dev/null 6</dev/null 7</dev/null
  if [ -n "$PEERS" ]; then exec 4< <(in_time connect_all <<<"$PEERS" | connections); fi
  if [ -n "$SHARED_ADDRESSES" ]; then exec 5< <(in_time connect_all <<<"${SHARED_ADDRESSES//$'\n'/ 443$'\n'} 443" | connections); fi
  names_in_hosts_file
  KNOWN_NAMES="$REPLY"
  unknown_names
  unknown="$REPLY"
  if [ -n "$unknown" ]; then exec 6< <(in_time resolve_all <<<"$unknown"); fi
  if [ -n "$ORIGINS" ]; then
    exec 7< <(
      export PROXY PROXY_USER PROXY_PASSWORD NO_PROXY EXTRA_ROOTS
      { printf '%s\n' "$ORIGINS" && if [ -n "$PROXY" ]; then package_sources; fi; } |
        in_time ask_origins ask_origin tls_answer proxy_answer bypasses failure
    )
  fi
  if [ "$ASK_CLUSTER" = yes ] && [ -x /snap/bin/microk8s ] && ! [ -f "$WORKER_LOCK" ]; then
    exec 8< <(in_time node_lines && printf 'volumes\n' && in_time volume_lines)
  else
    exec 8</dev/null
  fi
}
WORKER_LOCK=/var/snap/microk8s/current/var/lock/clustered.lock
CNI_FILE=/var/snap/microk8s/current/args/cni-env

unknown_names() {
  local name found=''
  while read -r name _; do
    case $'\n'"$KNOWN_NAMES" in *$'\n'"$name "*) ;; *) if [ -n "$name" ]; then found+="${found:+$'\n'}$name"; fi ;; esac
  done <<<"$OTHERS"
  REPLY="$found"
}

# asked DESCRIPTOR: sets REPLY to what came of a question; a question that ran out of time says what it knows until then.
asked() {
  REPLY=''
  if ! IFS= read -r -d '' REPLY <&"$1"; then REPLY="${REPLY%$'\n'}"; fi
}

answers() {
  local cluster nodes
  asked 4
  fact peers "$REPLY"
  asked 5
  fact shared "$REPLY"
  # an address on the same wire that answers ARP is in use, whatever its ports do
  content /proc/net/arp
  fact neighbours "$REPLY"
  asked 6
  fact names "$KNOWN_NAMES$REPLY"
  asked 7
  fact origins "$REPLY"
  asked 8
  cluster="$REPLY" nodes="${REPLY%%volumes$'\n'*}"
  fact nodes "$nodes"
  fact volumes "${cluster#"$nodes"}"
}

hardware() {
  processors
  memory
  answer df -Pk /var
  fact var "$REPLY"
  data_disks
  content /proc/swaps
  fact swaps "$REPLY"
}

system() {
  local kernel architecture
  content /etc/os-release
  fact os_release "$REPLY"
  read -r kernel architecture < <(uname -rm)
  fact kernel "$kernel"
  fact architecture "$architecture"
  yes_if test -f /sys/fs/cgroup/cgroup.controllers
  fact_json cgroup2 "$REPLY"
  modules
  sysctls
  content /sys/module/nvme_core/parameters/multipath
  fact nvme_multipath "$REPLY"
  answer timedatectl show -p NTPSynchronized --value
  fact time_synchronised "$REPLY"
  content /sys/fs/selinux/enforce
  fact selinux "$REPLY"
  snapd_version
  fact snapd "$REPLY"
}

network() {
  answer ip -o -4 addr show
  fact addresses "$REPLY"
  interfaces
  routes
  listening
  fact listening "$REPLY"
  firewall
  fact firewall "$REPLY"
}

microk8s() {
  REPLY=''
  if [ -x /snap/bin/microk8s ]; then answer snap list; fi
  fact snaps "$REPLY"
  yes_if test -f "$WORKER_LOCK"
  fact_json worker "$REPLY"
  content "$CNI_FILE"
  fact cni "$REPLY"
}

records() {
  local lines
  # which machine a step ran on tells that there was one
  if [ "$ASK_RECORDS" = yes ]; then record_lines ''; else record_lines machine; fi
  lines="$REPLY"
  # and whether it was prepared for volumes
  if [ "$ASK_RECORDS" != yes ]; then
    record_lines $'sysctl\tvm.nr_hugepages'
    lines+="$REPLY"
  fi
  fact records "$lines"
  if [ "$ASK_RECORDS" = yes ]; then fact found "$(found_now "$lines")"; fi
}

apply() {
  start_questions
  fact host_name "$(uname -n)"
  content /etc/machine-id
  fact machine_id "$REPLY"
  fact_json time "$(date +%s)"
  if [ "$ASK_RECORDS" != yes ]; then
    hardware
    system
    network
  fi
  microk8s
  records
  answers
  printf '{"host": "%s", %s}\n' "$HOST_NAME" "$FACTS"
}

# In place of the library's: a probe waits for no other step and leaves no record.
main() {
  trap 'unforeseen "$LINENO" "$BASH_COMMAND"' ERR
  "${1-apply}"
}

# What the probe asks over the network. Each question runs in a bash of its own, which `timeout` ends with all that it has started.

# in_time FUNCTION...: runs functions of this script, the first with standard input, for ASK_SECONDS at most. That there is no answer is
# an answer, too: what is missing in the output is judged, not the exit code.
in_time() {
  if ! timeout "$ASK_SECONDS" bash -c "$(declare -f "$@"); $1"; then return 0; fi
}

# Lines ADDRESS PORT in; bash tells "…/dev/tcp/ADDRESS/PORT: Connection refused" of what answers without listening, nothing comes of what does not.
connect_all() {
  local address port
  while read -r address port; do
    (exec 3<>"/dev/tcp/$address/$port" && printf ' /dev/tcp/%s/%s: open\n' "$address" "$port") 2>&1 &
  done
  wait
}

# Of what the system says of a connection that is refused the address answers, else not; lines "ADDRESS PORT open|refused|unreachable" out.
connections() {
  local line state target
  while IFS= read -r line; do
    [[ "$line" =~ /dev/tcp/([^/]+)/([0-9]+):\ (.*) ]] || continue
    target="${BASH_REMATCH[1]} ${BASH_REMATCH[2]}" state="${BASH_REMATCH[3]}"
    case "$state" in
      open) printf '%s open\n' "$target" ;;
      *refused*) printf '%s refused\n' "$target" ;;
      *) printf '%s unreachable\n' "$target" ;;
    esac
  done
}

# Names that stand in /etc/hosts are not asked for.
resolve_all() {
  local name address
  while read -r name; do
    { if address=$(getent ahostsv4 "$name"); then printf '%s %s\n' "$name" "${address%% *}"; else printf '%s -\n' "$name"; fi; } &
  done
  wait
}

# Whether NO_PROXY names a host: the name itself, or a domain above it.
bypasses() {
  local entry entries
  IFS=, read -r -a entries <<<"$NO_PROXY"
  for entry in "${entries[@]}"; do
    if [ "$1" = "$entry" ] || [[ "$entry" == .* && "$1" == *"$entry" ]]; then return 0; fi
  done
  return 1
}

# What bash says of a connection that failed, in a few words.
failure() {
  case "$1" in
    *'not known'* | *'name resolution'* | *'No address'*) printf 'failed: the name is not known' ;;
    *) printf 'failed: %s' "${1##*: }" ;;
  esac
}

# What the proxy answers to a request: its status line and the headers that say why, in one line.
proxy_answer() {
  local line answer='' host="${PROXY%% *}" port="${PROXY##* }"
  exec 3<>"/dev/tcp/$host/$port" || return 1
  printf '%s HTTP/1.1\r\nHost: %s\r\n' "$1" "$2" >&3
  if [ -n "$PROXY_USER" ]; then
    printf 'Proxy-Authorization: Basic %s\r\n' "$(printf '%s:%s' "$PROXY_USER" "$PROXY_PASSWORD" | base64 -w 0)" >&3
  fi
  printf '\r\n' >&3
  while IFS= read -r line <&3; do
    line="${line%$'\r'}"
    [ -n "$line" ] || break
    case "${line,,}" in http/* | content-type:* | location:* | proxy-authenticate:*) answer+="$line | " ;; esac
  done
  printf '%s' "${answer% | }"
}

# Who signed what an origin shows, whether this host and the site's roots trust it, and what it answers.
tls_answer() {
  local host="$1" path="$2" bundle file
  shift 2
  for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
    if [ -s "$file" ]; then bundle="$file"; fi
  done
  printf 'GET %s HTTP/1.1\r\nHost: %s\r\nSnap-Device-Series: 16\r\nUser-Agent: onprem-mlops\r\nConnection: close\r\n\r\n' "$path" "$host" |
    openssl s_client "$@" -servername "$host" -verify_hostname "$host" -ign_eof \
      -CAfile <(if [ -n "${bundle-}" ]; then cat "$bundle"; fi && printf '%s\n' "$EXTRA_ROOTS") 2>&1 |
    grep -aoiE '^ *(issuer=|http/1|content-type:|location:|verify return code:).{0,200}|"name": ?"1\.[0-9]+/[a-z]+"' |
    tr -d '\r' | sed -E 's/^"name": ?"(.*)"$/channel=\1/' | awk '!seen[$0]++' | tr '\n' '|'
}

ask_origin() {
  local host="$1" port="$2" path="$3" via=direct said='' seen='' arguments=(-connect "$1:$2")
  if [ -n "$PROXY" ] && ! bypasses "$host"; then
    via=proxy
    if [ "$port" = 80 ]; then
      said=$(proxy_answer "GET http://$host$path" "$host" 2>&1) || said=$(failure "$said")
    else
      said=$(proxy_answer "CONNECT $host:$port" "$host:$port" 2>&1) || said=$(failure "$said")
      arguments+=(-proxy "${PROXY%% *}:${PROXY##* }")
      if [ -n "$PROXY_USER" ]; then arguments+=(-proxy_user "$PROXY_USER" -proxy_pass env:PROXY_PASSWORD); fi
    fi
  else
    said=$( (exec 3<>"/dev/tcp/$host/$port" && printf open) 2>&1) || said=$(failure "$said")
  fi
  case "$port/$said" in
    80/*) ;;
    */open | */HTTP/*' 200'*) if command -v openssl >/dev/null; then seen=$(tls_answer "$host" "$path" "${arguments[@]}"); fi ;;
  esac
  # in one write, which a pipe keeps whole up to 4 KiB: others write to it at the same time
  printf '%s:%s\t%s\t%s\t%s\n' "$host" "$port" "$via" "${said//[$'\t\n']/ }" "${seen//$'\t'/ }"
}

ask_origins() {
  local host port path
  while read -r host port path; do ask_origin "$host" "$port" "$path" & done
  wait
}

# Where this host's package manager gets its packages: lines HOST PORT /.
package_sources() {
  local files=() file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/yum.repos.d/*.repo /etc/zypp/repos.d/*.repo; do
    if [ -f "$file" ]; then files+=("$file"); fi
  done
  [ "${#files[@]}" -gt 0 ] || return 0
  sed -nE '/^[[:space:]]*#/d; s#.*(https?)://([^/ :]+)([/ ].*)?$#\1 \2#p' "${files[@]}" | sort -u | sed -E 's#^https (.*)#\1 443 /#; s#^http (.*)#\1 80 /#'
}

node_lines() {
  /snap/bin/microk8s kubectl get nodes -o \
    'jsonpath={range .items[*]}{.metadata.name}{"\t"}{.status.nodeInfo.machineID}{"\t"}{.status.conditions[?(@.type=="Ready")].status}{"\t"}{.metadata.labels}{"\t"}{.spec.taints}{"\t"}{.spec.unschedulable}{"\n"}{end}'
}

volume_lines() {
  /snap/bin/microk8s kubectl get persistentvolumes -o \
    'jsonpath={range .items[*]}{.metadata.name}{"\t"}{.spec.claimRef.namespace}/{.spec.claimRef.name}{"\t"}{.spec.nodeAffinity.required.nodeSelectorTerms[*].matchExpressions[*].values[*]}{"\n"}{end}'
}

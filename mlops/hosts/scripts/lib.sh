# Shared by every step that runs on a host. Sent on standard input of `bash -s -- apply|reset`, followed by the step's values and the step.
# A step defines apply() and, where it can undo itself, reset(); both probe, decide, act and verify, so that running them again is harmless.
set -Eeuo pipefail
umask 077
export LC_ALL=C PATH="/snap/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export DEBIAN_FRONTEND=noninteractive

# Values whose text must not show in an error message; the steps' header fills it.
SECRETS=()
PROBLEMS=()

say() { printf '%s\n' "$*"; }

redact() {
  local text="$1" secret
  for secret in "${SECRETS[@]}"; do
    if [ -n "${!secret}" ]; then text="${text//"${!secret}"/****}"; fi
  done
  printf '%s' "$text"
}

# problem FOUND ALLOWED MEND: notes one thing to mend; stop_on_problems tells them all at once.
problem() { PROBLEMS+=("found: $1"$'\n'"    allowed: $2"$'\n'"    mend: $3"); }

stop_on_problems() {
  local text
  [ "${#PROBLEMS[@]}" -eq 0 ] && return 0
  {
    say "onprem-mlops: host ${HOST_NAME} (step ${STEP}) is not as it must be:"
    for text in "${PROBLEMS[@]}"; do say "  - $(redact "$text")"; done
  } >&2
  exit 1
}

# fail FOUND ALLOWED MEND: one problem, at once.
fail() {
  problem "$@"
  stop_on_problems
}

# No step may end without a word: what ends it unforeseen is named, with its line in the script.
unforeseen() {
  local code=$? line="$1" command="$2"
  say "onprem-mlops: host ${HOST_NAME} (step ${STEP}): line ${line}: '$(redact "$command" | tr '\n' ' ' | cut -c 1-200)' ended with exit code ${code}" >&2
}

# quiet COMMAND...: runs it without output; when it fails, the last lines are shown, cut and with secrets masked, because SSH clients and
# logs choke on very long lines and the caller prints what we print. Descriptor 9 is the host's lock and must not leak into a daemon.
quiet() {
  local log code=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 9>&- || code=$?
  if [ "$code" -ne 0 ]; then
    {
      say "onprem-mlops: host ${HOST_NAME} (step ${STEP}): '$(redact "$1 ${2-} ${3-}")' ended with exit code ${code}; its last lines:"
      redact "$(tail -n 20 "$log" | tail -c 16384 | tr -cd '[:print:]\n\t' | cut -c 1-500)"
      say ''
    } >&2
  fi
  rm -f "$log"
  return "$code"
}

# until_true SECONDS WHAT COMMAND...: polls a read-only condition until a deadline. The only wait there is: nothing is applied again.
until_true() {
  local deadline=$((SECONDS + $1)) what="$2"
  shift 2
  until "$@" >/dev/null 2>&1 9>&-; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      fail "${what}: not so before the deadline" "${what}" "look at 'journalctl -u snapd -u \"snap.microk8s.*\"' on the host, then run pulumi up again"
    fi
    sleep 1
  done
}

# write_file PATH MODE: standard input becomes the file, whole or not at all; sets CHANGED=yes when the content differs.
# shellcheck disable=SC2034 # CHANGED is read by the steps
write_file() {
  local path="$1" mode="$2" temporary
  mkdir -p "$(dirname "$path")"
  temporary=$(mktemp "${path}.XXXXXX")
  if ! cat >"$temporary"; then
    rm -f "$temporary"
    fail "cannot write ${path}: $(df -Pk "$(dirname "$path")" | awk 'NR==2 {print $4 " KiB free on " $6}')" "room for the file" "free some space there and run pulumi up again"
  fi
  if [ -f "$path" ] && cmp -s "$temporary" "$path"; then
    rm -f "$temporary"
    return 0
  fi
  chmod "$mode" "$temporary"
  if [ -f "$path" ]; then chown --reference="$path" "$temporary"; fi
  mv -f "$temporary" "$path"
  CHANGED=yes
}

# write_block PATH MODE TEXT: our lines between two marks at the end of a file that others write to, too; an empty text takes them away.
write_block() {
  local path="$1" mode="$2" text="$3" start='# onprem-mlops: begin' end='# onprem-mlops: end' others=''
  if [ -f "$path" ]; then others=$(sed "/^${start}\$/,/^${end}\$/d" "$path"); fi
  if [ -n "$text" ]; then
    write_file "$path" "$mode" <<<"${others:+$others$'\n'}${start}"$'\n'"${text}"$'\n'"${end}"
  elif [ -f "$path" ] && grep -qx "$start" "$path"; then
    write_file "$path" "$mode" <<<"$others"
  fi
}

# install_packages NAME...: Debian packages that are missing, nothing when all are there.
install_packages() {
  local name missing=()
  for name in "$@"; do
    dpkg-query -W -f '${Status}\n' "$name" 2>/dev/null | grep -qx 'install ok installed' || missing+=("$name")
  done
  [ "${#missing[@]}" -eq 0 ] && return 0
  quiet apt-get update
  quiet apt-get install -y --no-install-recommends "${missing[@]}"
}

# One step at a time on a host: a step that lost its connection may still be running when the next `pulumi up` comes.
lock_host() {
  mkdir -p /run/lock
  exec 9>/run/lock/onprem-mlops.lock
  flock -w 1500 9 || fail "another onprem-mlops step still runs on this host" "one step at a time" "wait for it, or end it: fuser -v /run/lock/onprem-mlops.lock"
}

main() {
  trap 'unforeseen "$LINENO" "$BASH_COMMAND"' ERR
  lock_host
  case "${1-}" in
    apply | reset) "$1" ;;
    *) fail "unknown action '${1-}'" "apply or reset" "this is a bug in onprem-mlops" ;;
  esac
}

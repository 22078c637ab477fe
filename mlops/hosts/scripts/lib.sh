# Shared by every step that runs on a host. Sent on standard input of `bash -s -- apply|reset` after the step's values, before the step.
# A step defines apply() or reset(): what is done when its resource is made or changed, and when it is deleted. Both probe, decide, act and
# verify, so that running them again is harmless.
set -Eeuo pipefail
umask 077
export LC_ALL=C PATH="/snap/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# where snaps put their commands, on every family: not in the PATH that SSH or sudo gives
# shellcheck disable=SC2034 # read by the steps
SNAP=/snap/bin
STATE=/var/lib/onprem-mlops

PROBLEMS=()

say() { printf '%s\n' "$*"; }

# SECRETS: names of the values whose text must not show in an error message; stands among the values
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

# What a step leaves on the host, for `mlops doctor --drift`: $STATE/deployed/STEP, one thing a line, fields separated by tabs. Written while
# the step runs, in its place when the step has ended well. In a file and not in an array, since the end of a pipe is a process of its own.
RECORDS="$STATE/deployed"

# record KIND NAME VALUE...: file PATH SHA256; block PATH SHA256; sysctl KEY VALUE; module NAME; unit NAME STATE; snap NAME CHANNEL held|-.
record() {
  local IFS=$'\t'
  [ -d "$RECORDS" ] || mkdir -p "$RECORDS"
  printf '%s\n' "$*" >>"$RECORDS/.$STEP"
}

# A step that has recorded nothing (one that only reads) leaves no record.
keep_record() {
  [ -f "$RECORDS/.$STEP" ] || return 0
  record machine "$(cat /etc/machine-id)"
  record version "$SCRIPT_VERSION"
  sync "$RECORDS/.$STEP"
  mv -f "$RECORDS/.$STEP" "$RECORDS/$STEP"
}

# of standard input
digest() {
  local sum
  sum=$(sha256sum)
  printf '%s' "${sum%% *}"
}

# Folders of others as a system makes them: /var/snap of root alone would shut all snaps' users out. What is ours is root's alone.
make_folder_of() {
  local folder="${1%/*}"
  if [ -d "$folder" ]; then return 0; fi
  case "$folder/" in
    "$STATE"/*) mkdir -p "$folder" ;;
    *) (umask 022 && mkdir -p "$folder") ;;
  esac
}

# replace_file PATH MODE: standard input becomes the file, whole or not at all; sets CHANGED=yes when the content differs. For files that
# belong to others; what is ours is written by write_file and write_block.
# shellcheck disable=SC2034 # CHANGED is read by the steps
replace_file() {
  local path="$1" mode="$2" temporary
  make_folder_of "$path"
  # a name of its own would stay for good when the host is cut here; the host's lock makes this one ours
  temporary="${path}.onprem-mlops"
  [ ! -e "$temporary" ] || rm -f "$temporary"
  if ! cat >"$temporary"; then
    rm -f "$temporary"
    fail "cannot write ${path}: $(df -Pk "${path%/*}" | awk 'NR==2 {print $4 " KiB free on " $6}')" "room for the file" "free some space there and run pulumi up again"
  fi
  if [ -f "$path" ] && cmp -s "$temporary" "$path"; then
    rm -f "$temporary"
    return 0
  fi
  chmod "$mode" "$temporary"
  # on the disk before the rename is: else a power loss may leave an empty file
  sync "$temporary"
  if [ -f "$path" ]; then chown --reference="$path" "$temporary"; fi
  mv -f "$temporary" "$path"
  CHANGED=yes
}

# write_file PATH MODE: as replace_file, and recorded.
write_file() {
  replace_file "$@"
  record file "$1" "$(digest <"$1")"
}

BLOCK_START='# onprem-mlops: begin' BLOCK_END='# onprem-mlops: end'

# without_block PATH: the file's text but for our lines.
without_block() {
  if [ -f "$1" ]; then sed "/^${BLOCK_START}\$/,/^${BLOCK_END}\$/d" "$1"; fi
}

# write_block PATH MODE TEXT: our lines between two marks at the end of a file that others write to, too; an empty text takes them away.
write_block() {
  local path="$1" mode="$2" text="$3" others
  others=$(without_block "$path")
  if [ -n "$text" ]; then
    replace_file "$path" "$mode" <<<"${others:+$others$'\n'}${BLOCK_START}"$'\n'"${text}"$'\n'"${BLOCK_END}"
    record block "$path" "$(digest <<<"$text")"
  elif [ -f "$path" ] && grep -qx "$BLOCK_START" "$path"; then
    replace_file "$path" "$mode" <<<"$others"
  fi
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
  rm -f "$RECORDS/.$STEP"
  case "${1-}" in
    apply)
      apply
      keep_record
      ;;
    reset)
      reset
      rm -f "$RECORDS/.$STEP" "$RECORDS/$STEP"
      ;;
    *) fail "unknown action '${1-}'" "apply or reset" "this is a bug in onprem-mlops" ;;
  esac
}

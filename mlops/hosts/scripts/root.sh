# Head of what a host's login user gets on standard input of `bash -s -- apply|reset`: a second bash, as root and with a time limit, which
# gets the rest. It stands here and not on the command line, because every failure prints the command line.
# Values: STEP STEP_TIMEOUT_SECONDS SUDO_PASSWORD (empty when sudo asks for none; a variable of this shell only, in no argument or
#   environment) PROGRAM (text of libraries and step), and the function `values`, which sets the step's

# as_root CALL ARGUMENT...: runs the step's values and its program as root, then the call with these arguments; ends this shell.
as_root() {
  # -k: by what sudoers says and not by what sudo still remembers, which may end before the step does
  local call="$1" run=(sudo -k -n) password='' code=0 found
  shift
  if [ "$(id -u)" = 0 ]; then
    run=()
  elif [ -z "$SUDO_PASSWORD" ]; then
    "${run[@]}" true </dev/null || refuse "user $(id -un), who may not use sudo without a password" \
      'root, a user with that right, or the password of sudo in hosts.access.sudoPassword' \
      "in /etc/sudoers.d/$(id -un) on the host: $(id -un) ALL=(ALL) NOPASSWD: ALL; or set that password"
  elif ! "${run[@]}" true </dev/null 2>/dev/null; then
    run=(sudo -k -S -p '') password="$SUDO_PASSWORD"
    # alone on its standard input, so that a wrong password is one try and not three, the step's first lines among them
    printf '%s\n' "$password" | "${run[@]}" true || refuse "user $(id -un), for whom sudo does not take hosts.access.sudoPassword (its own words stand above)" \
      'the password that sudo asks this user for' 'set hosts.access.sudoPassword again; or give the user the right to use sudo'
  fi
  # `timeout` on the host: Pulumi's own time limits do not end a remote command. Root's bash reads all at once; where this shell is
  # killed half way, what came is no step that is done: 70 follows what does not end by itself.
  # shellcheck disable=SC2016 # that bash expands it
  {
    # sudo reads this line of it, byte by byte, and leaves the rest to bash
    if [ -n "$password" ]; then printf '%s\n' "$password"; fi
    printf '%s\n' "$(declare -f values)" values "$PROGRAM" "{ $call; exit; }" 2>/dev/null
  } | "${run[@]}" timeout -k 30 "$STEP_TIMEOUT_SECONDS" bash -c 'eval "$(cat; echo; echo exit 70)"' bash "$@" || code=$?
  case "$code" in
    124) found="it took longer than ${STEP_TIMEOUT_SECONDS} s" ;;
    137 | 143) found="its process was killed, by hand or for want of memory" ;;
    *) exit "$code" ;;
  esac
  {
    echo "onprem-mlops: host $(hostname) (step ${STEP}) was ended half way:"
    echo "  - found: ${found}"
    echo "    allowed: a step that comes to its end"
    echo "    mend: look at 'journalctl -e' on the host, then run pulumi up again: the step goes on from what is there"
  } >&2
  exit "$code"
}

# refuse FOUND ALLOWED MEND: there is no way to become root.
refuse() {
  {
    echo "onprem-mlops: host $(hostname) (step ${STEP}) needs root:"
    printf '  - found: %s\n    allowed: %s\n    mend: %s\n' "$@"
  } >&2
  exit 77
}

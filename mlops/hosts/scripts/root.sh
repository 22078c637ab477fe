# Head of what a host's login user gets on standard input of `bash -s -- apply|reset`: a second bash, as root and with a time limit, which
# reads on in the rest. One compound command: it is read whole before it runs, and bash reads a pipe byte by byte, so the rest is still there.
# It stands here and not on the command line, because every failure prints the command line. Values: STEP STEP_TIMEOUT_SECONDS
{
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    as_root=(sudo -n)
    if ! sudo -n true </dev/null; then
      {
        echo "onprem-mlops: host $(hostname) (step ${STEP}) needs root:"
        echo "  - found: user $(id -un), who may not use sudo without a password"
        echo "    allowed: root, or a user with that right"
        echo "    mend: in /etc/sudoers.d/$(id -un) on the host: $(id -un) ALL=(ALL) NOPASSWD: ALL"
      } >&2
      exit 77
    fi
  fi
  code=0
  # `timeout` on the host: Pulumi's own time limits do not end a remote command
  "${as_root[@]}" timeout -k 30 "$STEP_TIMEOUT_SECONDS" bash -s -- "$@" || code=$?
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

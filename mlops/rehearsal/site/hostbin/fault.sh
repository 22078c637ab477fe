# shellcheck shell=bash
# Sourced by each bash that a host's sshd starts (BASH_ENV, see mlops/rehearsal/site/faults.py). Counts the commands of a step and halts
# the step before the one that /run/site/fault/armed names, until the driver has done to the host what it had in mind.
# armed: one line step, index or -, pattern or -; struck: process id, step, index and the command; go: a FIFO that ends the halt.
FAULT_DIRECTORY=/run/site/fault
FAULT_COUNT=0

fault_probe() {
  local step index pattern
  [ "$BASH_SUBSHELL" = 0 ] || return 0
  # only below the step's own functions, and not what the shell does by itself and nobody sees
  case " ${FUNCNAME[*]} " in *' apply '* | *' reset '*) ;; *) return 0 ;; esac
  case "${1%%[[:space:]]*}" in
    '['* | '(('* | *=* | local | case | for | return | read | shift | break | continue | declare | trap) return 0 ;;
  esac
  FAULT_COUNT=$((FAULT_COUNT + 1))
  # shellcheck disable=SC2153 # the step's own name
  printf '%s\t%s\t%s\n' "$STEP" "$FAULT_COUNT" "${1//[$'\n\t']/ }" >>"$FAULT_DIRECTORY/trace"
  [ -s "$FAULT_DIRECTORY/armed" ] || return 0
  read -r step index pattern <"$FAULT_DIRECTORY/armed"
  [ "$step" = "$STEP" ] || return 0
  # shellcheck disable=SC2053 # a pattern it is
  if [ "$index" = "$FAULT_COUNT" ] || [[ "$pattern" != - && "$1" == $pattern ]]; then
    printf '%s\t%s\t%s\t%s\n' "$$" "$STEP" "$FAULT_COUNT" "${1//[$'\n\t']/ }" >"$FAULT_DIRECTORY/struck.new"
    mv "$FAULT_DIRECTORY/struck.new" "$FAULT_DIRECTORY/struck"
    read -r _ <"$FAULT_DIRECTORY/go"
  fi
}

if [ -p "$FAULT_DIRECTORY/go" ]; then
  set -o functrace
  trap 'fault_probe "$BASH_COMMAND"' DEBUG
fi

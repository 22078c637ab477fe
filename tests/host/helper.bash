# shellcheck shell=bash
# What the suites share. They run as root on a node that is deployed, by bats that was sent along, and change nothing.
# Variables from who starts them: STEPS (steps that were deployed), HOST_NAME.
RECORDS=/var/lib/onprem-mlops/deployed
export LC_ALL=C PATH="/snap/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# recorded KIND: the fields after it, of every line of that kind in all records
recorded() { cat "$RECORDS"/* | awk -F '\t' -v OFS='\t' -v kind="$1" '$1 == kind {$1 = ""; print substr($0, 2)}'; }

# needs STEP: skips a test that is about a step which was not deployed here
needs() {
  case " $STEPS " in *" $1 "*) ;; *) skip "step $1 is not deployed here" ;; esac
}

digest() { sha256sum | cut -d ' ' -f 1; }

# all_true COMMAND: runs it for every line of standard input, split at tabs; fails when one fails or there is none, naming each
all_true() {
  local line fields count=0 bad=0
  while IFS= read -r line; do
    count=$((count + 1))
    IFS=$'\t' read -r -a fields <<<"$line"
    "$@" "${fields[@]}" || {
      bad=$((bad + 1))
      echo "not so: $line"
    }
  done
  [ "$count" -gt 0 ] && [ "$bad" = 0 ]
}

# family debian|redhat|suse, by os-release
family() {
  # shellcheck disable=SC1091 # a file of the host's
  case "$(. /etc/os-release && echo " $ID ${ID_LIKE-} ")" in
    *' debian '* | *' ubuntu '*) echo debian ;;
    *' rhel '* | *' fedora '*) echo redhat ;;
    *suse*) echo suse ;;
  esac
}

#!/bin/sh
# Runs a command as an ordinary user with subordinate ids, who exists in this script's own mount namespace only.
# Usage, as root: unshare --mount sh as_ordinary_user.sh HOME PATH_TO_SHOW... -- COMMAND...
# HOME: an empty directory that others may enter; PATH_TO_SHOW: directories that the user must be able to read.
set -eu
home=$1
shift

cat /etc/passwd >"$home/passwd"
echo "rehearser:x:54321:54321::$home:/bin/sh" >>"$home/passwd"
echo "${SUBORDINATE:-rehearser:100000:65536}" >"$home/subuid"
mount --bind "$home/passwd" /etc/passwd
mount --bind "$home/subuid" /etc/subuid
mount --bind "$home/subuid" /etc/subgid

# A directory under one that others may not enter (root's home) is shown through an empty one in its place.
while [ "$1" != -- ]; do
  closed=$1
  while [ "$closed" != / ]; do
    case "$(stat -c %A "$closed")" in *x | *t) ;; *) hidden=$closed ;; esac
    closed=$(dirname "$closed")
  done
  if [ -n "${hidden-}" ]; then
    stash=$(mktemp -d "$home/stash.XXXXXX")
    mount --bind "$1" "$stash"
    mount -t tmpfs -o mode=755 shown "$hidden"
    mkdir -p "$1"
    mount --bind "$stash" "$1"
    hidden=
  fi
  shift
done
shift

exec setpriv --reuid 54321 --regid 54321 --clear-groups --inh-caps=-all env -i HOME="$home" PATH="$PATH" \
  PYTHONPATH="$PYTHONPATH" PYTHONDONTWRITEBYTECODE=1 MLOPS_CACHE_DIR="$home/cache" "$@"

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

# The outermost directory above a path that others may not enter (root's home, mostly); nothing where there is none.
closed_above() {
  hidden='' closed=$1
  while [ "$closed" != / ]; do
    case "$(stat -c %A "$closed")" in *x | *t) ;; *) hidden=$closed ;; esac
    closed=$(dirname "$closed")
  done
  echo "$hidden"
}

# A directory under a closed one is shown through an empty one in its place; all are put aside before the first is covered.
shown="$home/shown" covers=''
for path in "$@"; do
  [ "$path" != -- ] || break
  cover=$(closed_above "$path")
  [ -n "$cover" ] || continue
  mkdir -p "$shown$path"
  mount --bind "$path" "$shown$path"
  case " $covers " in *" $cover "*) ;; *) covers="$covers $cover" ;; esac
done
for cover in $covers; do
  mount -t tmpfs -o mode=755 shown "$cover"
done
while [ "$1" != -- ]; do
  if mountpoint -q "$shown$1"; then
    mkdir -p "$1"
    mount --bind "$shown$1" "$1"
  fi
  shift
done
shift

exec setpriv --reuid 54321 --regid 54321 --clear-groups --inh-caps=-all env -i HOME="$home" PATH="$PATH" \
  PYTHONPATH="$PYTHONPATH" PYTHONDONTWRITEBYTECODE=1 MLOPS_CACHE_DIR="$home/cache" "$@"

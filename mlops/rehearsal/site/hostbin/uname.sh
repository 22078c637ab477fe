#!/bin/sh
# Stand-in for uname: the kernel's release is the host's own; everything else is the real one's.
read -r release </proc/sys/kernel/osrelease
for argument in "$@"; do
  case "$argument" in
    -r | --kernel-release) exec echo "$release" ;;
    -rm) exec echo "$release $(/usr/bin/uname -m)" ;;
    -a | --all) exec echo "Linux $(/usr/bin/uname -n) $release #1 SMP stand-in $(/usr/bin/uname -m) GNU/Linux" ;;
  esac
done
exec /usr/bin/uname "$@"

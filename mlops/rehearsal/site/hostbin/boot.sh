#!/bin/sh
# Sets up a throw-away host inside its new mount, UTS, IPC and PID namespaces and becomes its init.
# Usage: boot.sh ROOT HOSTNAME SHARED TOOLS VIEW
#   SHARED: the host's directory that is mounted at /run/site; TOOLS: programs of the snap; VIEW: what it sees of hardware and kernel
set -eu
root=$1 name=$2 shared=$3 tools=$4 view=$5

# read_only DIRECTORY PLACE: shows a directory there; even root of the host can neither write to it nor take it away
read_only() {
  mount --bind "$1" "$2"
  mount -o remount,ro,bind "$2"
}

hostname "$name"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
for file in "$view"/proc/*; do
  # the kernel of the machine may have no modules: then a host has no /proc/modules either, as nothing can be added to /proc
  if [ -e "$root/proc/${file##*/}" ]; then mount --bind "$file" "$root/proc/${file##*/}"; fi
done
# root of a host must not change the real machine's kernel settings
read_only "$view/proc-sys" "$root/proc/sys"
read_only "$view/sys" "$root/sys"
read_only "$view/bin" "$root/usr/local/sbin"

mount -t tmpfs -o mode=755,nosuid,size=64k dev "$root/dev"
for node in null zero full random urandom tty; do
  : >"$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev,size=16m shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
cp -a "$view/dev/." "$root/dev/"

mount -t tmpfs -o mode=755,nosuid,nodev,size=32m run "$root/run"
mkdir -p "$root/run/sshd" "$root/run/lock" "$root/run/site" "$root/run/snap-tools"
chmod 1777 "$root/run/lock"
mount --bind "$shared" "$root/run/site"
mount --rbind "$tools" "$root/run/snap-tools"
mount -o remount,ro,bind "$root/run/snap-tools"

# Without these even root of the host cannot set the clock, load modules, switch off swap, make device nodes or remount the above.
exec setpriv --bounding-set=-sys_admin,-sys_time,-sys_module,-sys_boot,-sys_rawio,-mknod,-syslog,-mac_admin,-sys_resource \
  chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /usr/bin/python3 /usr/lib/stand-in/init.py

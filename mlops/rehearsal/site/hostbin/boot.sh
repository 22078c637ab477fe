#!/bin/sh
# Sets up a throw-away host inside its new mount, UTS, IPC and PID namespaces and becomes its init.
# Usage: boot.sh ROOT HOSTNAME SHARED TOOLS    (SHARED: the host's directory that is mounted at /run/site; TOOLS: programs of the snap)
set -eu
root=$1 name=$2 shared=$3 tools=$4

hostname "$name"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
# root of a host must not change the real machine's kernel settings
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys"

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

mount -t tmpfs -o mode=755,nosuid,nodev,size=32m run "$root/run"
mkdir -p "$root/run/sshd" "$root/run/lock" "$root/run/site" "$root/run/snap-tools"
chmod 1777 "$root/run/lock"
mount --bind "$shared" "$root/run/site"
mount --rbind "$tools" "$root/run/snap-tools"
mount -o remount,ro,bind "$root/run/snap-tools"

# /sys stands in: the few entries that host scripts read, with the values of a suitable machine
mount -t tmpfs -o mode=755,nosuid,nodev,noexec,size=1m sys "$root/sys"
mkdir -p "$root/sys/fs/cgroup" "$root/sys/module/nvme_core/parameters"
echo 'cpuset cpu io memory hugetlb pids rdma misc' >"$root/sys/fs/cgroup/cgroup.controllers"
echo Y >"$root/sys/module/nvme_core/parameters/multipath"

# Without these even root of the host cannot set the clock, load modules, switch off swap, make device nodes or remount the above.
exec setpriv --bounding-set=-sys_admin,-sys_time,-sys_module,-sys_boot,-sys_rawio,-mknod,-syslog,-mac_admin,-sys_resource \
  chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /usr/bin/python3 /usr/lib/stand-in/init.py

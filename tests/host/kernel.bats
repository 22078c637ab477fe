#!/usr/bin/env bats
# Modules and settings of the kernel: in force now, and written down so that they are after a reboot.
load helper

setup() { needs prepare; }

is_loaded() { [ -d "/sys/module/$1" ]; }

is_loaded_at_boot() { cat /etc/modules-load.d/*.conf | grep -qx "$1"; }

reads() { [ "$(sysctl -n "$1")" = "$2" ]; }

# the last one of all files that say something of it
is_set_at_boot() {
  [ "$(sed -n "s/^[-]*${1//./[.\/]}[[:space:]]*=[[:space:]]*//p" /etc/sysctl.d/*.conf | tail -n 1)" = "$2" ]
}

@test "recorded modules are loaded" {
  recorded module | all_true is_loaded
}

@test "recorded modules are loaded at boot" {
  recorded module | all_true is_loaded_at_boot
}

@test "recorded settings are in force" {
  recorded sysctl | all_true reads
}

@test "recorded settings are in force after a boot" {
  recorded sysctl | all_true is_set_at_boot
}

@test "enough inotify watches and instances for Kubeflow" {
  [ "$(cat /proc/sys/fs/inotify/max_user_instances)" -ge 2280 ]
  [ "$(cat /proc/sys/fs/inotify/max_user_watches)" -ge 1255360 ]
}

@test "no swap is in use, nor after a boot" {
  [ "$(wc -l </proc/swaps)" -le 1 ]
  [ ! -f /etc/fstab ] || ! grep -Eq '^[^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap' /etc/fstab
}

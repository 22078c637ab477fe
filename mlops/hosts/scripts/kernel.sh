# Kernel modules, settings and swap, now and after a reboot. Value: STORAGE (yes: the host holds replicated volumes)
MODULES_FILE=/etc/modules-load.d/onprem-mlops.conf
# sorts after MicroK8s' 10-microk8s.conf, whose values are lower
SYSCTL_FILE=/etc/sysctl.d/90-onprem-mlops.conf
FSTAB=/etc/fstab
FSTAB_MARK='# onprem-mlops: swap is off: '

modules() {
  # pods: bridges, layers of images, connection tracking, the network between nodes
  printf '%s\n' br_netfilter overlay nf_conntrack vxlan
  # volumes of other nodes come over it (OpenEBS replicated storage)
  if [ "$STORAGE" = yes ]; then printf 'nvme_tcp\n'; fi
}

load_modules() {
  local name packages wanted
  mapfile -t wanted < <(modules)
  if ! modprobe -n -q -a "${wanted[@]}" 9>&-; then
    mapfile -t packages < <(module_packages)
    if [ "${#packages[@]}" -gt 0 ] && ! install_packages "${packages[@]}"; then
      problem "packages with further kernel modules cannot be installed (see above): ${packages[*]}" 'package sources that have them for the running kernel' \
        'update the host, reboot it into its newest kernel, run pulumi up again'
    fi
  fi
  printf '%s\n' "${wanted[@]}" | write_file "$MODULES_FILE" 0644
  for name in "${wanted[@]}"; do
    record module "$name"
    if ! quiet modprobe "$name"; then
      problem "kernel $(uname -r) cannot load module $name" 'a kernel with all its modules' \
        'install the complete kernel of the distribution (no cloud or minimal kernel), reboot, run pulumi up again'
    fi
  done
}

# KEY VALUE RELATION: exactly, or at least where a host may need more for something else
sysctls() {
  # facts: kubeflow/community-distribution README; dqlite; Kubernetes' documentation of container runtimes
  cat <<'END'
fs.aio-max-nr 1048576 least
fs.inotify.max_user_instances 2280 least
fs.inotify.max_user_watches 1255360 least
net.bridge.bridge-nf-call-iptables 1 exactly
net.ipv4.ip_forward 1 exactly
END
  # 2 GiB in pages of 2 MiB, which OpenEBS' replicated storage asks for
  if [ "$STORAGE" = yes ] && ! has_other_hugepages; then printf 'vm.nr_hugepages 1024 least\n'; fi
}

# vm.nr_hugepages counts pages of the default size: 1024 of 1 GiB would be all the memory there is.
has_other_hugepages() { grep -q '^Hugepagesize:' /proc/meminfo && ! grep -Eq '^Hugepagesize: +2048 kB' /proc/meminfo; }

sysctl_now() { sysctl -n "$1" 2>/dev/null 9>&- || printf '0\n'; }

# KEY VALUE, with the larger of what is wanted and what is there
wanted_sysctls() {
  local key value relation now
  while read -r key value relation; do
    if [ "$relation" = least ]; then
      now=$(sysctl_now "$key")
      if [ "$now" -gt "$value" ]; then value=$now; fi
    fi
    printf '%s %s\n' "$key" "$value"
  done < <(sysctls)
}

set_sysctls() {
  local key value now wanted
  if [ "$STORAGE" = yes ] && has_other_hugepages; then
    problem "huge pages of $(awk '$1 == "Hugepagesize:" {print $2, $3}' /proc/meminfo) by default" '2048 kB, of which replicated storage needs 1024' \
      'take default_hugepagesz= off the kernel command line and reboot the host; or take the role storage from it'
  fi
  wanted=$(wanted_sysctls)
  while read -r key value; do printf '%s = %s\n' "$key" "$value"; done <<<"$wanted" | write_file "$SYSCTL_FILE" 0644
  # as a boot does it: a later file of somebody else's that says otherwise shows now and not then
  if ! quiet sysctl --system; then say 'warning: some kernel settings of other files cannot be applied (see above)'; fi
  while read -r key value; do
    now=$(sysctl_now "$key")
    if [ "$now" = "$value" ]; then
      record sysctl "$key" "$value"
    elif [ "$key" = vm.nr_hugepages ]; then
      problem "$now hugepages of 2 MiB" "$value: the memory for more is there, but in pieces" 'reboot the host, run pulumi up again'
    else
      problem "sysctl $key reads $now" "$value" "look for the file that sets it otherwise: grep -r '$key' /etc/sysctl.conf /etc/sysctl.d /run/sysctl.d /usr/lib/sysctl.d"
    fi
  done <<<"$wanted"
}

swaps() { awk 'NR > 1 {print $1}' /proc/swaps; }

# The kubelet runs with swap, too, but then evicts too late.
switch_swap_off() {
  local entries entry='^[^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap([[:space:]]|$)'
  if [ -f "$FSTAB" ] && grep -Eq "$entry" "$FSTAB"; then
    entries=$(sed -E "s@${entry}@${FSTAB_MARK}&@" "$FSTAB")
    replace_file "$FSTAB" "$(stat -c %a "$FSTAB")" <<<"$entries"
    say "swap is taken out of $FSTAB: its lines stand there as comments"
  fi
  if [ -n "$(swaps)" ]; then
    quiet swapoff -a
    say 'swap is switched off'
  fi
  if [ -n "$(swaps)" ]; then problem "swap on $(swaps | tr '\n' ' ')" 'none' 'free some memory and run swapoff -a on the host; look for a unit that switches it on'; fi
}

release_kernel() {
  local entries
  rm -f "$MODULES_FILE" "$SYSCTL_FILE"
  if [ -f "$FSTAB" ] && grep -q "^${FSTAB_MARK}" "$FSTAB"; then
    entries=$(sed "s@^${FSTAB_MARK}@@" "$FSTAB")
    replace_file "$FSTAB" "$(stat -c %a "$FSTAB")" <<<"$entries"
  fi
}

# Gives a host what the platform needs below MicroK8s: proxy, trust, snapd, kernel modules and settings, firewall.
# Values: HOST_NAME OS_FAMILY (auto or a family) and those of proxy.sh, trust.sh, snapd.sh, kernel.sh, firewall.sh
apply() {
  use_family "$OS_FAMILY"
  # first, since packages come through it
  configure_proxy
  command -v "$TRUST_TOOL" >/dev/null || install_packages ca-certificates
  with_certificates install_trust
  install_packages openssl
  with_certificates verify_trust
  install_snapd
  with_certificates set_store_certificates
  ensure_snapd_version
  load_modules
  set_sysctls
  switch_swap_off
  open_firewall
  relax_selinux
  stop_on_problems
  say "host ${HOST_NAME} is prepared"
}

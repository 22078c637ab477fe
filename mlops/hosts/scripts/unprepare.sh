# Takes back what prepare.sh has given a host; packages stay, and kernel modules and settings until the next boot. For the step that removes a
# host: after MicroK8s is gone, as its daemons read some of this. Value: HOST_NAME
unprepare() {
  use_family auto
  close_firewall
  restore_selinux
  release_kernel
  remove_proxy
  remove_trust
  release_snapd
  rm -f "$RECORDS/prepare"
  say "host ${HOST_NAME} no longer trusts the site's certificates and has no proxy set; kernel settings end with the next boot"
}

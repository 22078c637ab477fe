"""The throw-away site: SSH hosts, a network and a Kubernetes control plane inside namespaces of their own.

Real: sshd, sudo, the hosts' user land (Debian's), apt, dnf, zypper and rpm, etcd, kube-apiserver, kube-controller-manager,
kube-scheduler, kubectl, squid. Stands in, each call recorded: snap, microk8s, systemctl, timedatectl, hostnamectl, modprobe,
sysctl, swapoff, swapon, lsblk, blkid, reboot, shutdown, firewall-cmd, getenforce, setenforce, sestatus, update-ca-trust and
SUSE's update-ca-certificates; from the host's own files and not recorded: date, df -Pk, nproc, uname. What a host sees in
/proc/cpuinfo, meminfo, swaps, modules, version, in /proc/sys and in /sys is its own, too; and kwok stands in for the kubelets.
"""

"""The throw-away site: SSH hosts, a network and a Kubernetes control plane inside namespaces of their own.

Real: sshd, the hosts' user land (Debian), etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl.
Stands in, each call recorded: snap, microk8s, systemctl, timedatectl, modprobe, sysctl, swapoff, reboot; and kwok for the kubelets.
"""

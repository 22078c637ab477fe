"""The files that the stand-in for the MicroK8s snap lays out, as the scripts find them."""

from __future__ import annotations

from pathlib import Path

import yaml

from mlops.rehearsal.site.pki import Authority
from mlops.rehearsal.site.snaptree import Launch, SnapTree

LAUNCH = {
    "version": "0.2.0",
    "extraKubeAPIServerArgs": {"--authorization-mode": "RBAC,Node", "--event-ttl": None, "--v": "2"},
    "extraCNIEnv": {"IPv4_CLUSTER_CIDR": "10.5.0.0/16"},
    "extraConfigFiles": {"encryption.yaml": "kind: EncryptionConfiguration\n"},
    "containerdRegistryConfigs": {"docker.io": 'server = "https://mirror.example"\n'},
    "addons": [{"name": "dns", "args": ["192.0.2.53", "10.99.0.10"]}, {"name": "rbac", "disable": True}],
    "nonsense": 1,
}


def laid_out(root: Path, launch: Launch) -> SnapTree:
    authority, tree = Authority("10.152.183.1"), SnapTree(root)
    tree.install(launch, authority, authority.server("127.0.0.1", ["node1"]))
    return tree


def test_a_launch_configuration_changes_single_lines(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/microk8s.yaml").write_text(yaml.safe_dump(LAUNCH))
    launch = SnapTree(tmp_path).launch()
    assert launch.unknown == ("nonsense",)
    assert launch.addons == ("dns",)
    assert launch.addon_arguments["dns"] == ("192.0.2.53", "10.99.0.10")
    tree = laid_out(tmp_path, launch)
    arguments = tree.arguments("kube-apiserver")
    assert (arguments["--authorization-mode"], arguments["--v"]) == ("RBAC,Node", "2")
    assert arguments["--service-account-issuer"] == "https://kubernetes.default.svc"
    assert "--event-ttl" not in arguments
    assert "--cluster-dns" not in tree.arguments("kubelet"), "the built-in configuration is replaced"
    args = tmp_path / "var/snap/microk8s/current/args"
    assert "IPv4_CLUSTER_CIDR=10.5.0.0/16\n" in (args / "cni-env").read_text()
    assert "mirror.example" in (args / "certs.d/docker.io/hosts.toml").read_text()
    assert (args / "encryption.yaml").exists()
    defaults = tmp_path / "snap/microk8s/current/default-args"
    assert "--event-ttl=5m\n" in (defaults / "kube-apiserver").read_text()


def test_without_one_microk8s_takes_its_own(tmp_path: Path) -> None:
    tree = laid_out(tmp_path, SnapTree(tmp_path).launch())
    assert tree.arguments("kubelet")["--cluster-dns"] == "10.152.183.10"


def test_a_link_on_the_host_leads_to_the_host(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "var/lib/snapd/snap").mkdir(parents=True)
    (root / "snap").symlink_to("/var/lib/snapd/snap")
    tree = laid_out(root, Launch())
    assert (root / "var/lib/snapd/snap/bin/microk8s").is_symlink()
    assert (root / "var/lib/snapd/snap/microk8s/current/default-args/kubelet").is_file()
    tree.uninstall()
    assert not (root / "var/lib/snapd/snap/microk8s").exists()

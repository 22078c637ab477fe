"""Runs inside a frame (test_site_hosts.py starts it): what hosts and their network are like."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from mlops.rehearsal.site.daemon import Fault
from mlops.rehearsal.site.site import ThrowAwaySite
from tests.rehearsal.site.site_for_tests import make_site

KEYS = Path(os.environ.get("SITE_TEST_KEYS", "."))


def ssh(
    address: str, command: str, *, user: str = "deploy", known_hosts: Path = KEYS / "known_hosts", stdin: str = ""
) -> tuple[int, str, str]:
    options = [
        "-F",
        "none",
        "-i",
        str(KEYS / "id"),
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "ConnectTimeout=5",
    ]
    options += ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "GlobalKnownHostsFile=none"]
    argv = ["ssh", *options, f"{user}@{address}", command]
    result = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=30)
    return result.returncode, result.stdout, result.stderr


def test_every_host_answers_by_its_pinned_key(inside_site: ThrowAwaySite) -> None:
    for host in inside_site.spec.all_hosts:
        assert ssh(host.address, "hostname", user=host.user)[:2] == (0, f"{host.name}\n")


def test_the_user_has_sudo_and_root_may_log_in(inside_site: ThrowAwaySite) -> None:
    assert ssh("192.168.50.11", "id -un; sudo -n id -un")[:2] == (0, "deploy\nroot\n")
    assert ssh("192.168.50.11", "id -un", user="root")[:2] == (0, "root\n")


def test_a_wrong_host_key_is_refused(inside_site: ThrowAwaySite, tmp_path: Path) -> None:
    other = make_site().write(tmp_path).parent / "known_hosts"
    code, _, err = ssh("192.168.50.11", "true", known_hosts=other)
    assert code == 255
    assert "Host key verification failed" in err


def test_a_wrong_user_is_refused(inside_site: ThrowAwaySite) -> None:
    code, _, err = ssh("192.168.50.11", "true", user="nobody")
    assert code == 255
    assert "Permission denied" in err


def test_hosts_know_each_other_and_nothing_else(inside_site: ThrowAwaySite) -> None:
    code, out, _ = ssh(
        "192.168.50.11", "getent ahostsv4 node3 | head -1 | cut -d' ' -f1; getent hosts example.org; ip route show default"
    )
    assert code == 0
    assert out.startswith("192.168.50.13\ndefault via 192.168.50.10 ")


def test_hosts_reach_each_other_and_the_bastion_reaches_them(inside_site: ThrowAwaySite) -> None:
    probe = "exec 3<>/dev/tcp/192.168.50.12/22 && head -c 4 <&3"
    for host in ("node1", "bastion"):
        assert inside_site.hosts[host].run(["bash", "-c", probe]).stdout == "SSH-"


def test_hosts_share_no_files_processes_or_names(inside_site: ThrowAwaySite) -> None:
    ssh("192.168.50.11", "sudo -n touch /etc/only-here")
    assert ssh("192.168.50.12", "ls /etc/only-here")[0] != 0
    assert inside_site.hosts["node1"].changed_files().count("/etc/only-here") == 1
    assert "/etc/only-here" not in inside_site.hosts["node2"].changed_files()
    assert int(ssh("192.168.50.11", "ps -e | wc -l")[1]) < 12
    identities = {ssh(host.address, "cat /etc/machine-id", user=host.user)[1] for host in inside_site.spec.all_hosts}
    assert len(identities) == 4


# each writes what is there already: harmless to the machine, should it ever succeed
@pytest.mark.parametrize(
    "command",
    [
        "cat /proc/sys/vm/swappiness > /tmp/own; cat /tmp/own > /proc/sys/vm/swappiness",
        "mount -o remount,rw /proc/sys",
        "date -s @$(date +%s)",
        "mknod /tmp/disk b 254 0",
        "umount /proc/sys",
    ],
)
def test_root_of_a_host_cannot_touch_the_machine(inside_site: ThrowAwaySite, command: str) -> None:
    assert ssh("192.168.50.11", "sudo -n sh -e", stdin=command)[0] != 0
    assert inside_site.hosts["node1"].run(["sh", "-ec", command]).returncode != 0


def test_kernel_settings_stand_in_per_host(inside_site: ThrowAwaySite) -> None:
    script = """echo 'fs.inotify.max_user_instances = 2280' > /etc/sysctl.d/90-test.conf
        sysctl --system >/dev/null
        sysctl -n fs.inotify.max_user_instances"""
    assert ssh("192.168.50.11", "sudo -n bash -s", stdin=script)[:2] == (0, "2280\n")
    assert inside_site.hosts["node2"].run(["sysctl", "-n", "fs.inotify.max_user_instances"]).returncode != 0
    assert inside_site.journal("node1").calls("sysctl", "--system")[0].user == 0


def test_debian_and_snapd_are_what_scripts_look_for(inside_site: ThrowAwaySite) -> None:
    script = """. /etc/os-release; echo $ID $VERSION_ID
        dpkg-query -W -f '${Status}\\n' snapd
        timedatectl show -p NTPSynchronized --value
        sudo -n snap wait system seed.loaded"""
    assert ssh("192.168.50.11", script)[:2] == (0, "debian 12\ninstall ok installed\nyes\n")


def test_a_clock_can_be_wrong_on_one_host(inside_site: ThrowAwaySite) -> None:
    host = inside_site.hosts["node2"]
    host.set_clock_offset(-7200)
    assert int(host.run(["date", "-u", "+%s"]).stdout) - time.time() == pytest.approx(-7200, abs=5)
    assert host.run(["date", "-u", "-d", "@0", "+%F"]).stdout == "1970-01-01\n"
    host.set_clock_offset(0)
    assert int(host.run(["date", "+%s"]).stdout) - time.time() == pytest.approx(0, abs=5)


def test_a_disk_can_be_full_on_one_host(inside_site: ThrowAwaySite) -> None:
    host = inside_site.hosts["node2"]
    host.run(["mkdir", "-p", "/var/snap"])
    host.limit_space("/var/snap", 64)
    assert host.run(["df", "-Pk", "/var/snap"]).stdout.split()[-3] == "64"
    assert host.run(["dd", "if=/dev/zero", "of=/var/snap/file", "bs=1k", "count=100"]).returncode != 0
    host.free_space("/var/snap")
    assert host.run(["ls", "/var/snap"]).stdout == ""


def test_a_fault_hits_once(inside_site: ThrowAwaySite) -> None:
    inside_site.inject(Fault(("timedatectl",), host="node3"))
    assert [inside_site.hosts["node3"].run(["timedatectl", "status"]).returncode for _ in range(2)] == [1, 0]
    assert [record.code for record in inside_site.journal("node3").calls("timedatectl")] == [1, 0]


def test_a_reboot_keeps_files_and_ends_processes(inside_site: ThrowAwaySite) -> None:
    script = "touch /root/kept /run/lost; sleep 300 & reboot"
    assert ssh("192.168.50.13", "sudo -n bash -s", stdin=script)[0] != 0
    deadline = time.monotonic() + 10
    while ssh("192.168.50.13", "true")[0] != 0:
        assert time.monotonic() < deadline, inside_site.hosts["node3"].log()
    assert ssh("192.168.50.13", "sudo -n ls /root/kept /run/lost 2>/dev/null; pgrep -c sleep")[1] == "/root/kept\n0\n"


def test_a_host_without_power_is_unreachable(inside_site: ThrowAwaySite) -> None:
    inside_site.power_off("node3")
    assert ssh("192.168.50.13", "true")[0] == 255
    inside_site.power_on("node3")
    assert ssh("192.168.50.13", "true")[0] == 0


def test_a_large_output_and_a_file_come_through(inside_site: ThrowAwaySite) -> None:
    code, out, _ = ssh("192.168.50.11", "head -c 200000 /dev/zero | tr '\\0' x")
    assert (code, len(out)) == (0, 200000)

"""Runs inside a frame (test_site_hosts.py starts it): what hosts and their network are like."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from mlops.rehearsal.site.daemon import Fault
from mlops.rehearsal.site.facts import GIB, Disk
from mlops.rehearsal.site.site import ThrowAwaySite
from tests.rehearsal.site.site_for_tests import make_site

KEYS = Path(os.environ.get("SITE_TEST_KEYS", "."))


def ssh_command(address: str, command: str, user: str = "deploy", known_hosts: Path = KEYS / "known_hosts") -> list[str]:
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
    return ["ssh", *options, f"{user}@{address}", command]


def ssh(
    address: str, command: str, *, user: str = "deploy", known_hosts: Path = KEYS / "known_hosts", stdin: str = ""
) -> tuple[int, str, str]:
    argv = ssh_command(address, command, user, known_hosts)
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
        sysctl -n fs.inotify.max_user_instances
        cat /proc/sys/fs/inotify/max_user_instances"""
    assert ssh("192.168.50.11", "sudo -n bash -s", stdin=script)[:2] == (0, "2280\n2280\n")
    assert inside_site.hosts["node2"].run(["cat", "/proc/sys/fs/inotify/max_user_instances"]).stdout == "128\n"
    assert inside_site.hosts["node1"].view.written["fs.inotify.max_user_instances"] == "2280"
    assert "fs.inotify.max_user_instances" not in inside_site.hosts["node2"].view.written
    assert inside_site.journal("node1").calls("sysctl", "--system")[0].user == 0


def test_hardware_and_kernel_are_those_of_the_facts(inside_site: ThrowAwaySite) -> None:
    host = inside_site.hosts["node2"]
    script = """nproc; uname -r; free -k | awk '/Mem/ {print $2}'; swapon --show=NAME --noheadings
        df -Pk /var | awk 'NR==2 {print $2,$5}'
        cat /sys/class/net/eth0/mtu; ip -o link show eth0 | grep -o 'mtu [0-9]*'
        command -v getenforce; hostname; cat /etc/machine-id
        lsblk -dno NAME,SIZE,FSTYPE /dev/disk/by-id/data; readlink -f /dev/disk/by-id/data"""
    disks = (*host.facts.disks, Disk("vdb", 10 * GIB, by_id="data", fstype="xfs"))
    host.set_fact(cores=2, kernel="4.18.0", memory_kib=4096000, swaps=("/dev/vda3",), var_used_percent=95, mtu=1450)
    host.set_fact(selinux="enforcing", host_name="other", machine_id="0" * 32, disks=disks, var_kib=1000)
    assert ssh("192.168.50.12", "sudo -n bash -s", stdin=script)[1].splitlines() == [
        *("2", "4.18.0", "4096000", "/dev/vda3", "1000 95%"),
        *("1450", "mtu 1450", "/usr/local/sbin/getenforce", "other", "0" * 32),
        *("vdb 10G xfs", "/dev/vdb"),
    ]
    host.set_fact(selinux="", host_name="", mtu=1500, swaps=())
    assert ssh("192.168.50.12", "sudo -n bash -s", stdin="command -v getenforce; hostname")[1] == "node2\n"


@pytest.mark.parametrize(
    "command",
    [
        "echo 1 > /proc/sys/vm/swappiness",
        "echo 1 > /sys/fs/cgroup/cgroup.controllers",
        "rm /usr/local/sbin/.",
        "umount /sys",
        "touch /usr/local/sbin/new",
    ],
)
def test_the_view_is_not_roots_to_change(inside_site: ThrowAwaySite, command: str) -> None:
    assert ssh("192.168.50.11", "sudo -n sh -e", stdin=command)[0] != 0


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


def wait_until_up(site: ThrowAwaySite, name: str) -> None:
    deadline = time.monotonic() + 10
    while ssh(site.spec.host(name).address, "true")[0] != 0:
        assert time.monotonic() < deadline, site.hosts[name].log()


def test_a_reboot_keeps_files_and_ends_processes_in_order(inside_site: ThrowAwaySite) -> None:
    script = """touch /root/kept /run/lost; modprobe vxlan
        mkdir -p /etc/modules-load.d; echo nvme_tcp > /etc/modules-load.d/test.conf
        setsid sh -c 'trap "echo ended > /root/told; exit" TERM; while :; do sleep 0.1; done' </dev/null >/dev/null 2>&1 &
        reboot; sleep 30"""
    assert ssh("192.168.50.13", "sudo -n bash -s", stdin=script)[0] != 0
    wait_until_up(inside_site, "node3")
    look = "sudo -n ls /root/kept /root/told /run/lost 2>/dev/null; pgrep -c sleep; ls -d /sys/module/nvme_tcp /sys/module/vxlan"
    assert ssh("192.168.50.13", look)[1] == "/root/kept\n/root/told\n0\n/sys/module/nvme_tcp\n"


def test_a_power_cut_asks_nobody(inside_site: ThrowAwaySite) -> None:
    script = """setsid sh -c 'trap "echo ended > /root/asked" TERM; while :; do sleep 0.1; done' </dev/null >/dev/null 2>&1 & """
    assert ssh("192.168.50.13", "sudo -n bash -s", stdin=script)[0] == 0
    inside_site.power_cut("node3")
    assert ssh("192.168.50.13", "sudo -n ls /root/asked")[0] != 0


def test_a_reinstalled_host_has_nothing_but_its_host_key(inside_site: ThrowAwaySite) -> None:
    before = inside_site.hosts["node3"].machine_id
    assert ssh("192.168.50.13", "sudo -n touch /root/old; sudo -n systemctl disable ssh; cat /etc/machine-id")[1].endswith(
        f"{before}\n"
    )
    inside_site.reinstall("node3")
    _, out, _ = ssh("192.168.50.13", "sudo -n ls /root/old 2>/dev/null; systemctl is-enabled ssh; cat /etc/machine-id")
    assert out.splitlines()[:1] == ["enabled"]
    assert out.splitlines()[1:] == [inside_site.hosts["node3"].machine_id] != [before]
    inside_site.reinstall("node3")
    assert inside_site.hosts["node3"].machine_id not in out


def test_ipv6_by_the_frame_and_between_hosts(inside_site: ThrowAwaySite) -> None:
    known = KEYS / "known_hosts6"
    (line,) = (line for line in (KEYS / "known_hosts").read_text().splitlines() if line.startswith("192.168.50.12 "))
    known.write_text(line.replace("192.168.50.12", "fd00:50::12") + "\n")
    assert ssh("fd00:50::12", "hostname", known_hosts=known)[:2] == (0, "node2\n")
    probe = "exec 3<>/dev/tcp/fd00:50::12/22 && head -c 4 <&3"
    assert inside_site.hosts["node3"].run(["bash", "-c", probe]).stdout == "SSH-"
    inside_site.power_cut("node2")
    assert ssh("fd00:50::12", "true", known_hosts=known)[0] == 0


def test_a_sudo_that_wants_a_password(inside_site: ThrowAwaySite) -> None:
    def on_bastion(command: str, stdin: str = "") -> tuple[int, str, str]:
        return ssh("192.168.60.2", command, user="jump", stdin=stdin)

    code, _, err = on_bastion("sudo -n true")
    assert (code, "password is required" in err) == (1, True)
    assert on_bastion("sudo -k -S -p '' id -u", "s3cret pass\n")[:2] == (0, "0\n")
    assert on_bastion("sudo -k -S -p '' id -u", "wrong\n")[0] == 1


def test_the_eleventh_connection_that_has_not_logged_in_is_refused(inside_site: ThrowAwaySite) -> None:
    waiting = [socket.create_connection(("192.168.50.11", 22), timeout=5) for _ in range(10)]
    try:
        assert [connection.recv(4) for connection in waiting] == [b"SSH-"] * 10
        with socket.create_connection(("192.168.50.11", 22), timeout=5) as eleventh:
            assert eleventh.recv(4) in (b"", b"Exce")
    finally:
        for connection in waiting:
            connection.close()


def test_a_host_without_power_is_unreachable_and_who_was_connected_hears_so(inside_site: ThrowAwaySite) -> None:
    begun = "setsid sleep 300 </dev/null >/dev/null 2>&1 & echo begun; sleep 300"
    connected = [subprocess.Popen(ssh_command("192.168.50.13", begun), stdout=subprocess.PIPE) for _ in range(5)]
    for process in connected:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
    inside_site.power_off("node3")
    assert [process.wait(5) for process in connected] == [255] * 5
    assert ssh("192.168.50.13", "true")[0] == 255
    inside_site.power_on("node3")
    assert ssh("192.168.50.13", "true")[0] == 0


def test_a_large_output_and_a_file_come_through(inside_site: ThrowAwaySite) -> None:
    code, out, _ = ssh("192.168.50.11", "head -c 200000 /dev/zero | tr '\\0' x")
    assert (code, len(out)) == (0, 200000)

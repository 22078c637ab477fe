"""What a throw-away host sees of its hardware and kernel: files that boot.sh mounts over /proc, /proc/sys and /sys, read-only.

Nothing of it is the machine's: what `sysctl`, `modprobe` and `swapoff` change on a host, they change here.
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from mlops.rehearsal.site.facts import HostFacts
from mlops.rehearsal.site.packages import LIBRARY
from mlops.rehearsal.site.rooted import inside

_SWAP_KIB = 4 * 1024**2
_PAGE_KIB = 2048
# Programs that only some hosts have: fact -> names.
_OPTIONAL = {"selinux": ("getenforce", "setenforce", "sestatus"), "firewalld": ("firewall-cmd",)}
_NEEDS = {"nvme_tcp": ("nvme_fabrics", "nvme_core"), "nvme_fabrics": ("nvme_core",), "iptable_nat": ("ip_tables", "nf_conntrack")}
_MODULE_SYSCTLS = {
    "br_netfilter": {
        "net.bridge.bridge-nf-call-arptables": "1",
        "net.bridge.bridge-nf-call-ip6tables": "1",
        "net.bridge.bridge-nf-call-iptables": "1",
    },
    "nf_conntrack": {"net.netfilter.nf_conntrack_max": "262144"},
}
# The usual values of a stock kernel, for what host scripts read and set.
_SYSCTLS = {
    "fs.aio-max-nr": "65536",
    "fs.file-max": "9223372036854775807",
    "fs.inotify.max_queued_events": "16384",
    "fs.inotify.max_user_instances": "128",
    "fs.inotify.max_user_watches": "524288",
    "fs.nr_open": "1048576",
    "fs.protected_fifos": "1",
    "fs.protected_hardlinks": "1",
    "fs.protected_regular": "2",
    "fs.protected_symlinks": "1",
    "kernel.cap_last_cap": "40",
    "kernel.hostname": "",
    "kernel.keys.maxkeys": "200",
    "kernel.ngroups_max": "65536",
    "kernel.osrelease": "",
    "kernel.ostype": "Linux",
    "kernel.overflowgid": "65534",
    "kernel.overflowuid": "65534",
    "kernel.panic": "0",
    "kernel.panic_on_oops": "0",
    "kernel.pid_max": "4194304",
    "kernel.random.boot_id": "",
    "kernel.threads-max": "500000",
    "net.core.somaxconn": "4096",
    "net.ipv4.conf.all.forwarding": "0",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.eth0.rp_filter": "0",
    "net.ipv4.ip_forward": "0",
    "net.ipv4.ip_local_port_range": "32768\t60999",
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.all.forwarding": "0",
    "vm.max_map_count": "65530",
    "vm.nr_hugepages": "0",
    "vm.overcommit_memory": "0",
    "vm.swappiness": "60",
}


class HostView:
    """The view of one host, with what its kernel has in memory.

    Args:
        directory: for the files.
        shared: what the host sees as /run/site.
        root: the host's root file system.
        name: the host's name.
        kernel: release of its kernel.
    """

    def __init__(self, directory: Path, shared: Path, root: Path, name: str, kernel: str) -> None:
        self.directory = directory
        self._shared = shared
        self._root = root
        self._name = name
        self._kernel = kernel
        self.facts = HostFacts()
        self.loaded: list[str] = []
        self.swaps: tuple[str, ...] = ()
        self.selinux = ""
        self.sysctls: dict[str, str] = {}
        self.written: dict[str, str] = {}
        """Kernel settings that were set since boot, by their key with dots."""

    def boot(self, facts: HostFacts) -> None:
        """Begins anew, as a kernel does: modules, settings, swap and SELinux are what the files on the disk say."""
        self.facts = facts
        self.loaded, self.written = [], {}
        self.sysctls = _SYSCTLS | {
            "kernel.hostname": facts.host_name or self._name,
            "kernel.osrelease": self.kernel,
            "kernel.random.boot_id": str(uuid.uuid4()),
        }
        self.selinux = self._selinux_at_boot()
        self.swaps = self._swaps_at_boot()
        for name in (*facts.loaded, *self._lines("/etc/modules-load.d")):
            self.load(name)
        self.sysctls |= facts.sysctls
        for line in self._lines("/etc/sysctl.d", "/etc/sysctl.conf"):
            key, separator, value = line.partition("=")
            if separator:
                self.set_sysctl(key.strip(" -").replace("/", "."), value.strip())
        self.write()

    def change(self, facts: HostFacts) -> None:
        """Takes over other facts without a boot: what was loaded and set meanwhile stays, where the facts are silent."""
        before, self.facts = self.facts, facts
        for name in facts.loaded:
            if name not in before.loaded:
                self.load(name)
        self.loaded = [name for name in self.loaded if name in facts.loaded or name not in before.loaded]
        self.sysctls |= {key: value for key, value in facts.sysctls.items() if before.sysctls.get(key) != value}
        self.sysctls |= {"kernel.hostname": facts.host_name or self._name, "kernel.osrelease": self.kernel}
        if facts.swaps != before.swaps:
            self.swaps = facts.swaps
        if facts.selinux != before.selinux:
            self.selinux = facts.selinux
        self.write()

    @property
    def kernel(self) -> str:
        """Release of the kernel."""
        return self.facts.kernel or self._kernel

    def available(self, module: str) -> bool:
        """Whether the kernel can load a module: of its own, or from a package (files under /lib/modules)."""
        name = module.replace("-", "_")
        if name in self.facts.modules or name in self.loaded:
            return True
        folder = inside(self._root, f"/lib/modules/{self.kernel}")
        return any(path.stem.replace("-", "_") == name for path in folder.rglob("*.ko"))

    def load(self, module: str) -> bool:
        """Loads a module with what it needs; False when there is none of that name."""
        name = module.replace("-", "_")
        if not self.available(name):
            return False
        for each in (*_NEEDS.get(name, ()), name):
            if each not in self.loaded:
                self.loaded.append(each)
                self.sysctls |= _MODULE_SYSCTLS.get(each, {})
        return True

    def unload(self, module: str) -> None:
        """Takes a module out."""
        name = module.replace("-", "_")
        self.loaded = [each for each in self.loaded if each != name]

    def set_sysctl(self, key: str, value: str) -> bool:
        """Sets a kernel setting, some to less than is asked for; False when there is no such one or it takes numbers only."""
        if key not in self.sysctls or (self.sysctls[key].isdigit() and not value.isdigit()):
            return False
        if key == "vm.nr_hugepages":
            value = str(min(int(value), self.facts.hugepages_available))
        self.sysctls[key] = self.written[key] = value
        return True

    def write(self) -> None:
        """Writes all files as things stand. In place: a file that is mounted somewhere must stay the same file."""
        texts = self._proc() | self._sys() | {f"proc-sys/{_as_path(key)}": f"{value}\n" for key, value in self.sysctls.items()}
        for name, text in texts.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_text() != text:
                path.write_text(text)
        self._remove_others(self.directory / "sys", {self.directory / name for name in texts})
        self._remove_others(self.directory / "proc-sys", {self.directory / name for name in texts})
        self._programs()
        self._devices()
        used = self.facts.var_kib * self.facts.var_used_percent // 100
        (self._shared / "var").write_text(
            f"{self.facts.var_kib} {used} {self.facts.var_kib - used} {self.facts.var_used_percent}%\n"
        )
        (self._shared / "clock-offset").write_text(f"{self.facts.clock_offset}\n" if self.facts.clock_offset else "")

    def _proc(self) -> dict[str, str]:
        flags = " ".join(self.facts.cpu_flags)
        processor = f"vendor_id\t: GenuineIntel\nmodel name\t: stand-in\ncpu cores\t: {self.facts.cores}\nflags\t\t: {flags}\n"
        pages = int(self.sysctls["vm.nr_hugepages"])
        swap = _SWAP_KIB * len(self.swaps)
        free = max(0, self.facts.memory_kib * 9 // 10 - pages * _PAGE_KIB)
        memory = {
            "MemTotal": self.facts.memory_kib,
            "MemFree": free,
            "MemAvailable": free,
            "Buffers": 0,
            "Cached": 0,
            "SwapCached": 0,
            "SwapTotal": swap,
            "SwapFree": swap,
            "Shmem": 0,
            "Slab": 0,
            "SReclaimable": 0,
        }
        counts = {"HugePages_Total": pages, "HugePages_Free": pages, "HugePages_Rsvd": 0, "HugePages_Surp": 0}
        lines = [f"{key + ':':<16}{value:>8} kB\n" for key, value in memory.items()]
        lines += [f"{key + ':':<18}{value:>6}\n" for key, value in counts.items()]
        lines += [f"Hugepagesize:    {_PAGE_KIB:>6} kB\n", f"Hugetlb:         {pages * _PAGE_KIB:>6} kB\n"]
        swaps = "".join(f"{device}\t\tpartition\t{_SWAP_KIB}\t0\t-2\n" for device in self.swaps)
        return {
            "proc/cpuinfo": "\n".join(f"processor\t: {number}\n{processor}" for number in range(self.facts.cores)),
            "proc/meminfo": "".join(lines),
            "proc/swaps": f"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n{swaps}",
            "proc/modules": "".join(f"{name} 16384 0 - Live 0x0000000000000000\n" for name in self.loaded),
            "proc/version": f"Linux version {self.kernel} (stand-in of the throw-away site)\n",
        }

    def _sys(self) -> dict[str, str]:
        files = {
            "sys/devices/system/cpu/online": f"0-{self.facts.cores - 1}\n",
            "sys/devices/system/cpu/possible": f"0-{self.facts.cores - 1}\n",
            "sys/class/net/eth0/mtu": f"{self.facts.mtu}\n",
            "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": f"{self.sysctls['vm.nr_hugepages']}\n",
        }
        if self.facts.cgroup == 2:
            files["sys/fs/cgroup/cgroup.controllers"] = "cpuset cpu io memory hugetlb pids rdma misc\n"
        else:
            files |= {f"sys/fs/cgroup/{name}/cgroup.procs": "" for name in ("cpu", "cpuset", "memory", "pids", "systemd")}
        if self.selinux in {"enforcing", "permissive"}:
            files["sys/fs/selinux/enforce"] = f"{int(self.selinux == 'enforcing')}\n"
        files |= {f"sys/module/{name}/refcnt": "0\n" for name in self.loaded}
        if "nvme_core" in self.loaded and self.facts.nvme_multipath:
            files["sys/module/nvme_core/parameters/multipath"] = f"{self.facts.nvme_multipath}\n"
        for disk in self.facts.disks:
            files[f"sys/block/{disk.name}/size"] = f"{disk.size // 512}\n"
            files[f"sys/block/{disk.name}/removable"] = "0\n"
        return files

    def _programs(self) -> None:
        folder = self.directory / "bin"
        folder.mkdir(exist_ok=True)
        wanted = {name for fact, names in _OPTIONAL.items() if getattr(self.facts, fact) for name in names}
        for path in folder.iterdir():
            if path.name not in wanted:
                path.unlink()
        for name in wanted:
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(f"{LIBRARY}/stand_in.py")

    def _devices(self) -> None:
        """Names under /dev, copied there at boot: no device nodes, which an ordinary user cannot make, but names to be found."""
        folder = self.directory / "dev"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "disk/by-id").mkdir(parents=True)
        for disk in self.facts.disks:
            for number in range(len(disk.partitions) + 1):
                (folder / f"{disk.name}{number or ''}").touch()
            if disk.by_id:
                (folder / "disk/by-id" / disk.by_id).symlink_to(f"../../{disk.name}")

    def _selinux_at_boot(self) -> str:
        file = inside(self._root, "/etc/selinux/config")
        if self.facts.selinux and file.is_file():
            for line in file.read_text().splitlines():
                if line.startswith("SELINUX="):
                    return line.partition("=")[2].strip()
        return self.facts.selinux

    def _swaps_at_boot(self) -> tuple[str, ...]:
        fields = [line.split() for line in self._lines("/etc/fstab")]
        return tuple(entry[0] for entry in fields if len(entry) > 2 and entry[2] == "swap")

    def _lines(self, *paths: str) -> list[str]:
        """Lines of files, or of all ``.conf`` files of folders, in their order; without comments."""
        files: list[Path] = []
        for path in paths:
            found = inside(self._root, path)
            names = [f"{path}/{entry.name}" for entry in sorted(found.glob("*.conf"))] if found.is_dir() else [path]
            files += [inside(self._root, name) for name in names]
        # one of them may be a link to nothing
        lines = [line.strip() for file in files if file.is_file() for line in file.read_text(errors="replace").splitlines()]
        return [line for line in lines if line and line[0] not in "#;"]

    @staticmethod
    def _remove_others(folder: Path, wanted: set[Path]) -> None:
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_file() and path not in wanted:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _as_path(key: str) -> str:
    """File of a kernel setting under /proc/sys: dots separate, and in the name of an interface a slash stands for a dot."""
    return key.translate(str.maketrans("./", "/."))

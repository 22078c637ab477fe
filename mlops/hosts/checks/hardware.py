"""Checks of the machine itself. Where a figure is no setting, its source stands beside it."""

from __future__ import annotations

from collections.abc import Iterator

from mlops.hosts.checks.check import Fault, Subject, of_host

KIB_PER_GIB = 1024 * 1024
# Sensible minimum for a node that runs the platform; production wants more (see the sums of `capacity`).
MIN_CORES, SLOW_CORES = 2, 4
# MicroK8s: "at least 20 GB of disk space and 4 GB of memory are recommended" (docs, getting started)
MIN_MEMORY_KIB = 4_000_000
MIN_FREE_KIB = 20 * KIB_PER_GIB
WORKING_FREE_KIB = KIB_PER_GIB  # below it the kubelet evicts (MicroK8s, default-args/kubelet: nodefs.available<1Gi)
PLANNED_DISK_KIB = 100_000_000  # images of Kubeflow 40 GB, its volumes 65 GB
NEARLY_FULL, FULL = 85, 90  # kubelet, imageGCHighThresholdPercent: 85
MIN_DATA_DISK = 10 * 1024**3  # OpenEBS Mayastor, prerequisites
HUGEPAGES = 1024  # of 2 MiB: OpenEBS Mayastor, prerequisites


@of_host("cores", "error", f"{MIN_CORES} processors, better 8", "give the machine more processors")
def cores(subject: Subject) -> Iterator[Fault]:
    """Processors that the system sees."""
    there = subject.facts.cores
    if there < SLOW_CORES:
        yield Fault(f"{there} processor(s)", severity="error" if there < MIN_CORES else "warning")


@of_host("memory", "error", "4 GB of memory, better 32", "give the machine more memory")
def memory(subject: Subject) -> Iterator[Fault]:
    """Memory that the system sees."""
    there = subject.facts.memory_kib
    if there < MIN_MEMORY_KIB:
        yield Fault(f"{there / KIB_PER_GIB:.1f} GiB of memory")


@of_host("disk", "error", "room under /var: MicroK8s, images and volumes lie there", "free some space, or give /var a larger disk")
def disk(subject: Subject) -> Iterator[Fault]:
    """Room under /var."""
    facts = subject.facts
    free, used = facts.var_free_kib, facts.var_used_percent
    found = f"/var is {used} % full, {free / KIB_PER_GIB:.1f} GiB are free"
    needed = WORKING_FREE_KIB if facts.channel else MIN_FREE_KIB
    if free < needed:
        yield Fault(found, f"at least {needed / KIB_PER_GIB:.0f} GiB free under /var")
    elif used >= NEARLY_FULL:
        words = f"less than {NEARLY_FULL} %: from there on the kubelet deletes images, and above it evicts pods"
        yield Fault(found, words, severity="error" if used >= FULL else "warning")
    elif facts.var_size_kib < PLANNED_DISK_KIB:
        yield Fault(
            f"the file system of /var has {facts.var_size_kib / KIB_PER_GIB:.0f} GiB in all",
            "100 GB: images and volumes of the platform need as much",
            severity="warning",
        )


@of_host("cpu-flags", "error", "a processor with SSE4.2 on a storage host", "take the role storage from this host")
def cpu_flags(subject: Subject) -> Iterator[Fault]:
    """Mayastor's engine ends with an illegal instruction without SSE4.2."""
    if subject.host.is_storage and subject.facts.architecture == "x86_64" and not subject.facts.sse4_2:
        yield Fault("a processor without SSE4.2")


@of_host(
    "data-disks",
    "error",
    "each disk of dataDisks there, whole, empty and of 10 GiB or more",
    "correct dataDisks of this host (`ls -l /dev/disk/by-id`); what is on a disk goes by `wipefs -a`, for good",
)
def data_disks(subject: Subject) -> Iterator[Fault]:
    """Disks that are to hold volumes. Where the cluster runs already they do, and are not empty any more."""
    for entry in subject.facts.disks:
        if not entry.device:
            yield Fault(f"no disk {entry.path}")
        elif entry.kind and entry.kind != "disk":
            yield Fault(f"{entry.path} is {entry.device}, which is of the type {entry.kind}")
        elif entry.content and not subject.facts.channel:
            yield Fault(f"{entry.path} ({entry.device}) holds {entry.content}")
        elif entry.size < MIN_DATA_DISK:
            yield Fault(f"{entry.path} ({entry.device}) has {entry.size / 1024**3:.1f} GiB")


@of_host(
    "hugepages",
    "error",
    f"{HUGEPAGES} huge pages of 2 MiB on a storage host",
    "restart the host: its memory is too fragmented to set more aside",
)
def hugepages(subject: Subject) -> Iterator[Fault]:
    """Before it is prepared a host has none; afterwards they must be there, and none without the role."""
    facts = subject.facts
    if not subject.host.is_storage:
        return
    if facts.prepared_for_storage and facts.hugepages < HUGEPAGES:
        yield Fault(f"{facts.hugepages} huge pages")
    elif facts.memory_kib < MIN_MEMORY_KIB + HUGEPAGES * 2048:
        yield Fault(
            f"{facts.memory_kib / KIB_PER_GIB:.1f} GiB of memory",
            "6 GB of memory on a storage host, 2 of them in huge pages",
            "give the machine more memory",
        )


@of_host("swap", "warning", "no swap: with it pods are slow where they should be evicted", "nothing: the deployment turns it off")
def swap(subject: Subject) -> Iterator[Fault]:
    """Swap that is on."""
    there = subject.facts.swap_devices
    if there:
        yield Fault(f"swap on {', '.join(there)}")


CHECKS = (cores, memory, disk, cpu_flags, data_disks, hugepages, swap)

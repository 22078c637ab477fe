"""How long a stand-in takes between its pods being Ready and its first act: the same in every run with the same seed."""

from __future__ import annotations

from mlops.rehearsal.site.kwok import spread

SHORTEST_MS = 1_000
LONGEST_MS = 5_000


def first_act_seconds(seed: str, namespace: str, workload: str, scale: float) -> float:
    """Election of a leader, filling of caches, making of a certificate.

    Args:
        seed: seed of the site.
        namespace: namespace of the workload.
        workload: name of its Deployment or StatefulSet.
        scale: factor on the delays.
    """
    drawn = SHORTEST_MS + spread(f"{seed}/{namespace}/{workload}/first act") % (LONGEST_MS - SHORTEST_MS + 1)
    return drawn * scale / 1000

"""The cluster's nodes as kubectl sees them: labels, taints, who is meant to be there, and whether one may go.

``python -m mlops.nodes ACT`` is the step that a resource of the engine runs on this machine (:mod:`mlops.nodes.__main__`). What may
be taken out is judged from the cluster's own objects, in :func:`refusals`, without any connection.
"""

from mlops.nodes.judging import refusals
from mlops.nodes.state import LEAVING, ClusterState, WantedHost

__all__ = ["LEAVING", "ClusterState", "WantedHost", "refusals"]

"""Sets of objects as one step: kept by digest, applied by kubectl, compared with what the cluster has.

The engine writes its whole state before and after every step: each object that is a resource of its own makes all others slower.
What merely lies in the cluster - kinds, permissions, configuration - is written as a set; the state holds a digest of each, and
the bytes lie in the cache (docs/decisions/0010).
"""

from mlops.objectset.differences import differences
from mlops.objectset.kinds import DEFINITION, GUARDS, MEMBERS, identity, identity_of
from mlops.objectset.kubectl import FIELD_MANAGER, Kubectl, KubectlError, pinned_kubectl
from mlops.objectset.store import Store, summaries_in, summary

__all__ = [
    "DEFINITION",
    "FIELD_MANAGER",
    "GUARDS",
    "MEMBERS",
    "Kubectl",
    "KubectlError",
    "Store",
    "differences",
    "identity",
    "identity_of",
    "pinned_kubectl",
    "summaries_in",
    "summary",
]

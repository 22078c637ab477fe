"""CustomResourceDefinitions of one bundle as one step: kept by digest, applied by kubectl, compared with what the cluster has.

They are the largest objects by far, and the engine writes its whole state after every step: as bytes in the state they would make
every other object slow (docs/decisions/0010). So the state holds a digest of each, and the bytes lie in the cache.
"""

from mlops.definitions.kubectl import FIELD_MANAGER, Kubectl, KubectlError, pinned_kubectl
from mlops.definitions.schema import differences
from mlops.definitions.store import Store, summaries_in, summary

__all__ = ["FIELD_MANAGER", "Kubectl", "KubectlError", "Store", "differences", "pinned_kubectl", "summaries_in", "summary"]

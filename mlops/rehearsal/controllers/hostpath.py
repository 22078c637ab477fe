"""Stands in for MicroK8s' hostpath-provisioner: gives claims of its StorageClass a volume, and takes it away with the claim.

Addon hostpath-storage of canonical/microk8s-core-addons; the binding itself is the controller-manager's and the scheduler's.
"""

from __future__ import annotations

from mlops.rehearsal.controllers.client import Api, Body, each

PROVISIONER = "microk8s.io/hostpath"
_ASKED = "volume.kubernetes.io/storage-provisioner"
_NODE = "volume.kubernetes.io/selected-node"
_BY = "pv.kubernetes.io/provisioned-by"
_VOLUMES = "/api/v1/persistentvolumes"
_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


def act(api: Api) -> None:
    """One look at all claims, then at all volumes."""
    each(api.items("/api/v1/persistentvolumeclaims"), lambda claim: _provide(api, claim))
    each(api.items(_VOLUMES), lambda volume: _reclaim(api, volume))


def _provide(api: Api, claim: Body) -> None:
    metadata, spec = claim["metadata"], claim["spec"]
    annotations = metadata.get("annotations") or {}
    name = f"pvc-{metadata['uid']}"
    if annotations.get(_ASKED) != PROVISIONER or spec.get("volumeName") or metadata.get("deletionTimestamp"):
        return
    kind = api.get(f"{_CLASSES}/{spec['storageClassName']}")
    late = kind is not None and kind.get("volumeBindingMode") == "WaitForFirstConsumer"
    if kind is None or (late and _NODE not in annotations) or api.get(f"{_VOLUMES}/{name}"):
        return
    node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [annotations.get(_NODE, "")]}
    reference = {key: metadata[key] for key in ("namespace", "name", "uid", "resourceVersion")}
    volume: Body = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {_BY: PROVISIONER}},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **reference},
            "hostPath": {"path": f"/var/snap/microk8s/common/default-storage/{name}", "type": "DirectoryOrCreate"},
            "persistentVolumeReclaimPolicy": kind.get("reclaimPolicy", "Delete"),
            "storageClassName": kind["metadata"]["name"],
            **({"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [node]}]}}} if late else {}),
        },
    }
    api.create(_VOLUMES, volume)


def _reclaim(api: Api, volume: Body) -> None:
    ours = (volume["metadata"].get("annotations") or {}).get(_BY) == PROVISIONER
    released = (volume.get("status") or {}).get("phase") == "Released" and not volume["metadata"].get("deletionTimestamp")
    if ours and released and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
        api.delete(f"{_VOLUMES}/{volume['metadata']['name']}")

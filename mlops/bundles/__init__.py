"""Bundles: upstream manifests fetched and verified, rendered with patches of our own, parsed into objects.

A bundle is a folder below ``manifests/`` with a ``kustomization.yaml``, a ``chart.yaml`` or both. It names its upstream folders as
``../sources/<source>/<path>``; the sources stand in ``manifests/sources.lock.yaml``. What a bundle is for is not known here.
"""

from mlops.bundles.bundle import Bundle, bundles_in, load_bundle, load_bundles
from mlops.bundles.fetch import fetch, tree_of
from mlops.bundles.hooks import Precedence
from mlops.bundles.images import images, images_in_texts
from mlops.bundles.lock import Source, read_lock
from mlops.bundles.places import Places
from mlops.bundles.programs import Helm, Kustomize

__all__ = [
    "Bundle",
    "Helm",
    "Kustomize",
    "Places",
    "Precedence",
    "Source",
    "bundles_in",
    "fetch",
    "images",
    "images_in_texts",
    "load_bundle",
    "load_bundles",
    "read_lock",
    "tree_of",
]

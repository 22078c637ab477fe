"""Bundles: upstream manifests fetched and verified, rendered with patches of our own, parsed into objects.

A bundle is a folder below ``manifests/`` with a ``kustomization.yaml`` that names its upstream base as
``../sources/<source>/<path>``; the sources stand in ``manifests/sources.lock.yaml``. What a bundle is for is not known here.
"""

from mlops.bundles.bundle import Bundle, load_bundle
from mlops.bundles.fetch import fetch, tree_of
from mlops.bundles.lock import Source, read_lock
from mlops.bundles.places import Places, default_cache
from mlops.bundles.render import Kustomize, render

__all__ = ["Bundle", "Kustomize", "Places", "Source", "default_cache", "fetch", "load_bundle", "read_lock", "render", "tree_of"]

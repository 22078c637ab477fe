"""A program of one bundle: the file that MANIFEST names, into the cluster of the kubeconfig that ADMINISTRATOR names."""

import os
from pathlib import Path

import pulumi

from components.bundle import ClusterObjects, ClusterObjectsArgs
from components.cluster import ExistingCluster, ExistingClusterArgs
from components.manifests import Manifests
from mlops.bundles import Bundle
from mlops.ordering import parse_documents
from mlops.settings import Data, Deadlines, Secret, SecretState, Sources
from mlops.settings import ExistingCluster as ExistingClusterSettings

kubeconfig = Secret(SecretState.GIVEN, Path(os.environ["ADMINISTRATOR"]).read_text(encoding="utf-8"))
cluster = ExistingCluster("cluster", ExistingClusterArgs(settings=ExistingClusterSettings(kind="existing", kubeconfig=kubeconfig)))
objects = ClusterObjects(
    ClusterObjectsArgs(
        cluster=cluster.access,
        manifests=Manifests.of(Path(os.environ["CHECKOUT"]), Sources()),
        deadlines=Deadlines(webhookSeconds=int(os.environ["WEBHOOK_SECONDS"]), workloadSeconds=60),
        data=Data(onDestroy=os.environ["ON_DESTROY"]),
    )
)
bundle = Bundle("test", parse_documents(Path(os.environ["MANIFEST"]).read_text(encoding="utf-8"), origin="test"), digest="")
objects.add(bundle, parent=pulumi.ComponentResource("onprem-mlops:test:Test", "layer", {}))
objects.register()

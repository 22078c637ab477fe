"""Layer cluster: MicroK8s on the site's hosts, or a cluster that exists already, behind one interface."""

from components.cluster.cluster import Cluster
from components.cluster.existing import ExistingCluster, ExistingClusterArgs
from components.cluster.microk8s import MicroK8s, MicroK8sArgs

__all__ = ["Cluster", "ExistingCluster", "ExistingClusterArgs", "MicroK8s", "MicroK8sArgs"]

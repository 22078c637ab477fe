"""Typed, frozen settings of one site: read, checked and completed before anything is touched.

Start with :func:`read_site_file` (a site file, no engine, no passphrase), :func:`unseal` (the same with its secrets, read through
the engine) or :func:`parse_site` (values that the engine has already handed over).
"""

from mlops.settings.access import Access, Bastion, HostAccess
from mlops.settings.cluster import Arguments, Audit, Authentication, ExistingCluster, MicroK8sCluster, Offline, SecretsEncryption
from mlops.settings.data import Data
from mlops.settings.deadlines import Deadlines
from mlops.settings.engine import decode_config, unseal
from mlops.settings.hosts import CHECK_NAMES, Host, Hosts, Preflight, Skip, Taint
from mlops.settings.kubeflow import Kubeflow
from mlops.settings.network import Network
from mlops.settings.parse import parse_site, read_site_file
from mlops.settings.proxy import Proxy
from mlops.settings.registries import Registry, RegistryMirror
from mlops.settings.report import Origin, SettingsError
from mlops.settings.secret import MissingSecret, Secret, SecretState
from mlops.settings.site import CLUSTER_DOMAIN, Site
from mlops.settings.sources import Sources
from mlops.settings.stackfile import NAMESPACE, is_misspelt, site_files
from mlops.settings.trust import CorporateAuthority, OwnAuthority, Trust
from mlops.settings.types import AddressRange

__all__ = [
    "CHECK_NAMES",
    "CLUSTER_DOMAIN",
    "NAMESPACE",
    "Access",
    "AddressRange",
    "Arguments",
    "Audit",
    "Authentication",
    "Bastion",
    "CorporateAuthority",
    "Data",
    "Deadlines",
    "ExistingCluster",
    "Host",
    "HostAccess",
    "Hosts",
    "Kubeflow",
    "MicroK8sCluster",
    "MissingSecret",
    "Network",
    "Offline",
    "Origin",
    "OwnAuthority",
    "Preflight",
    "Proxy",
    "Registry",
    "RegistryMirror",
    "Secret",
    "SecretState",
    "SecretsEncryption",
    "SettingsError",
    "Site",
    "Skip",
    "Sources",
    "Taint",
    "Trust",
    "decode_config",
    "is_misspelt",
    "parse_site",
    "read_site_file",
    "site_files",
    "unseal",
]

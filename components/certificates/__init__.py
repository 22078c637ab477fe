"""Layer certificates: cert-manager and the ClusterIssuer that signs with the site's intermediate."""

from components.certificates.cert_manager import CertManager, CertManagerArgs

__all__ = ["CertManager", "CertManagerArgs"]

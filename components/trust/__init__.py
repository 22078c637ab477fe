"""Layer trust: who signs the platform's certificates, and what every host and pod trusts."""

from components.trust.ca_chain import CaChain, CaChainArgs

__all__ = ["CaChain", "CaChainArgs"]

"""Layer hosts: every host is checked, trusts the site's certificates and knows its proxy."""

from components.hosts.hosts import PreparedHosts, PreparedHostsArgs

__all__ = ["PreparedHosts", "PreparedHostsArgs"]

"""The site's proxy, as the layers below Kubernetes take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import pulumi

from components.secrets import revealed
from mlops.settings import Site


@dataclass(frozen=True, kw_only=True)
class ProxyAccess:
    """How hosts and containerd reach the outside.

    Attributes:
        environment: HTTP_PROXY, HTTPS_PROXY and NO_PROXY in both spellings, as every consumer gets them; empty without a proxy.
            Secret: the addresses may hold a password.
        secrets: values of a step that are masked in messages: the password as it is and as it stands in a URL; empty without one.
    """

    environment: pulumi.Output[Mapping[str, str]]
    secrets: Mapping[str, pulumi.Output[str]]


def proxy_access(site: Site) -> ProxyAccess:
    """The proxy of the settings."""
    password = revealed(site.proxy.password) if site.proxy and site.proxy.password else pulumi.Output.from_input("")
    # inside apply, since a password that is not set yet leaves all of it unknown in a preview
    environment = password.apply(lambda _: {name: value.reveal() for name, value in site.proxy_environment().items()})
    return ProxyAccess(
        environment=pulumi.Output.secret(environment),
        secrets={"PROXY_PASSWORD": password, "PROXY_PASSWORD_IN_URL": password.apply(lambda known: quote(known, safe=""))},
    )


def environment_lines(variables: Mapping[str, str]) -> str:
    """Variables as lines NAME="value", as /etc/environment and containerd's start script read them."""
    return "\n".join(f'{name}="{value}"' for name, value in sorted(variables.items()))

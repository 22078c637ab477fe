"""The values of a prepared host in the tests: a storage host behind a proxy with a password."""

from __future__ import annotations

from collections.abc import Sequence

PROXY = "http://svc:p%40ss@proxy.example:3128"


def values_of(name: str, address: str, certificates: Sequence[str]) -> dict[str, str]:
    """Values of step prepare."""
    direct = f"127.0.0.1,localhost,10.1.0.0/16,.svc,{name},{address},mirror.example,.mlops.example"
    variables = {"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY, "NO_PROXY": direct}
    lines = [f'{variable}="{text}"' for variable, text in variables.items()]
    lines += [f'{variable.lower()}="{text}"' for variable, text in variables.items()]
    return {
        "HOST_NAME": name,
        "ADDRESS": address,
        "OS_FAMILY": "auto",
        "STORAGE": "yes",
        "CERTIFICATES": "".join(certificates),
        "PROXY_ENVIRONMENT": "\n".join(lines),
        "PLAIN_PROXY": PROXY,
        "TLS_PROXY": PROXY,
        "DIRECT": direct,
        "PROXY_PASSWORD": "p@ss",
        "PROXY_PASSWORD_IN_URL": "p%40ss",
        "OFFLINE": "no",
        "FIREWALL": "open",
        "FIREWALL_SOURCES": f"10.1.0.0/16 10.152.183.0/24 {address} 192.0.2.12",
        "SELINUX": "leave",
    }

"""The proxy towards the internet."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field

from mlops.settings.secret import Secret, SecretState
from mlops.settings.section import Section
from mlops.settings.types import Text
from mlops.settings.urls import NoProxyEntry, ProxyUrl


class Proxy(Section):
    """The proxy that hosts and pods use for everything outside the site."""

    http: ProxyUrl = Field(description="Proxy for http:// addresses, e.g. http://proxy.example.org:3128; no credentials inside.")
    https: ProxyUrl | None = Field(default=None, description="Proxy for https:// addresses; the same as http when left out.")
    no_proxy: tuple[NoProxyEntry, ...] = Field(
        default=(),
        description="Further names and networks reached without the proxy; those of the platform itself are added by themselves.",
    )
    username: Text | None = Field(default=None, description="User at the proxy, when it asks for one.")
    password: Secret | None = Field(default=None, description="Password of that user (secret).")

    @classmethod
    def needs_secret(cls, key: str, values: Mapping[str, object]) -> bool:
        """A user without a password is half a credential."""
        return key == "password" and values.get("username") is not None

    @property
    def https_url(self) -> str:
        """Proxy for https:// addresses, without credentials."""
        return self.https or self.http

    def url_with_credentials(self, url: str) -> Secret:
        """`url` (http or https_url) with user and password percent-encoded into it, as programs read it.

        Raises:
            UserError: the password is sealed or missing.
        """
        if self.username is None:
            return Secret(SecretState.GIVEN, url)
        password = self.password.reveal() if self.password else ""
        parts = urlsplit(url)
        user = f"{quote(self.username, safe='')}:{quote(password, safe='')}"
        return Secret(SecretState.GIVEN, urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}")))

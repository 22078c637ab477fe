"""Stands in for the organisation's proxy: squid, under the site's own proxy name and port, which opens TLS.

Hosts have no other way out. It trusts the stand-in for public authorities and nobody else; it passes on to the stand-ins for
what is outside (:mod:`.origins`) and to nothing else; it keeps nothing. An ordinary process, which ends with the frame.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlops.errors import Problem
from mlops.rehearsal.site.origins import ADDRESS, LOGIN, NAMES, Origins, Request
from mlops.rehearsal.site.pki import Authority
from mlops.rehearsal.site.preflight import search_path
from mlops.rehearsal.site.process import Program
from mlops.rehearsal.site.rooted import inside
from mlops.rehearsal.site.spec import SiteSpec
from mlops.rehearsal.site.store import SnapHost

Mode = Literal["intercept", "tunnel", "login-page", "refuse"]
"""``intercept``: opens TLS. ``tunnel``: passes it on unopened. ``login-page``: sends everybody to a page of its own.
``refuse``: asks for credentials and knows none."""

PACKAGE = "squid-openssl"
START_SECONDS = 10.0
# squid refuses to run as root; Debian's base system has this user for proxies
_USER = "proxy"
_HELPERS = ("/usr/lib/squid", "/usr/lib64/squid", "/usr/libexec/squid")
_CERTIFICATES = "security_file_certgen"
_PASSWORDS = "basic_ncsa_auth"

# it makes files in /dev/shm, under names that are the same for every squid, and a killed one leaves them
_OWN_MEMORY = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=16m,mode=1777 shm /dev/shm && exec "$@"', "sh")

_CONFIGURATION = """\
visible_hostname {name}
pid_filename none
pinger_enable off
shutdown_lifetime 0 seconds
hosts_file hosts
cache deny all
cache_mem 0
buffered_logs off
logformat site %ts.%03tu %>a %un %>Hs %rm %ru
access_log stdio:access.log site
cache_log /dev/null
tls_outgoing_options default-ca=off cafile=public.pem
sslcrtd_program {helpers}/{certificates} -s certificates -M 4MB
sslcrtd_children 2 startup=1 idle=1
auth_param basic program {helpers}/{passwords} users
auth_param basic children 1 startup=1 idle=1
auth_param basic realm {name}
acl users proxy_auth REQUIRED
acl known dstdomain {names}
acl login dstdomain {login}
acl everyone src all
http_access deny !known
"""


@dataclass(frozen=True, slots=True)
class ProxyRecord:
    """One request that the proxy was asked for.

    Attributes:
        time: seconds since the epoch, when it ended.
        client: address of the host.
        user: the user that it gave; empty when the proxy asked for none.
        status: HTTP status that the host got.
        method: HTTP method; ``CONNECT`` for the tunnel around TLS.
        url: address, or host and port of a tunnel.
    """

    time: float
    client: str
    user: str
    status: int
    method: str
    url: str


def find_problems(urls: Iterable[str], *, credentials: bool) -> Iterable[Problem]:
    """What this machine lacks for a site with a proxy.

    Args:
        urls: what hosts are told of it.
        credentials: whether it asks for a user.
    """
    squid = shutil.which("squid", path=search_path())
    if squid is None or _helpers() is None:
        found = "squid is not installed" if squid is None else f"{squid} cannot open TLS ({_CERTIFICATES} is missing)"
        yield Problem("the site's proxy", found, "squid with OpenSSL, which stands in for it", f"apt-get install {PACKAGE}")
    if any(url.startswith("https:") for url in urls):
        found = "a proxy that is itself spoken to by TLS (https://)"
        yield Problem("the site's proxy", found, "http://", "nothing: a rehearsal has no stand-in for such a proxy yet")
    if credentials and shutil.which("openssl", path=search_path()) is None:
        yield Problem("the site's proxy", "openssl is not installed", "openssl, for its password file", "apt-get install openssl")


def _helpers() -> str | None:
    return next((folder for folder in _HELPERS if (Path(folder) / _CERTIFICATES).exists()), None)


class Interception:
    """The proxy and what is behind it.

    Args:
        spec: the site; has a proxy.
        directory: the run's directory for it.

    Attributes:
        origins: what is outside.
        public_root: certificate, PEM, of the authority of everything outside.
    """

    def __init__(self, spec: SiteSpec, directory: Path) -> None:
        if spec.proxy is None:
            raise ValueError(f"site {spec.name} has no proxy")
        self._spec = spec
        self._proxy = spec.proxy
        self._directory = directory
        self._opens_with = spec.proxy.authority or Authority("stand-in proxy root").pair
        public = Authority("stand-in public root")
        self.public_root = public.pair.certificate
        self.origins = Origins(directory, public)
        self._squid = Program(
            "squid",
            # by the working directory, since the folders above are closed to squid's user
            [*_OWN_MEMORY, "env", f"--chdir={directory}", *_as_user(), "squid", "-N", "-d", "1", "-f", "squid.conf"],
            directory / "squid.log",
            environment={"PATH": search_path()},
        )

    def start(self) -> None:
        """Starts both; returns when the proxy answers.

        Raises:
            RuntimeError: it does not; with its log.
        """
        self._directory.mkdir()
        self.origins.start()
        names = "".join(f"{ADDRESS} {name}\n" for name in NAMES)
        for file, text in (
            ("public.pem", self.public_root),
            ("authority.pem", self._opens_with.certificate + self._opens_with.key),
            ("hosts", names),
        ):
            self._write(file, text)
        shutil.chown(self._directory, _USER)
        helper = f"{_helpers()}/{_CERTIFICATES}"
        make = ["env", f"--chdir={self._directory}", *_as_user(), helper, "-c", "-s", "certificates", "-M", "4MB"]
        subprocess.run(make, check=True, capture_output=True)
        self.set_mode("intercept" if self._proxy.authority else "tunnel")

    def stop(self) -> None:
        """Ends both."""
        self._squid.kill()
        self.origins.stop()

    def set_mode(self, mode: Mode) -> None:
        """Makes the proxy another one: it is started anew.

        Raises:
            RuntimeError: it does not answer; with its log.
        """
        credentials = self._proxy.username is not None or mode == "refuse"
        users = "" if mode == "refuse" or self._proxy.username is None else _user(self._proxy.username, self._proxy.password)
        self._write("users", users)
        self._write("squid.conf", self._configuration(mode, credentials=credentials))
        self._squid.kill()
        self._squid.start()
        for address, port in self._listens:
            self._wait(address, port)

    @property
    def _listens(self) -> list[tuple[str, int]]:
        addresses = dict.fromkeys(self._spec.proxy_addresses.values())
        return [(address, port) for address in addresses for port in self._proxy.ports]

    def log(self) -> tuple[ProxyRecord, ...]:
        """What it was asked for so far."""
        file = self._directory / "access.log"
        lines = file.read_text(errors="replace").splitlines() if file.exists() else []
        records = [line.split(" ", 5) for line in lines]
        # "-": a connection that ended before it asked for anything
        return tuple(
            ProxyRecord(float(when), client, user.removeprefix("-"), int(status), method, url)
            for when, client, user, status, method, url in records
            if method != "-"
        )

    def bypassed(self) -> tuple[Request, ...]:
        """Requests that reached an origin and do not stand in the proxy's log."""
        asked = {(record.method, record.url) for record in self.log()}
        return tuple(
            request
            for request in self.origins.requests
            if (request.method, request.url) not in asked and ("CONNECT", f"{request.name}:443") not in asked
        )

    def be_public(self, host: SnapHost) -> None:
        """Makes a host trust what stands in for public authorities, as the package of its own does with the real ones."""
        # where every image has the public authorities, and what its tools make the bundle from
        name = "mozilla/stand-in-public-root.crt"
        inside(host.root, f"/usr/share/ca-certificates/{name}").write_text(self.public_root)
        if host.system.family == "debian":
            listed = inside(host.root, "/etc/ca-certificates.conf")
            listed.write_text(f"{listed.read_text()}{name}\n")
        bundle = inside(host.root, "/etc/ssl/certs/ca-certificates.crt")
        bundle.write_text(bundle.read_text() + self.public_root)

    def _configuration(self, mode: Mode, *, credentials: bool) -> str:
        lines = [
            _CONFIGURATION.format(
                name=self._proxy.names[0],
                helpers=_helpers(),
                certificates=_CERTIFICATES,
                passwords=_PASSWORDS,
                names=" ".join(NAMES),
                login=LOGIN,
            )
        ]
        opens = "" if mode == "tunnel" else " ssl-bump tls-cert=authority.pem generate-host-certificates=on"
        lines += [f"http_port {address}:{port}{opens}" for address, port in self._listens]
        if opens:
            lines.append("ssl_bump bump all")
        if credentials:
            lines.append("http_access deny !users")
        if mode == "login-page":
            lines += ["http_access allow login", f"deny_info 302:http://{LOGIN}/ everyone", "http_access deny everyone"]
        lines += ["http_access allow known", ""]
        return "\n".join(lines)

    def _wait(self, address: str, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(OSError), socket.create_connection((address, port), timeout=1):
                return
            if self._squid.ended or time.monotonic() > deadline:
                raise RuntimeError(f"the stand-in proxy does not answer at {address}:{port}\n{self._squid.tail()}")
            time.sleep(0.02)

    def _write(self, name: str, text: str) -> None:
        file = self._directory / name
        file.touch(mode=0o600)
        file.write_text(text)
        shutil.chown(file, _USER)


def _as_user() -> list[str]:
    return ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]


def _user(name: str, password: str) -> str:
    """The line of a password file."""
    command = ["openssl", "passwd", "-6", "-stdin"]
    return f"{name}:{subprocess.run(command, input=password, capture_output=True, text=True, check=True).stdout}"

"""Downloading one archive: goes on where an interrupted download ended."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from mlops.bundles.threads import go_on

_SILENCE_SECONDS = 20.0
_CHUNK = 256 * 1024

Seen = Callable[[int, int | None], None]
"""Called with the bytes that are there, and with all there will be when the server says so."""


class DownloadError(Exception):
    """The archive could not be had from this URL; the text says why."""


def download(url: str, part: Path, *, limit: int, direct: bool = False, seen: Seen | None = None) -> bool:
    """Download a URL into a file; bytes that are there already are not asked for again when the server can leave them out.

    Whether they are the beginning of the same archive is not known here: who calls verifies the whole.

    Args:
        url: ``http:`` or ``https:``.
        part: the file; what an interrupted download left stays there for the next one.
        limit: bytes that are too many.
        direct: ask without the proxy that the environment names.
        seen: progress.

    Returns:
        Whether bytes of an earlier download were used.

    Raises:
        DownloadError: no answer, a refusal, a broken transfer or too many bytes.
        OSError: the file cannot be written.
    """
    had = part.stat().st_size if part.exists() else 0
    try:
        answer = open_url(url, direct=direct, offset=had)
    except DownloadError as error:
        refusal = error.__cause__
        if not (had and isinstance(refusal, urllib.error.HTTPError) and refusal.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            raise
        part.unlink()  # there is no more than that, or the file is another one by now
        return download(url, part, limit=limit, direct=direct, seen=seen)
    with answer:
        resumed = answer.status == HTTPStatus.PARTIAL_CONTENT and _first_byte(answer) == had
        _save(answer, part, had if resumed else 0, limit, seen)
    return resumed


def open_url(url: str, *, direct: bool = False, offset: int = 0) -> http.client.HTTPResponse:
    """Ask for a URL, and come back with the beginning of the answer.

    Proxies come from the environment (``https_proxy``, ``no_proxy``).

    Args:
        url: ``http:`` or ``https:``.
        direct: ask without a proxy, whatever the environment says.
        offset: first byte that is wanted; a server may send all the same.

    Raises:
        DownloadError: no such URL, no answer, or a refusal.
    """
    try:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise DownloadError("not a http(s) URL")
        request = urllib.request.Request(url, headers={"Range": f"bytes={offset}-"} if offset else {})  # noqa: S310  (scheme checked)
        opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if direct else []))
        return cast("http.client.HTTPResponse", opener.open(request, timeout=_SILENCE_SECONDS))
    except urllib.error.HTTPError as error:
        raise DownloadError(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise DownloadError(str(error.reason)) from error
    except (http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        raise DownloadError(f"{type(error).__name__}: {error}") from error


def _first_byte(answer: http.client.HTTPResponse) -> int | None:
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _save(answer: http.client.HTTPResponse, part: Path, size: int, limit: int, seen: Seen | None) -> None:
    length = answer.headers.get("Content-Length", "")
    total = size + int(length) if length.isdigit() else None
    with part.open("ab" if size else "wb") as file:
        while chunk := _read(answer, size, total):
            size += len(chunk)
            if size > limit:
                part.unlink()
                raise DownloadError(f"is larger than {limit} bytes")
            file.write(chunk)
            if seen:
                seen(size, total)
            go_on()
    if total is not None and size < total:
        raise DownloadError(f"broke off after {size} of {total} bytes; the next fetch goes on from there")


def _read(answer: http.client.HTTPResponse, size: int, total: int | None) -> bytes:
    try:
        return answer.read1(_CHUNK)  # what is there, however little: a slow server is no reason to end late
    except (http.client.HTTPException, OSError) as error:
        of = "" if total is None else f" of {total}"
        raise DownloadError(f"broke off after {size}{of} bytes ({error}); the next fetch goes on from there") from error

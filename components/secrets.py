"""Secret settings as outputs."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import pulumi

from mlops.settings import Secret, SecretState

T = TypeVar("T")


def revealed(secret: Secret) -> pulumi.Output[str]:
    """The secret as a secret output; unknown in a preview while it is not set, so that a preview needs no secret.

    Raises:
        UserError: it is not set and this is no preview.
    """
    if secret.state is SecretState.MISSING and pulumi.runtime.is_dry_run():
        return pulumi.Output(set(), _future(""), _future(False), _future(True))  # noqa: FBT003 - unknown, secret
    return pulumi.Output.secret(secret.reveal())


def _future(value: T) -> asyncio.Future[T]:
    future: asyncio.Future[T] = asyncio.get_event_loop().create_future()
    future.set_result(value)
    return future

"""Where the platform's upstream files come from."""

from __future__ import annotations

from pydantic import Field

from mlops.settings.section import Section
from mlops.settings.types import FilePath
from mlops.settings.urls import Url


class Sources(Section):
    """Places asked before the public origin; every file is verified by its digest wherever it comes from."""

    mirrors: tuple[Url, ...] = Field(
        default=(), description="Base URLs of in-house mirrors, asked in this order and reached without the proxy."
    )
    air_gap: FilePath | None = Field(
        default=None,
        description="Directory on the deploying machine that holds everything; the network is not asked when it is set.",
    )

"""How long the program waits in the cluster before it gives up."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlops.settings.section import Section

Seconds = Annotated[int, Field(strict=True, ge=1, le=86400)]


class Deadlines(Section):
    """Seconds to wait for what the cluster does by itself; when they are over, the run fails and says what was not there."""

    webhook_seconds: Seconds = Field(
        default=300,
        description="Seconds to wait until webhooks answer for an object, or an issuer or a certificate is ready.",
    )
    workload_seconds: Seconds = Field(
        default=1800,
        description=(
            "Seconds to wait until the pods of a workload are ready, or the kinds of a bundle are established; "
            "more where images come over a slow line."
        ),
    )

"""What becomes of the data in the cluster when the platform is removed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlops.settings.section import Section


class Data(Section):
    """Users' data in the cluster: volumes, and objects of the platform's own kinds."""

    on_destroy: Literal["keep", "remove"] = Field(
        default="keep",
        description=(
            "What `pulumi destroy` does to them: keep leaves volume claims, kinds with all their objects, and the namespaces "
            "with claims in the cluster, where a later `pulumi up` finds them; remove deletes them for good, users' objects first. "
            "A change counts from the next `pulumi up` on."
        ),
    )

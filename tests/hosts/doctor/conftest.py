"""What tests of the doctor on a throw-away site share: the way into a frame, from the tests of the site."""

from __future__ import annotations

from tests.rehearsal.site.conftest import base, cache, inside_site, run_inside

__all__ = ["base", "cache", "inside_site", "run_inside"]

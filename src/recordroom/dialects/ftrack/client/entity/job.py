"""Jobs that scripts tell people of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Entity

__all__ = ["Job"]


class Job(Entity):
    """A job. A description for people is JSON in `data`: `json.dumps({"description": "Rendering"})`."""

    def _construct(self, data: Mapping[str, Any], reconstructing: bool) -> None:
        if not reconstructing and data.get("type") not in ("api_job", None):
            raise ValueError(f"Invalid job type {data.get('type')!r}: scripts create 'api_job' only")
        super()._construct(data, reconstructing)

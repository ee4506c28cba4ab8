"""`open_location`: the accessor for an address."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import InvalidValue
from .accessor import Accessor

__all__ = ["open_location"]

_STORES = ("s3", "s3a", "gs", "gcs", "az", "azure", "adl", "abfs", "abfss")
_SECRET = ("key", "secret", "token", "password", "sas", "credential")


def open_location(where: str | Path, **options: Any) -> Accessor:
    """The accessor for a folder, `file:///folder`, `memory://name`, or `s3://bucket/prefix`, `gs://…`, `az://…`.

    `options` are those of obstore, such as `endpoint` and `region`; the plain ones may stand in the address:
    `s3://bucket/prefix?endpoint=https://s3.example.org&region=eu-1`. Secrets may not: give them as options, or in the
    variables of the environment that the store's own tools read, such as AWS_SECRET_ACCESS_KEY.
    """
    text = os.fspath(where)
    parts = urlsplit(text)
    if parts.scheme in _STORES:
        return _object_store(text, options)
    if parts.scheme == "memory":
        from .memory import MemoryAccessor

        return MemoryAccessor(f"memory://{parts.netloc}")
    if "://" in text and parts.scheme != "file":
        raise InvalidValue(
            type="location", attribute="where", value=f"{parts.scheme}://…",
            expected="a folder, file:///…, memory://…, s3://…, gs://… or az://…",
        )  # fmt: skip
    from .disk import DiskAccessor

    return DiskAccessor(unquote(parts.path) if parts.scheme == "file" else text)


def _object_store(text: str, options: dict[str, Any]) -> Accessor:
    from .object_store import ObjectStoreAccessor, store_of

    parts = urlsplit(text)
    plain = dict(parse_qsl(parts.query))
    if parts.username or parts.password or any(word in name.lower() for name in plain for word in _SECRET):
        raise InvalidValue(
            "An address of a location may hold no secret; give it as an option, or in the environment.",
            type="location", attribute="where", value="…", expected="an address without a secret",
        )  # fmt: skip
    where = f"{parts.scheme}://{parts.netloc}{parts.path}"
    return ObjectStoreAccessor(store_of(where, {**plain, **options}), where)

"""Schemas on disk: what a database's types were when a session saw them last, so that they need not travel again.

The server is asked every time whether they still are, by their hash, so nothing here is ever out of date. A file that cannot
be read, or whose types do not have the hash that they should have, is told in the log and counts as not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
from pathlib import Path
from typing import Self

import msgspec

from ..model.schema import Schema
from ..query.request import SchemaReply
from .cache import cache_folder

__all__ = ["SchemaCache"]

VARIABLE = "RECORDROOM_SCHEMA_CACHE"
_FORMAT = 1

_log = logging.getLogger("recordroom.cache")


class _Kept(msgspec.Struct, kw_only=True):
    format: int = _FORMAT
    tag: str
    hash: str
    reply: SchemaReply


class SchemaCache:
    """Schemas in a folder: a file for each address and database, for its owner's eyes only.

    `wanted`: somebody named the folder, and is told where it cannot be written.
    """

    def __init__(self, folder: Path, *, wanted: bool = True) -> None:
        self.folder = folder
        self._wanted = wanted

    @classmethod
    def of(cls, folder: str | Path | None) -> Self | None:
        """The one in a folder; without, where RECORDROOM_SCHEMA_CACHE says, or in the folder of caches, if there is one."""
        given = folder or os.environ.get(VARIABLE)
        if given:
            return cls(Path(given))
        try:
            return cls(cache_folder() / "schemas", wanted=False)
        except RuntimeError:
            # A user without a home.
            return None

    def read(self, where: str, database: str) -> tuple[Schema, str] | None:
        """A schema and its tag; None where there is none, or one that is not right."""
        file = self._file(where, database)
        try:
            kept = msgspec.msgpack.decode(file.read_bytes(), type=_Kept)
            schema = Schema(kept.reply.types, kept.reply.revision)
            if (kept.format, schema.hash) != (_FORMAT, kept.hash):
                raise ValueError("its types are not those that were written")
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - it may be of another version, or damaged in any way
            _log.warning("the schema in %s is not used: %s: %s", file, type(error).__name__, error)
            return None
        return schema, kept.tag

    def write(self, where: str, reply: SchemaReply, tag: str) -> None:
        """Keep a schema. A folder that cannot be written is told in the log."""
        file = self._file(where, reply.database)
        made = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        kept = _Kept(tag=tag, hash=Schema(reply.types, reply.revision).hash, reply=reply)
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(msgspec.msgpack.encode(kept))
            made.replace(file)
        except OSError as error:
            with contextlib.suppress(OSError):
                made.unlink()
            level = logging.WARNING if self._wanted else logging.DEBUG
            _log.log(level, "the schema of %s is not kept in %s: %s", reply.database, self.folder, error)

    def _file(self, where: str, database: str) -> Path:
        name = hashlib.sha256("\0".join((where, database)).encode()).hexdigest()
        return self.folder / f"{name[:32]}.schema"

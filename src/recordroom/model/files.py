"""Files on the wire: what a component has in the room's own location, uploads, and addresses that are good for a short time."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["CHECKSUM", "FileFacts", "FileUrl", "FileUrlRequest", "UploadState"]

CHECKSUM = "sha256:"  # in front of a digest in hexadecimal


class FileFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The bytes of a component: how many, their checksum (`sha256:…`), and the MD5 where it was given or asked for."""

    component: bytes
    size: int
    checksum: str
    md5: str = ""
    name: str = ""


class UploadState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An upload: `open`, `joining` (its parts are being put together), or `done`, with what it has become."""

    id: bytes
    component: bytes
    state: str
    offset: int
    length: int
    expires: int
    file: FileFacts | None = None


class FileUrlRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Ask for an address that needs no other credential: to read (`GET`) or to send the bytes of a component (`PUT`).

    What is sent must have `size` bytes and this `md5` (hexadecimal or base64), where they are given. `seconds` is how long it is
    good for, at most as long as the server allows.
    """

    method: Literal["GET", "PUT"] = "GET"
    name: str = ""
    size: int | None = None
    md5: str = ""
    seconds: int = 0


class FileUrl(msgspec.Struct, frozen=True, kw_only=True):
    """An address below the server's, the headers to send with it, and when it ends (seconds since 1970)."""

    url: str
    headers: dict[str, str]
    expires: int

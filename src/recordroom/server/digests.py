"""Checksums as headers have them."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from ..errors import InvalidRequest

__all__ = ["ALGORITHMS", "hasher", "md5_base64", "md5_hex", "sha256_hex"]

ALGORITHMS = ("md5", "sha1", "sha256")


def hasher(name: str) -> Any:
    """What works out a checksum, against accidents: nothing is trusted because of it."""
    return hashlib.new(name, usedforsecurity=False)


def md5_hex(text: str) -> str:
    """An MD5 in hexadecimal, given so or in base64 (as Content-MD5 has it); empty stays."""
    return _hex(text, 16, "an MD5 in hexadecimal or base64")


def sha256_hex(text: str) -> str:
    """A SHA-256 in hexadecimal, given so, as `sha256:…` or in base64; empty stays."""
    return _hex(text.removeprefix("sha256:"), 32, "a SHA-256 in hexadecimal or base64")


def md5_base64(text: str) -> str:
    """An MD5 as Content-MD5 has it."""
    return base64.b64encode(bytes.fromhex(text)).decode()


def _hex(text: str, size: int, expected: str) -> str:
    if not text:
        return ""
    if re.fullmatch(r"[0-9A-Fa-f]+", text) and len(text) == 2 * size:
        return text.lower()
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = b""
    if len(data) != size:
        raise InvalidRequest(reason=f"expected {expected}, got {text[:100]!r}")
    return data.hex()

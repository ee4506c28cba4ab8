"""The headers of tus 1.0 (https://tus.io/protocols/resumable-upload), read and written."""

from __future__ import annotations

import base64
import binascii
import email.utils
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import InvalidRequest
from ..model.ids import as_id, show_id
from ..store.file_records import UploadFacts, UploadRow
from .digests import ALGORITHMS, hasher, md5_hex, sha256_hex
from .errors import OtherProtocol, UnsupportedContent

__all__ = [
    "OCTETS",
    "VERSION",
    "about",
    "check_content",
    "check_version",
    "checksum_of",
    "length_of",
    "read_facts",
    "shown",
]

VERSION = b"1.0.0"
EXTENSIONS = b"creation,creation-with-upload,checksum,termination,expiration,concatenation"
OCTETS = "application/offset+octet-stream"
_MOST_PARTS = 1_000
_MOST_METADATA = 8_192
_INTEGER = re.compile(rb"\d{1,18}")
_NAME = re.compile(r"[^\0-\x1f\x7f]{0,500}")
_DATABASE = re.compile(r"[^\0-\x20/]{1,100}")

Headers = Mapping[bytes, bytes]


class Piece(NamedTuple):
    """The checksum that a piece must have: what works it out, and what it must be."""

    hashing: Any
    digest: bytes


def about(most: int) -> list[tuple[bytes, bytes]]:
    """What `OPTIONS` says of uploads."""
    return [
        (b"tus-version", VERSION),
        (b"tus-extension", EXTENSIONS),
        (b"tus-max-size", b"%d" % most),
        (b"tus-checksum-algorithm", ",".join(ALGORITHMS).encode()),
    ]


def check_version(headers: Headers) -> None:
    """OtherProtocol for another version; one that is not said is ours."""
    given = headers.get(b"tus-resumable", VERSION)
    if given != VERSION:
        raise OtherProtocol(supported=VERSION.decode(), given=given.decode("latin-1")[:100])


def check_content(headers: Headers) -> None:
    """UnsupportedContent unless a piece is sent as such."""
    given = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if given != OCTETS.encode():
        raise UnsupportedContent(taken=OCTETS, given=given.decode("latin-1")[:100])


def length_of(headers: Headers, name: bytes) -> int:
    """A number of bytes; InvalidRequest where there is none."""
    given = headers.get(name, b"").strip()
    if _INTEGER.fullmatch(given) is None:
        raise InvalidRequest(
            reason=f"{name.decode().title()}: expected a number of bytes, got {given.decode('latin-1')[:100]!r}"
        )
    return int(given)


def checksum_of(headers: Headers) -> Piece | None:
    """What `Upload-Checksum` says; None where there is none."""
    given = headers.get(b"upload-checksum")
    if given is None:
        return None
    name, _, text = given.decode("latin-1").partition(" ")
    if name not in ALGORITHMS:
        raise InvalidRequest(reason=f"Upload-Checksum: there are {', '.join(ALGORITHMS)}, not {name[:50]!r}")
    hashing, digest = hasher(name), _decoded(text, "Upload-Checksum")
    if len(digest) != hashing.digest_size:
        raise InvalidRequest(reason=f"Upload-Checksum: expected {hashing.digest_size} bytes in base64")
    return Piece(hashing, digest)


def read_facts(headers: Headers) -> UploadFacts:
    """What the headers of a new upload say of it."""
    text = headers.get(b"upload-metadata", b"").decode("latin-1")
    metadata = _metadata(text)
    partial, parts = _concat(headers.get(b"upload-concat", b""))
    if b"upload-defer-length" in headers:
        raise InvalidRequest(reason="Upload-Length: how many bytes will come must be said at the beginning")
    return UploadFacts(
        component=_component(metadata),
        database=_matching(_DATABASE, metadata.get("database") or "main", "database"),
        length=0 if parts else length_of(headers, b"upload-length"),
        name=_matching(_NAME, metadata.get("filename") or metadata.get("name") or "", "filename"),
        sha256=sha256_hex(metadata.get("sha256", "")),
        md5=md5_hex(metadata.get("md5", "")),
        metadata=text,
        partial=partial,
        parts=parts,
    )


def _metadata(text: str) -> dict[str, str]:
    if len(text) > _MOST_METADATA:
        raise InvalidRequest(reason=f"Upload-Metadata: at most {_MOST_METADATA} bytes")
    found: dict[str, str] = {}
    for pair in filter(None, map(str.strip, text.split(","))):
        name, _, value = pair.partition(" ")
        try:
            found[name] = _decoded(value, f"Upload-Metadata: {name[:50]}").decode()
        except UnicodeDecodeError:
            raise InvalidRequest(reason=f"Upload-Metadata: {name[:50]}: expected UTF-8 in base64") from None
    return found


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(reason=f"{what}: expected base64") from None


def _component(metadata: Mapping[str, str]) -> bytes:
    given = metadata.get("component", "")
    try:
        return as_id(given) if given else b""
    except ValueError:
        raise InvalidRequest(reason=f"component: expected an id, got {given[:100]!r}") from None


def _matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    if pattern.fullmatch(text) is None:
        raise InvalidRequest(reason=f"{what}: {text[:100]!a} cannot be one")
    return text


def _concat(given: bytes) -> tuple[bool, tuple[bytes, ...]]:
    """Whether it is a part, and the parts that it is joined of."""
    kind, _, rest = given.decode("latin-1").partition(";")
    if not kind or kind == "partial":
        return kind == "partial", ()
    places = rest.split()
    if kind != "final" or not places:
        raise InvalidRequest(reason="Upload-Concat: expected partial, or final; and the addresses of parts")
    if len(places) > _MOST_PARTS:
        raise InvalidRequest(reason=f"Upload-Concat: at most {_MOST_PARTS} parts")
    try:
        parts = tuple(as_id(place.rpartition("/")[2]) for place in places)
    except ValueError:
        raise InvalidRequest(reason="Upload-Concat: that is no address of an upload") from None
    if len(set(parts)) != len(parts):
        raise InvalidRequest(reason="Upload-Concat: a part is named twice")
    return False, parts


def shown(row: UploadRow, offset: int | None) -> list[tuple[bytes, bytes]]:
    """The headers that say what an upload is; `offset` None where its parts are being put together."""
    found = [
        (b"upload-length", b"%d" % row.facts.length),
        (b"upload-expires", email.utils.formatdate(row.expires / 1e6, usegmt=True).encode()),
        (b"cache-control", b"no-store"),
    ]
    if offset is not None:
        found.append((b"upload-offset", b"%d" % offset))
    if row.facts.metadata:
        found.append((b"upload-metadata", row.facts.metadata.encode("latin-1")))
    if row.facts.partial:
        found.append((b"upload-concat", b"partial"))
    elif row.facts.parts:
        places = " ".join(f"/v1/uploads/{show_id(part)}" for part in row.facts.parts)
        found.append((b"upload-concat", f"final;{places}".encode()))
    return found

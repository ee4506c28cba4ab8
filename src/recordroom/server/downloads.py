"""The bytes of a file over HTTP: ranges, tags, names that do no harm (RFC 9110, sections 13 and 14; RFC 6266)."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Mapping
from urllib.parse import quote

from ..model import wire
from ..store.file_records import FileRow
from .call import Call
from .errors import RangeNotSatisfiable
from .files import Files

__all__ = ["disposition", "range_of", "send_file"]

_RANGE = re.compile(rb"bytes=(\d{0,18})-(\d{0,18})")
# What a browser may show where it stands. Everything else is saved: it could be a page with a script.
_SHOWN = re.compile(
    r"(image/(png|jpeg|gif|webp|avif|bmp|tiff)|video/[\w.+-]+|audio/[\w.+-]+|text/plain|application/pdf)"
)
_OCTETS = "application/octet-stream"

Headers = Mapping[bytes, bytes]


async def send_file(call: Call, files: Files, found: FileRow, name: str = "") -> None:
    """Answer with a file, or with the part of it that is asked for."""
    tag = f'"{found.digest}"'.encode()
    about = _about(found, tag, name or found.name)
    if _has(call.headers.get(b"if-none-match", b""), tag):
        await call.send_bytes(304, about[:2], None)
        return
    try:
        part = range_of(call.headers, found.size, tag)
    except RangeNotSatisfiable as error:
        whole = (b"content-range", b"bytes */%d" % found.size)
        await call.answer(wire.encode_error(error), wire.JSON, error.status, whole)
        return
    start, end = part or (0, found.size)
    headers = [*about, (b"content-length", b"%d" % (end - start))]
    if part is not None:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, end - 1, found.size)))
    # It is opened before the answer begins, so that what has vanished can still be said.
    parts = await files.opened(found, start, end - start)
    await call.send_bytes(200 if part is None else 206, headers, None if call.method == "HEAD" else parts)


def _about(found: FileRow, tag: bytes, name: str) -> list[tuple[bytes, bytes]]:
    kind = mimetypes.guess_type(name)[0] or _OCTETS
    is_shown = _SHOWN.fullmatch(kind) is not None
    digest = base64.b64encode(bytes.fromhex(found.digest)).decode()
    return [
        (b"etag", tag),
        (b"cache-control", b"private, no-cache"),
        (b"accept-ranges", b"bytes"),
        (b"content-type", (kind if is_shown else _OCTETS).encode()),
        (b"content-disposition", disposition(name, is_shown=is_shown)),
        (b"content-security-policy", b"default-src 'none'; sandbox"),
        (b"referrer-policy", b"no-referrer"),
        (b"repr-digest", f"sha-256=:{digest}:".encode()),
    ]


def disposition(name: str, *, is_shown: bool = False) -> bytes:
    """`Content-Disposition` for a file of any name: its last part, without what a path, a header or a shell would take amiss."""
    last = re.split(r"[/\\]", name)[-1].strip(". ")
    clean = "".join(each for each in last if each.isprintable())[:200] or "file"
    plain = re.sub(r"[^A-Za-z0-9._ ()+-]", "_", clean)
    return f"{'inline' if is_shown else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(clean, safe='')}".encode()


def range_of(headers: Headers, size: int, tag: bytes) -> tuple[int, int] | None:
    """The first byte and the one behind the last that are asked for; None for the whole.

    RangeNotSatisfiable where there are none. Several ranges at once, and what cannot be read, ask for the whole.
    """
    given = _RANGE.fullmatch(headers.get(b"range", b"").replace(b" ", b""))
    if given is None or given.groups() == (b"", b"") or headers.get(b"if-range", tag) != tag:
        return None
    first, last = given.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise RangeNotSatisfiable(size=size)
    return start, end


def _has(given: bytes, tag: bytes) -> bool:
    """Whether `If-None-Match` names a tag."""
    tags = [each.strip().removeprefix(b"W/") for each in given.split(b",")]
    return tag in tags or tags == [b"*"]

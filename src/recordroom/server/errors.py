"""What can be wrong with a request before it reaches the service: words of HTTP, in the one shape of errors."""

from __future__ import annotations

from ..errors import ChecksumMismatch, InvalidRequest

__all__ = [
    "HeadersTooLarge",
    "MethodNotAllowed",
    "NoSuchPath",
    "NotAcceptable",
    "OtherProtocol",
    "PieceMismatch",
    "RangeNotSatisfiable",
    "RequestTimeout",
    "UnsupportedContent",
]


class NoSuchPath(InvalidRequest):
    """There is nothing at {path}."""

    code = "no_such_path"
    status = 404


class MethodNotAllowed(InvalidRequest):
    """{path} takes {allowed}, not {method}.

    Facts: `path`, `method`, `allowed` (text).
    """

    code = "method_not_allowed"
    status = 405


class NotAcceptable(InvalidRequest):
    """The answer can be had as {offered}.

    Facts: `offered` (text).
    """

    code = "not_acceptable"
    status = 406


class RequestTimeout(InvalidRequest):
    """The request did not arrive within {seconds} seconds."""

    code = "request_timeout"
    status = 408


class UnsupportedContent(InvalidRequest):
    """A request is sent as {taken}, not as {given!r}.

    Facts: `taken` (text), `given`.
    """

    code = "unsupported_content"
    status = 415


class HeadersTooLarge(InvalidRequest):
    """The headers are larger than the {limit} bytes that are taken."""

    code = "headers_too_large"
    status = 431


class OtherProtocol(InvalidRequest):
    """Uploads are taken as version {supported} of tus has them, not {given!r}.

    Facts: `supported`, `given`.
    """

    code = "other_protocol"
    status = 412


class RangeNotSatisfiable(InvalidRequest):
    """The file has {size} bytes: there is nothing in the range that was asked for."""

    code = "range_not_satisfiable"
    status = 416


class PieceMismatch(ChecksumMismatch):
    """{path!r} did not arrive as it was sent: its checksum is {found}, not {expected}. Send the piece again."""

    status = 460  # of tus: the checksum of what one request sent

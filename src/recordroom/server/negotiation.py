"""What a client wants an answer to be: its content type and its encoding (RFC 9110, section 12.5)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

__all__ = ["chosen_encoding", "chosen_type"]

_ENCODINGS = ("zstd", "gzip")


@lru_cache(maxsize=1_000)
def chosen_type(accept: bytes, offered: tuple[str, ...]) -> str | None:
    """The one of `offered` that the header `Accept` likes best; of equals the first; None where it takes none."""
    wanted = dict(_weighed(accept)) or {"*/*": 1.0}
    liked = [(_weight(each, wanted), -place, each) for place, each in enumerate(offered)]
    weight, _, best = max(liked)
    return best if weight > 0 else None


def _weight(offer: str, wanted: dict[str, float]) -> float:
    kind = offer.partition("/")[0]
    for name in (offer, f"{kind}/*", "*/*"):
        if name in wanted:
            return wanted[name]
    return 0.0


@lru_cache(maxsize=1_000)
def chosen_encoding(accept: bytes) -> str | None:
    """What the header `Accept-Encoding` names of zstd and gzip; None where it should be left as it is."""
    wanted = dict(_weighed(accept))
    best = max(_ENCODINGS, key=lambda name: wanted.get(name, 0.0))
    weight = wanted.get(best, 0.0)
    return best if weight > 0 and weight >= wanted.get("identity", 0.0) else None


def _weighed(header: bytes) -> Iterator[tuple[str, float]]:
    """Each thing named in the header with its weight; those that make no sense are left out."""
    for part in header.decode("latin-1").lower().split(",")[:50]:
        name, *parameters = (each.strip() for each in part.split(";"))
        if name:
            yield name, _quality(parameters)


def _quality(parameters: list[str]) -> float:
    for each in parameters:
        if each.startswith("q="):
            try:
                return min(max(float(each[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0

"""The data of a job that encodes media, as clients of production tracking read it."""

from __future__ import annotations

from typing import Any

from .ids import new_id, show_id

__all__ = ["encoding_data"]

# Endings of pictures that do not move; all else may be a film.
_STILLS = (
    ".jpg",
    ".jpeg",
    ".png",
    ".tif",
    ".tiff",
    ".bmp",
    ".exr",
    ".dpx",
    ".tga",
    ".psd",
    ".hdr",
    ".jp2",
    ".ppm",
    ".sgi",
    ".ico",
    ".heic",
)


def encoding_data(source: bytes, file_type: str, version: bytes | None, *, keep_original: bool) -> dict[str, Any]:
    """The data: what will be made of a component, judged by the ending of its name, under ids that are given now."""
    formats = ["image/jpeg"] if file_type.lower() in _STILLS else ["video/mp4", "image/jpeg"]
    data = {
        "output": [{"format": each, "component_id": show_id(new_id())} for each in formats],
        "source_component_id": show_id(source),
        "keep_original": keep_original,
    }
    return data if version is None else {**data, "version_id": show_id(version)}

"""Pictures: what is one, how large, turned as its camera says, fitted into a square, and written for browsers."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import IO, Any

import PIL.Image
import PIL.ImageOps

from .limits import Limits
from .shapes import Probed

__all__ = ["Refused", "fitted", "is_picture", "load_picture", "probe_picture", "save_jpeg", "save_picture", "too_large"]

# Formats that Pillow decodes itself; one that calls other programs (EPS) is none of them.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "TGA", "SGI", "PSD", "ICO", "JPEG2000", "MPO", "AVIF")
_QUALITY = 90
_WHITE = (255, 255, 255)

PIL.Image.MAX_IMAGE_PIXELS = None  # our own limit is looked at before anything is decoded


class Refused(Exception):
    """This is no media, or more than a limit allows."""

    def __init__(self, reason: str, limit: str = "") -> None:
        super().__init__(reason)
        self.limit = limit


def too_large(width: int, height: int, limits: Limits) -> None:
    """Refused where a frame has more pixels than it may."""
    if width * height > limits.pixels:
        raise Refused(f"{width} × {height} pixels", limit="pixels")


def _opened(file: IO[bytes]) -> PIL.Image.Image:
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PIL.Image.open(file, formats=_FORMATS)


def is_picture(file: IO[bytes]) -> bool:
    """Whether Pillow has one still picture of it."""
    try:
        image = _opened(file)
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, PIL.Image.DecompressionBombError):
        return False
    # What moves is a film. Several pages of a TIFF, or several views of a camera, are not.
    return not (getattr(image, "is_animated", False) and image.format in ("GIF", "WEBP", "PNG", "AVIF"))


def probe_picture(file: IO[bytes], limits: Limits) -> Probed:
    """What a picture is."""
    image = _opened(file)
    too_large(image.width, image.height, limits)
    turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    width, height = (image.height, image.width) if turned else image.size
    return Probed(sort="image", format=(image.format or "").lower(), codec="", width=width, height=height)


def load_picture(file: IO[bytes], limits: Limits) -> PIL.Image.Image:
    """The picture, decoded and turned, in RGB or RGBA."""
    image = _opened(file)
    too_large(image.width, image.height, limits)
    # JPEG can be decoded at a fraction of its size.
    image.draft("RGB", (2 * limits.picture, 2 * limits.picture))
    return plain(PIL.ImageOps.exif_transpose(image))


def plain(image: PIL.Image.Image) -> PIL.Image.Image:
    """In RGB, or RGBA where something may be seen through it."""
    if image.mode == "F":
        image = image.point(lambda value: value * 255 + 0).convert("L")
    elif image.mode.startswith("I"):
        # Sixteen bits, whatever the name says.
        image = image.convert("I").point(lambda value: value * (1 / 257) + 0).convert("L")
    transparent = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    return image.convert("RGBA" if transparent else "RGB")


def fitted(image: PIL.Image.Image, size: int) -> PIL.Image.Image:
    """Within `size` × `size`, its shape kept; never larger than it was."""
    made = image.copy()
    made.thumbnail((size, size), PIL.Image.Resampling.LANCZOS, reducing_gap=3.0)
    return made


def save_picture(image: PIL.Image.Image, target: Path) -> tuple[str, str]:
    """Write it beside `target`, as PNG where it can be seen through; its media type and the ending of its name."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
        _write(image, Path(f"{target}.png"), "PNG")
        return "image/png", ".png"
    save_jpeg(image, Path(f"{target}.jpg"))
    return "image/jpeg", ".jpg"


def save_jpeg(image: PIL.Image.Image, target: Path) -> None:
    """Write it as JPEG; what is transparent becomes white."""
    flat = image
    if image.mode == "RGBA":
        flat = PIL.Image.new("RGB", image.size, _WHITE)
        flat.paste(image, mask=image.getchannel("A"))
    _write(flat, target, "JPEG", quality=_QUALITY, optimize=True)


def _write(image: PIL.Image.Image, target: Path, format: str, **options: Any) -> None:
    # Pillow by itself does not tell when a file was cut off.
    made = io.BytesIO()
    image.save(made, format, **options)
    target.write_bytes(made.getbuffer())

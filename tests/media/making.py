"""Small media of every sort, made anew: films with sound, pictures, sounds, and what is none of them."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import PIL.Image

__all__ = ["atoms", "film", "gif", "picture", "sound", "turned"]


def film(
    target: Path,
    *,
    size: tuple[int, int] = (64, 48),
    frames: int = 12,
    rate: int = 24,
    codec: str = "libx264",
    with_sound: bool = True,
    sound_rate: int = 48000,
    pix_fmt: str = "yuv420p",
    aspect: Fraction | None = None,
) -> Path:
    """A film whose frames go from red to blue; its left half is darker."""
    with av.open(str(target), "w") as made:
        stream = made.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        sounds = made.add_stream("aac" if target.suffix != ".avi" else "mp3", rate=sound_rate) if with_sound else None
        for number in range(frames):
            part = number / max(frames - 1, 1)
            image = PIL.Image.new("RGB", size, (round(255 * (1 - part)), 0, round(255 * part)))
            image.paste((0, 60, 0), (0, 0, size[0] // 2, size[1]))
            made.mux(stream.encode(av.VideoFrame.from_image(image)))
        made.mux(stream.encode(None))
        if sounds is not None:
            _hum(made, sounds, round(sound_rate * frames / rate))
    return target


def _hum(made: Any, stream: Any, samples: int) -> None:
    rate = stream.codec_context.sample_rate
    for begin in range(0, samples, 1024):
        frame = av.AudioFrame(format="fltp", layout="stereo", samples=min(1024, samples - begin))
        frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
        for plane in frame.planes:
            plane.update(struct.pack(f"{plane.buffer_size // 4}f", *([0.1, -0.1] * (plane.buffer_size // 8))))
        made.mux(stream.encode(frame))
    made.mux(stream.encode(None))


def sound(target: Path, *, seconds: float = 0.5, rate: int = 44100) -> Path:
    """A sound alone."""
    with av.open(str(target), "w") as made:
        stream = made.add_stream("pcm_s16le" if target.suffix == ".wav" else "aac", rate=rate, layout="mono")
        frame = av.AudioFrame(
            format="s16" if target.suffix == ".wav" else "fltp", layout="mono", samples=int(rate * seconds)
        )
        frame.sample_rate, frame.pts = rate, 0
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return target


def picture(target: Path, size: tuple[int, int] = (80, 40), *, mode: str = "RGB", orientation: int = 0) -> Path:
    """A picture whose left half is red and whose right half is blue."""
    image = PIL.Image.new(mode, size, {"RGB": (0, 0, 255), "RGBA": (0, 0, 255, 0)}.get(mode, 40))
    image.paste({"RGB": (255, 0, 0), "RGBA": (255, 0, 0, 255)}.get(mode, 200), (0, 0, size[0] // 2, size[1]))
    exif = PIL.Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image.save(target, exif=exif)
    return target


def gif(target: Path, frames: int = 4) -> Path:
    """A picture that moves."""
    images = [PIL.Image.new("RGB", (33, 21), (60 * number, 0, 0)) for number in range(frames)]
    images[0].save(target, save_all=True, append_images=images[1:], duration=100, loop=0)
    return target


def turned(source: Path, target: Path) -> Path:
    """The film as a camera held upright would have written it: to be turned by 90° to the right when it is shown."""
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    target.write_bytes(data)
    return target


def atoms(file: Path) -> list[str]:
    """The names of the outermost atoms of an mp4, in order."""
    found, stream = [], io.BytesIO(file.read_bytes())
    while head := stream.read(8):
        length, name = struct.unpack(">I4s", head)
        if length == 1:
            length = struct.unpack(">Q", stream.read(8))[0] - 8
        found.append(name.decode("latin-1"))
        stream.seek(length - 8, io.SEEK_CUR)
    return found

"""Films: what is in one, and its form for browsers: H.264 in yuv420p and AAC in an mp4 that plays before it is whole.

Sizes are even and fit the limits, the picture is turned as its camera says and its pixels become square. Frames keep their
times; one that cannot be decoded is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import PIL.Image

from .limits import Limits
from .pictures import Refused, plain, too_large
from .shapes import Output, Probed

__all__ = ["encode_film", "first_frame", "first_picture", "probe_film"]

Progress = Callable[[float], None]

_VIDEO_OPTIONS = {"preset": "veryfast", "crf": "20", "profile": "high"}
_RATES = (Fraction(1), Fraction(240))
_USUAL_RATE = Fraction(25)
_AUDIO_RATES = (44100, 48000)
_POSTER_PART, _POSTER_SECONDS = 0.1, 3.0
_BASE = Fraction(1, 90000)  # ticks fine enough for any rate, and for frames that come when they like
_ROUNDED = 91  # ticks that a time in whole milliseconds may be off
_MOST_BROKEN = 1000  # packets in a row that cannot be decoded
_TURNS = {90: [("transpose", "cclock")], -90: [("transpose", "clock")]}
_OVER = [("hflip", ""), ("vflip", "")]


def _picture_stream(container: Any) -> Any:
    """The stream with the film; the picture on a record otherwise; None."""
    streams = [each for each in container.streams.video if each.codec_context is not None]
    films = [each for each in streams if not _is_cover(each)]
    return max(films, key=lambda each: each.width * each.height, default=None)


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _audio_stream(container: Any) -> Any:
    return next((each for each in container.streams.audio if each.codec_context is not None), None)


# --- what it is -----------------------------------------------------------------------------------


def probe_film(container: Any, limits: Limits) -> Probed:
    """What is in it. Refused where it is neither seen nor heard."""
    video, audio = _picture_stream(container), _audio_stream(container)
    if video is None and audio is None:
        raise Refused("there is neither a picture nor a sound in it")
    seconds = _seconds(container, video or audio)
    name = container.format.name.partition(",")[0]
    if video is None:
        return Probed(sort="audio", format=name, duration=seconds, codec=audio.codec_context.name, has_audio=True)
    width, height = _shown_size(video, 0)
    too_large(video.width, video.height, limits)
    still = container.format.name.endswith("_pipe") and not container.format.name.startswith("yuv4mpeg")
    return Probed(
        sort="image" if still else "video",
        format=name,
        width=width,
        height=height,
        duration=None if still else seconds,
        rate=None if still else float(_rate(video)),
        codec=video.codec_context.name,
        has_audio=audio is not None,
    )


def _seconds(container: Any, stream: Any) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _rate(stream: Any) -> Fraction:
    for each in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if each and _RATES[0] <= each <= _RATES[1]:
            return Fraction(each)
    return _USUAL_RATE


def _shown_size(stream: Any, turned: int) -> tuple[int, int]:
    """Width and height with square pixels, turned."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    width, height = stream.width, stream.height
    if Fraction(1, 8) <= aspect <= 8:
        width = max(round(width * aspect), 1)
    return (height, width) if turned in (90, -90) else (width, height)


# --- pictures of it -------------------------------------------------------------------------------


def first_frame(container: Any, limits: Limits) -> Any:
    """The first frame of the film that can be decoded; None where there is none."""
    stream = _picture_stream(container)
    return None if stream is None else next(_frames(container, stream, limits), None)


def first_picture(container: Any, limits: Limits) -> PIL.Image.Image | None:
    """A picture of it: a little after the beginning; the cover of a record; None."""
    stream = _picture_stream(container)
    if stream is None:
        return _cover(container, limits)
    length, best = _seconds(container, stream), None
    for frame in _frames(container, stream, limits):
        best = best or frame
        if _is_poster(frame, length):
            best = frame
            break
    return None if best is None else _image(best, stream)


def _is_poster(frame: Any, length: float | None) -> bool:
    wanted = min((length or 0.0) * _POSTER_PART, _POSTER_SECONDS)
    return frame.time is None or frame.time >= wanted


def _cover(container: Any, limits: Limits) -> PIL.Image.Image | None:
    for stream in filter(_is_cover, container.streams.video):
        too_large(stream.width, stream.height, limits)
        frame = next(_frames(container, stream, limits), None)
        if frame is not None:
            return _image(frame, stream)
    return None


def _frames(container: Any, stream: Any, limits: Limits) -> Iterator[Any]:
    return (frame for _, frame in _decoded(container, [stream], limits))


def _image(frame: Any, stream: Any) -> PIL.Image.Image:
    image = plain(frame.to_image())
    width, height = _shown_size(stream, 0)
    if (width, height) != (frame.width, frame.height) and stream.sample_aspect_ratio not in (None, 0, 1):
        image = image.resize((width, height))
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image


def _decoded(container: Any, streams: list[Any], limits: Limits) -> Iterator[tuple[Any, Any]]:
    """(stream, frame) of everything that can be decoded. Refused where a frame is too large."""
    broken = 0
    for stream in streams:
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = limits.threads
    packets = container.demux(streams)
    while True:
        try:
            packet = next(packets, None)
            frames = [] if packet is None else packet.decode()
        except av.error.EOFError:
            return
        except MemoryError:
            raise
        except av.error.FFmpegError:
            broken += 1
            if broken > _MOST_BROKEN:
                return
            continue
        if packet is None:
            return
        for frame in frames:
            broken = 0
            if isinstance(frame, av.VideoFrame):
                too_large(frame.width, frame.height, limits)
            yield packet.stream, frame


# --- its form for browsers ------------------------------------------------------------------------


def encode_film(  # noqa: PLR0913 - each is one fact of it
    container: Any, probed: Probed, first: Any, target: Path, limits: Limits, progress: Progress
) -> tuple[Output, PIL.Image.Image | None]:
    """Write the mp4; what it is, and a picture of it where the film has one.

    `first` is its first frame, from another opening of the file; None where nothing can be seen.
    """
    video, audio = _picture_stream(container), _audio_stream(container)
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as made:
        picture = None if first is None else _Pictures(made, video, first, limits, probed.duration)
        sound = None if audio is None else _Sounds(made, audio)
        _transcode(container, [each for each in (picture, sound) if each is not None], probed, limits, progress)
        if not (picture and picture.count) and not (sound and sound.count):
            raise Refused("nothing in it can be decoded")
    size = (0, 0) if picture is None else (picture.width, picture.height)
    output = Output(
        name="ftrackreview-mp4",
        format="audio/mp4" if picture is None else "video/mp4",
        file=target.name,
        width=size[0],
        height=size[1],
        frames=0 if picture is None else picture.count,
        duration=probed.duration,
        rate=None if picture is None else probed.rate,
    )
    return output, None if picture is None else picture.poster


def _transcode(container: Any, parts: list[Any], probed: Probed, limits: Limits, progress: Progress) -> None:
    by_stream = {part.source.index: part for part in parts}
    begin: float | None = None
    for stream, frame in _decoded(container, [part.source for part in parts], limits):
        if frame.time is not None and begin is None:
            begin = frame.time
            for part in parts:
                part.begin = begin
        by_stream[stream.index].take(frame)
        if probed.duration and frame.time is not None:
            progress((frame.time - (begin or 0.0)) / probed.duration)
    for part in parts:
        part.finish()


class _Pictures:
    """Frames of a film, made fit, encoded and written."""

    def __init__(self, made: Any, source: Any, first: Any, limits: Limits, length: float | None) -> None:
        self.source, self.begin, self.count = source, 0.0, 0
        self.poster: PIL.Image.Image | None = None
        self.width, self.height = _fitting(source, first, limits)
        self._made, self._length = made, length
        self._rate = _rate(source)
        self._stream = made.add_stream("libx264", rate=self._rate, options=_VIDEO_OPTIONS)
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = self.width, self.height, "yuv420p"
        context.time_base, context.thread_count = _BASE, limits.threads
        context.gop_size = max(round(self._rate * 2), 1)
        self._graph: Any = None
        self._key: tuple[Any, ...] = ()
        self._last = -1
        self._poster_due = True

    def take(self, frame: Any) -> None:
        """Encode one frame."""
        self._consider(frame)
        ticks = self._ticks(frame)
        for fit in self._fit(frame):
            fit.pts, fit.time_base = ticks, _BASE
            fit.pict_type = av.video.frame.PictureType.NONE
            self._write(fit)
            self.count += 1

    def _consider(self, frame: Any) -> None:
        """Keep the first frame as a picture, until there is one of a moment later."""
        if self.poster is None or (self._poster_due and _is_poster(frame, self._length)):
            self.poster = _image(frame, self.source)
            self._poster_due = not _is_poster(frame, self._length)

    def _ticks(self, frame: Any) -> int:
        """When a frame is shown: after the one before it, whatever it says; times rounded in the source are put right."""
        step = 1 / (self._rate * _BASE)
        if frame.time is None:
            ticks = self._last + max(round(step), 1)
        else:
            ticks = round((frame.time - self.begin) / _BASE)
            nearest = round(round(ticks / step) * step)
            ticks = nearest if abs(nearest - ticks) <= _ROUNDED else ticks
        self._last = max(ticks, self._last + 1, 0)
        return self._last

    def _fit(self, frame: Any) -> Iterator[Any]:
        key = (frame.width, frame.height, frame.format.name, frame.rotation)
        if key != self._key:
            self._graph, self._key = self._new_graph(frame), key
        self._graph.vpush(frame)
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return

    def _new_graph(self, frame: Any) -> Any:
        graph = av.filter.Graph()
        base = frame.time_base or _BASE
        steps = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base)]
        steps += [graph.add(name, value) for name, value in _turning(frame.rotation)]
        steps.append(graph.add("scale", f"{self.width}:{self.height}:flags=bicubic"))
        steps += [graph.add("setsar", "1"), graph.add("format", "yuv420p"), graph.add("buffersink")]
        graph.link_nodes(*steps).configure()
        return graph

    def _write(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self._made.mux(packet)

    def finish(self) -> None:
        """Write what the encoder still has."""
        if self.count:
            self._write(None)


def _fitting(source: Any, frame: Any, limits: Limits) -> tuple[int, int]:
    """Even width and height within the limits."""
    wide, high = _shown_size(source, frame.rotation)
    most = (limits.width, limits.height) if wide >= high else (limits.height, limits.width)
    scale = min(most[0] / wide, most[1] / high, 1.0)
    return max(int(wide * scale) // 2 * 2, 2), max(int(high * scale) // 2 * 2, 2)


def _turning(rotation: int) -> list[tuple[str, str]]:
    return _OVER if abs(rotation) == 180 else _TURNS.get(rotation, [])


class _Sounds:
    """Sound, as AAC in stereo."""

    def __init__(self, made: Any, source: Any) -> None:
        self.source, self.begin, self.count = source, 0.0, 0
        rate = source.rate if source.rate in _AUDIO_RATES else _AUDIO_RATES[1]
        self._made = made
        self._stream = made.add_stream("aac", rate=rate, layout="stereo")
        self._resampler = av.AudioResampler(format="fltp", layout="stereo", rate=rate)
        self._rate, self._next = rate, 0

    def take(self, frame: Any) -> None:
        """Encode one frame."""
        if self.count == 0 and frame.time is not None:
            self._next = max(round((frame.time - self.begin) * self._rate), 0)
        self._encode(self._resampler.resample(frame))

    def _encode(self, frames: list[Any]) -> None:
        for frame in frames:
            frame.pts, frame.time_base = self._next, Fraction(1, self._rate)
            self._next += frame.samples
            self.count += frame.samples
            self._made.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what is still on its way."""
        if self.count:
            self._encode(self._resampler.resample(None))
            self._made.mux(self._stream.encode(None))

"""What the process does with media: the one importer of PyAV and Pillow. Only it runs this.

Files are read through an open file, so that no demuxer has an address to open, and only by demuxers that open nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import av
import PIL.Image

from .film import encode_film, first_frame, first_picture, probe_film
from .pictures import Refused, fitted, is_picture, load_picture, probe_picture, save_jpeg, save_picture
from .shapes import Answer, Order, Output, Probed

__all__ = ["Refused", "done"]

IMAGE, VIDEO = "ftrackreview-image", "ftrackreview-mp4"
Progress = Callable[[float], None]


def done(order: Order, progress: Progress) -> Answer:
    """Do an order. Refused, and whatever decoders raise."""
    file = os.fdopen(order.source, "rb")
    if not os.fstat(order.source).st_size:
        raise Refused("it is empty")
    return _TASKS[order.task](file, order, progress)


def _probe(file: IO[bytes], order: Order, progress: Progress) -> Answer:
    if is_picture(file):
        return Answer(probed=probe_picture(file, order.limits))
    with _container(file) as container:
        return Answer(probed=probe_film(container, order.limits))


def _thumbnail(file: IO[bytes], order: Order, progress: Progress) -> Answer:
    probed, picture = _picture(file, order)
    made = fitted(picture, order.size)
    save_jpeg(made, Path(order.target))
    output = Output(
        name="thumbnail", format="image/jpeg", file=Path(order.target).name, width=made.width, height=made.height
    )
    return Answer(probed=probed, outputs=(output,))


def _picture(file: IO[bytes], order: Order) -> tuple[Probed, PIL.Image.Image]:
    if is_picture(file):
        return probe_picture(file, order.limits), load_picture(file, order.limits)
    with _container(file) as container:
        probed = probe_film(container, order.limits)
        picture = first_picture(container, order.limits)
    if picture is None:
        raise Refused("there is no picture in it")
    return probed, picture


def _encode(file: IO[bytes], order: Order, progress: Progress) -> Answer:
    target, limits = Path(order.target), order.limits
    if is_picture(file):
        probed = probe_picture(file, limits)
        return Answer(probed=probed, outputs=(_still(load_picture(file, limits), target, limits.picture),))
    with _container(file) as container:
        probed = probe_film(container, limits)
        # Its picture is looked at before anything is written: the size of what is made depends on it.
        first = first_frame(container, limits) if probed.sort == "video" else None
        seen = None if probed.sort == "video" else first_picture(container, limits)
    if probed.sort == "image":
        if seen is None:
            raise Refused("there is no picture in it")
        return Answer(probed=probed, outputs=(_still(seen, target, limits.picture),))
    with _container(file) as container:
        film, poster = encode_film(container, probed, first, target / f"{VIDEO}.mp4", limits, progress)
    found = poster or seen
    outputs = (film,) if found is None else (film, _still(found, target, limits.picture))
    return Answer(probed=probed, outputs=outputs)


def _still(picture: PIL.Image.Image, target: Path, size: int) -> Output:
    made = fitted(picture, size)
    format, ending = save_picture(made, target / IMAGE)
    return Output(name=IMAGE, format=format, file=f"{IMAGE}{ending}", width=made.width, height=made.height)


# Demuxers that read what they were given and open nothing else: no playlists, no patterns of files, no devices.
_DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,flv,asf,mxf,gif,wav,w64,mp3,aac,flac,aiff,au,caf,"
    "h264,hevc,m4v,av1,obu,ivf,y4m,yuv4mpegpipe,dv,gxf,nut,rm,swf,apng,opus,ac3,eac3,amr,"
    "exr_pipe,dpx_pipe,j2k_pipe,jpegls_pipe,jpegxl_pipe,png_pipe,bmp_pipe,tiff_pipe,sgi_pipe,psd_pipe,hdr_pipe,cri_pipe,"
    "qoi_pipe,webp_pipe,jpeg_pipe,pcx_pipe,sunrast_pipe,ppm_pipe,pgm_pipe,pbm_pipe,pam_pipe,pfm_pipe,phm_pipe,gem_pipe"
)


def _container(file: IO[bytes]) -> av.container.InputContainer:
    file.seek(0)
    options = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "none", "max_streams": "64"}
    try:
        return av.open(file, "r", container_options=options, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise Refused(f"it is nothing that can be decoded here ({error.strerror})") from error


_TASKS: dict[str, Callable[[IO[bytes], Order, Progress], Answer]] = {
    "encode": _encode,
    "probe": _probe,
    "thumbnail": _thumbnail,
}

"""Media: what a file shows, a form of it that browsers play, and pictures of it.

Files of strangers are opened in a process of its own with limits, never in this one: `encode`, `probe` and `thumbnail`
start it and wait for it. InvalidMedia for what is no media, MediaLimit for what needs more than it may.
"""

from __future__ import annotations

from .limits import Limits
from .sandbox import encode, probe, thumbnail
from .shapes import Encoded, Output, Probed

__all__ = ["Encoded", "Limits", "Output", "Probed", "encode", "probe", "thumbnail"]

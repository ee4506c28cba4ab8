"""The demo: the main job on real data, told step by step."""

from .run import run_demo

__all__ = ["run_demo"]

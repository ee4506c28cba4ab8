"""Structures: where in a location a component goes."""

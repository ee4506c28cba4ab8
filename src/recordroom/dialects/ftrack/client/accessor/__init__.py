"""Accessors: how the data of a location is reached."""

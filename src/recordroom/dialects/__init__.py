"""Dialects: other systems' names and wires, for what was written for those systems."""

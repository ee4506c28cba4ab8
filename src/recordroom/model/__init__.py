"""Kinds, schema, operations and wire structs: no clock, no I/O, the same on both sides of the wire."""

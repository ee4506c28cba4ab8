"""Transformers: what the room keeps of a resource identifier."""

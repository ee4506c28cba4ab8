"""A drop-in for scripts written for ftrack's client: `import recordroom.dialects.ftrack.client as ftrack_api`.

It works on recordroom's own session: with an embedded room (a path or postgresql://…) or a server, at its speed.
"""

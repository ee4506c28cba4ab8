"""The dialect of ftrack: what the public `ftrack-python-api` package speaks, over a room with the template `production`."""

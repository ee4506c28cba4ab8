"""A plugin of pytest: `import ftrack_api` gives the drop-in client. Scripts written for the other one then run with ours."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import recordroom.dialects.ftrack.client as ours

for each in pkgutil.walk_packages(ours.__path__, f"{ours.__name__}."):
    importlib.import_module(each.name)
for name, module in list(sys.modules.items()):
    if name == ours.__name__ or name.startswith(f"{ours.__name__}."):
        sys.modules[f"ftrack_api{name.removeprefix(ours.__name__)}"] = module

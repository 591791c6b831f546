"""Feast's plug points on our parts: the stores, the source, the engine, and applying a repository.

The only package that imports Feast. `offline`, `online`, `engine` and `source` are named in
feature_store.yaml and in definitions; `repo` and `runs` are what our own shells call.
"""

from provender.feast_plugin.typechecks import hasten

hasten()

"""The Dagster code location: everything is in defs/."""

from __future__ import annotations

import warnings

import dagster as dg

from dagster_pipeline import defs as rooms
from dagster_pipeline.defs.resources import resources

with warnings.catch_warnings():
    # What Dagster calls beta or a preview is used knowingly: its version is pinned.
    for kind in (dg.BetaWarning, dg.PreviewWarning):
        warnings.simplefilter("ignore", kind)
    # A run's build of the warehouse belongs to one process, whoever starts it.
    defs = dg.load_definitions_from_package_module(
        rooms, resources=resources(), executor=dg.in_process_executor
    )

"""The Dagster code location: everything is in defs/."""

from __future__ import annotations

import dagster as dg

from dagster_pipeline import defs as rooms
from dagster_pipeline.defs.resources import resources

defs = dg.load_definitions_from_package_module(rooms, resources=resources())

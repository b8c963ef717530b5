"""Engines: one module per engine, named as its dbt macro file; ``load_engine`` finds it by name."""

from __future__ import annotations

from dagster_pipeline.engines.base import Engine, available_engines, load_engine
from dagster_pipeline.engines.inspection import SourceInspection, SourceStatus

__all__ = ["Engine", "SourceInspection", "SourceStatus", "available_engines", "load_engine"]

"""Thin Dagster wiring, one module per room."""

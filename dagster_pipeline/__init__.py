"""Plumbline: whether the data can carry the decision."""

__version__ = "0.1.0"

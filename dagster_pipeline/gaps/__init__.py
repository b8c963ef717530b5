"""Measured gaps of the warehouse, turned into gaps with direction, size and severity."""

"""Alerts: what changed in the register, told once to every channel, and kept until it could be told."""

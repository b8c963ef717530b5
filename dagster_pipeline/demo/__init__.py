"""The sample world: a deterministic two-sided marketplace, clean or with planted faults of known size."""

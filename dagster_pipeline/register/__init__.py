"""The gap register: stable ids, what happened to each gap, and its append-only history in the warehouse."""

"""Identity of a gap: the same defect in the same place has the same id in every run."""

from __future__ import annotations

import hashlib
import json

_DIGITS = 12


def gap_id(
    kind: str,
    experiment: str | None = None,
    table: str | None = None,
    column: str | None = None,
    segment: str | None = None,
) -> str:
    """Gives ``gap-`` and 12 hexadecimal digits that depend on nothing but what the gap is about.

    Figures, severity, dates and owners are left out on purpose: they change while the gap stays the same.
    """
    identity = {
        "kind": str(kind),
        "experiment": experiment,
        "table": table,
        "column": column,
        "segment": segment,
    }
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"gap-{hashlib.sha256(canonical.encode('ascii')).hexdigest()[:_DIGITS]}"

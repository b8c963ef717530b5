"""Every kind of gap that raw tables can show, and where it can be planted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from benchmarks.truth.injectors import copies, removals, times, values
from benchmarks.truth.injectors.bench import Bench
from benchmarks.truth.injectors.vocabulary import ALIKE, BY_ARM, MECHANISMS, Injection
from dagster_pipeline.errors import PlumblineError


class Phase(IntEnum):
    """Rows first go, then come, then change, then are dated by what the others say; at last columns and sources go."""

    GO = 1
    COME = 2
    CHANGE = 3
    FOLLOW = 4
    TAKE = 5


@dataclass(frozen=True)
class Place:
    """How a kind is planted at one place; ``mechanisms`` are those that make a difference there."""

    phase: Phase
    plant: Callable[[Bench, Injection], int]
    mechanisms: tuple[str, ...] = MECHANISMS


_BLANKED = (
    "hires.hired_at",
    "hires.request_id",
    "hires.outcome",
    "quotes.quoted_at",
    "quotes.quoted_at/unlogged",
    "quotes.request_id",
    "support_tickets.request_id",
)
_SPOILT = (
    "assignments.variant",
    "assignments.variant/miscased",
    "quotes.variant/miscased",
    "hires.outcome",
    "hires.outcome/miscased",
    "quotes.price",
)
_TAKEN = ("hires.hired_at", "support_tickets.request_id", "quotes.price", "quotes.quoted_at")

_PLACES: Mapping[str, Mapping[str, Place]] = {
    "stale_source": dict.fromkeys(("hires", "quotes"), Place(Phase.GO, removals.end_early, ALIKE)),
    "missing_values": dict.fromkeys(_BLANKED, Place(Phase.CHANGE, values.blank_values)),
    "missing_variant": {
        "requests": Place(Phase.GO, removals.lose_assignments),
        "requests/recoverable": Place(Phase.GO, removals.lose_assignments),
        "quotes.variant": Place(Phase.CHANGE, values.blank_quote_variants),
    },
    "duplicate_rows": dict.fromkeys(
        ("requests", "quotes", "quotes/resent", "hires"), Place(Phase.COME, copies.repeat_rows)
    ),
    "conflicting_keys": dict.fromkeys(
        ("quotes", "hires", "hires/hired_at"), Place(Phase.COME, copies.contradict_rows)
    ),
    "orphan_rows": {
        "requests/assigned": Place(Phase.GO, removals.lose_requests),
        "requests/unassigned": Place(Phase.GO, removals.lose_requests),
        **dict.fromkeys(("quotes", "hires", "spam_flags"), Place(Phase.CHANGE, values.break_links)),
    },
    "sample_ratio_mismatch": {"requests": Place(Phase.GO, removals.lose_units)},
    "multiple_exposures": {"assignments": Place(Phase.COME, copies.expose_twice)},
    "timestamp_disorder": {
        "quotes": Place(Phase.CHANGE, times.quote_too_early),
        "quote_events": Place(Phase.CHANGE, times.shift_events),
    },
    "source_conflict": {"quotes": Place(Phase.CHANGE, times.shift_events)},
    "sampled_logging": {
        "quote_events": Place(Phase.GO, removals.sample_events),
        "quote_events/declared": Place(Phase.GO, removals.sample_events, BY_ARM),
    },
    "missing_partition": dict.fromkeys(
        ("requests", "quotes", "hires"), Place(Phase.GO, removals.lose_days, BY_ARM)
    ),
    "schema_change": {
        **dict.fromkeys(_TAKEN, Place(Phase.TAKE, values.take_column, ALIKE)),
        **{f"{address}/absent": Place(Phase.TAKE, values.take_column, ALIKE) for address in _TAKEN},
    },
    "invalid_values": dict.fromkeys(_SPOILT, Place(Phase.CHANGE, values.spoil_values)),
    "late_assignment": {"assignments": Place(Phase.FOLLOW, times.assign_late)},
    "distribution_drift": {"requests.category": Place(Phase.CHANGE, values.move_requests)},
    "pre_exposure_imbalance": {"requests": Place(Phase.COME, copies.hire_before_the_window, ALIKE)},
    "stale_dashboard": {"dashboards": Place(Phase.CHANGE, values.age_dashboards, ALIKE)},
    "not_evaluated": dict.fromkeys(
        ("messages", "support_tickets", "hires"), Place(Phase.TAKE, values.take_source, ALIKE)
    ),
}
PLACES: Mapping[str, tuple[str, ...]] = {kind: tuple(places) for kind, places in _PLACES.items()}
"""Where each kind can be planted."""


def place_of(injection: Injection) -> Place:
    """How the injection is planted; PlumblineError where there is no such kind or place."""
    found = _PLACES.get(injection.kind, {}).get(injection.place)
    if found is None:
        allowed = ", ".join(PLACES.get(injection.kind, tuple(PLACES)))
        raise PlumblineError(
            f"No injection of {injection.kind!r} at {injection.place!r}. Allowed: {allowed}."
        )
    return found


def mechanisms_of(kind: str, place: str) -> tuple[str, ...]:
    """The mechanisms that make a difference there."""
    return place_of(Injection(kind, place, 0.0)).mechanisms

"""The words of an injection: what is broken where, how much of it, and who is hit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Config = dict[str, Any]
Where = tuple[str, str, str | None]
"""What a gap is about: kind, table, column."""

RATES = (0.0, 0.005, 0.02, 0.06, 0.18)
MECHANISMS = (
    "at_random",
    "one_arm",
    "favours_treatment",
    "favours_control",
    "segment",
    "adversarial_up",
    "adversarial_down",
)
"""Who is hit.

at_random: every row alike. one_arm: rows of the treatment. favours_treatment, favours_control: five to one, rows whose
loss or change makes that arm look better, judged by what came of their request. segment: rows of the largest category.
adversarial_up, adversarial_down: the rows that make the treatment look better, or worse, by most, both arms in turn; so
that the truth lies at the lower, or upper, edge of what the broken data still allow. Where there are fewer such rows than
asked for, other rows fill up.
"""
ALIKE = ("at_random",)
"""Of kinds that hit a source or a column as a whole."""
BY_ARM = ("at_random", "one_arm")
"""Of kinds that hit all rows of a day, or of a log, or those of the treatment."""


@dataclass(frozen=True)
class Injection:
    """One thing to break. ``place`` is one of `PLACES[kind]`.

    ``rate`` is a share of the rows of the table the place names: for missing_variant at requests and distribution_drift of
    the cohort's requests, for sample_ratio_mismatch of the treatment's units, for late_assignment and multiple_exposures of
    assignments, for pre_exposure_imbalance of the treatment's customers' requests that were 7 days old at the start, for
    stale_dashboard of figures, one at least. For stale_source it is the share of the window's length by which the source
    ends earlier than its freshness allows; for missing_partition that of the window's days, one at least; schema_change
    and not_evaluated happen at any rate above 0.
    """

    kind: str
    place: str
    rate: float
    mechanism: str = "at_random"

    def __str__(self) -> str:
        return f"{self.kind} {self.place} {self.rate:g} {self.mechanism}"


@dataclass(frozen=True)
class Injected:
    """What was broken.

    ``planted`` counts every countable defect of the final raw tables as DESIGN.md §7 asks for it, whichever injection it
    came of: {(kind, table, column): rows_affected}; ``residual`` those of them that no repair reaches, where that is plain
    from the tables. ``uncounted`` are the gaps of which rows can't be counted, or only once a test has found them; the
    figure says how much was done: rows lost or moved, 1 for a column or a source. ``altered`` is the number of rows (or
    units) each injection picked. ``edit_config`` puts into the plain values of plumbline.yml what the world declares.
    """

    injections: tuple[Injection, ...]
    relations: Mapping[str, str]
    planted: Mapping[Where, int]
    residual: Mapping[Where, int]
    uncounted: Mapping[Where, int]
    altered: tuple[int, ...]
    edit_config: Callable[[Config], None]

"""Whether a launch was prepared: a green dry run of the contract early enough, and enough of the fields watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dagster_pipeline.config.brief import Brief
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.documents import iso_z, plain
from dagster_pipeline.register.dry_runs import DryRun

REHEARSAL = "readiness run: not a decision on production data"
"""Why the run of ``plumbline run --readiness`` decides nothing (DecisionInputs.rehearsal)."""


@dataclass(frozen=True)
class Readiness:
    """What is known of a launch's preparation; ``is_ready`` None where no launch date asks for it.

    ``required_by`` is the last moment for a green dry run: ``launch_date`` − ``lead``. ``dry_runs`` are those of the
    experiment, oldest first; ``latest_green`` the latest green one by ``required_by``, or where there is none the first
    after it. ``coverage`` and ``coverage_required`` are shares of the critical fields, ``coverage`` None where no field
    is critical. ``reasons`` say what is missing, ``notes`` what is worth knowing all the same.
    """

    launch_date: datetime | None
    lead: timedelta
    required_by: datetime | None
    dry_runs: tuple[DryRun, ...]
    latest_green: DryRun | None
    critical_fields: int
    monitored_fields: int
    coverage: float | None
    coverage_required: float
    is_ready: bool | None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """The sentences that hold a launch back (DecisionInputs.unready); none where it is ready or nobody asks."""
        return self.reasons if self.is_ready is False else ()


def readiness(
    brief: Brief,
    dry_runs: Iterable[DryRun],
    coverage: Coverage,
    evaluated_at: datetime,
    brief_version: str | None = None,
) -> Readiness:
    """How ready the launch of a brief is, by dry runs of any experiment and the coverage of this brief.

    A dry run counts by when it ran, not by its data's date; one from after ``evaluated_at`` does not count. One of
    another version of the brief counts and is named: the contract is checked before numbers are argued about.
    """
    own = sorted(
        (found for found in dry_runs if found.experiment == brief.experiment and found.at <= evaluated_at),
        key=lambda found: found.at,
    )
    by = None if brief.launch_date is None else brief.launch_date - brief.readiness.lead
    green = _green(own, by)
    reasons: tuple[str, ...] = ()
    if brief.launch_date is not None and by is not None:
        late = _dry_run_fault(brief.launch_date, brief.readiness.lead, own, green, evaluated_at)
        reasons = (*late, *_coverage_fault(coverage, brief.readiness.coverage))
    return Readiness(
        launch_date=brief.launch_date,
        lead=brief.readiness.lead,
        required_by=by,
        dry_runs=tuple(own),
        latest_green=green,
        critical_fields=coverage.critical_fields,
        monitored_fields=coverage.monitored_fields,
        coverage=coverage.share,
        coverage_required=brief.readiness.coverage,
        is_ready=None if by is None else not reasons,
        reasons=reasons,
        notes=tuple(_notes(own, green, brief_version)),
    )


def readiness_document(found: Readiness) -> dict[str, Any]:
    """The section ``readiness`` of decision.json; durations in days."""
    return {
        "launch_date": iso_z(found.launch_date),
        "lead_days": found.lead / timedelta(days=1),
        "required_by": iso_z(found.required_by),
        "dry_runs": [_dry_run_document(dry_run) for dry_run in found.dry_runs],
        "latest_green": None if found.latest_green is None else _dry_run_document(found.latest_green),
        "critical_fields": found.critical_fields,
        "monitored_fields": found.monitored_fields,
        "coverage": plain(found.coverage),
        "coverage_required": found.coverage_required,
        "is_ready": found.is_ready,
        "reasons": plain(found.reasons),
        "notes": plain(found.notes),
    }


def _green(own: Sequence[DryRun], by: datetime | None) -> DryRun | None:
    greens = [found for found in own if found.is_green]
    early = [found for found in greens if by is None or found.at <= by]
    return early[-1] if early else next(iter(greens), None)


def _dry_run_fault(
    launch: datetime, lead: timedelta, own: Sequence[DryRun], green: DryRun | None, now: datetime
) -> Iterator[str]:
    by = launch - lead
    demand = f"the launch on {_day(launch)} needs a green dry run by {_moment(by)}, {_days(lead)} before it"
    if green is not None and green.at <= by:
        return
    if green is not None:
        yield f"{_capital(demand)}; the first is of {_moment(green.at)}. It allows a launch from {_moment(green.at + lead)} on."
        return
    tried = f"{len(own)} dry run{'' if len(own) == 1 else 's'} and none is green" if own else "there is none"
    left = "do `plumbline run --readiness` on staging data"
    if now > by:
        left += f" and move the launch to {_days(lead)} after it"
    yield f"{_capital(demand)}; {tried}: {left}."
    if own:
        yield from (f"Dry run of {_moment(own[-1].at)}: {reason}" for reason in own[-1].reasons)


def _coverage_fault(coverage: Coverage, required: float) -> Iterator[str]:
    share = coverage.share
    if share is None:
        yield "No critical field is mapped, so nothing that the decision hangs on is watched."
    elif share < required:
        yield (
            f"A check watches {coverage.monitored_fields} of {coverage.critical_fields} critical fields ({share:.0%}); "
            f"the launch needs {required:.0%}."
        )


def _notes(own: Sequence[DryRun], green: DryRun | None, version: str | None) -> Iterator[str]:
    if green is not None and version is not None and green.brief_version != version:
        yield f"The green dry run of {_moment(green.at)} was of another version of the brief."
    if green is not None and own[-1].at > green.at and not own[-1].is_green:
        yield f"A later dry run, of {_moment(own[-1].at)}, was not green: {' '.join(own[-1].reasons)}"


def _dry_run_document(found: DryRun) -> dict[str, Any]:
    return {
        "run_id": plain(found.run_id),
        "at": iso_z(found.at),
        "brief_version": plain(found.brief_version),
        "is_green": found.is_green,
        "critical_fields": found.critical_fields,
        "monitored_fields": found.monitored_fields,
        "as_of": iso_z(found.as_of),
        "reasons": plain(found.reasons),
    }


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _days(span: timedelta) -> str:
    days = span / timedelta(days=1)
    return f"{days:.3g} day{'' if days == 1 else 's'}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]

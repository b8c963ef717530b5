"""scenarios.json: the answers at the ends of what the gaps allow, the skew scenarios, and what stands in for a lost estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.register.documents import Json, iso_z, plain
from dagster_pipeline.report.model import ExperimentScenarios, RunReport

if TYPE_CHECKING:
    from dagster_pipeline.gaps.contingencies import Contingency
    from dagster_pipeline.gaps.scenarios import End, Played, ScenarioRow

SCHEMA_VERSION = 1
ENDS = ("best", "base", "worst")
SKEWS = ("all_missing_in_treatment", "all_missing_in_control")
NOT_AVAILABLE = "not available"


def scenarios_document(report: RunReport) -> Json:
    """What scenarios.json holds; ``bounds`` are the ends of the joint region, ``scenarios_not_bounds`` are not."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": plain(report.run_id),
        "as_of": iso_z(report.as_of),
        "experiments": [_experiment(found) for found in report.scenarios],
    }


def answer(found: ExperimentScenarios, case: str) -> Outcome | None:
    """The whole brief in one case; None where no rule is played through in it.

    A rule that the case leaves as it is answers as at its estimate.
    """
    if case in SKEWS and not any(row.skew for row in found.rows):
        return None
    outcomes = {cases_of(row)[case].outcome for row in found.rows}
    for worst in (Outcome.FAILED, Outcome.MISSING):
        if worst in outcomes:
            return worst
    return Outcome.PASSED if outcomes else None


def cases_of(row: ScenarioRow) -> dict[str, End | Played]:
    """A rule's five cases by name; without requests to move, a skew is the estimate."""
    skew = row.skew
    return {
        "best": row.best,
        "base": row.base,
        "worst": row.worst,
        SKEWS[0]: skew.all_in_treatment if skew else row.base,
        SKEWS[1]: skew.all_in_control if skew else row.base,
    }


def _experiment(found: ExperimentScenarios) -> Json:
    answers = {case: answer(found, case) for case in (*ENDS, *SKEWS)}
    return {
        "experiment": plain(found.experiment),
        "answers": {case: outcome.value if outcome else None for case, outcome in answers.items()},
        "rules": [_rule(row) for row in found.rows],
        "contingencies": [_contingency(item) for item in found.contingencies],
    }


def _rule(row: ScenarioRow) -> Json:
    skew = None
    if row.skew is not None:
        skew = {case: _case(cases_of(row)[case]) for case in SKEWS}
    return {
        "metric": plain(row.rule.metric),
        "variant": plain(row.variant),
        "kind": row.rule.kind.value,
        "effect": row.effect,
        "is_open": row.is_open,
        "unlabelled_requests": row.unlabelled,
        "bounds": {case: _case(cases_of(row)[case]) for case in ENDS},
        "scenarios_not_bounds": skew,
    }


def _case(found: End | Played) -> Json:
    """A figure that is not there has a reason."""
    values = {name: plain(value) for name, value in vars(found).items()}
    reason = values["reason"] or (NOT_AVAILABLE if values["value"] is None else None)
    return values | {"outcome": found.outcome.value, "reason": reason}


def _contingency(found: Contingency) -> Json:
    values = {name: plain(value) for name, value in vars(found).items()}
    return values | {"reason": values["reason"] or (NOT_AVAILABLE if values["value"] is None else None)}

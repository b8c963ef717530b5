"""The brief's answers if the gaps went one way, and what stands in for lost estimates, ready to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dagster_pipeline.criteria.vocabulary import Outcome
from dagster_pipeline.gaps.scenarios import End, Played, ScenarioRow
from dagster_pipeline.report import format as fmt
from dagster_pipeline.report.demands import metric_label
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.model import ExperimentScenarios, RunReport
from dagster_pipeline.report.scenario_document import ENDS, SKEWS, answer, cases_of
from dagster_pipeline.report.words import OUTCOME, Mark, kind_title, listed, place, plural

if TYPE_CHECKING:
    from dagster_pipeline.config.metrics import MetricDefinition
    from dagster_pipeline.gaps.contingencies import Contingency

NOT_BOUNDS = (
    "A scenario, not a bound: each gives every request without an arm to one side, hired or not. The worst case splits "
    "them by outcome, and so can the truth: where requests lost their arm because of their outcome, the truth lay "
    "between the two scenarios in 2 to 3% of simulated experiments, and within the range of the gaps in 90%."
)
NOTHING_OPEN = "No gap leaves any of these figures open: the estimates are also the best and the worst case."
NO_SKEW = "Every request that counts has an arm, so there is none to give to one side."
_SAME = "as estimated"
_STAND_IN = {
    "three_day_proxy": "3-day hires as a proxy",
    "kaplan_meier": "Kaplan–Meier over all ages",
    "first_message": "Time of the first message",
    "difference_in_differences": "Difference in differences",
    "post_stratification": "Post-stratified effect",
    "cuped": "Adjusted for the time before",
    "effect_on_those_who_stayed": "Effect on those who stayed in their arm",
}


@dataclass(frozen=True)
class CellView:
    """One case of one rule: the figure, what surrounds it, and the rule's answer."""

    case: str
    figure: str
    detail: str
    mark: Mark


@dataclass(frozen=True)
class ScenarioView:
    """One rule on one treatment."""

    label: str
    kind: str
    variant: str
    cells: tuple[CellView, ...]


@dataclass(frozen=True)
class ContingencyView:
    """One stand-in; ``figure`` says why where there is none."""

    name: str
    label: str
    variant: str
    figure: str
    because: str
    assumption: str


@dataclass(frozen=True)
class ScenariosView:
    """One experiment's cases. ``cases`` are the columns' names, () where nothing is open; ``answers`` the whole brief's."""

    experiment: str
    cases: tuple[str, ...]
    rows: tuple[ScenarioView, ...]
    answers: tuple[CellView, ...]
    notes: tuple[str, ...]
    lines: tuple[str, ...]
    contingencies: tuple[ContingencyView, ...]


def scenarios_views(report: RunReport) -> tuple[ScenariosView, ...]:
    """One view per experiment with a brief."""
    found = [item for item in report.scenarios if item.rows or item.contingencies]
    return tuple(_scenarios(item, report) for item in found)


def _scenarios(found: ExperimentScenarios, report: RunReport) -> ScenariosView:
    cases = _cases(found)
    names = _names(found, report)
    return ScenariosView(
        experiment=visible(found.experiment or "No experiment"),
        cases=tuple(names[case] for case in cases),
        rows=tuple(_row(row, cases, names, report) for row in found.rows) if cases else (),
        answers=tuple(_answer(found, case, names[case]) for case in cases),
        notes=tuple(_notes(found, cases)),
        lines=tuple(_lines(found, cases, names, report)),
        contingencies=_stand_ins(found, report),
    )


def _cases(found: ExperimentScenarios) -> tuple[str, ...]:
    """The cases worth a column: none where all of them are the estimate."""
    skewed = any(row.skew for row in found.rows)
    if not skewed and not any(row.is_open for row in found.rows):
        return ()
    return (*ENDS, *SKEWS) if skewed else ENDS


def _names(found: ExperimentScenarios, report: RunReport) -> dict[str, str]:
    treatments = {row.variant for row in found.rows}
    treatment = visible(treatments.pop()) if len(treatments) == 1 else "the treatment"
    experiment = next((e for e in report.experiments if e.id == found.experiment), None)
    control = visible(experiment.control) if experiment else "control"
    return {
        "best": "Best case",
        "base": "Estimate",
        "worst": "Worst case",
        SKEWS[0]: f"All unknown in {treatment}",
        SKEWS[1]: f"All unknown in {control}",
    }


def _row(row: ScenarioRow, cases: tuple[str, ...], names: dict[str, str], report: RunReport) -> ScenarioView:
    definition = report.definitions.get(row.rule.metric)
    found = cases_of(row)
    return ScenarioView(
        label=metric_label(row.rule.metric, report.definitions),
        kind=row.rule.kind.value,
        variant=visible(row.variant),
        cells=tuple(
            CellView(names[case], *_figures(row, case, definition), OUTCOME[found[case].outcome])
            for case in cases
        ),
    )


def _figures(row: ScenarioRow, case: str, definition: MetricDefinition | None) -> tuple[str, str]:
    """A case's figure and what surrounds it; a case that is the estimate again says so."""
    if (case in SKEWS and row.skew is None) or (case in ("best", "worst") and not row.is_open):
        return _SAME, "no request to move" if case in SKEWS else "nothing is open"
    found = cases_of(row)[case]

    def written(value: float | None) -> str:
        return fmt.effect(value, row.effect, fmt.unit_of(definition))

    if found.value is None:
        return "no limit" if isinstance(found, End) else "not known", visible(found.reason or "")
    if isinstance(found, Played):
        return written(found.value), _interval(found, written(found.ci_lower), written(found.ci_upper))
    return written(found.value), f"limit {written(found.limit)}" if found.limit is not None else ""


def _interval(found: Played, lower: str, upper: str) -> str:
    known = (found.ci_lower, found.ci_upper) != (None, None)
    return f"interval {fmt.between(lower, upper)}" if known else "no interval"


def _answer(found: ExperimentScenarios, case: str, name: str) -> CellView:
    outcome = answer(found, case) or Outcome.MISSING
    return CellView(name, "", "", OUTCOME[outcome])


def _notes(found: ExperimentScenarios, cases: tuple[str, ...]) -> Iterator[str]:
    if not found.rows:
        return
    if not cases:
        yield NOTHING_OPEN
    yield NOT_BOUNDS if SKEWS[0] in cases else NO_SKEW


def _lines(
    found: ExperimentScenarios, cases: tuple[str, ...], names: dict[str, str], report: RunReport
) -> Iterator[str]:
    """At most three lines for summary.md: the ends, the skews, what stands in."""
    if found.rows and not cases:
        yield NOTHING_OPEN
    if cases:
        yield "; ".join(f"{names[case]}: {_passed(found, case)}" for case in ENDS) + "."
    if SKEWS[0] in cases:
        said = "; ".join(f"{names[case]}: {_passed(found, case)}" for case in SKEWS)
        yield f"{said}. These two are scenarios, not bounds: the truth may lie outside them."
    computed = [item for item in found.contingencies if item.value is not None]
    if computed:
        names_of = listed(list(dict.fromkeys(_stand_in(item) for item in computed)))
        yield f"{plural(len(computed), 'stand-in')} computed, none of it part of the verdict: {names_of}."


def _passed(found: ExperimentScenarios, case: str) -> str:
    outcomes = [cases_of(row)[case].outcome for row in found.rows]
    return f"{outcomes.count(Outcome.PASSED)} of {len(outcomes)} rules pass"


def _stand_in(found: Contingency) -> str:
    """A stand-in's name for people; an unknown one by its own name."""
    return _STAND_IN.get(found.name) or visible(found.name.replace("_", " "))


def _stand_ins(found: ExperimentScenarios, report: RunReport) -> tuple[ContingencyView, ...]:
    """One row each; those that the same reason keeps from being computed share one."""
    rows: dict[tuple[str, ...], ContingencyView] = {}
    for item in found.contingencies:
        shown = _contingency(item, report)
        key: tuple[str, ...] = (shown.name, shown.variant, shown.figure, shown.because)
        if item.value is not None:
            key = (*key, shown.label)
        elif key in rows:
            shown = replace(shown, label=f"{rows[key].label} · {shown.label}")
        rows[key] = shown
    return tuple(rows.values())


def _contingency(found: Contingency, report: RunReport) -> ContingencyView:
    unit = fmt.unit_of(report.definitions.get(found.metric))
    figure = visible(found.reason or "not known")
    if found.value is not None:
        ends = [fmt.effect(end, found.effect, unit) for end in (found.lower, found.upper)]
        figure = f"{fmt.effect(found.value, found.effect, unit)} ({fmt.between(*ends)})"
    gaps = {gap.gap_id: f"{kind_title(gap.kind)} in {place(gap)}" for gap in report.gaps}
    because = listed([gaps[gap_id] for gap_id in found.applies_to if gap_id in gaps])
    return ContingencyView(
        name=_stand_in(found),
        label=metric_label(found.metric, report.definitions),
        variant=visible(found.variant),
        figure=figure,
        because=because or visible(found.because),
        assumption=visible(found.assumption),
    )

"""What belongs to a decision beside its verdict: the brief, its power, its value, the rollout: decision.json.

One dossier per experiment; every section is made and written by a module of its own, and this one puts them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.criteria.power import PowerAnswer, power_document
from dagster_pipeline.criteria.value import ValueAnswer, value_document
from dagster_pipeline.gaps.assess import RunAssessment
from dagster_pipeline.gaps.measurements import Measurements
from dagster_pipeline.gaps.model import Gap
from dagster_pipeline.gaps.tradeoff import Tradeoff, tradeoff_document
from dagster_pipeline.gate.brief_version import BriefStatus, brief_document, brief_status
from dagster_pipeline.gate.changes import Change, change_documents, changes
from dagster_pipeline.gate.decision import Decision, DecisionInputs
from dagster_pipeline.gate.prospects import decision_value, power_answers
from dagster_pipeline.gate.readiness import Readiness, readiness, readiness_document
from dagster_pipeline.gate.rollout import RolloutSection, rollout_document, rollout_section
from dagster_pipeline.register.brief_history import BriefSeen
from dagster_pipeline.register.coverage import coverage
from dagster_pipeline.register.documents import RegisteredCheck, iso_z, plain
from dagster_pipeline.register.dry_runs import journal_dry_runs
from dagster_pipeline.register.journal import Entry

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Acts:
    """What people did about the decisions of one plumbline.yml, and the briefs its runs were held to.

    ``fault`` says why the journal could not be read; then nobody knows who signed, and nothing counts.
    """

    journal: tuple[Entry, ...] = ()
    history: tuple[BriefSeen, ...] = ()
    fault: str | None = None


@dataclass(frozen=True)
class Preparation:
    """How the launch of one experiment was prepared; ``unready`` says in sentences what holds it back."""

    experiment: str
    brief: BriefStatus | None
    readiness: Readiness | None
    unready: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What stands beside the verdict whatever it is."""
        return self.brief.remarks if self.brief else ()


@dataclass(frozen=True)
class Ground:
    """What the dossiers of a run are made from."""

    config: PlumblineConfig
    assessment: RunAssessment
    measurements: Measurements
    gaps: Sequence[Gap]
    acts: Acts
    prepared: Mapping[str, Preparation]


@dataclass(frozen=True)
class Dossier:
    """All there is to one decision beside its verdict; None where a section has nothing to go by."""

    experiment: str | None
    preparation: Preparation | None
    power: tuple[PowerAnswer, ...]
    tradeoffs: tuple[Tradeoff, ...]
    rollout: RolloutSection | None
    value: ValueAnswer | None
    changes: tuple[Change, ...]
    unjudged_harm: str | None = None


@dataclass(frozen=True)
class Decided:
    """The decisions of a run, each with its dossier and what it was decided on, in the same order."""

    decisions: tuple[Decision, ...] = ()
    dossiers: tuple[Dossier, ...] = ()
    inputs: tuple[DecisionInputs, ...] = ()


def preparations(
    config: PlumblineConfig, acts: Acts, checks: Sequence[RegisteredCheck], at: datetime
) -> dict[str, Preparation]:
    """The preparation of every experiment with a brief, by its id."""
    found = {}
    for brief in config.briefs:
        name = brief.experiment or ""
        if acts.fault is not None:
            found[name] = Preparation(name, None, None, (acts.fault,))
            continue
        status = brief_status(brief, config.metrics, acts.journal, acts.history)
        ready = readiness(
            brief, journal_dry_runs(acts.journal), coverage(config, checks, [brief]), at, status.version
        )
        found[name] = Preparation(name, status, ready, ready.failures)
    return found


def dossiers(ground: Ground, decided: Iterable[tuple[DecisionInputs, Decision]]) -> tuple[Dossier, ...]:
    """One dossier per decision, in their order."""
    return tuple(_dossier(ground, inputs, decision) for inputs, decision in decided)


def _dossier(ground: Ground, inputs: DecisionInputs, decision: Decision) -> Dossier:
    config, name = ground.config, inputs.experiment
    found = next((e for e in ground.assessment.experiments if e.experiment == name), None)
    experiment = config.experiment(name) if name else None
    turns = changes(inputs, decision)
    if found is None or experiment is None:
        return Dossier(name, None, (), (), None, None, turns)
    return Dossier(
        experiment=name,
        preparation=ground.prepared.get(experiment.id),
        power=power_answers(found, experiment, ground.gaps, config.as_of),
        tradeoffs=found.tradeoffs,
        rollout=rollout_section(
            config, found, ground.measurements, ground.acts.journal, decision.evaluated_at
        ),
        value=decision_value(found, experiment, ground.gaps),
        changes=turns,
        unjudged_harm=found.unjudged_harm,
    )


def decision_document(
    run_id: str, as_of: datetime, experiments: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What decision.json holds; ``experiments`` are documents of dossiers."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": plain(run_id),
        "as_of": iso_z(as_of),
        "experiments": plain(list(experiments)),
    }


def dossier_document(found: Dossier) -> dict[str, Any]:
    """One experiment's part of decision.json."""
    prepared = found.preparation
    status, ready = (prepared.brief, prepared.readiness) if prepared else (None, None)
    return {
        "experiment": plain(found.experiment),
        "brief": brief_document(status) if status else None,
        "readiness": readiness_document(ready) if ready else None,
        "power": [power_document(answer) for answer in found.power],
        "value": value_document(found.value) if found.value else None,
        "tradeoff": [tradeoff_document(one) for one in found.tradeoffs],
        "rollout": rollout_document(found.rollout) if found.rollout else None,
        "changes": change_documents(found.changes),
        "unjudged_harm": plain(found.unjudged_harm),
        "unready": plain(prepared.unready if prepared else ()),
    }

"""The kill switch of a launch: after every report, the rollback triggers of its decision.json."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.defs.resources import config_path, is_readiness_run, output_folder
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gate.kill_switch import Call, pull, read_decision, rollouts_of, tell, untold
from dagster_pipeline.gate.webhook import Delivery, call_variable
from dagster_pipeline.register.journal import Entry, journal_path, read_journal


@dg.asset_sensor(
    asset_key=dg.AssetKey("report"),
    name="rollback_sensor",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Switches a launch off where a rollback trigger of the brief fired, and tells the webhook. docs/rollout.md",
)
def rollback_sensor(context: dg.SensorEvaluationContext, asset_event: dg.EventLogEntry) -> dg.SkipReason:
    """Record every new trigger as a rollback, then tell the webhook; a failing tick is tried again.

    It watches the report rather than the run's success: a model that broke fails the run, and the launch that fell all the
    same is to be switched off.
    """
    if is_readiness_run():
        return dg.SkipReason("Runs of this code location are dry runs: there is no launch to switch off.")
    # A later run may have written since: what is on disk is the latest, and what is recorded already is skipped.
    journal = journal_path(Path(config_path()))
    decision = read_decision(Path(output_folder()))
    run_id = str(decision.get("run_id") or asset_event.run_id)
    pulled, faults = _pull(journal, rollouts_of(decision), run_id)
    for entry in pulled:
        context.log.error(
            f"Switched off: {entry.content['reason']} ({entry.experiment}, entry {entry.number})."
        )
    told = _tell(journal)
    for entry, delivery in told:
        if not delivery.delivered:
            context.log.error(f"Nobody was told of entry {entry.number}: {delivery.detail}.")
    if faults:
        raise faults[0]
    return dg.SkipReason(_said(len(pulled), [delivery for _, delivery in told]))


def _pull(
    journal: Path, rollouts: Mapping[str, Mapping[str, Any]], run_id: str
) -> tuple[list[Entry], list[NotEvaluatedError]]:
    """Record what fired; one experiment that can't be read keeps no other one running."""
    pulled: list[Entry] = []
    faults: list[NotEvaluatedError] = []
    for document in rollouts.values():
        try:
            pulled += pull(journal, document, run_id)
        except NotEvaluatedError as fault:
            faults.append(fault)
    return pulled, faults


def _tell(journal: Path) -> list[tuple[Entry, Delivery]]:
    """Tell the webhook of every rollback it was not told of, as the brief stands now."""
    entries = untold(read_journal(journal))
    if not entries:
        return []
    config = load_config(Path(config_path()))
    return [(entry, tell(journal, entry, _call(config, entry.experiment))) for entry in entries]


def _call(config: PlumblineConfig, experiment: str | None) -> Call:
    brief = config.brief(experiment) if experiment else None
    return partial(call_variable, brief.rollout.webhook_variable if brief else None)


def _said(recorded: int, told: list[Delivery]) -> str:
    if not recorded and not told:
        return "No new rollback trigger fired."
    return f"{recorded} rollbacks recorded; the webhook was told of {sum(d.delivered for d in told)} of {len(told)}."

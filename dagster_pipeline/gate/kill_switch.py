"""The kill switch: a trigger of a run becomes an entry of the journal, once, and the webhook is told of it.

The entry comes first and is on disk before anything is called: a webhook that fails never loses it. That it failed is
written down too. A call that was never made, because the process died in between, is made up for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gate.run_files import read_object
from dagster_pipeline.gate.stages import unanswered_triggers, with_journal
from dagster_pipeline.gate.webhook import TRIES, Delivery
from dagster_pipeline.register.documents import iso_z
from dagster_pipeline.register.journal import DECISION_NOTED, ROLLED_BACK, Entry, append_entry, read_journal

BY = "rollback trigger"
WEBHOOK = "webhook"
"""What an entry about a webhook says it is about."""

DECISION_FILE = "decision.json"

Call = Callable[[Mapping[str, Any]], Delivery]


def read_decision(output: Path) -> dict[str, Any]:
    """decision.json of a run. Raises NotEvaluatedError where there is none that can be read."""
    path = output / DECISION_FILE
    found = read_object(path)
    if not isinstance(found.get("experiments"), list):
        raise NotEvaluatedError(f"{path} is no decision of a run; run `plumbline run` again.")
    return found


def rollouts_of(decision: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The rollout section of every experiment that has one. Raises NotEvaluatedError for anything else."""
    try:
        found = {one["experiment"]: one["rollout"] for one in decision["experiments"]}
        for name, document in found.items():
            if document is not None and (not isinstance(name, str) or document["experiment"] != name):
                raise ValueError(f"a rollout is filed under {name!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise NotEvaluatedError(
            f"{DECISION_FILE} holds no rollout that can be read ({error!r}); run `plumbline run` again."
        ) from error
    return {name: document for name, document in found.items() if document is not None}


def pull(journal: Path, document: Mapping[str, Any], run_id: str) -> tuple[Entry, ...]:
    """Record every trigger of a run's rollout section that the journal does not know yet.

    Raises NotEvaluatedError where the section or the journal can't be read, PlumblineError where it can't be written.
    """
    try:
        triggers = unanswered_triggers(with_journal(document, read_journal(journal)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotEvaluatedError(
            f"the rollout section of {DECISION_FILE} can't be read ({error!r}); run `plumbline run` again."
        ) from error
    experiment = document["experiment"]
    return tuple(
        append_entry(
            journal, kind=ROLLED_BACK, by=BY, experiment=experiment, content={**trigger, "run_id": run_id}
        )
        for trigger in triggers
    )


def untold(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Rollbacks by a trigger that no webhook's entry speaks of yet."""
    entries = tuple(entries)
    told = {
        e.content.get("of") for e in entries if e.kind == DECISION_NOTED and e.content.get("about") == WEBHOOK
    }
    return tuple(e for e in entries if e.kind == ROLLED_BACK and e.by == BY and e.number not in told)


def tell(journal: Path, entry: Entry, call: Call) -> Delivery:
    """Call the webhook about one rollback and write down what became of it."""
    delivery = call(payload(entry))
    said = "was told" if delivery.delivered else "could not be told"
    text = (
        f"The webhook {said} of entry {entry.number}: {delivery.detail}, {delivery.tries} of {TRIES} tries."
    )
    append_entry(
        journal,
        kind=DECISION_NOTED,
        by=BY,
        experiment=entry.experiment,
        content={
            "about": WEBHOOK, "of": entry.number, "delivered": delivery.delivered, "tries": delivery.tries, "text": text,
        },
    )  # fmt: skip
    return delivery


def payload(entry: Entry) -> dict[str, Any]:
    """What the webhook gets (docs/rollout.md)."""
    kept = ("metric", "variant", "days", "falls", "max_fall", "reason", "run_id")
    return {
        "event": ROLLED_BACK,
        "experiment": entry.experiment,
        "at": iso_z(entry.at),
        **{key: entry.content.get(key) for key in kept},
        "entry": entry.number,
        "digest": entry.digest,
    }

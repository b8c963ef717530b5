"""``plumbline risks``: the risk register of the last run as it stands now, with what people did since."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from dagster_pipeline.commands.gaps import configured, read_register
from dagster_pipeline.config.triage import Triage
from dagster_pipeline.errors import NotEvaluatedError
from dagster_pipeline.gate.run_files import read_object
from dagster_pipeline.register.documents import iso_z
from dagster_pipeline.register.risk import Decided
from dagster_pipeline.register.risk import risks as open_risks
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.risk_register import (
    decided_of,
    risk_documents,
    risk_register_markdown,
    risk_rows,
)

_LONGEST = 600


def risks(config: Path, output: Path, *, as_json: bool) -> None:
    """Print the risk register as Markdown, or for machines. Raises NotEvaluatedError where the run left none to read."""
    from dagster_pipeline.config.metrics import metric_definitions  # noqa: PLC0415  reads a file

    loaded, now = configured(config), datetime.now(UTC)
    register = read_register(output, config)
    found = open_risks(register.gaps, _decided(output), loaded.triage if loaded else Triage(), now)
    if as_json:
        document = {
            "schema_version": 1,
            "at": iso_z(now),
            "fault": register.fault,
            "risks": risk_documents(found),
        }
        print(json.dumps(document, indent=2, allow_nan=False))
        return
    definitions = loaded.metrics if loaded else metric_definitions()
    print(
        risk_register_markdown(
            risk_rows(found, definitions, now), now, "with what people did since the last run"
        )
    )
    if register.fault:
        print(f"Without what people did since: {visible(register.fault, _LONGEST)}")


def _decided(output: Path) -> Decided:
    """What the last decisions hang on. Raises NotEvaluatedError where they can't be read: nothing is then known to be at risk."""
    others = sorted((output / "verdicts").glob("*.json"))
    verdicts = [read_object(path) for path in others or [output / "verdict.json"]]
    dossiers = read_object(output / "decision.json")
    try:
        return decided_of(verdicts, dossiers["experiments"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise NotEvaluatedError(
            f"The decisions in {output} can't be read ({error}); run `plumbline run` again."
        ) from error

"""A finished run of a small project: one gap of severity high turns a GO into a HOLD, two more are beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from click.testing import CliRunner

from dagster_pipeline.cli import cli
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.ids import gap_id
from dagster_pipeline.gaps.model import Gap, GapStatus, Impact, Life
from dagster_pipeline.gate.decide import decide
from dagster_pipeline.gate.decision import OpenGap, to_json
from dagster_pipeline.register.coverage import Coverage
from dagster_pipeline.register.journal import journal_path, read_journal
from dagster_pipeline.report.files import write_outputs
from dagster_pipeline.report.model import RunReport
from dagster_pipeline.report.stored_run import StoredRun
from dagster_pipeline.statistics.vocabulary import Direction
from tests.gate.gate_cases import AS_OF, EXPERIMENT, HIRES, hires, inputs, tickets, ttfq

CONFIG, OUT = Path("plumbline.yml"), Path("out")
TRIAGE = "{waivers: {longest: 30d, tolerance: 0.1, approvers: [Mo Diallo, Ada Chen]}, escalation: {level_1: [on-call]}}"
CONFIG_TEXT = """
version: 1
warehouse: {{engine: duckdb, path: .plumbline/warehouse.duckdb}}
sources:
  requests: {{from: requests.parquet, columns: {{request_id: request_id, created_at: created_at}}}}
experiments:
  - {{id: quoting_v2, unit: request, control: control, split: {{control: 0.5, treatment: 0.5}}}}
  - {{id: other, unit: request, control: control, split: {{control: 0.5, treatment: 0.5}}}}
brief:
  experiment: quoting_v2
  criteria: [{{metric: hire_rate_7d, min_delta: 0}}]
  max_age: 7d
triage: {triage}
"""
DOSSIER = {
    "experiment": EXPERIMENT, "brief": None, "readiness": None, "power": [], "value": None, "tradeoff": [],
    "rollout": None, "changes": [], "unjudged_harm": None, "unready": [],
}  # fmt: skip
SAYS = ("--by", "Bo Li", "--why", "Looked at it")
WAIVED = (*SAYS, "--owner", "Bo Li", "--approver", "Mo Diallo")


def a_gap(kind, severity, table, column=None, **fields):
    experiment = fields.pop("experiment", None)
    defaults = {
        "segment": None, "description": f"{kind} was found", "status": GapStatus.OPEN, "severity_reason": "Over its threshold",
        "rows_total": 40_000, "rows_affected": 7_214, "share_affected": 0.18, "share_residual": 0.0,
        "first_seen": AS_OF, "last_seen": AS_OF,
    }  # fmt: skip
    identity = gap_id(kind, experiment, table, column, None)
    return Gap(identity, kind, experiment, table, column, severity=severity, **(defaults | fields))


IMPACT = Impact(
    HIRES, "treatment", "absolute", unmitigated=0.0042, mitigated=0.0031, lower=-0.01, upper=0.0132, bias_lower=-0.009,
    bias_upper=0.0142, direction=Direction.EITHER, expected_direction=Direction.INFLATES, flips_decision=True, delta_star=0.7,
)  # fmt: skip


def the_gaps(opened_at):
    life = Life(opened_at=opened_at, openings=1)
    blocking = a_gap(
        "missing_variant", Severity.HIGH, "quotes", "variant", experiment=EXPERIMENT, share_residual=0.06,
        metrics=(IMPACT,), owner="Experimentation", life=life,
    )  # fmt: skip
    other = a_gap("duplicate_rows", Severity.LOW, "quotes", life=life)
    gone = a_gap("conflicting_keys", Severity.INFO, "hires", status=GapStatus.RESOLVED)
    return blocking, other, gone


def leave_a_run(triage=TRIAGE, ago=timedelta(hours=1), journal=0, rehearsal=None):
    """Writes plumbline.yml and the files of a run into the working folder; gives the ids of its gaps."""
    CONFIG.write_text(CONFIG_TEXT.format(triage=triage), encoding="utf-8")
    gap_ids, files = _files_of_a_run(ago, journal, rehearsal)
    for name, content in files.items():
        (OUT / name).parent.mkdir(parents=True, exist_ok=True)
        (OUT / name).write_bytes(content)
    return gap_ids


@cache
def _files_of_a_run(ago, journal, rehearsal):
    """What a run leaves is rendered once for all tests that begin with it."""
    run = a_run(datetime.now(UTC) - ago, journal, rehearsal)
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_outputs(run.report, folder, run)
        files = [path for path in folder.rglob("*") if path.is_file()]
        texts = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return tuple(gap.gap_id for gap in run.report.gaps), texts


def a_run(at, journal=0, rehearsal=None):
    """What a run that began at ``at`` measured and decided."""
    gaps = the_gaps(at - timedelta(hours=20))
    asked = inputs(
        answers=(ttfq(), hires(joint_passes=False, lower=-0.01, upper=0.0132), tickets()),
        gaps=(_open(gaps[0]), _open(gaps[1], opens=(), explains=(), metrics=(), flips=False)),
        evaluated_at=at, rehearsal=rehearsal,
    )  # fmt: skip
    report = RunReport(
        run_id="20261106T061241-3fa9c1", as_of=AS_OF, evaluated_at=at, gaps=gaps, checks=(), coverage=Coverage(14, 13),
        verdicts=(to_json(decide(asked)),), dossiers=(DOSSIER,),
    )  # fmt: skip
    return StoredRun(report, (asked,), journal)


def _open(gap, **changes):
    found = OpenGap(
        gap.gap_id, gap.kind, gap.severity, gap.status.value, flips=True, metrics=(HIRES,),
        description=gap.description, opens=(HIRES,), explains=((HIRES, "treatment"),),
    )  # fmt: skip
    return replace(found, **changes)


def plumbline(*arguments):
    return CliRunner().invoke(cli, list(map(str, arguments)))


def read(name):
    return json.loads((OUT / name).read_text("utf-8"))


def journal():
    return read_journal(journal_path(CONFIG))

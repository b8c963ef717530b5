"""What stands beside a verdict: every section is there, valid, and says so where it has nothing to go by."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import jsonschema

from dagster_pipeline.config.brief import Brief, Criterion, Incident, Rollout, Stage, Value
from dagster_pipeline.gaps.assess import assess
from dagster_pipeline.gate.decide import decide
from dagster_pipeline.gate.decision import Verdict
from dagster_pipeline.gate.dossier import (
    Acts,
    Ground,
    decision_document,
    dossier_document,
    dossiers,
    preparations,
)
from dagster_pipeline.gate.inputs import decision_inputs
from dagster_pipeline.register.brief_history import BriefSeen
from dagster_pipeline.register.documents import RegisteredCheck
from dagster_pipeline.register.journal import append_entry, read_journal
from dagster_pipeline.report.documents import schema
from tests.gaps.small_worlds import (
    AS_OF,
    CONTROL,
    EXPERIMENT,
    TREATMENT,
    UNKNOWN,
    Request,
    config,
    mapping,
    measure,
    row,
)

HIRES = "hire_rate_7d"
NOW = datetime(2026, 11, 6, 6, tzinfo=UTC)


def brief(**fields):
    return Brief(
        experiment=EXPERIMENT,
        criteria=(Criterion(metric=HIRES, effect="absolute", min_delta=-0.005, min_bound=-0.010),),
        **fields,
    )


def cohort(unlabelled):
    def some(arm, n, hired):
        return [Request(arm, 1.0)] * hired + [Request(arm, 0.0)] * (n - hired)

    return [
        *some(CONTROL, 10_000, 1_200),
        *some(TREATMENT, 10_000, 1_240),
        *some(UNKNOWN, unlabelled, unlabelled // 8),
    ]


def run(asked, acts=None, unlabelled=1_277):
    """A run of the founding story: decisions, dossiers."""
    acts = acts or Acts()
    gaps = [
        row("missing_variant", "requests", experiment=EXPERIMENT, total=20_000 + unlabelled, affected=unlabelled, residual=unlabelled)
    ]  # fmt: skip
    measurements = measure({HIRES: cohort(unlabelled)}, rows=gaps if unlabelled else ())
    settings = config(briefs=[asked])
    assessment = assess(settings, mapping([HIRES]), measurements)
    checks: list[RegisteredCheck] = []
    prepared = preparations(settings, acts, checks, NOW)
    inputs = decision_inputs(assessment, assessment.gaps, AS_OF, NOW, prepared)
    decisions = [decide(one) for one in inputs]
    ground = Ground(settings, assessment, measurements, assessment.gaps, acts, prepared)
    return decisions, dossiers(ground, zip(inputs, decisions, strict=True))


def section(asked, **options):
    (document,) = (dossier_document(found) for found in run(asked, **options)[1])
    return document


def full_brief():
    return brief(
        value=Value(per_day={HIRES: 1_000_000.0}, incident=Incident(cost=500_000.0, probability=0.1)),
        rollout=Rollout(
            stages=(Stage(percent=1, dwell=timedelta(days=1)), Stage(percent=10, dwell=timedelta(days=3)))
        ),
        launch_date=datetime(2026, 12, 15, tzinfo=UTC),
    )


def test_every_section_of_a_full_brief_is_there_and_valid():
    _, found = run(full_brief())
    document = decision_document("run-1", AS_OF, [dossier_document(one) for one in found])
    jsonschema.Draft202012Validator(schema("decision")).validate(document)
    json.dumps(document, allow_nan=False)
    (one,) = document["experiments"]
    assert one["value"]["treatments"][0]["variant"] == TREATMENT
    assert [stage["percent"] for stage in one["rollout"]["stages"]] == [1, 10]
    assert [answer["metric"] for answer in one["power"]] == [HIRES]
    assert one["readiness"]["is_ready"] is False


def test_a_bare_brief_has_no_value_and_no_stages_and_is_valid_too():
    one = section(brief())
    assert (one["value"], one["rollout"]["stages"], one["unready"]) == (None, [], [])
    assert one["readiness"]["is_ready"] is None
    jsonschema.Draft202012Validator(schema("decision")).validate(decision_document("r", AS_OF, [one]))


def test_the_story_says_which_gap_to_close():
    decisions, _ = run(brief())
    assert decisions[0].verdict is Verdict.HOLD
    (change,) = section(brief())["changes"]
    assert (change["kind"], change["verdict"]) == ("gap", "GO")
    assert "missing_variant" in change["sentence"]
    assert run(brief(), unlabelled=0)[0][0].verdict is Verdict.GO


def test_a_launch_date_without_a_dry_run_holds_the_launch_and_says_what_would_help():
    decisions, _ = run(brief(launch_date=datetime(2027, 3, 1, tzinfo=UTC)), unlabelled=0)
    assert decisions[0].verdict is Verdict.HOLD
    assert "not ready" in decisions[0].reasons[0]
    (change,) = section(brief(launch_date=datetime(2027, 3, 1, tzinfo=UTC)), unlabelled=0)["changes"]
    assert (change["kind"], change["verdict"]) == ("readiness", "GO")


def test_a_journal_that_can_not_be_read_holds_the_launch():
    broken = Acts(fault="plumbline.journal.jsonl, line 2: the chain is broken.")
    decisions, _ = run(brief(), broken, unlabelled=0)
    assert decisions[0].verdict is Verdict.HOLD
    assert broken.fault in decisions[0].reasons
    one = section(brief(), acts=broken, unlabelled=0)
    assert (one["brief"], one["readiness"], one["unready"]) == (None, None, [broken.fault])


def test_a_signature_in_the_journal_is_shown_with_the_version_it_is_of(tmp_path):
    version = section(brief())["brief"]["version"]
    path = tmp_path / "plumbline.journal.jsonl"
    append_entry(
        path,
        kind="brief_signed",
        by="Ada",
        experiment=EXPERIMENT,
        content={"version": version, "document": {}},
        at=NOW,
    )
    signed = section(brief(), acts=Acts(read_journal(path)))["brief"]
    assert (signed["is_signed"], signed["signed_by"]) == (True, "Ada")
    other = section(brief(context="a new reason"), acts=Acts(read_journal(path)))["brief"]
    assert other["is_signed"] is False


def test_a_brief_changed_after_data_were_seen_says_so_beside_every_verdict():
    before = section(brief(context="what was agreed"))["brief"]
    seen = BriefSeen(
        "run-0", NOW - timedelta(days=2), EXPERIMENT, before["version"], before["content"], saw_data=True
    )
    for unlabelled in (0, 1_277):
        decisions, _ = run(brief(), Acts(history=(seen,)), unlabelled)
        (remark,) = (reason for reason in decisions[0].reasons if "changed after data were seen" in reason)
        assert "first on 2026-11-04" in remark
    decisions, _ = run(brief(context="what was agreed"), Acts(history=(seen,)), unlabelled=0)
    assert not any("changed after data" in reason for reason in decisions[0].reasons)

"""JUnit XML: valid, complete, and never greener than the run."""

from datetime import timedelta
from pathlib import Path

import pytest
from left_runs import (
    EXPERIMENT,
    HOSTILE,
    NOW,
    a_check,
    a_criterion,
    a_verdict,
    a_waiver,
    accepted,
    every_outcome,
    hostile,
    leave,
)
from lxml import etree

from dagster_pipeline.exports.junit import junit
from dagster_pipeline.exports.reading import Launch, read_run

# Jenkins' xUnit plugin: github.com/jenkinsci/xunit-plugin, junit-10.xsd (MIT; the licence stands in the file).
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "schemas" / "junit-10.xsd"))
ENDINGS = ("failure", "error", "skipped")


def document(out: Path, launch: Launch | None = None, now=NOW) -> etree._Element:
    """The document of what lies in a folder, parsed by a strict parser and held to the schema."""
    root = etree.fromstring(junit(read_run(out, launch, now=now)).encode("utf-8"))
    SCHEMA.assertValid(root)
    return root


def endings(root: etree._Element) -> dict[str, str]:
    """How each test case ended, by suite and name."""
    found = {}
    for case in root.iter("testcase"):
        ended = [child.tag for child in case if child.tag in ENDINGS]
        assert len(ended) <= 1
        found[f"{case.getparent().get('name')} / {case.get('name')}"] = ended[0] if ended else "passed"
    assert len(found) == len(list(root.iter("testcase"))), "two test cases have one name"
    return found


def case(root: etree._Element, name: str) -> etree._Element:
    return next(found for found in root.iter("testcase") if found.get("name") == name)


def test_every_outcome_ends_as_what_it_is(tmp_path: Path):
    demand = f"verdict on {EXPERIMENT} / criterion metric_"
    assert endings(document(every_outcome(tmp_path))) == {
        f"verdict on {EXPERIMENT} / launch is allowed": "failure",
        f"{demand}passed (treatment)": "passed",
        f"{demand}failed (treatment)": "failure",
        f"{demand}missing (treatment)": "error",
        f"{demand}stale (treatment)": "error",
        f"{demand}errored (treatment)": "error",
        f"{demand}waived (treatment)": "skipped",
        "checks of quotes / expect_column_values_to_not_be_null on variant": "passed",
        "checks of quotes / expect_column_values_to_not_be_null on pro_id": "failure",
        "checks of hires / expect_column_values_to_not_be_null on variant": "skipped",
        "checks of hires / expect_column_values_to_not_be_null": "failure",
        "checks of dashboards / expect_column_values_to_not_be_null on variant": "error",
    }


def test_the_counts_are_those_of_the_test_cases(tmp_path: Path):
    root = document(every_outcome(tmp_path))
    for suite in (root, *root.iter("testsuite")):
        counted = [len(list(suite.iter(tag))) for tag in ("testcase", "failure", "error")]
        assert [int(suite.get(key)) for key in ("tests", "failures", "errors")] == counted
    for suite in root.iter("testsuite"):
        assert int(suite.get("skipped")) == len(list(suite.iter("skipped")))


def test_no_gap_that_is_still_there_is_lost(tmp_path: Path):
    said = case(document(every_outcome(tmp_path)), "launch is allowed").findtext("system-out")
    for number in (1, 2, 3, 4, 5, 7):
        assert f"gap-{number:012x} (" in said
    assert "gap-000000000006" not in said


def test_a_failed_check_says_its_gap_and_runbook(tmp_path: Path):
    failure = case(document(every_outcome(tmp_path)), "expect_column_values_to_not_be_null on pro_id")[0]
    assert failure.get("message").endswith("of quotes: observed 0.18, allowed 0.005")
    assert "gap-000000000002 (missing_variant, high, open)" in failure.text
    assert "runbooks/missing_variant.html" in failure.text


def test_what_is_waived_is_skipped_with_the_waivers_reason(tmp_path: Path):
    root = document(every_outcome(tmp_path))
    reasons = {found.get("message") for found in root.iter("skipped")}
    assert reasons == {
        "Waived until 2026-11-13 07:00 UTC: The backfill lands on Monday. "
        "Owner: Ada Chen, approved by Bo Lindt."
    }


@pytest.mark.parametrize(
    "waiver", [a_waiver(expires_at=NOW), a_waiver(share=0.01), None], ids=["expired", "outgrown", "none"]
)
def test_a_waiver_that_no_longer_holds_skips_nothing(tmp_path: Path, waiver):
    gap = accepted(1, waiver)
    if waiver is None:
        gap = type(gap)(**{**vars(gap), "life": type(gap.life)()})
    leave(tmp_path, [gap], [a_check("failed", gap.gap_id)])
    found = endings(document(tmp_path))
    assert found["checks of quotes / expect_column_values_to_not_be_null on variant"] == "failure"


@pytest.mark.parametrize(
    ("experiments", "ended"), [((EXPERIMENT,), "skipped"), ((EXPERIMENT, "other"), "failure")]
)
def test_a_waiver_for_one_experiment_covers_no_other(tmp_path: Path, experiments, ended):
    gap = accepted(1, a_waiver(scope=EXPERIMENT))
    verdicts = [a_verdict(experiment=name) for name in experiments]
    leave(tmp_path, [gap], [a_check("failed", gap.gap_id)], verdicts)
    found = endings(document(tmp_path))
    assert found["checks of quotes / expect_column_values_to_not_be_null on variant"] == ended


def test_a_waived_demand_without_a_waiver_in_force_fails(tmp_path: Path):
    gap = accepted(1)
    for waivers in ([], [{"gap_id": gap.gap_id, "expires_at": "2026-11-06T06:30:00Z"}]):
        leave(tmp_path, [gap], verdicts=[a_verdict(criteria=[a_criterion("waived")], waivers=waivers)])
        found = endings(document(tmp_path))
        assert found[f"verdict on {EXPERIMENT} / criterion hire_rate_7d (treatment)"] == "failure"


@pytest.mark.parametrize(
    ("verdict", "stage", "ended"),
    [
        ("GO", None, "passed"), ("HOLD", None, "failure"), ("HOLD", 1, "failure"),
        ("PARTIAL", None, "failure"), ("PARTIAL", 10, "passed"), ("PARTIAL", 11, "failure"),
    ],
)  # fmt: skip
def test_the_launch_is_allowed_where_the_gate_allows_it(tmp_path: Path, verdict, stage, ended):
    leave(tmp_path, verdicts=[a_verdict(verdict, stage=10 if verdict == "PARTIAL" else None)])
    found = endings(document(tmp_path, Launch(stage=stage)))
    assert found[f"verdict on {EXPERIMENT} / launch is allowed"] == ended


def test_every_experiment_has_its_suite(tmp_path: Path):
    leave(tmp_path, verdicts=[a_verdict("GO", "a"), a_verdict("HOLD", "b")])
    found = endings(document(tmp_path))
    assert found["verdict on a / launch is allowed"] == "passed"
    assert found["verdict on b / launch is allowed"] == "failure"


def test_names_stay_the_same_when_the_outcome_changes(tmp_path: Path):
    """CI systems keep the history of a test case by its name."""
    names = []
    for status, outcome, verdict in (("passed", "passed", "GO"), ("failed", "failed", "HOLD")):
        checks, criteria = [a_check(status, observed=0.0)], [a_criterion(outcome, estimate=0.5)]
        leave(tmp_path, checks=checks, verdicts=[a_verdict(verdict, criteria=criteria)])
        names.append(list(endings(document(tmp_path))))
    assert names[0] == names[1]


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=30)], ids=["missing", "stale"])
def test_a_run_that_was_not_evaluated_is_one_error_and_nothing_passes(tmp_path: Path, late):
    if late:
        every_outcome(tmp_path)
    root = document(tmp_path, now=NOW + late)
    assert set(endings(root).values()) == {"error"}
    assert case(root, "run was evaluated")[0].get("message")


def test_hostile_text_stays_text(tmp_path: Path):
    root = document(hostile(tmp_path))
    assert {element.tag for element in root.iter()} <= {
        "testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "skipped",
        "system-out",
    }  # fmt: skip
    assert len(list(root.iter("testsuite"))) == 2 * len(HOSTILE)
    assert not {char for char in etree.tostring(root, encoding="unicode") if ord(char) < 32} - {"\n"}

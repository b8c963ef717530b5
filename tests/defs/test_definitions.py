"""The Dagster code location: everything hangs together, and a model that fails never takes the register with it."""

import json
from datetime import timedelta
from types import SimpleNamespace

import dagster as dg
import pytest

from dagster_pipeline.checks.result import CheckResult, CheckStatus
from dagster_pipeline.checks.suite_files import suite_files
from dagster_pipeline.demo.story import write_config
from dagster_pipeline.demo.world import WorldSpec, generate
from dagster_pipeline.engines.inspection import SourceStatus
from dagster_pipeline.transform.mapping import build_mapping
from dagster_pipeline.transform.results import BuildResult, NodeResult, NodeStatus, WarehouseBuild

AFTER_BUILD = ("measurements", "check_results", "gap_assessment", "gap_register", "launch_gate", "published_warehouse", "report", "pipeline_health")  # fmt: skip


@pytest.fixture(scope="session")
def location(tmp_path_factory):
    """The definitions, with dbt's state in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUMBLINE_STATE", str(tmp_path_factory.mktemp("state")))
        from dagster_pipeline.definitions import defs
    return defs


@pytest.fixture(scope="session")
def graph(location):
    return location.resolve_asset_graph()


@pytest.fixture(scope="session")
def models(location):
    del location
    from dagster_pipeline.defs.transform import model_specs

    return {spec.key for spec in model_specs()}


def key(name):
    return dg.AssetKey(name)


# --- the graph ---------------------------------------------------------------------------------


def test_every_asset_has_a_group_and_says_what_it_is(graph):
    lacking = [
        k.to_user_string()
        for k in graph.materializable_asset_keys
        if not (graph.get(k).description or "").strip() or graph.get(k).group_name in (None, "default")
    ]
    assert lacking == []


def test_every_dbt_model_is_an_asset_in_the_group_of_its_layer(graph, models):
    assert len(models) > 30
    assert {graph.get(k).group_name for k in models} == {
        "staging",
        "intermediate",
        "canonical",
        "metrics",
        "gaps",
    }


def test_nothing_but_other_models_and_the_build_depends_on_a_single_model(graph, models):
    """A model that fails is skipped, and Dagster skips all that depends on it: the register must not."""
    allowed = models | {key("warehouse_build")}
    wrong = {
        f"{child.to_user_string()} depends on {k.to_user_string()}"
        for k in models
        for child in graph.get(k).child_keys
        if child not in allowed
    }
    assert wrong == set()


@pytest.mark.parametrize("name", AFTER_BUILD)
def test_everything_later_depends_only_on_what_can_not_be_skipped(graph, models, name):
    parents = graph.get(key(name)).parent_keys
    assert parents
    assert not parents & models
    assert parents <= {key(n) for n in (*AFTER_BUILD, "warehouse_build", "source_inspection")}


def test_the_graph_ends_with_the_health_of_the_pipeline(graph):
    assert graph.get(key("pipeline_health")).child_keys == set()
    assert key("report") in graph.get(key("pipeline_health")).parent_keys
    assert key("published_warehouse") in graph.get(key("report")).parent_keys


def test_the_models_that_start_the_build_come_from_the_inspected_sources(graph):
    assert graph.get(key("stg_requests")).parent_keys == {key("source_inspection")}
    assert key("int_requests") in graph.get(key("requests")).parent_keys


def test_one_job_is_the_whole_line(location, graph):
    job = location.resolve_job_def("plumbline")
    layer = job.asset_layer
    assert set(layer.executable_asset_keys) == set(graph.materializable_asset_keys)
    assert {c for c in graph.asset_check_keys} == set(layer.asset_graph.asset_check_keys)  # noqa: C416
    steps = {node.name for node in job.nodes}
    assert {"dbt_build", "expectations", "invariants", "pipeline_health"} <= steps


def test_it_runs_every_day_at_six_utc_once_switched_on(location):
    schedule = location.resolve_schedule_def("daily")
    assert (schedule.cron_schedule, schedule.execution_timezone, schedule.job_name) == (
        "0 6 * * *",
        "UTC",
        "plumbline",
    )
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


# --- checks ------------------------------------------------------------------------------------


def test_every_expectation_is_a_check_of_the_model_it_looks_at_and_says_its_kind(graph):
    entries = [(file.name, entry) for file in suite_files() for entry in file.entries]
    specs = [graph.get_check_spec(k) for k in graph.asset_check_keys if k.name != "invariants"]
    assert len(specs) == len(entries) > 40
    assert {s.asset_key.to_user_string() for s in specs} == {name for name, _ in entries}
    for spec in specs:
        assert spec.metadata["gap_kind"]
        assert isinstance(spec.metadata["affects"], list)


def test_every_model_has_a_check_of_its_invariants(graph, models):
    assert {k.asset_key for k in graph.asset_check_keys if k.name == "invariants"} == models


def test_no_check_blocks_what_comes_after(graph):
    assert [k for k in graph.asset_check_keys if graph.get_check_spec(k).blocking] == []


@pytest.mark.parametrize(
    ("status", "passed", "severity"),
    [
        (CheckStatus.PASSED, True, dg.AssetCheckSeverity.WARN),
        (CheckStatus.FAILED, False, dg.AssetCheckSeverity.WARN),
        (CheckStatus.ERROR, False, dg.AssetCheckSeverity.ERROR),
    ],
)
def test_a_check_shows_what_was_observed_against_what_and_an_error_is_never_a_pass(status, passed, severity):
    from dagster_pipeline.defs.checks import _shown

    result = CheckResult(
        "quotes", "expect_x", "quotes", "price", status, 0.1, 0.005, 12, 120, "missing_values", message="m"
    )
    shown = _shown("00_price", result)
    assert (shown.passed, shown.severity, shown.description) == (passed, severity, "m")
    plain = {name: value.value for name, value in shown.metadata.items()}
    assert plain == {
        "status": status.value,
        "observed": "0.1",
        "threshold": "0.005",
        "failing_rows": 12,
        "gap_kind": "missing_values",
    }


# --- a run -------------------------------------------------------------------------------------


def node(name, status, kind="model", attached=None):
    return NodeResult(
        f"{kind}.plumbline.{name}",
        name,
        kind,
        status,
        "Catalog Error: no such thing",
        0.1,
        attached_node=attached,
    )


BROKEN = BuildResult(
    (
        node("int_requests", NodeStatus.ERROR),
        node("grain_of_hires", NodeStatus.FAILED, "test", "model.plumbline.hires"),
        node("metric_cells", NodeStatus.SKIPPED),
    )
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    return write_config(folder, generate(WorldSpec(requests=200), folder))


def run(location, project, output, result):
    """The real job, with dbt's answer and no expectations."""
    from dagster_pipeline.defs.resources import resources

    def answered(config, inspections, runner, on_node=None):
        del runner
        on_node("int_requests", 1, 2)
        assert {i.status for i in inspections.values()} == {SourceStatus.OK}
        return WarehouseBuild(build_mapping(config, inspections), inspections, result)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dagster_pipeline.defs.transform.build_warehouse", answered)
        patch.setattr("dagster_pipeline.defs.checks.run_checks", lambda *args, **kwargs: ())
        with dg.DagsterInstance.ephemeral() as instance:
            done = location.resolve_job_def("plumbline").execute_in_process(
                instance=instance,
                raise_on_error=False,
                resources=resources(str(project), str(output)),
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
            failed = [e.step_key for e in done.all_events if e.is_step_failure]
            return SimpleNamespace(success=done.success, failed=failed, events=done.all_events)


@pytest.fixture(scope="module")
def broken_run(location, project, tmp_path_factory):
    output = tmp_path_factory.mktemp("broken")
    return run(location, project, output, BROKEN), output


def test_a_failing_model_fails_the_run_at_its_very_end_and_nowhere_else(broken_run):
    done, _ = broken_run
    assert not done.success
    assert done.failed == ["pipeline_health"]


def test_the_register_is_written_all_the_same_and_has_the_model_as_not_evaluated(broken_run):
    _, output = broken_run
    gaps = json.loads((output / "register.json").read_text("utf-8"))["gaps"]
    broken = {g["table"]: g for g in gaps if g["kind"] == "not_evaluated"}
    assert set(broken) == {"int_requests", "hires"}
    assert {g["severity"] for g in broken.values()} == {"blocker"}
    assert "grain_of_hires" in broken["hires"]["description"]


def test_what_could_not_be_computed_is_never_a_go(broken_run):
    _, output = broken_run
    verdict = json.loads((output / "verdict.json").read_text("utf-8"))
    assert verdict["verdict"] == "HOLD"
    assert {c["outcome"] for c in verdict["criteria"]} == {"missing"}
    assert (output / "report" / "index.html").exists()


def test_the_warehouse_is_published_so_that_the_register_has_its_history(broken_run, project):
    import duckdb

    del broken_run
    with duckdb.connect(
        str(project.parent / ".plumbline" / "warehouse.duckdb"), read_only=True
    ) as connection:
        tables = {
            r[0]
            for r in connection.execute(
                "select table_name from information_schema.tables where table_schema = 'plumbline_register'"
            ).fetchall()
        }
    assert tables


def test_a_whole_pipeline_is_a_successful_run_whatever_the_verdict(location, project, tmp_path):
    done = run(location, project, tmp_path, BuildResult(()))
    assert done.success, done.failed
    assert json.loads((tmp_path / "verdict.json").read_text("utf-8"))["verdict"] == "HOLD"


def test_a_run_holds_the_warehouse_from_its_first_asset_to_its_last(location, project, tmp_path):
    """Another run waits; after the end, however that was, nothing is held."""
    from dagster_pipeline.engines.warehouse import WarehouseSession

    run(location, project, tmp_path, BROKEN)
    path = project.parent / ".plumbline" / "warehouse.duckdb"
    with WarehouseSession(path, "another", wait_seconds=timedelta(seconds=1).total_seconds()) as session:
        assert session.build_path.exists()

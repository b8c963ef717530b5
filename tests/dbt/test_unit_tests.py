"""The models' own unit tests (in the .yml beside each .sql), run once against an empty database."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dagster_pipeline.paths import bundled


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Every model built empty, and before each its unit tests: what they need of their parents is the columns."""
    from dbt.cli.main import dbtRunner

    folder = tmp_path_factory.mktemp("dbt")
    project = str(bundled("dbt_project"))
    options = ["--project-dir", project, "--profiles-dir", project, "--target", "duckdb", "--quiet", "--no-print",
               "--no-write-json", "--target-path", str(folder / "target"), "--log-path", str(folder / "logs"),
               "--log-level-file", "none"]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUMBLINE_DUCKDB_PATH", str(folder / "warehouse.duckdb"))
        patch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
        manifest = dbtRunner().invoke(["parse", *options]).result
        build = ["build", "--resource-type", "model", "--resource-type", "unit_test", *options]
        outcome = dbtRunner(manifest=manifest).invoke(build)
    return SimpleNamespace(
        manifest=manifest, results=list(outcome.result.results), exception=outcome.exception
    )


def test_every_unit_test_passes(run):
    assert run.exception is None
    failed = [f"{r.node.name}: {r.message}" for r in run.results if str(r.status) not in ("success", "pass")]
    assert failed == []
    passed = {r.node.unique_id for r in run.results if str(r.status) == "pass"}
    assert passed == set(run.manifest.unit_tests)


def test_every_model_has_a_unit_test(run):
    tested = {unit_test.model for unit_test in run.manifest.unit_tests.values()}
    models = {node.name for node in run.manifest.nodes.values() if str(node.resource_type) == "model"}
    assert models - tested == set()


def test_the_models_build_without_any_configuration(run):
    built = {r.node.name for r in run.results if str(r.status) == "success"}
    assert built == {node.name for node in run.manifest.nodes.values() if str(node.resource_type) == "model"}

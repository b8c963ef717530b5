"""What a command imports is what it costs before it does anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"dagster", "dbt", "great_expectations", "duckdb", "sqlalchemy", "pandas", "scipy", "numpy"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in memory after a statement, in a fresh process."""
    shown = "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    program = f"import json, sys\n{statement}\n{shown}"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_reading_a_verdict_needs_nothing_heavy():
    assert loaded_by("import dagster_pipeline.gate.verdict_file") & HEAVY == set()


def test_the_command_line_starts_without_anything_heavy():
    assert loaded_by("import dagster_pipeline.cli") & HEAVY == set()


@pytest.mark.parametrize(
    "module",
    [
        "dagster_pipeline.criteria.vocabulary",
        "dagster_pipeline.statistics.vocabulary",
        "dagster_pipeline.errors",
    ],
)
def test_vocabularies_cost_nothing(module: str):
    assert loaded_by(f"import {module}") & HEAVY == set()


def test_loading_a_configuration_needs_no_database():
    assert loaded_by("import dagster_pipeline.config.loader") & HEAVY == set()


def test_the_statistics_load_scipy_only_when_they_need_it():
    modules = sorted((ROOT / "dagster_pipeline" / "statistics").rglob("*.py"))
    names = [".".join(m.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for m in modules]
    loaded = "import sys\n" + "\n".join(f"import {name}" for name in names)
    program = f"{loaded}\nassert 'scipy.stats._distn_infrastructure' not in sys.modules"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr

"""What must never be committed."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Paths git knows; a source archive has no git, and then there is nothing to look at."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def test_no_data_is_committed(tracked: list[str]):
    data = (".parquet", ".duckdb", ".csv", ".csv.gz", ".wal", ".arrow", ".xlsx")
    assert [p for p in tracked if p.endswith(data) and not p.startswith(("seeds/", "tests/"))] == []


def test_nothing_a_run_leaves_behind_is_committed(tracked: list[str]):
    left = (".plumbline/", "out/", ".venv/", ".venv-uv/", "dbt_project/target/", "dbt_project/logs/")
    assert [p for p in tracked if p.startswith(left) or "__pycache__" in p] == []


def test_no_file_is_large(tracked: list[str]):
    large = [p for p in tracked if (ROOT / p).is_file() and (ROOT / p).stat().st_size > 500_000]
    assert [p for p in large if p != "uv.lock"] == []


def test_what_the_package_bundles_is_in_a_fresh_clone(tracked: list[str]):
    """Git keeps no empty folder, and the build refuses to start without each of them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    bundled = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert [part for part in bundled if not any(path.startswith(f"{part}/") for path in tracked)] == []

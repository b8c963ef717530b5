"""`.ci/run` runs all there is to run and fails if any of it failed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with a make that notes its targets and fails those named in FAILING, a browser and a Postgres server."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "bin").mkdir()
    for name, text in (
        ("make", 'echo "$1" >> made; case "$FAILING" in *"$1"*) exit 1;; esac'),
        ("chromium", ":"),
        ("initdb", ":"),
    ):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def run(clone: Path, failing: str) -> subprocess.CompletedProcess[str]:
    there = {"PATH": f"{clone}/bin{os.pathsep}{os.environ['PATH']}", "FAILING": failing, "CI": "true"}
    command = [str(clone / ".ci" / "run")]
    return subprocess.run(
        command, cwd="/", env=there, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("failing", ["", "lint", "test", "test-postgres", "lint test"])
def test_it_always_runs_all_and_fails_if_one_did(clone: Path, failing: str):
    done = run(clone, failing)

    assert (clone / "made").read_text("utf-8").split() == ["lint", "test-postgres", "test-life", "test"]
    assert done.returncode == (1 if failing else 0)
    for name in failing.split():
        assert name in done.stderr

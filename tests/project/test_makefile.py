"""`make` sets up what is missing, once, inside the project, and never asks the network for what is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone as far as make is concerned, in a folder with a space in its name."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, folder / name)
    return folder


FAKE_UV = """echo "$@" >> "$(dirname "$0")/../calls"
[ "$1" = sync ] || exit 0
mkdir -p .venv/bin
for program in python plumbline; do
  printf '#!/bin/sh\\necho ran %s "$@"\\n' "$program" > .venv/bin/$program
  chmod +x .venv/bin/$program
done"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for PATH with a uv that notes how it was called and makes an environment."""
    executable(tmp_path / "tools" / "uv", FAKE_UV)
    return tmp_path / "tools"


def make(project: Path, tools: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """make with nothing in its environment but PATH, as on a machine just set up: no HOME either."""
    there = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", **environment}
    command = ["make", *arguments]
    return subprocess.run(
        command, cwd=project, env=there, capture_output=True, text=True, timeout=60, check=False
    )


def calls(tools: Path) -> list[str]:
    """How uv was called to install; asking its version is not counted."""
    noted = tools.parent / "calls"
    lines = noted.read_text("utf-8").splitlines() if noted.exists() else []
    return [line for line in lines if line.startswith("sync")]


def test_the_first_run_installs_what_is_locked_and_the_second_installs_nothing(project: Path, tools: Path):
    first = make(project, tools, "demo")
    second = make(project, tools, "demo")

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert len(calls(tools)) == 1
    assert "--frozen" in calls(tools)[0]
    assert "--compile-bytecode" in calls(tools)[0]
    assert second.stdout == "ran plumbline demo\n"


def test_a_checkout_that_changes_only_dates_installs_nothing(project: Path, tools: Path):
    make(project, tools, "setup")
    (project / "uv.lock").touch()
    (project / "pyproject.toml").touch()

    make(project, tools, "setup")

    assert len(calls(tools)) == 1


def test_a_changed_lock_file_installs_again(project: Path, tools: Path):
    make(project, tools, "setup")
    with (project / "uv.lock").open("a", encoding="utf-8") as lock:
        lock.write("# changed\n")

    make(project, tools, "setup")

    assert len(calls(tools)) == 2


def test_a_moved_project_installs_again_since_scripts_hold_their_path(project: Path, tools: Path):
    make(project, tools, "setup")
    moved = project.rename(project.with_name("moved"))

    make(moved, tools, "setup")

    assert len(calls(tools)) == 2


def test_a_failed_installation_is_tried_again(project: Path, tools: Path):
    executable(tools / "uv", '[ "$1" = --version ] || exit 7')

    assert make(project, tools, "setup").returncode != 0
    assert make(project, tools, "setup").returncode != 0


def test_a_missing_python_is_said_with_what_to_do(project: Path, tools: Path):
    found = make(project, tools, "demo", "PYTHON=")

    assert found.returncode != 0
    assert "Plumbline needs Python 3.11 or newer" in found.stderr
    assert "make demo PYTHON=" in found.stderr


FAKE_PYTHON = """[ "$2" = venv ] || exit 0
mkdir -p .venv-uv/bin
printf '#!/bin/sh\\necho "$@" > asked; exit 9\\n' > .venv-uv/bin/python
chmod +x .venv-uv/bin/python"""


def test_without_uv_it_is_installed_into_the_project(project: Path, tools: Path):
    executable(tools / "uv", "exit 127")
    executable(tools / "fakepython", FAKE_PYTHON)

    found = make(project, tools, "setup", f"PYTHON={tools}/fakepython")

    assert found.returncode != 0
    assert re.search(r"-m pip install .*uv==\d", (project / "asked").read_text("utf-8"))


def test_a_home_that_cannot_be_written_is_not_needed(project: Path, tools: Path):
    executable(tools / "uv", 'echo "$UV_CACHE_DIR" >> "$(dirname "$0")/../cache"')

    make(project, tools, "setup", HOME="/nonexistent")

    assert (tools.parent / "cache").read_text("utf-8").splitlines()[-1] == f"{project}/.venv-uv/cache"


def test_help_lists_every_target(project: Path, tools: Path):
    listed = make(project, tools).stdout

    for target in ("demo", "test", "lint", "serve", "setup", "clean"):
        assert f"  {target} " in listed


def test_clean_removes_what_was_made_and_nothing_else(project: Path, tools: Path):
    make(project, tools, "setup")
    (project / "out").mkdir()
    (project / "plumbline.yml").write_text("version: 1\n", encoding="utf-8")

    make(project, tools, "clean")

    assert sorted(p.name for p in project.iterdir()) == [
        "Makefile",
        "plumbline.yml",
        "pyproject.toml",
        "uv.lock",
    ]

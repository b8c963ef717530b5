"""``plumbline run --as-of``: the clock of one run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from dagster_pipeline.cli import cli


@pytest.fixture
def asked(monkeypatch):
    """What the command asks the line for."""
    seen = {}
    monkeypatch.setattr(
        "dagster_pipeline.commands.run.run",
        lambda config, output, **options: seen.update(options) or SimpleNamespace(output=output),
    )
    return seen


@pytest.mark.parametrize("given", ["yesterday", "2026-13-01", ""])
def test_what_is_no_moment_is_wrong_usage_and_runs_nothing(asked, given):
    done = CliRunner().invoke(cli, ["run", "--as-of", given, "--quiet"])
    assert done.exit_code == 2
    assert "--as-of" in done.output
    assert asked == {}


@pytest.mark.parametrize(
    ("given", "clock"),
    [
        (["--as-of", "2026-10-29"], "2026-10-29T00:00:00+00:00"),
        (["--as-of", "2026-10-29T02:00:00+02:00"], "2026-10-29T00:00:00+00:00"),
        ([], None),
    ],
)
def test_the_clock_reaches_the_line_in_utc(asked, given, clock):
    done = CliRunner().invoke(cli, ["run", "--quiet", *given], obj={"debug": False})
    assert done.exit_code == 0, done.output
    assert asked["as_of"] == clock

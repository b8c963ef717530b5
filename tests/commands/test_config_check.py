"""`plumbline config check`: whether a configuration can be used, without data and, if asked, without the environment."""

import sys
from types import SimpleNamespace

import pytest

from dagster_pipeline import cli

VALID = """version: 1
warehouse: {engine: duckdb, path: .plumbline/warehouse.duckdb}
sources: {requests: {from: requests.csv, columns: {request_id: id, created_at: at}}}
"""
UNSET = VALID.replace("requests.csv", "${PLUMBLINE_TEST_UNSET_A}").replace(
    "version: 1", "version: 1\nas_of: ${PLUMBLINE_TEST_UNSET_B}"
)


@pytest.fixture
def check(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli.gc, "disable", lambda: None)

    def run(*arguments, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["plumbline", "config", "check", *arguments])
        with pytest.raises(SystemExit) as ending:
            cli.main()
        captured = capsys.readouterr()
        return SimpleNamespace(code=ending.value.code or 0, out=captured.out, err=captured.err)

    return run


def test_a_valid_configuration_is_0_and_said(check):
    found = check(plumbline=VALID)
    assert (found.code, found.out, found.err) == (
        0, "plumbline.yml: valid, 1 source, 0 experiments, 0 briefs\n", "",
    )  # fmt: skip


def test_every_problem_is_named_with_its_line(check):
    found = check(plumbline=f"{VALID}experimets: []\nthresholds: {{null_share: 2}}\n")
    assert (found.code, found.out) == (2, "")
    assert "line 4" in found.err
    assert "experiments" in found.err
    assert "line 5" in found.err


def test_a_file_that_is_not_there_is_2(check):
    assert check().code == 2


def test_several_files_are_each_checked_and_one_bad_one_is_enough(check):
    found = check("a.yml", "b.yml", a="version: 2\n", b=VALID)
    assert found.code == 2
    assert "a.yml" in found.err
    assert "b.yml: valid" in found.out


def test_a_variable_that_is_not_set_here_is_a_problem_unless_the_environment_is_left_out(check):
    assert check(plumbline=UNSET).code == 2

    found = check("--without-environment", plumbline=UNSET)
    assert found.code == 0
    assert "without PLUMBLINE_TEST_UNSET_A, PLUMBLINE_TEST_UNSET_B" in found.out


def test_without_the_environment_every_other_problem_still_counts(check):
    found = check("--without-environment", plumbline=f"{UNSET}experimets: []\n")
    assert found.code == 2
    assert "experimets" in found.err
    assert "PLUMBLINE_TEST_UNSET" not in found.err

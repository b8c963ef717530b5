"""Files that can't be read as configuration at all: one human sentence each, and exit code 2."""

from __future__ import annotations

import pytest

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.errors import ConfigError


@pytest.mark.parametrize("text", ["", "\n\n", "# only a remark\n", "---\n"])
def test_an_empty_file(refused, text, file):
    assert refused(text)[0].startswith(f"{file}")
    assert "is empty" in refused(text)[0]
    assert "plumbline init" in refused(text)[0]


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"plumbline\.yml: no such file; `plumbline init`") as caught:
        load_config(tmp_path / "plumbline.yml")
    assert caught.value.exit_code == 2


def test_a_folder(tmp_path):
    with pytest.raises(ConfigError, match=r"is a folder; give the file, such as .*plumbline\.yml"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("text", "kind"), [("- a\n- b\n", "a list"), ("just words\n", "text"), ("12\n", "a number")]
)
def test_a_top_level_that_is_no_mapping(refused, text, kind):
    (line,) = refused(text)
    assert "must be a mapping with the keys version, warehouse, as_of, sources" in line
    assert line.endswith(f"not {kind}")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("version: 1\nwarehouse: {engine: duckdb\nsources: {}\n", 3, "not valid YAML"),
        ("version: 1\nsources:\n\trequests: {}\n", 3, "tab"),
        ("version: 1\nsources:\n  requests:\n\tfrom: x\n", 4, "tab"),
        ("version: 1\n sources: 2\n", 2, "not valid YAML"),
        ('version: "1\n', 1, "not valid YAML"),
        ("version: *nowhere\n", 1, "undefined alias"),
        ("version: 1\n---\nversion: 2\n", 2, "not valid YAML"),
        ("version: 1\nas_of: \x07\n", 2, "does not allow"),
    ],
)
def test_a_syntax_error_has_its_line(refused, text, line, words):
    (said,) = refused(text)
    assert f", line {line}: " in said
    assert words in said


def test_bytes_that_are_not_utf8_have_their_line(refused):
    (said,) = refused(b"version: 1\n# caf\xe9\n")
    assert ", line 2: is not UTF-8 text" in said


def test_a_byte_order_mark_is_no_fault(load, minimal):
    assert load("\ufeff" + minimal).version == 1


def test_windows_line_ends_are_no_fault(load, minimal):
    assert load(minimal.replace("\n", "\r\n")).version == 1


def test_a_file_too_large_for_a_configuration(refused):
    assert "larger than" in refused("#" * 1_000_001)[0]


def test_aliases_without_end_are_refused_at_once(refused):
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 12):
        bomb += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n"
    assert any("aliases without end" in line for line in refused(bomb))


def test_a_value_that_holds_itself_is_refused(refused, minimal):
    assert any("refers to itself" in line for line in refused(minimal + "brief: &b [*b]\n"))


def test_a_key_that_is_no_text_is_refused(refused, minimal):
    assert any("has a key that is not text" in line for line in refused(minimal + "? [a, b]\n: 1\n"))


def test_nesting_without_end_is_refused(refused):
    assert len(refused("a: " + "[" * 5000)) == 1

"""The list of what holds each bound up is complete: every public function has a test, and every test named is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parents[1]
STATISTICS = ROOT / "dagster_pipeline" / "statistics"


def _public(body: list[ast.stmt]) -> Iterator[str]:
    """Functions, and methods of classes; properties and protocols compute nothing."""
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            if "property" not in map(ast.unparse, node.decorator_list):
                yield node.name
        elif isinstance(node, ast.ClassDef) and "Protocol" not in map(ast.unparse, node.bases):
            yield from (f"{node.name}.{name}" for name in _public(node.body))


def _functions() -> set[str]:
    modules = [*(STATISTICS / "bounds").glob("*.py"), STATISTICS / "regions.py"]
    return {
        f"{path.stem}.{name}" for path in modules for name in _public(ast.parse(path.read_text("utf-8")).body)
    }


def _listed() -> dict[str, list[str]]:
    text = (ROOT / "docs" / "proof.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| (`test_.*`) \|$", text, re.MULTILINE)
    return {name: re.findall(r"`(\w+)`", tests) for name, tests in rows}


def test_every_bound_is_listed_with_the_tests_that_hold_it():
    assert set(_listed()) == _functions()


def test_every_test_that_is_listed_is_there():
    written = {
        name
        for path in TESTS.glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.M)
    }
    assert {name for tests in _listed().values() for name in tests} - written == set()

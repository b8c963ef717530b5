"""The walls of the house: rooms import one way, engines are complete, SQL is neutral, functions stay small.

What a failing test here means: the change is in the wrong place, or the layout itself is to be changed first,
in CONTRIBUTING.md and here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dagster_pipeline"
DBT = ROOT / "dbt_project"

# A room may import itself and the rooms before it.
ROOMS = (
    *(
        "errors",
        "paths",
        "progress",
        "config",
        "engines",
        "transform",
        "discovery",
        "checks",
        "statistics",
        "criteria",
    ),
    *("gaps", "register", "gate", "report", "exports", "alerts", "defs", "commands", "cli"),
)
# Rooms that see less than the order would allow.
NARROW = {
    "demo": {"errors"},
    "statistics": {"errors"},
    "criteria": {"errors", "paths", "config", "statistics"},
    "definitions": {"defs"},
}
PURE = ("statistics", "criteria", "gate", "register", "report", "exports", "alerts")
HEAVY = {"dagster", "dagster_dbt", "dagster_webserver", "dbt", "great_expectations"}
MODULES = ("errors", "paths", "progress", "cli", "definitions")  # the others are folders

LAYERS = ("staging", "intermediate", "canonical", "metrics", "gaps")

# Functions and clauses that not every engine has; each belongs behind a macro in macros/engines/.
ENGINE_SPECIFIC = {
    "qualify": r"\bqualify\b",
    "arg_min / arg_max": r"\barg_(min|max)\s*\(",
    "min_by / max_by": r"\b(min|max)_by\s*\(",
    "median(": r"\bmedian\s*\(",
    "percentiles": r"\b(percentile_disc|percentile_cont|quantile\w*|approx_\w+)\s*\(",
    "group by all / order by all": r"\b(group|order)\s+by\s+all\b",
    "list functions": r"\blist(_\w+)?\s*\(",
    "file readers": r"\b(read_parquet|read_csv\w*|read_json\w*|parquet_scan|glob)\s*\(",
    "epoch functions": r"\b(epoch\w*|to_timestamp|make_timestamp|unix_timestamp|from_unixtime)\s*\(",
    "failing casts": r"\b(try_cast|safe_cast|try_to_\w+)\b",
    "time formats": r"\b(strptime|strftime|try_strptime|to_char|date_format)\s*\(",
    "date arithmetic": r"\b(date_diff|datediff|date_add|dateadd|timestampdiff)\s*\(",
    "regular expressions": r"\b(regexp_\w+|rlike|regexp)\b",
    "anti / semi / asof join": r"\b(anti|semi|asof)\s+join\b",
    "string aggregation": r"\b(listagg|string_agg|group_concat)\s*\(",
    "range functions": r"\b(generate_series|range|unnest|sequence|explode)\s*\(",
    "cast by ::": r"::",
    "star options": r"\*\s*(exclude|except|replace)\s*\(",
    "isfinite / isnan": r"\bis(finite|nan|inf)\s*\(",
}


# --- Python: what imports what -----------------------------------------------------------------


@dataclass(frozen=True)
class Import:
    """One import of one module: by whom, of what, in which line."""

    importer: str
    target: str
    line: int


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of the package by its dotted name, parsed."""
    return {module_name(f): ast.parse(f.read_text("utf-8"), str(f)) for f in sorted(PACKAGE.rglob("*.py"))}


def imports_of(name: str) -> Iterator[Import]:
    """All imports, also those inside functions and under TYPE_CHECKING."""
    if name not in trees():
        return
    is_package = (ROOT / name.replace(".", "/") / "__init__.py").exists()
    for node in ast.walk(trees()[name]):
        if isinstance(node, ast.Import):
            yield from (Import(name, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, name, is_package)
            # `from package import module` imports the module; `from module import name` only the module.
            for alias in node.names:
                full = f"{origin}.{alias.name}"
                yield Import(name, full if full in trees() else origin, node.lineno)


def _origin(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    base = name.split(".")
    base = base[: len(base) - node.level + (1 if is_package else 0)]
    return ".".join([*base, *([node.module] if node.module else [])])


def room(name: str) -> str:
    """The room a module of ours is in; the package itself is none."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def is_ours(target: str) -> bool:
    return target.partition(".")[0] == PACKAGE.name


def allowed(name: str) -> set[str]:
    """The rooms this room may import."""
    own = {room(name), ""}
    if room(name) in NARROW:
        return own | NARROW[room(name)]
    before = set(ROOMS[: ROOMS.index(room(name))])
    # Commands are where the demo world and the code location are asked for.
    return own | before | ({"demo", "definitions"} if room(name) in ("commands", "cli") else set())


def reached_from(start: str) -> set[str]:
    """Everything that importing a module may import sooner or later, ours and others', packages included."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        if is_ours(name):
            parents = [name.rsplit(".", n)[0] for n in range(1, name.count(".") + 1)]
            todo += [*parents, *(i.target for i in imports_of(name))]
    return seen


@pytest.mark.parametrize("folder", [room for room in (*ROOMS, "demo") if room not in MODULES])
def test_every_room_exists(folder: str):
    assert (PACKAGE / folder / "__init__.py").is_file()
    assert [name for name in trees() if room(name) == folder and name.count(".") > 1], f"{folder} is empty"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_outside_the_rooms_exists(module: str):
    assert f"dagster_pipeline.{module}" in trees()


def test_every_module_is_in_a_room():
    known = {*ROOMS, "demo", "definitions", "__main__", ""}
    assert {name for name in trees() if room(name) not in known} == set()


def test_a_room_imports_only_rooms_before_it():
    wrong = [
        f"{i.importer}:{i.line} imports {i.target}"
        for name in trees()
        if room(name) not in ("", "__main__")
        for i in imports_of(name)
        if is_ours(i.target) and room(i.target) not in allowed(name)
    ]
    assert wrong == []


def test_definitions_only_load_defs():
    ours = {i.target for i in imports_of("dagster_pipeline.definitions") if is_ours(i.target)}
    assert ours
    assert {room(target) for target in ours} == {"defs"}


@pytest.mark.parametrize("pure", PURE)
def test_a_pure_room_never_reaches_orchestration(pure: str):
    names = [name for name in trees() if room(name) == pure]
    assert names
    for name in names:
        reached = {target.partition(".")[0] for target in reached_from(name)}
        assert reached & HEAVY == set(), f"{name} reaches {reached & HEAVY}"


def test_no_module_is_named_for_nothing():
    vague = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "base_utils"}
    assert [name for name in trees() if vague & set(re.split(r"[._]", name))] == []


# --- Python: small functions -------------------------------------------------------------------


def functions() -> list[tuple[int, str]]:
    """Length in lines and name of every function of the package."""
    return [
        (node.end_lineno - node.lineno + 1, f"{name}:{node.lineno} {node.name}")
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]


def test_no_function_is_longer_than_sixty_lines():
    assert [f"{name}: {length} lines" for length, name in functions() if length > 60] == []


def test_functions_are_short_as_a_rule():
    lengths = [length for length, _ in functions()]
    assert median(lengths) <= 15
    assert quantiles(lengths, n=10)[-1] <= 35


# --- Engines -----------------------------------------------------------------------------------


def engine_macros() -> dict[str, str]:
    return {file.stem: file.read_text("utf-8") for file in sorted((DBT / "macros" / "engines").glob("*.sql"))}


def macros_defined(text: str, prefix: str) -> dict[str, str]:
    """Name → body of every macro whose name starts with the prefix and two underscores."""
    found = re.finditer(rf"{{%-?\s*macro {prefix}__(\w+)\(.*?%}}(.*?){{%-?\s*endmacro", text, re.DOTALL)
    return {match[1]: match[2] for match in found}


def engines() -> list[str]:
    return [name for name in engine_macros() if name != "default"]


def test_every_engine_is_a_python_file_a_macro_file_and_a_profile():
    from dagster_pipeline.engines.base import available_engines

    profiles = yaml.safe_load((DBT / "profiles.yml").read_text("utf-8"))["plumbline"]["outputs"]

    assert engines()
    assert list(available_engines()) == engines()
    assert set(engines()) == set(profiles)


@pytest.mark.parametrize("engine", engines())
def test_an_engine_supplies_every_macro_that_the_default_refuses(engine: str):
    defaults = macros_defined(engine_macros()["default"], "default")
    demanded = {name for name, body in defaults.items() if "unsupported(" in body}

    assert demanded
    assert demanded - set(macros_defined(engine_macros()[engine], engine)) == set()


@pytest.mark.parametrize("engine", engines())
def test_an_engine_overrides_only_what_the_default_names(engine: str):
    known = set(macros_defined(engine_macros()["default"], "default"))

    assert set(macros_defined(engine_macros()[engine], engine)) - known == set()


def neutral_sql() -> list[Path]:
    """SQL that must run on every engine: all but macros/engines/."""
    files = [
        *(DBT / "models").rglob("*.sql"),
        *(DBT / "macros").rglob("*.sql"),
        *(DBT / "tests").rglob("*.sql"),
    ]
    return sorted(file for file in files if "engines" not in file.relative_to(DBT).parts)


def code_of(file: Path) -> str:
    """SQL without comments, texts and Jinja: `{{ dbt.datediff(…) }}` is what a model should say."""
    text = re.sub(
        r"{#.*?#}|{{.*?}}|{%.*?%}|/\*.*?\*/|--[^\n]*", " ", file.read_text("utf-8"), flags=re.DOTALL
    )
    return re.sub(r"'(?:[^']|'')*'", "''", text).lower()


def test_models_name_no_engine_specific_function():
    files = neutral_sql()
    assert len(files) > 20
    wrong = [
        f"{file.relative_to(ROOT)}: {what}"
        for file in files
        for what, pattern in ENGINE_SPECIFIC.items()
        if re.search(pattern, code_of(file))
    ]
    assert wrong == []


# --- dbt: layers, grain, contracts -------------------------------------------------------------


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The models of the parsed project by unique id."""
    from dbt.cli.main import dbtRunner

    state = tmp_path_factory.mktemp("dbt")
    folders = ["--project-dir", DBT, "--profiles-dir", DBT, "--target-path", state, "--log-path", state]
    quiet = ["--quiet", "--no-write-json", "--log-level-file", "none"]
    result = dbtRunner().invoke(["parse", *map(str, folders), *quiet])
    assert result.success, result.exception
    nodes = result.result.nodes
    return {key: node for key, node in nodes.items() if node.resource_type == "model"}


def layer(model: Any) -> str:
    return str(model.fqn[1])


def test_dbt_models_are_in_known_layers_and_none_is_empty(models: dict[str, Any]):
    assert {layer(model) for model in models.values()} == set(LAYERS)


def test_dbt_models_read_only_their_own_layer_and_those_before_it(models: dict[str, Any]):
    wrong = [
        f"{layer(model)}/{model.name} reads {layer(models[parent])}/{models[parent].name}"
        for model in models.values()
        for parent in model.depends_on.nodes
        if parent in models and LAYERS.index(layer(models[parent])) > LAYERS.index(layer(model))
    ]
    assert wrong == []


def test_dbt_reads_raw_rows_in_staging_and_flags_them_once(models: dict[str, Any]):
    """Only intermediate models read staging: what a duplicate or an orphan is, is said in one place."""
    wrong = [
        f"{layer(model)}/{model.name} reads {models[parent].name}"
        for model in models.values()
        for parent in model.depends_on.nodes
        if parent in models
        and layer(models[parent]) == "staging"
        and layer(model) not in ("staging", "intermediate")
    ]
    assert wrong == []


def test_dbt_models_each_have_one_yml_of_their_name(models: dict[str, Any]):
    for model in models.values():
        sql = DBT / model.original_file_path
        assert model.patch_path, f"{model.name} has no yml"
        assert DBT / model.patch_path.partition("://")[2] == sql.with_suffix(".yml")


def test_dbt_ymls_without_a_model_are_only_the_exposures():
    lone = {yml.name for yml in (DBT / "models").rglob("*.yml") if not yml.with_suffix(".sql").exists()}
    assert lone <= {"exposures.yml"}


def test_dbt_models_say_their_grain_first(models: dict[str, Any]):
    assert [m.name for m in models.values() if not m.description.startswith("Grain:")] == []


def test_dbt_models_describe_every_column(models: dict[str, Any]):
    assert [f"{m.name}.{c}" for m in models.values() for c, v in m.columns.items() if not v.description] == []
    assert [m.name for m in models.values() if not m.columns] == []


def test_dbt_canonical_models_are_public_contracts(models: dict[str, Any]):
    canonical = [model for model in models.values() if layer(model) == "canonical"]
    assert {"requests", "quotes", "hires", "experiment_assignments"} <= {model.name for model in canonical}
    assert [model.name for model in canonical if not model.contract.enforced] == []
    assert [model.name for model in canonical if model.access.value != "public"] == []

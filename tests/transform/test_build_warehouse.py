"""Running dbt: what a build came to, a second try without a source that broke, and texts that must arrive whole."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import click
import duckdb
import jinja2
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_mapping import a_config, inspected

from dagster_pipeline.engines.inspection import SourceStatus
from dagster_pipeline.paths import bundled
from dagster_pipeline.transform import dbt_runner
from dagster_pipeline.transform.build import build_warehouse
from dagster_pipeline.transform.dbt_runner import DbtProjectRunner, vars_argument
from dagster_pipeline.transform.results import BuildResult, NodeResult, NodeStatus


def node(name, status=NodeStatus.SUCCESS, kind="model", message="", attached=None):
    prefix = "model" if kind == "model" else "test"
    return NodeResult(f"{prefix}.plumbline.{name}", name, kind, status, message, 0.1, attached_node=attached)


# --- what was built ----------------------------------------------------------------------------


def test_built_is_what_succeeded_and_keeps_its_invariants():
    result = BuildResult(
        (
            node("sound"),
            node("grain_of_sound", kind="test", attached="model.plumbline.sound"),
            node("unsound"),
            node("grain_of_unsound", NodeStatus.FAILED, "test", attached="model.plumbline.unsound"),
            node("unproven"),
            node("grain_of_unproven", NodeStatus.ERROR, "test", attached="model.plumbline.unproven"),
            node("broken", NodeStatus.ERROR),
            node("after_broken", NodeStatus.SKIPPED),
            node("seed", kind="seed"),
        )
    )
    assert result.built == {"sound"}
    assert [n.name for n in result.broken] == ["grain_of_unsound", "grain_of_unproven", "broken"]


def test_a_failed_test_of_the_whole_project_takes_no_model_away():
    result = BuildResult((node("sound"), node("assert_rows_never_vanish", NodeStatus.FAILED, "test")))
    assert result.built == {"sound"}
    assert len(result.broken) == 1


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("success", NodeStatus.SUCCESS),
        ("pass", NodeStatus.SUCCESS),
        ("warn", NodeStatus.SUCCESS),
        ("fail", NodeStatus.FAILED),
        ("error", NodeStatus.ERROR),
        ("runtime error", NodeStatus.ERROR),
        ("skipped", NodeStatus.SKIPPED),
        ("partial success", NodeStatus.ERROR),
        ("a word dbt may say one day", NodeStatus.ERROR),
    ],
)
def test_what_dbt_says_of_a_node_is_understood_and_an_unknown_word_is_never_a_success(
    monkeypatch, tmp_path, said, status
):
    result = run_of(monkeypatch, tmp_path, [answer("requests", said)])
    assert [n.status for n in result.nodes] == [status]
    assert result.error is None


def answer(name, status):
    said = SimpleNamespace(unique_id=f"model.plumbline.{name}", name=name, resource_type="model")
    return SimpleNamespace(node=said, status=status, message=None, execution_time=None, failures=None)


def run_of(monkeypatch, tmp_path, answers, *, success=True, exception=None):
    runner = DbtProjectRunner(tmp_path / "w.duckdb", tmp_path)
    outcome = SimpleNamespace(result=SimpleNamespace(results=answers), success=success, exception=exception)
    monkeypatch.setattr(runner, "manifest", lambda: None)
    monkeypatch.setattr(runner, "_invoke", lambda arguments, **_: outcome)
    return runner.build({})


def test_a_build_that_ran_nothing_says_so(monkeypatch, tmp_path):
    assert run_of(monkeypatch, tmp_path, [], success=False).error == "dbt built nothing"
    assert run_of(monkeypatch, tmp_path, [], success=False, exception=ValueError("why")).error == "why"


def test_the_environment_is_as_before_whatever_happens(monkeypatch):
    monkeypatch.setenv("PLUMBLINE_TEST_KEPT", "before")
    monkeypatch.delenv("PLUMBLINE_TEST_NEW", raising=False)

    def failing():
        with dbt_runner._environment(PLUMBLINE_TEST_KEPT="within", PLUMBLINE_TEST_NEW="within"):
            assert dbt_runner.os.environ["PLUMBLINE_TEST_NEW"] == "within"
            raise InterruptedError

    with pytest.raises(InterruptedError):
        failing()
    assert dbt_runner.os.environ["PLUMBLINE_TEST_KEPT"] == "before"
    assert "PLUMBLINE_TEST_NEW" not in dbt_runner.os.environ


# --- a source that breaks while it is read -----------------------------------------------------


@dataclass
class FakeRunner:
    """Answers one build after another and remembers what it was asked."""

    results: list[BuildResult]
    asked: list[dict] = field(default_factory=list)

    def build(self, variables, on_node=None):
        self.asked.append(variables)
        return self.results[len(self.asked) - 1]


def torn(source):
    message = (
        f"Runtime Error in model stg_{source}\n  Invalid Input: corrupt page\x1b[31m\n  compiled at x.sql"
    )
    return node(f"stg_{source}", NodeStatus.ERROR, message=message)


def test_a_source_that_breaks_while_it_is_read_is_left_out_and_the_rest_built_again():
    config = a_config()
    runner = FakeRunner(
        [
            BuildResult((torn("hires"), torn("messages"), node("stg_quotes"))),
            BuildResult((node("stg_quotes"),)),
        ]
    )
    found = build_warehouse(config, inspected(config), runner)
    assert set(runner.asked[0]["sources"]) - set(runner.asked[1]["sources"]) == {"hires", "messages"}
    assert found.inspections["hires"].status is SourceStatus.UNREADABLE
    assert found.inspections["hires"].row_error == "Invalid Input: corrupt page�[31m"
    assert found.inspections["quotes"].status is SourceStatus.OK
    assert "hire_rate_7d" in found.mapping.absent_metrics
    assert found.result is runner.results[1]


def test_a_model_of_ours_that_breaks_is_not_tried_again():
    config = a_config()
    runner = FakeRunner([BuildResult((node("int_quotes", NodeStatus.ERROR, message="a bug"),))])
    found = build_warehouse(config, inspected(config), runner)
    assert len(runner.asked) == 1
    assert found.result.broken


def test_it_gives_up_after_the_second_try():
    config = a_config()
    runner = FakeRunner([BuildResult((torn("hires"),)), BuildResult((torn("quotes"),))])
    found = build_warehouse(config, inspected(config), runner)
    assert len(runner.asked) == 2
    assert [n.name for n in found.result.broken] == ["stg_quotes"]


# --- texts of the configuration ----------------------------------------------------------------

HOSTILE = [
    "'; drop table requests; --",
    "{{ env_var('SECRET') }} {% raw %} {# #}",
    'a "quoted" \\ back\\\\slash \\ud83d \\n',
    "line\nbreak\r\n\ttab",
    "${HOME} $1 %s %(x)s {0}",
    "emoji 😀 \U0010ffff \x7f \x85 \u2028 \ufeff",
    "- yaml: [1, *a, &b] !!python/object",
    "\x00\x01\x1b[31m",
]
anything = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=("Cs",))))


@settings(max_examples=200)
@given(anything, anything)
def test_any_text_survives_the_way_to_dbt(key, value):
    variables = {"plumbline": {"sources": {key: {"where": value}}, "list": [value, None, True, 1.5]}}
    assert yaml.safe_load(vars_argument(variables)) == variables


@pytest.mark.parametrize("text", HOSTILE)
def test_dbts_own_reader_of_variables_gives_the_text_back(text):
    from dbt.cli.option_types import YAML

    option, given = click.Option(["--vars"]), {"plumbline": {"x": text}}
    assert YAML().convert(vars_argument(given), option, None) == given


def test_what_is_no_character_does_not_break_the_build():
    assert yaml.safe_load(vars_argument({"path": "a\udcffb"})) == {"path": "a�b"}


@pytest.fixture(scope="module")
def text_literal():
    source = (bundled("dbt_project") / "macros" / "mapping.sql").read_text("utf-8")
    start = source.index("{% macro text_literal")
    macro = source[start : source.index("{% endmacro %}", start) + len("{% endmacro %}")]
    return jinja2.Environment(autoescape=False).from_string(macro).module.text_literal  # noqa: S701  SQL, not HTML


@pytest.fixture(scope="module")
def database():
    with duckdb.connect() as connection:
        yield connection


@settings(max_examples=150, deadline=None)
@given(value=anything.filter(lambda text: "\x00" not in text))
def test_any_text_is_itself_as_a_literal_of_the_models(text_literal, database, value):
    """DuckDB reads back what was written: no text ends its own quotes."""
    assert database.execute(f"select {text_literal(value)}").fetchall() == [(value,)]

"""Every gap kind has a runbook, and every gap leads to it. That their queries run: tests/gaps/test_defects_by_arm.py."""

import csv
import io
import re

import pytest
from sample_report import a_gap, the_report
from test_report_page import Reading

from dagster_pipeline.commands.gaps import show_gap
from dagster_pipeline.criteria.vocabulary import Severity
from dagster_pipeline.gaps.kinds import gap_kinds
from dagster_pipeline.paths import PACKAGE, bundled
from dagster_pipeline.report.files import rendered, write_outputs
from dagster_pipeline.report.runbook_pages import runbook_html, runbook_pages
from dagster_pipeline.report.runbooks import runbook_link, runbook_name, runbooks
from dagster_pipeline.report.words import kind_title

HEADINGS = [
    "What it means",
    "What it does to the decision",
    "First three queries",
    "Usual causes",
    "Who fixes it",
    "How to verify the fix",
]
QUERY = re.compile(r"^### (\d)\. [^\n]+\?\n(?:[^#`]|`[^`\n]+`)*```sql\n(?!```)", re.MULTILINE)
KINDS = sorted(gap_kinds())


# --- the pages ---------------------------------------------------------------------------------


def test_every_kind_has_a_runbook_and_every_runbook_a_kind():
    assert set(runbooks()) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_runbook_bears_the_kind_s_name_and_says_everything(kind):
    runbook = runbooks()[kind]
    assert runbook.title == kind_title(kind)
    assert re.findall(r"^## (.*)", runbook.body, re.MULTILINE) == HEADINGS
    sections = re.split(r"^## .*\n", runbook.body, flags=re.MULTILINE)
    assert all(len(section.split()) >= 5 for section in (runbook.lead, *sections[1:]))
    assert "plumbline run" in sections[-1], "a fix is verified by a run"
    assert "`resolved`" in sections[-1] or "resolve it" in sections[-1], "and the register says so"


@pytest.mark.parametrize("kind", KINDS)
def test_a_runbook_has_three_queries_each_under_its_question(kind):
    body = runbooks()[kind].body
    assert QUERY.findall(body) == ["1", "2", "3"]
    assert body.count("```sql") == 3


def test_the_index_lists_every_runbook_by_its_title():
    index = (bundled("docs/runbooks") / "index.md").read_text("utf-8")
    listed = re.findall(r"^\| \[(.+)\]\((\w+)\.md\) \| `(\w+)` \|", index, re.MULTILINE)
    assert sorted(listed) == sorted((kind_title(kind), kind, kind) for kind in KINDS)


def test_a_wheel_carries_the_runbooks_where_they_are_looked_for():
    text = (PACKAGE.parent / "pyproject.toml").read_text("utf-8")
    assert '"docs/runbooks" = "dagster_pipeline/_bundled/docs/runbooks"' in text


# --- where they are ----------------------------------------------------------------------------


def test_a_runbook_is_named_beside_the_report():
    assert runbook_name("stale_source") == "runbooks/stale_source.html"


@pytest.mark.parametrize("kind", ["index", "../../etc/passwd", "", "a new kind", "<script>"])
def test_a_kind_without_a_runbook_leads_nowhere(kind):
    assert runbook_name(kind) == ""
    assert runbook_link(kind, "https://host/report/") is None


@pytest.mark.parametrize(
    ("base", "link"),
    [
        ("https://host/report/index.html", "https://host/report/runbooks/stale_source.html"),
        ("https://host/report/", "https://host/report/runbooks/stale_source.html"),
        ("https://host/report", "https://host/report/runbooks/stale_source.html"),
        ("http://host:8080", "http://host:8080/runbooks/stale_source.html"),
        ("https://host/report/index.html?sig=secret#x", "https://host/report/runbooks/stale_source.html"),
        ("https://host/a b)<x>/", "https://host/a%20b%29%3Cx%3E/runbooks/stale_source.html"),
        ("javascript:alert(1)", None),
        ("file:///tmp/report/", None),
        ("https://[broken", None),
        ("", None),
        (None, None),
    ],
)
def test_its_link_starts_where_the_report_can_be_read(base, link):
    assert runbook_link("stale_source", base) == link


# --- what a run leaves behind ------------------------------------------------------------------


def test_a_run_leaves_the_runbooks_of_its_gaps_and_no_others(report):
    kinds = {gap.kind for gap in report.gaps}
    assert set(runbook_pages(report)) == {runbook_name(kind) for kind in kinds}
    assert {f"report/{runbook_name(kind)}" for kind in kinds} <= set(rendered(report))


def test_every_gap_of_the_page_links_to_a_runbook_that_is_there(report, tmp_path):
    write_outputs(report, tmp_path)
    page = tmp_path / "report" / "index.html"
    links = [
        value
        for tag, name, value in Reading(page.read_text("utf-8")).attributes
        if (tag, name) == ("a", "href") and value.startswith("runbooks/")
    ]
    assert set(links) == {runbook_name(gap.kind) for gap in report.gaps}
    assert len(links) >= len(report.gaps)
    assert all((page.parent / link).is_file() for link in links)


def test_every_link_of_a_runbook_leads_to_a_file_or_a_gap_of_the_page(tmp_path):
    gaps = [a_gap(kind, Severity.LOW, "quotes") for kind in KINDS]
    write_outputs(the_report(gaps=tuple(gaps)), tmp_path)
    folder = tmp_path / "report" / "runbooks"
    ids = Reading((tmp_path / "report" / "index.html").read_text("utf-8")).ids
    for path in sorted(folder.glob("*.html")):
        for _, _, value in (a for a in Reading(path.read_text("utf-8")).attributes if a[1] == "href"):
            target, _, anchor = value.partition("#")
            assert (folder / target).is_file(), (path.name, value)
            assert not anchor or anchor in ids, (path.name, value)
    assert 'href="orphan_rows.html"' in (folder / "missing_partition.html").read_text("utf-8")


def test_a_link_to_what_the_run_does_not_leave_is_only_its_words():
    text = "See [late data](stale_source.md), [nulls](missing_values.md) and [more](../proof.md)."
    assert runbook_html(text, ["stale_source"]) == (
        '<p>See <a href="stale_source.html">late data</a>, nulls and more.</p>\n'
    )


def test_html_in_a_runbook_stays_text():
    assert "<script>" not in runbook_html("<script>alert(1)</script> `<b>`")


def test_a_runbook_loads_and_runs_nothing(report):
    for text in runbook_pages(report).values():
        reading = Reading(text)
        assert not {"script", "iframe", "object", "embed", "img", "form", "base", "link"} & set(reading.tags)
        assert not [name for _, name, _ in reading.attributes if name.startswith("on")]
        assert "@import" not in text
        assert "url(" not in text
        policies = [v for tag, name, v in reading.attributes if tag == "meta" and name == "content"]
        assert policies[0].startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_a_runbook_shows_the_run_s_own_gaps_whatever_they_say(hostile_report):
    page = runbook_pages(hostile_report)[runbook_name("missing_values")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page


def test_an_unknown_kind_has_no_page_and_no_link(tmp_path):
    report = the_report(gaps=(a_gap("of_another_version", Severity.LOW, "quotes"),))
    texts = write_outputs(report, tmp_path)
    assert not [path for path in texts if "runbooks" in path.parts]
    assert "runbooks/" not in (tmp_path / "report" / "index.html").read_text("utf-8")


def test_table_and_summary_name_the_runbook_of_every_kind(report):
    texts = rendered(report)
    rows = list(csv.DictReader(io.StringIO(texts["register.csv"], newline="")))
    assert {row["kind"]: row["runbook"] for row in rows} == {
        g.kind: runbook_name(g.kind) for g in report.gaps
    }
    for gap in report.unresolved:
        if gap.severity is not Severity.INFO:
            assert f"{kind_title(gap.kind)}: report/runbooks/{gap.kind}.html" in texts["summary.md"]


def test_a_gap_on_the_terminal_says_where_its_runbook_lies(report, tmp_path, capsys):
    write_outputs(report, tmp_path)
    show_gap(report.gaps[0].gap_id, tmp_path / "plumbline.yml", tmp_path, as_json=False)
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("runbook"))
    assert line.split()[1] == str(tmp_path / "report" / runbook_name(report.gaps[0].kind))

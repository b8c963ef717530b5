"""The page in a real browser: silent, self-contained, legible at every width and in both schemes."""

import base64
import re

import pytest
from chromium_pipe import Browser, find_browser
from sample_report import a_hostile_report, an_empty_report, the_report

from dagster_pipeline.report.html import render_html

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        find_browser() is None, reason="no Chromium here: the page was not opened (apt-get install chromium)"
    ),
]

REPORTS = {"rich": the_report, "hostile": a_hostile_report, "empty": an_empty_report}

# Contrast of every text against the nearest background that is painted, as WCAG 2 defines it.
FAINT_TEXT = """(() => {
  const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const lum = c => { const [r, g, b] = rgb(c).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (rgb(c)[3] !== 0) return c; } return 'rgb(255, 255, 255)'; };
  const faint = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest('.hidden, .skip')) continue;
    const style = getComputedStyle(e), inPicture = e.namespaceURI.endsWith('svg');
    const a = lum(inPicture ? style.fill : style.color), b = lum(ground(inPicture ? e.closest('td') : e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) faint.push([e.textContent.slice(0, 40), ratio.toFixed(2)]);
  }
  return faint;
})()"""

# Elements that stick out of the window, but for those that scroll within their own box.
TOO_WIDE = """[...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll, .skip, .hidden') && e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.tagName + '.' + e.getAttribute('class'))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module", params=REPORTS)
def path(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "index.html").write_text(render_html(REPORTS[request.param]()), encoding="utf-8")
    return folder / "index.html"


def test_the_watch_is_able_to_see_a_request_and_an_error(browser, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text("<img src='http://127.0.0.1:9/x.png'><script>console.error('no')</script>")
    browser.open(bad)
    assert any("127.0.0.1:9" in url for url in browser.requests)
    assert any("no" in text for text in browser.complaints)


def test_the_page_asks_for_nothing_and_complains_of_nothing(browser, path):
    browser.open(path)
    assert [url for url in browser.requests if not url.startswith("data:")] == [path.as_uri()]
    assert browser.complaints == []
    assert browser.evaluate("document.querySelector('h1').textContent")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_sticks_out_at_any_width(browser, path, width):
    browser.open(path, width=width)
    assert browser.evaluate(TOO_WIDE) == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_stands_out_from_its_ground(browser, path, dark):
    browser.open(path, dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert browser.evaluate(FAINT_TEXT) == []
    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) < 384) is dark


def test_labels_in_the_pictures_stay_inside_them(browser, path):
    outside = """[...document.querySelectorAll('.picture text')].filter(t => {
      const a = t.getBoundingClientRect(), b = t.closest('.picture').getBoundingClientRect();
      return a.left < b.left - 1 || a.right > b.right + 1 }).map(t => t.textContent)"""
    for width in (360, 1280):
        browser.open(path, width=width)
        assert browser.evaluate(outside) == []


def test_on_paper_it_takes_two_pages(browser, tmp_path):
    page = tmp_path / "index.html"
    page.write_text(render_html(the_report()), encoding="utf-8")
    browser.open(page)
    pdf = base64.b64decode(
        browser.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"]
    )
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 2

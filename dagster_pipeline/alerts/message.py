"""One message, whatever it goes to: in plain text and in Markdown, cut to the room a channel has. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dagster_pipeline.alerts.defused import defused_markdown, markdown, plain_text
from dagster_pipeline.criteria.vocabulary import Severity

MOST_ITEMS = 20
"""Gaps named in one message; the others are counted, and stand in the report."""
LONGEST = 20_000
"""Characters of a body, where the channel takes that many."""


@dataclass(frozen=True)
class Item:
    """One gap: a heading, sentences below it, and the address of its runbook."""

    head: str
    lines: tuple[str, ...] = ()
    runbook: str | None = None


@dataclass(frozen=True)
class Message:
    """What one channel is told of one run, most severe first. All text is defused plain text, the addresses are ours.

    ``lead`` comes before the gaps, ``closing`` after them; ``digest`` is Markdown. ``events`` counts what is told, ``worst`` is
    the severity of what is not resolved (None: nothing is).
    """

    title: str
    lead: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    closing: tuple[str, ...] = ()
    report: str | None = None
    digest: str | None = None
    events: int = 0
    worst: Severity | None = None

    def text(self, longest: int = LONGEST) -> str:
        """The body as plain text, of at most ``longest`` characters."""
        body = _fitted(self._text, len(self.items), longest)
        return _with_digest(body, plain_text(self.digest or ""), longest)

    def markdown(self, longest: int = LONGEST) -> str:
        """The body in Markdown, of at most ``longest`` characters."""
        body = _fitted(self._markdown, len(self.items), longest)
        return _with_digest(body, defused_markdown(self.digest or ""), longest)

    def _text(self, size: int) -> str:
        blocks = ["\n".join(self.lead)]
        blocks += ["\n".join(_text_item(item)) for item in self.items[:size]]
        blocks += [_more(len(self.items) - size), *self.closing]
        blocks += [f"Report: {self.report}" if self.report else ""]
        return _joined(blocks)

    def _markdown(self, size: int) -> str:
        blocks = ["  \n".join(map(markdown, self.lead))]
        blocks += ["\n".join("  \n  ".join(_markdown_item(item)) for item in self.items[:size])]
        blocks += [_more(len(self.items) - size), *map(markdown, self.closing)]
        blocks += [f"Report: <{self.report}>" if self.report else ""]
        return _joined(blocks)


def _text_item(item: Item) -> Iterator[str]:
    yield item.head
    yield from (f"  {line}" for line in item.lines)
    if item.runbook:
        yield f"  Runbook: {item.runbook}"


def _markdown_item(item: Item) -> Iterator[str]:
    yield f"- **{markdown(item.head)}**"
    yield from map(markdown, item.lines)
    if item.runbook:
        yield f"Runbook: <{item.runbook}>"


def _more(left: int) -> str:
    return f"And {left:,} more, in the report." if left else ""


def _joined(blocks: Sequence[str]) -> str:
    return "\n\n".join(block for block in blocks if block)


def _fitted(render: Callable[[int], str], size: int, longest: int) -> str:
    """As many gaps as there is room for; where not even the rest has any, its beginning."""
    shown = min(size, MOST_ITEMS)
    body = render(shown)
    while len(body) > longest and shown:
        shown -= 1
        body = render(shown)
    return body if len(body) <= longest else body[: max(longest - 1, 0)] + "…"


def _with_digest(body: str, digest: str, longest: int) -> str:
    """The daily checkpoint below the gaps: as many whole lines of it as there is room for."""
    lines: list[str] = []
    room = longest - len(body) - 2
    for line in digest.strip().splitlines():
        room -= len(line) + 1
        if room < 0:
            break
        lines.append(line)
    return _joined([body, "\n".join(lines)])

"""SQL that comes from plumbline.yml: one SELECT, or one condition, and nothing else.

DuckDB's parser judges it (without running it). SQL of another engine that DuckDB can't parse is judged by
its words alone; it is only ever used inside parentheses, where these engines take nothing but a query or an
expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dagster_pipeline.config.problems import Refusal

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*(?!\+).*?(?:\*/|\Z))
      | (?P<hint>/\*\+.*?\*/)
      | (?P<text>[eE]'(?:\\.|''|[^'\\])*'|'(?:''|[^'])*'|\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$)
      | (?P<quoted>"(?:""|[^"])*"|`[^`]*`)
      | (?P<word>[A-Za-z_][A-Za-z0-9_$]*)
      | (?P<blank>\s+)
      | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_ONE_SELECT = "must be one SELECT (or WITH … SELECT)"
_ONE_CONDITION = "must be one condition, as it would stand after WHERE"
_ONE_EXPRESSION = "must be one expression, as it would stand in a SELECT"
_STARTS = ("select", "with")
# Reached only where DuckDB can't parse: a WITH of another engine may hide these behind a SELECT.
_WRITES = frozenset({"insert", "update", "delete", "merge", "create", "drop", "alter", "truncate", "grant"})


@dataclass(frozen=True)
class Token:
    """A piece of SQL: its kind (comment, hint, text, quoted, word, blank or sign) and its wording."""

    kind: str
    text: str


def tokens(sql: str) -> Iterator[Token]:
    """The SQL cut into pieces that put together give it again."""
    for match in _TOKEN.finditer(sql):
        kind = next(
            kind for kind in ("comment", "hint", "text", "quoted", "word", "blank", "sign") if match[kind]
        )
        yield Token(kind, match[0])


def plain(sql: str) -> str:
    """The SQL without comments and closing semicolons: in parentheses, neither may hide their end."""
    kept = "".join(" " if token.kind == "comment" else token.text for token in tokens(sql))
    return kept.strip().rstrip("; \t\r\n")


def check_query(sql: str, engine: str = "duckdb") -> str:
    """The query, ready to be put into parentheses. Raises Refusal where it is not exactly one SELECT."""
    query = plain(sql)
    _refuse_unbalanced(query, _ONE_SELECT)
    first = next(
        (token.text.lower() for token in tokens(query) if token.kind != "blank" and token.text != "("), ""
    )
    if first not in _STARTS:
        raise Refusal(f"{_ONE_SELECT}; it starts with {first[:20]!r}" if first else _ONE_SELECT)
    _refuse_other_than_select(query, engine, _ONE_SELECT, query)
    return query


def check_condition(sql: str, engine: str = "duckdb") -> str:
    """The condition, ready to be put into parentheses. Raises Refusal where it is not one expression."""
    condition = plain(sql)
    if not condition:
        raise Refusal(_ONE_CONDITION)
    _refuse_unbalanced(condition, _ONE_CONDITION)
    # In parentheses nothing may follow it (GROUP BY); outside them it may be no subquery and no list.
    statement = f"select 1 from t where ({condition}\n) or {condition}"  # noqa: S608 - parsed, never run
    _refuse_other_than_select(condition, engine, _ONE_CONDITION, statement)
    return condition


def check_expression(sql: str, engine: str = "duckdb") -> str:
    """The expression, ready to be put into parentheses. Raises Refusal where it is not one, or holds a query of its own."""
    if any(token.kind == "comment" for token in tokens(sql)):
        raise Refusal(f"{_ONE_EXPRESSION}, without comments")
    expression = sql.strip()
    _refuse_unbalanced(expression, _ONE_EXPRESSION)
    words = {token.text.lower() for token in tokens(expression) if token.kind == "word"}
    if "select" in words:
        raise Refusal(f"{_ONE_EXPRESSION}; a query of its own belongs under query")
    # In parentheses it is no list and no alias; outside them nothing may follow it.
    statement = f"select 1 from t where ({expression}\n) is null or 1 = {expression}"  # noqa: S608 - parsed, never run
    _refuse_other_than_select(expression, engine, _ONE_EXPRESSION, statement)
    return expression


def _refuse_unbalanced(sql: str, requirement: str) -> None:
    """A parenthesis that closes more than was opened would break out of ours; so would a second statement."""
    depth = 0
    for token in tokens(sql):
        if token.kind != "sign":
            continue
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == ";":
            raise Refusal(f"{requirement}; a semicolon separates two")
        if token.text in "'\"`":
            raise Refusal(f"{requirement}; a quote is not closed")
        if depth < 0:
            raise Refusal(f"{requirement}; a parenthesis closes that was not opened")
    if depth:
        raise Refusal(f"{requirement}; a parenthesis is not closed")


def _refuse_other_than_select(sql: str, engine: str, requirement: str, statement: str) -> None:
    try:
        kinds = _statement_kinds(statement)
    except ValueError as error:
        if engine == "duckdb":
            raise Refusal(f"{requirement}; {error}") from error
        writes = sorted({token.text.lower() for token in tokens(sql) if token.kind == "word"} & _WRITES)
        if writes:
            raise Refusal(f"{requirement}; it holds the word {writes[0]!r}") from error
        return
    if kinds != ("SELECT",):
        found = ", ".join(kinds) or "nothing"
        raise Refusal(f"{requirement}; DuckDB reads {len(kinds)} statements: {found}")


@lru_cache(maxsize=256)  # a server loads the same file again and again
def _statement_kinds(sql: str) -> tuple[str, ...]:
    """The kinds of the statements in a text, parsed, not run. Raises ValueError with what the parser said."""
    import duckdb  # noqa: PLC0415 - most configurations hold no SQL, and then need no DuckDB

    connection: Any = duckdb.connect()
    try:
        return tuple(statement.type.name for statement in connection.extract_statements(sql))
    except duckdb.Error as error:
        raise ValueError(str(error).splitlines()[0]) from error
    finally:
        connection.close()

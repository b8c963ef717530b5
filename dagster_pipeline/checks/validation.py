"""Great Expectations itself: an ephemeral context on the engine's own connection, nothing kept, nothing sent.

The import costs seconds of CPU, so it happens when a Validator is entered and nowhere else.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dagster_pipeline.checks.readings import Reading, read
from dagster_pipeline.checks.suites import Check, Suite
from dagster_pipeline.engines.inspection import one_line
from dagster_pipeline.errors import PlumblineError

# Counts without examples: values of the user's rows belong neither in results nor in Data Docs.
_RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}
_POSITION = "position"


class Validator:
    """Validates suites on the database behind ``url``; the database is free again when the block ends."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._expectations: dict[tuple[str, int], Any] = {}
        self._validated: list[Any] = []
        self._source: Any = None
        self._unreachable: Reading | None = None

    def __enter__(self) -> Self:
        from dagster_pipeline.checks.dialect import register  # noqa: PLC0415 - imports SQLAlchemy

        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        register()
        with _quiet():
            self._context = _ephemeral_context()
            try:
                self._source = self._context.data_sources.add_sql("warehouse", connection_string=self._url)
            except Exception as error:
                self._unreachable = _raised(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._source is None:
            return
        with contextlib.suppress(Exception):
            self._source.get_execution_engine().close()
        with contextlib.suppress(Exception):
            self._source.get_engine().dispose()

    def prepare(self, suites: Iterable[Suite]) -> None:
        """Make every expectation, so that a suite that can't be used is said before anything runs."""
        for suite in suites:
            for check in suite.checks:
                if check.obstacle is None:
                    self._expectations[suite.name, check.entry.position] = _expectation(suite, check)

    def validate(self, suite: Suite, checks: Sequence[Check]) -> dict[int, Reading]:
        """The reading of each check by its position, bundled into as few scans as Great Expectations can."""
        if self._unreachable is not None:
            return {check.entry.position: self._unreachable for check in checks}
        with _quiet():
            try:
                batch = self._batch(suite)
                validated = self._bundled(suite, checks, batch)
            except Exception as error:
                return {check.entry.position: _raised(error) for check in checks}
            return {check.entry.position: self._reading(suite, check, batch, validated) for check in checks}

    def write_data_docs(self, folder: Path) -> None:
        """Write the Data Docs site of everything validated so far to ``folder``."""
        from dagster_pipeline.checks.data_docs import write_site  # noqa: PLC0415 - imports Great Expectations

        with _quiet():
            write_site(self._context, self._validated, folder)

    def _batch(self, suite: Suite) -> Any:
        asset = self._source.add_table_asset(
            suite.name, table_name=suite.file.relation, schema_name=suite.file.schema
        )
        return asset.add_batch_definition_whole_table("whole").get_batch()

    def _bundled(self, suite: Suite, checks: Sequence[Check], batch: Any) -> dict[int, Any]:
        """The results by position; empty where the bundle as a whole raised."""
        from great_expectations.core import ExpectationSuite  # noqa: PLC0415 - seconds of CPU

        expectations = [self._expectations[suite.name, check.entry.position] for check in checks]
        bundle = ExpectationSuite(name=suite.name, expectations=expectations)
        try:
            validated = batch.validate(bundle, result_format=_RESULT_FORMAT)
        except Exception:
            return {}
        self._validated.append(validated)
        return {result.expectation_config.meta[_POSITION]: result for result in validated.results}

    def _reading(self, suite: Suite, check: Check, batch: Any, validated: dict[int, Any]) -> Reading:
        """What the bundle says of a check; where it says nothing or raised, what the check says alone.

        One that raises may have made another raise, or the whole bundle.
        """
        position = check.entry.position
        if position in validated and (reading := read(validated[position])).error is None:
            return reading
        try:
            return read(
                batch.validate(self._expectations[suite.name, position], result_format=_RESULT_FORMAT)
            )
        except Exception as error:
            return _raised(error)


def _raised(error: Exception) -> Reading:
    return Reading(success=False, error=one_line(f"{type(error).__name__}: {error}"))


def _expectation(suite: Suite, check: Check) -> Any:
    from great_expectations.exceptions import ExpectationNotFoundError  # noqa: PLC0415 - seconds of CPU
    from great_expectations.expectations.registry import get_expectation_impl  # noqa: PLC0415

    place = suite.file.place(check.entry)
    try:
        implementation = get_expectation_impl(check.entry.type)
        return implementation(**_copied(check.kwargs), meta=_meta(check))
    except ExpectationNotFoundError as error:
        raise PlumblineError(f"{place}: Great Expectations has no such expectation") from error
    except Exception as error:
        raise PlumblineError(f"{place}: {one_line(' '.join(str(error).split()))}") from error


def _meta(check: Check) -> dict[str, Any]:
    entry = check.entry
    return {
        _POSITION: entry.position,
        "gap_kind": entry.gap_kind,
        "affects": list(entry.affects),
        "mitigation": entry.mitigation,
    }


def _copied(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    from great_expectations.expectations.row_conditions import deserialize_row_condition  # noqa: PLC0415

    copied = dict(kwargs)
    if "row_condition" in copied:
        copied["row_condition"] = deserialize_row_condition(copied["row_condition"])
    return copied


def _ephemeral_context() -> Any:
    import great_expectations as gx  # noqa: PLC0415 - seconds of CPU
    from great_expectations.data_context.types.base import (  # noqa: PLC0415
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Great Expectations prints what raised; here that is a result, not news."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

"""What every engine must answer, and how an engine is found by its name.

An engine is a module ``engines/<engine>.py`` with a subclass of `Engine` whose ``name`` is the module's;
its SQL differences live in ``dbt_project/macros/engines/<engine>.sql`` under the same name. The base
class omits what each engine must supply: what is left out raises, it never falls back to another engine.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from dagster_pipeline.errors import UnsupportedError

if TYPE_CHECKING:
    from dagster_pipeline.config.types import PlumblineConfig
    from dagster_pipeline.engines.inspection import SourceInspection
    from dagster_pipeline.engines.warehouse import WarehouseSession


class Engine:
    """The functions the pipeline asks of an engine; each raises UnsupportedError until one supplies it."""

    name: ClassVar[str] = "base"

    def _unsupported(self, function: str) -> NoReturn:
        raise UnsupportedError(
            f"engine {self.name!r} does not support {function!r}; engines that can be used: "
            f"{', '.join(available_engines())}"
        )

    def quote(self, identifier: str) -> str:
        """One identifier, quoted for this engine's SQL."""
        self._unsupported("quote")

    def literal(self, text: str) -> str:
        """A text, quoted as a string literal of this engine's SQL."""
        self._unsupported("literal")

    def inspect(self, config: PlumblineConfig, database: Path | None = None) -> dict[str, SourceInspection]:
        """Whether each source of the catalogue exists, its columns and types, and what is wrong with it."""
        self._unsupported("inspect")

    def session(
        self,
        path: Path,
        run_id: str,
        wait_seconds: float = 600.0,
        on_wait: Callable[[str], None] | None = None,
    ) -> WarehouseSession:
        """The exclusive build of a run, which `WarehouseSession.publish` makes visible in one step."""
        self._unsupported("session")

    def read_published(self, path: Path) -> AbstractContextManager[Any]:
        """A read-only connection to the published warehouse."""
        self._unsupported("read_published")

    def checks_url(self, database: Path) -> str:
        """The SQLAlchemy address under which Great Expectations reads the build."""
        self._unsupported("checks_url")


def _engine_class(module_name: str) -> type[Engine] | None:
    module = importlib.import_module(f"{__package__}.{module_name}")
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and issubclass(value, Engine)
            and value.__dict__.get("name") == module_name
        ):
            return value
    return None


def _modules() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))


def available_engines() -> tuple[str, ...]:
    """Names of the engines whose module is in this folder, sorted."""
    return tuple(name for name in _modules() if name != "base" and _engine_class(name) is not None)


def load_engine(name: str) -> Engine:
    """The engine of that name.

    Raises UnsupportedError, listing the available ones, for a name without an engine module.
    """
    found = _engine_class(name) if name in _modules() and name != "base" else None
    if found is None:
        raise UnsupportedError(
            f"engine {name!r} is not supported; use one of: {', '.join(available_engines())}"
        )
    return found()

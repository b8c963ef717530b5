"""A data contract as it stands in a file, read strictly: one mapping of ODCS 3, its objects, properties and rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from dagster_pipeline.errors import PlumblineError

_LARGEST = 5_000_000  # characters
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_VERSIONS = ("v3.0.", "v3.1.", "v3.2.")


class NotExpressedError(Exception):
    """Something a contract says and a suite or plumbline.yml can't; the message says why."""


@dataclass(frozen=True)
class LeftOut:
    """Something the contract says that is not taken over: where it stands in the contract, and why."""

    where: str
    why: str


@dataclass(frozen=True)
class Part:
    """A mapping of the contract and where it stands, such as ``schema.quotes.price.quality[0]``."""

    where: str
    content: Mapping[str, Any]

    def parts(self, key: str) -> Iterator[Part]:
        """The mappings of a list, named by their ``name`` or their place; raises PlumblineError for anything else."""
        listed = self.content.get(key)
        if listed is None:
            return
        if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
            raise PlumblineError(f"the contract's {self._at(key)} must be a list of mappings")
        for index, item in enumerate(listed):
            named = key in ("schema", "properties") and isinstance(item.get("name"), str)
            yield Part(self._at(item["name"] if named else f"{key}[{index}]"), item)

    def text(self, key: str) -> str | None:
        """A text, or None."""
        value = self.content.get(key)
        return value if isinstance(value, str) and value.strip() else None

    def custom(self) -> dict[str, Any]:
        """The customProperties by name."""
        listed = self.content.get("customProperties")
        items = listed if isinstance(listed, list) else []
        return {
            item["property"]: item.get("value")
            for item in items
            if isinstance(item, dict) and isinstance(item.get("property"), str)
        }

    def _at(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name


def read_contract(text: str, file: str) -> Part:
    """The contract's outermost mapping. Raises PlumblineError, naming ``file``, for what is no contract of ODCS 3."""
    if len(text) > _LARGEST:
        raise PlumblineError(f"{file}: is larger than {_LARGEST:,} characters; that is no contract")
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=_LOADER)):
            raise PlumblineError(f"{file}: uses YAML aliases (*name), which are not read; write them out")
        content = yaml.load(text, Loader=_LOADER)  # noqa: S506 - the safe loader, in C if there is one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise PlumblineError(f"{file}: is not YAML ({first})") from error
    if not isinstance(content, dict) or content.get("kind") != "DataContract":
        raise PlumblineError(f"{file}: is no data contract; a contract of ODCS has kind: DataContract")
    version = content.get("apiVersion")
    if not isinstance(version, str) or not version.startswith(_VERSIONS):
        allowed = ", ".join(f"{each}x" for each in _VERSIONS)
        raise PlumblineError(f"{file}: apiVersion is {str(version)[:40]!r}; read are {allowed}")
    return Part("", content)

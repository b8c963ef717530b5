"""Properties that hold for every configuration."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.problems import KeyPath, dotted
from dagster_pipeline.errors import ConfigError

# One example's file is overwritten by the next: nothing is left over that could pass for a result.
SHARED_FOLDER = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# The keys of these are the user's own names, or arms.
OPEN = {"split", "quote_events"}


def closed_mappings(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every mapping of a configuration whose keys are not the user's to choose."""
    if isinstance(value, dict):
        if not (path and path[-1] in OPEN and path[0] == "experiments"):
            yield path
        for key, inner in value.items():
            yield from closed_mappings(inner, (*path, key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from closed_mappings(inner, (*path, index))


def at(data: Any, path: KeyPath) -> Any:
    for step in path:
        data = data[step]
    return data


KEYS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=20)
VALUES = st.one_of(st.integers(), st.text(max_size=5), st.booleans(), st.just([]), st.just({}))


@SHARED_FOLDER
@given(st.data())
def test_a_key_that_is_not_known_is_refused_by_name_at_every_level(example, file, data):
    content = yaml.safe_load(example)
    place = data.draw(st.sampled_from(list(closed_mappings(content))))
    key = data.draw(KEYS) + "?"  # no key of ours ends so
    value = data.draw(VALUES)
    changed = copy.deepcopy(content)
    at(changed, place)[key] = value
    text = yaml.safe_dump(changed, allow_unicode=True, sort_keys=False)
    file.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_config(file, {})

    assert any(f" {dotted((*place, key))}: " in line for line in str(caught.value).splitlines())


@SHARED_FOLDER
@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=6), st.data())
def test_a_split_loads_exactly_when_its_shares_sum_to_one(minimal, file, weights, data):
    total = sum(weights)
    shares = [weight / total for weight in weights]
    slip = data.draw(st.sampled_from([0, 1e-12, 1e-6, -1e-3, 0.3]))
    shares[0] += slip
    assume(0 <= shares[0] <= 1)
    arms = {f"a{index}": share for index, share in enumerate(shares)}
    entry = {"id": "e", "control": "a0", "split": arms}
    file.write_text(minimal + yaml.safe_dump({"experiments": [entry]}))

    if abs(slip) < 1e-9:
        assert load_config(file, {}).experiments[0].split == pytest.approx(arms)
    else:
        with pytest.raises(ConfigError, match=r"experiments\[0\]\.split: must sum to 1"):
            load_config(file, {})


@SHARED_FOLDER
@given(st.binary(max_size=200))
def test_bytes_that_are_no_configuration_are_a_config_error_and_nothing_else(file, content):
    file.write_bytes(content)
    with pytest.raises(ConfigError):
        load_config(file, {})


@SHARED_FOLDER
@given(st.data())
def test_a_damaged_configuration_loads_or_is_a_config_error_with_places(example, file, data):
    """Cut a piece out of the text, or double it: what comes of it is said with its place."""
    start = data.draw(st.integers(0, len(example)))
    end = min(len(example), start + data.draw(st.integers(0, 30)))
    text = example[:start] + example[start:end] * data.draw(st.sampled_from([0, 2])) + example[end:]
    file.write_text(text, encoding="utf-8")
    try:
        load_config(file, {})
    except ConfigError as error:
        assert all(line.startswith(f"{file}") for line in str(error).splitlines())  # noqa: PT017

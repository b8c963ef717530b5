"""The one base class of errors a user may see, and its few kinds."""

from __future__ import annotations


class PlumblineError(Exception):
    """Something the user can act on; shown without a traceback unless ``--debug`` is given.

    The message says what was wrong, where, what is allowed and what to do next.
    ``exit_code`` is what the command line ends with (DESIGN.md §8).
    """

    exit_code = 2


class ConfigError(PlumblineError):
    """plumbline.yml cannot be used; the message names file, key, line and the allowed values."""


class UnsupportedError(PlumblineError):
    """An engine was asked for something it does not offer; names the engine and the function."""


class NotEvaluatedError(PlumblineError):
    """A decision could not be evaluated: missing, stale, corrupt or interrupted results."""

    exit_code = 3

"""A file that is whole or not there: what a reader sees is the old text or the new one."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from dagster_pipeline.errors import PlumblineError


def write_atomically(path: Path, text: str) -> None:
    """Replaces a file in one step: a reader sees the old one or the new one, also after a power cut."""
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("x", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise PlumblineError(
            f"Cannot write {path}: {error.strerror or error}. Give another folder with --output, or make "
            f"this one writable."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """The new name itself must reach the disk; systems that can't sync a folder are left alone."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""Small worlds, written as literal rows and built by the project's own runner."""

from __future__ import annotations

import duckdb
import pytest
import yaml

COLUMNS = {
    "requests": ["request_id", "created_at"],
    "quotes": ["quote_id", "request_id", "pro_id", "quoted_at"],
    "hires": ["hire_id", "request_id", "hired_at", "amount", "outcome"],
    "assignments": ["entity_id", "variant", "assigned_at"],
    "support_tickets": ["ticket_id", "request_id", "opened_at"],
    "spam_flags": ["quote_id", "flagged_at"],
}
EXPERIMENT = {
    "id": "x",
    "control": "control",
    "split": {"control": 0.5, "treatment": 0.5},
    "window": {"start": "2026-10-01T00:00:00Z", "end": "2026-10-29T00:00:00Z"},
}


@pytest.fixture(scope="session")
def build_world(tmp_path_factory):
    """Builds the warehouse of the given tables (rows of text) and gives a read-only connection to it."""

    def build(as_of: str = "2026-12-01T00:00:00Z", **tables):
        from dagster_pipeline.config.loader import load_config
        from dagster_pipeline.engines.base import load_engine
        from dagster_pipeline.transform.build import build_warehouse
        from dagster_pipeline.transform.dbt_runner import DbtProjectRunner

        folder = tmp_path_factory.mktemp("world")
        sources = {name: _source(folder, name, rows) for name, rows in tables.items()}
        content = {"version": 1, "as_of": as_of, "warehouse": {"engine": "duckdb", "path": "w/warehouse.duckdb"},
                   "sources": sources, "experiments": [EXPERIMENT]}  # fmt: skip
        (folder / "plumbline.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
        config = load_config(folder / "plumbline.yml")
        engine = load_engine("duckdb")
        with engine.session(config.warehouse.path, "run") as session:
            inspections = engine.inspect(config, session.build_path)
            runner = DbtProjectRunner(session.build_path, folder / "dbt")
            built = build_warehouse(config, inspections, runner)
            assert built.result.error is None
            assert built.result.broken == ()
            session.publish()
        return duckdb.connect(str(config.warehouse.path), read_only=True)

    return build


def _source(folder, name, rows):
    columns = COLUMNS[name]
    with duckdb.connect() as con:
        con.execute(f"create table t ({', '.join(f'{c} varchar' for c in columns)})")
        con.executemany(f"insert into t values ({', '.join('?' * len(columns))})", rows)
        con.execute(f"copy t to '{folder / name}.parquet' (format parquet)")
    return {"from": f"{name}.parquet", "columns": {c: c for c in columns}}

"""An exported folder instead of a store: an engine answers questions about its calls, and what the export says of its
loads is in a store in memory, where the same queries find it as in any other."""

from datetime import datetime, timedelta
from typing import Any

from streamaudit.errors import InputError
from streamaudit.store.engines.protocol import Engine
from streamaudit.store.export_layout import ABOUT, EXPORT_SCHEMA, LOADS
from streamaudit.store.store import Store

_ADD_LOADS = """
INSERT INTO store.loads BY NAME
SELECT
    unnest(range($rows)) + 1 AS load_id, unnest($sources::VARCHAR[]) AS source,
    unnest(range($rows))::VARCHAR AS path, '' AS fingerprint, unnest($formats::VARCHAR[]) AS format,
    unnest($variants::VARCHAR[]) AS variant, '' AS digest, TIMESTAMP '1970-01-01' AS loaded_at, '' AS tool_version,
    0 AS read_records, 0 AS new_calls, 0 AS repeated_calls, 0 AS replaced_calls,
    unnest($rejected::BIGINT[]) AS rejected_records, 0 AS not_calls, unnest($rates::DOUBLE[]) AS sample_rate
"""


class ExportedStore(Store):
    """A store without calls, whose ``engine`` answers over exported ones."""

    def __init__(self, engine: Engine, uri: str, *, memory_limit: str | None = None) -> None:
        """Check that the folder is an export of this version; raises InputError where it is not."""
        # Before anything is opened that would have to be closed again.
        about, loads = _check(engine, uri), engine.table(LOADS)
        super().__init__(None, writable=True, memory_limit=memory_limit)
        self.uri, self.engine, self.about = uri, engine, about
        self.run("ATTACH ':memory:' AS store")
        self._create_schema()
        self._define_vocabulary()
        self._add_loads(loads)

    @property
    def prices(self) -> str:
        """Return the price tables of the exports, as messages name them."""
        return ", ".join(sorted({str(one["prices"]) for one in self.about}))

    @property
    def chosen(self) -> list[str]:
        """Return the windows and filters that the exports were narrowed to, in words; empty for whole stores."""
        found = []
        for one in self.about:
            ends = [f"{word} {_minute(one[name])} UTC" for word, name in (("since", "since_us"), ("until", "until_us"))
                    if one[name] is not None]  # fmt: skip
            parts = [part for part in (one["filters"], *ends) if part]
            found += ["; ".join(parts)] if parts else []
        return sorted(set(found))

    def close(self) -> None:
        """Release the engine and this connection; safe to call twice."""
        if self.engine is not None:
            self.engine.close()
        super().close()

    def _add_loads(self, loads: list[dict[str, Any]]) -> None:
        columns = {
            name: [one[column] for one in loads]
            for name, column in (("sources", "source"), ("formats", "format"), ("variants", "variant"),
                                 ("rejected", "rejected_records"), ("rates", "sample_rate"))
        }  # fmt: skip
        if loads:
            self.run(_ADD_LOADS, {**columns, "rows": len(loads)})


def _minute(us: int) -> str:
    return f"{datetime(1970, 1, 1) + timedelta(microseconds=us):%Y-%m-%d %H:%M}"


def _check(engine: Engine, uri: str) -> list[dict[str, Any]]:
    """Return what the export in a folder says of itself; InputError for another version, or for several exports."""
    about = engine.table(ABOUT)
    found = {int(one["export_schema"]) for one in about}
    if not found or min(found) < EXPORT_SCHEMA:
        raise InputError(
            f"--data {uri}: an older streamaudit wrote it, or it is no export",
            f"write it again from its store: streamaudit export {uri} --overwrite",
        )
    if max(found) > EXPORT_SCHEMA:
        raise InputError(
            f"--data {uri}: it has export schema {max(found)}; this streamaudit knows {EXPORT_SCHEMA}",
            "upgrade streamaudit",
        )
    if len(about) > 1:
        raise InputError(
            f"--data {uri}: {len(about):,} exports were put into it, so a call may be in it more than once",
            "make one of them first: streamaudit export FOLDER --compact",
        )
    return about

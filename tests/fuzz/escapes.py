"""Try to reach files, networks and settings through ``sql`` and ``--where``: each is refused and leaves no trace."""

import random
import shutil
from pathlib import Path

from tests.fuzz.check import Broken, run_command
from tests.fuzz.kills import prepared
from tests.fuzz.stores import STORE

SECRET = "secret-of-another-file-4711"
_TABLES = (
    "read_csv('{f}')", "read_text('{f}')", "read_blob('{f}')", "read_json('{f}')", "read_csv_auto('{f}')",
    "read_parquet('{f}')", "glob('{d}/*')", "'{f}'", '"{f}"', "sniff_csv('{f}')", "parquet_metadata('{f}')",
    "parquet_scan('{f}')", "read_ndjson('{f}')", "read_duckdb('{d}/store.duckdb')", "duckdb_settings()",
    "duckdb_secrets()", "duckdb_databases()", "pragma_database_list()", "which_secret('{f}', 's3')", "main.meta",
    "store.meta",
    "information_schema.tables", "query('SELECT * FROM read_text(''{f}'')')", "query_table('{f}')",
    "read_text('http://127.0.0.1:9/x')", "read_csv('/dev/stdin')", "read_text('/proc/self/environ')", "sqlite_master",
)  # fmt: skip
_VALUES = (
    "getenv('HOME')", "current_setting('temp_directory')", "set_config('x', 'y', false)", "getvariable('x')",
    "(SELECT content FROM read_text('{f}'))", "nextval('x')", "add_parquet_key('a', 'b')", "write_log('x')",
)
_STATEMENTS = (
    "ATTACH '{d}/other.duckdb' AS o", "COPY (SELECT 1) TO '{d}/written.csv'", "COPY calls FROM '{f}'", "INSTALL httpfs",
    "LOAD httpfs", "PRAGMA database_list", "SET enable_external_access = true", "RESET lock_configuration",
    "EXPORT DATABASE '{d}/out'", "IMPORT DATABASE '{d}'", "CREATE TABLE t AS SELECT 1", "DROP TABLE calls",
    "DELETE FROM calls", "UPDATE calls SET model = 'x'", "CREATE MACRO m() AS 1", "CALL pragma_version()",
    "CREATE SECRET (TYPE s3)", "CHECKPOINT", "VACUUM", "EXPLAIN ANALYZE DELETE FROM calls", "USE store",
    "WITH x AS (DELETE FROM calls RETURNING *) SELECT * FROM x", "PREPARE p AS SELECT 1", "DETACH store",
    "FORCE CHECKPOINT", "BEGIN", "DESCRIBE TABLE '{f}'", "SUMMARIZE '{f}'", "FROM '{f}'", "TABLE '{f}'",
)  # fmt: skip
_AROUND = (
    "{}", "SELECT 1; {}", "{};", "/* x */ {}", "-- x\n{}", "  {}", "({})", "SELECT * FROM ({}) t",
    "WITH t AS ({}) SELECT * FROM t", "SELECT 1 UNION ALL {}",
)  # fmt: skip
_CONDITIONS = (
    "EXISTS ({})", "1 = (SELECT count(*) FROM ({}) t)", "model IN ({})", "true) OR EXISTS ({}", "true; {}",
    "true UNION {}", "true -- {}", "CASE WHEN EXISTS ({}) THEN true END",
)  # fmt: skip


def check(seed: int, folder: Path) -> str:
    """Make one attempt. Raises Broken when it shows something of a file, writes one, or changes the store."""
    dice = random.Random(seed)
    shutil.copyfile(prepared() / STORE, folder / STORE)
    (folder / "secret.csv").write_text(f"a,b\n{SECRET},1\n")
    stored = (folder / STORE).read_bytes()
    kind = dice.randrange(3)
    if kind == 0:
        text = f"SELECT * FROM {dice.choice(_TABLES)}"
    elif kind == 1:
        text = f"SELECT {dice.choice(_VALUES)} AS model FROM calls"
    else:
        text = dice.choice(_STATEMENTS)
    if dice.random() < 0.3:
        text = "".join(dice.choice((letter.upper(), letter.lower())) for letter in text)
    words: tuple[str, ...]
    filled = text.replace("{f}", str(folder / "secret.csv")).replace("{d}", str(folder))
    if dice.random() < 0.5:
        words = ("sql", dice.choice(_AROUND).format(filled))
    elif kind == 1 and dice.random() < 0.5:
        words = ("report", "--where", f"{filled[7:].removesuffix(' AS model FROM calls')} IS NOT NULL")
    else:
        words = ("report", "--where", dice.choice(_CONDITIONS).format(filled))
    code, out, err = run_command(*words, "--db", folder / STORE)
    story = f"{words[0]} {words[-1]!r}"
    if SECRET in out + err or "store.duckdb-wal" in out:
        raise Broken(f"{story} shows another file")
    if code not in (0, 2, 3):
        raise Broken(f"{story}: exit code {code}: {err}")
    left = sorted(path.name for path in folder.iterdir())
    if left != ["secret.csv", STORE] or (folder / STORE).read_bytes() != stored:
        raise Broken(f"{story} wrote something: {left}")
    if code == 0 and kind == 2 and not words[-1].startswith("true -- "):
        raise Broken(f"{story} was accepted: {out[:200]}")
    return story

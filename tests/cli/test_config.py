"""``streamaudit.toml``: which file counts, what is in it, where each value came from, and what a wrong one says."""

import json
from pathlib import Path

import pytest

from tests.cli.running import Cli
from tests.cli.traffic import call, write_lines

WHOLE = """
db = "kept/audit.duckdb"
tz = "Europe/Paris"
top = 2

[fields]
tenant = "metadata.acct"

[groups.enterprise]
tenant = ["acme", "glob*"]
"""


def settings(cli: Cli, *arguments: str, cwd: Path | None = None, **env: str) -> dict[str, tuple[str | None, str]]:
    """``config show`` as setting → (value, where it came from)."""
    done = cli.run(*arguments, "config", "show", "--json", cwd=cwd, env=env)
    assert done.code == 0, done.err
    rows = json.loads(done.out)["tables"][0]["rows"]
    return {row["setting"]: (row["value"], row["from"]) for row in rows}


def by(cli: Cli, dimension: str, *arguments: str | Path) -> dict[str | None, int]:
    """Calls by one dimension."""
    done = cli.run("report", *arguments, "--by", dimension, "--json")
    assert done.code == 0, done.err
    return {row[dimension]: row["calls"] for row in json.loads(done.out)["tables"][0]["rows"]}


def test_without_a_file_everything_is_a_default(cli: Cli) -> None:
    found = settings(cli)
    assert found["configuration"] == (None, "no file")
    assert found["tz"] == ("UTC", "default")
    assert found["db"][1] == "default"
    assert (found["stop_delay"], found["prices"], found["fields"]) == (("2s", "default"), *[(None, "default")] * 2)


def test_a_file_that_is_named_and_missing_is_said(cli: Cli) -> None:
    """Before anything is priced or looked up by it; the other settings are shown all the same."""
    (cli.folder / "streamaudit.toml").write_text('prices = "p.csv"\nstop_delay = "0s"\n[lookup]\ntenant = "t.csv"\n')
    done = cli.run("config", "show")
    assert done.code == 0
    assert f"prices: no file {cli.folder}/p.csv" in done.err + done.out
    assert f"lookup.tenant: no file {cli.folder}/t.csv" in done.err + done.out
    assert settings(cli)["stop_delay"] == ("0s", f"{cli.folder}/streamaudit.toml:2")


def test_the_nearest_file_above_counts_and_its_paths_are_its_own(cli: Cli) -> None:
    """From a folder below, the store is still beside the file, and each value names its line."""
    (cli.folder / "streamaudit.toml").write_text(WHOLE)
    below = cli.folder / "a" / "b"
    below.mkdir(parents=True)
    found = settings(cli, cwd=below)
    assert found["db"] == (str(cli.folder / "kept" / "audit.duckdb"), f"{cli.folder}/streamaudit.toml:2")
    assert found["tz"] == ("Europe/Paris", f"{cli.folder}/streamaudit.toml:3")
    assert found["fields.tenant"] == ("metadata.acct", f"{cli.folder}/streamaudit.toml:7")
    assert found["groups.enterprise.tenant"] == ("acme, glob*", f"{cli.folder}/streamaudit.toml:10")


def test_a_flag_beats_the_environment_beats_the_file(cli: Cli) -> None:
    (cli.folder / "streamaudit.toml").write_text('wait = "1s"\nmemory_limit = "300MB"\ndb = "file.duckdb"\n')
    assert settings(cli)["wait"] == ("1s", f"{cli.folder}/streamaudit.toml:1")
    assert settings(cli, STREAMAUDIT_WAIT="2s")["wait"] == ("2s", "$STREAMAUDIT_WAIT")
    assert settings(cli, STREAMAUDIT_TZ="Asia/Tokyo")["tz"] == ("Asia/Tokyo", "$STREAMAUDIT_TZ")
    assert settings(cli, STREAMAUDIT_DB="/x.duckdb")["db"] == ("/x.duckdb", "$STREAMAUDIT_DB")
    done = cli.run("config", "show", "--wait", "3s", "--json", env={"STREAMAUDIT_WAIT": "2s"})
    rows = {row["setting"]: row for row in json.loads(done.out)["tables"][0]["rows"]}
    assert (rows["wait"]["value"], rows["wait"]["from"]) == ("3s", "--wait")


def test_files_are_never_merged(cli: Cli) -> None:
    """The nearer file hides the farther one whole; a pyproject.toml counts only with a section of ours."""
    (cli.folder / "streamaudit.toml").write_text(WHOLE)
    below = cli.folder / "project"
    below.mkdir()
    (below / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert settings(cli, cwd=below)["tz"][0] == "Europe/Paris"
    (below / "pyproject.toml").write_text("[project]\nname = 'x'\n[tool.streamaudit]\ntop = 5\n")
    found = settings(cli, cwd=below)
    assert found["top"] == ("5", f"{below}/pyproject.toml:4")
    assert found["tz"] == ("UTC", "default")
    (below / "streamaudit.toml").write_text("top = 6\n")
    assert settings(cli, cwd=below)["top"][0] == "6"


def test_a_named_file_beats_the_nearest_and_none_can_be_asked_for(cli: Cli) -> None:
    (cli.folder / "streamaudit.toml").write_text("top = 1\n")
    (cli.folder / "other.toml").write_text("top = 2\n")
    own = cli.home / ".config" / "streamaudit"
    own.mkdir(parents=True)
    (own / "config.toml").write_text("top = 3\n")
    assert settings(cli)["top"][0] == "1"
    assert settings(cli, "--config", "other.toml")["top"][0] == "2"
    assert settings(cli, STREAMAUDIT_CONFIG="other.toml")["top"][0] == "2"
    assert settings(cli, "--no-config")["top"][0] is None
    (cli.folder / "streamaudit.toml").unlink()
    assert settings(cli)["top"] == ("3", f"{own}/config.toml:1")
    assert cli.run("--config", "nix.toml", "config", "show").code == 2


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("tz = 'UTC'\ntopp = 3\n", 2, "did you mean top"),
        ("\n\n[fields]\ntennant = 'a.b'\n", 4, "did you mean tenant"),
        ("[groups.big]\ntenants = ['a']\n", 2, "did you mean tenant"),
        ("[links]\nlangfuse = 'ftp://x'\n", 2, "https://"),
        ("[links]\nlangfuze = 'https://x'\n", 2, "did you mean langfuse"),
        ("[links]\nraw = 'https://x'\n", 2, "settings here: datadog, langfuse"),
        ("top = 0\n", 1, "from 1"),
        ("top = true\n", 1, "from 1"),
        ("tz = 'Mars/Olympus'\n", 1, "unknown time zone"),
        ("wait = 'long'\n", 1, "duration"),
        ("memory_limit = '3MB'\n", 1, "from 256MB"),
        ("color = 'red'\n", 1, "never"),
        ("[fields]\ntenant = 'messages.name'\n", 2, "never stored"),
        ("db = 3\n", 1, "quotes"),
        ("groups = 3\n", 1, "table"),
    ],
)
def test_a_wrong_setting_names_file_line_and_remedy(cli: Cli, text: str, line: int, says: str) -> None:
    (cli.folder / "streamaudit.toml").write_text(text)
    done = cli.run("config", "show")
    assert done.code == 2
    assert f"{cli.folder}/streamaudit.toml:{line}: " in done.err
    assert says in done.err
    assert cli.run("report", "--help").code == 0


@pytest.mark.parametrize("text", ["tz = \n", "[fields\n", "\udcff"])
def test_what_is_no_toml_is_an_error_of_one_line(cli: Cli, text: str) -> None:
    (cli.folder / "streamaudit.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    done = cli.run("report")
    assert done.code == 2
    assert f"{cli.folder}/streamaudit.toml" in done.err
    assert len(done.err.splitlines()) == 1


def test_the_settings_are_the_commands_defaults(cli: Cli) -> None:
    """Store, zone, top and mapped fields take effect; the flag still wins."""
    (cli.folder / "streamaudit.toml").write_text(WHOLE)
    names = ("acme", "acme", "b", "globex")
    records = [call(n, tenant_id=None, metadata={"acct": name}) for n, name in enumerate(names)]
    path = write_lines(cli.folder / "calls.jsonl", records)
    assert cli.run("ingest", path).code == 0
    assert (cli.folder / "kept" / "audit.duckdb").exists()
    done = json.loads(cli.run("report", "--by", "tenant", "--json").out)
    assert done["interval"]["tz"] == "Europe/Paris"
    assert [row["tenant"] for row in done["tables"][0]["rows"]] == ["acme", "b", None]
    assert len(json.loads(cli.run("report", "--by", "tenant", "--top", "9", "--json").out)["tables"][0]["rows"]) == 3
    assert by(cli, "tenant", path, "--top", "9", "--map", "tenant=model") == {"gpt-4o-mini": 4}


def test_groups_name_sets_of_values(cli: Cli) -> None:
    """Calls in no group are the group without a name, so that totals add up; a group can be asked for alone."""
    (cli.folder / "streamaudit.toml").write_text(
        '[groups.enterprise]\ntenant = ["acme", "glob*"]\n[groups.trial]\ntenant = "t?"\n[groups.all]\ntenant = "*"\n'
    )
    names = ("acme", "globex", "global", "t1", "t22", None)
    write_lines(cli.folder / "calls.jsonl", [call(n, tenant_id=name) for n, name in enumerate(names)])
    assert cli.run("ingest", "calls.jsonl", "--db", "store.duckdb", "-q").code == 0
    store = ("--db", "store.duckdb")
    assert by(cli, "group:tenant", *store) == {"enterprise": 3, "trial": 1, "all": 1, None: 1}
    assert by(cli, "group:trial", *store) == {"trial": 1, None: 5}
    waits = json.loads(cli.run("ttft", *store, "--by", "group:trial", "--json").out)["tables"][0]["rows"]
    assert {row["group:trial"]: row["calls"] for row in waits} == {"trial": 1, None: 5}
    done = cli.run("report", *store, "--by", "group:tennant")
    assert (done.code, "trial" in done.err) == (2, True)
    two = json.loads(cli.run("report", *store, "--by", "group:tenant,tenant", "--json").out)["tables"][0]["rows"]
    assert {(row["group:tenant"], row["tenant"]) for row in two} >= {("enterprise", "globex"), (None, None)}


def test_a_lookup_gives_the_tenant_of_a_user(cli: Cli) -> None:
    """The edited file counts at once, the store keeps a copy for runs without it, and who is not in it keeps what he
    had."""
    (cli.folder / "streamaudit.toml").write_text('[lookup]\ntenant = "customers.csv"\n')
    customers = cli.folder / "customers.csv"
    customers.write_text("user_id,tenant\nu1,Acme\nu2,Globex\n")
    records = [call(n, user_id=f"u{n}", tenant_id="own" if n == 3 else None) for n in range(1, 4)]
    path = write_lines(cli.folder / "calls.jsonl", records)
    wanted: dict[str | None, int] = {"Acme": 1, "Globex": 1, "own": 1}
    assert by(cli, "tenant", path) == wanted
    assert cli.run("ingest", path, "--db", "store.duckdb").code == 0
    assert by(cli, "tenant", "--db", "store.duckdb") == wanted
    assert by(cli, "tenant", "--db", "store.duckdb", "--only", "tenant=Acme") == {"Acme": 1}
    customers.write_text("user_id,tenant\nu1,Initech\nu2,Initech\n")
    assert by(cli, "tenant", "--db", "store.duckdb") == {"Initech": 2, "own": 1}
    customers.write_text("user_id,tenant\nuser-1,Acme\n")
    said = "lookup.tenant: no call has a user_id from the file, so nothing was filled\n"
    assert cli.run("report", "--db", "store.duckdb").err == said
    (cli.folder / "streamaudit.toml").unlink()
    assert by(cli, "tenant", "--db", "store.duckdb") == wanted


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("userid,tenant\nu1,a\n", 1, "did you mean user_id"),
        ("user_id\nu1\n", 1, "two columns"),
        ("", 1, "two columns"),
        ("user_id,tenant\nu1,a\nu1,b\n", 3, "another tenant"),
        ("user_id,tenant\n\nu1,\n", 3, "two values"),
    ],
)
def test_a_wrong_lookup_names_file_and_line(cli: Cli, text: str, line: int, says: str) -> None:
    (cli.folder / "streamaudit.toml").write_text('[lookup]\ntenant = "customers.csv"\n')
    (cli.folder / "customers.csv").write_text(text)
    done = cli.run("report", write_lines(cli.folder / "calls.jsonl", [call(1)]))
    assert done.code == 2
    assert f"{cli.folder}/customers.csv:{line}: " in done.err
    assert says in done.err


def test_a_missing_lookup_names_the_setting(cli: Cli) -> None:
    (cli.folder / "streamaudit.toml").write_text('[lookup]\ntenant = "customers.csv"\n')
    done = cli.run("report", write_lines(cli.folder / "calls.jsonl", [call(1)]))
    assert (done.code, f"{cli.folder}/streamaudit.toml:2" in done.err) == (2, True)

"""No credential is in anything that a command writes, wherever it was given and however the command ends."""

import shutil
from pathlib import Path

import typer.main

from streamaudit.cli.app import program
from tests.cli.running import Cli, Result

SECRET = "pl4ntedS3cret"
"""In every credential below, and in nothing else."""
WEB = f"http://bob:{SECRET}@127.0.0.1:9/calls.jsonl?sig={SECRET}"
"""Nothing listens there."""
BUCKET = f"s3://key:{SECRET}@bucket/calls.jsonl?X-Amz-Signature={SECRET}"
SLACK = f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{SECRET}"
ENVIRONMENT = {
    "LANGFUSE_PUBLIC_KEY": f"pk-{SECRET}", "LANGFUSE_SECRET_KEY": f"sk-{SECRET}", "DD_API_KEY": SECRET,
    "DD_APP_KEY": SECRET, "DD_APPLICATION_KEY": SECRET, "LANGFUSE_HOST": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": SECRET,
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "1",
    "OPENAI_API_KEY": f"sk-{SECRET}", "STREAMAUDIT_POST": f"{SLACK} json://bob:{SECRET}@127.0.0.1:9/{SECRET}",
    "STREAMAUDIT_TRACEBACK": "",
}  # fmt: skip
BROKEN = {
    "post target": f'[post]\ntargets = ["{SLACK}"]\n',
    "post key": f'[post]\ntoken = "{SECRET}"\n',
    "pull key": f'[pull]\nsecret_key = "{SECRET}"\n',
    "pull number": f'[pull]\nattempts = "{SECRET}"\n',
    "no table": f'DD_API_KEY = "{SECRET}"\n',
    "no TOML": f"[pull]\nkey = {SECRET}\n",
    "open quote": f'[pull]\nkey = "{SECRET}\n',
    "provider": f'[providers]\nopenai = "{SECRET}"\n',
    "link": f'[links]\nlangfuse = "ftp://bob:{SECRET}@h/x"\n',
    "prices": f'prices = "https://bob:{SECRET}@h/prices.json"\n',
    "lookup": f'[lookup]\ntenant = "https://bob:{SECRET}@h/tenants.csv"\n',
    "credentials": f'[pull]\ncredentials = "https://bob:{SECRET}@h/keys"\n',
}
"""Configurations with a secret where none belongs."""
COMMANDS: dict[str, list[list[str]]] = {
    **{name: [[name, WEB, "-vv"], [name, "--db", WEB]]
       for name in ("report", "ttft", "tax", "audit", "check", "history", "coverage", "weekly")},
    "ingest": [["ingest", WEB, "-vv"], ["ingest", BUCKET, "--log-format", "json"], ["ingest", "calls.jsonl", "-vv"]],
    "fields": [["fields", WEB]],
    "diff": [["diff", "a", "b", WEB], ["diff", "--base-store", WEB, "--db", "s.duckdb"]],
    "explain": [["explain", "r1", WEB]],
    "sql": [["sql", "FROM loads", "--db", "s.duckdb"], ["sql", f"FROM '{WEB}'", "--db", "s.duckdb"]],
    "export": [["export", WEB, "--db", "s.duckdb"], ["export", "out.csv", "--db", WEB]],
    "pull": [["pull", "langfuse", "--db", "s.duckdb"], ["pull", "datadog", "--dry-run"],
             ["pull", "langfuse", "--credentials", WEB]],
    "instrument": [["instrument", "--check", WEB], ["instrument", "nginx", "--check", "none.log"]],
    "config": [["config", "show"], ["--config", WEB, "config", "show"]],
    "merge": [["merge", WEB, "--into", "s.duckdb"], ["merge", "s.duckdb", "--into", WEB]],
    "unload": [["unload", WEB, "--db", "s.duckdb"]], "forget": [["forget", "--user", "nobody", "--db", WEB]],
    "prune": [["prune", "--before", "2020-01-01", "--db", WEB]],
    "reprice": [["reprice", "--prices", WEB, "--db", "s.duckdb"]],
    "providers": [["providers"]], "spec": [["spec"]],
}  # fmt: skip
FOREIGN = {"mcp": "waits for an assistant (test_mcp.py)", "demo": "takes no argument and reads synthetic traces"}
QUICK = '[pull]\nattempts = 1\nfirst_wait = "0.01s"\ntimeout = "1s"\n[post]\nattempts = 1\ntimeout = "1s"\n'


def _leaks(commands: list[list[str]], runs: list[Result]) -> dict[str, list[str]]:
    """The lines that hold the secret, by command."""
    found = {}
    for words, done in zip(commands, runs, strict=True):
        assert "Traceback" not in done.err, words
        lines = [line for line in (done.out + done.err).splitlines() if SECRET in line]
        if lines:
            found[" ".join(words)] = lines
    return found


def test_no_command_repeats_a_credential(cli: Cli, thirty: Path) -> None:
    """Given by address, by environment or by name of a file; nor does the store or any file hold one."""
    assert {*COMMANDS, *FOREIGN} == {*typer.main.get_group(program()).commands}
    shutil.copy(thirty / "calls.jsonl", cli.folder)
    shutil.copy(thirty / "store.duckdb", cli.folder / "s.duckdb")
    (cli.folder / "streamaudit.toml").write_text(QUICK)
    commands = [words for asked in COMMANDS.values() for words in asked]
    commands += [["weekly", "--week", "2026-W47", "--db", "s.duckdb", "--dry-run"]]
    assert _leaks(commands, cli.run_each(commands, env=ENVIRONMENT)) == {}
    kept = [path for path in cli.folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert kept == []


def test_no_broken_configuration_is_quoted(cli: Cli) -> None:
    """A secret on a wrong line, in a wrong place or in place of a file is never part of what is said about it."""
    commands = []
    for name, text in BROKEN.items():
        (cli.folder / f"{name}.toml").write_text(text)
        commands += [["--config", f"{name}.toml", *words] for words in (["config", "show"], ["coverage", "x.jsonl"])]
    assert _leaks(commands, cli.run_each(commands)) == {}

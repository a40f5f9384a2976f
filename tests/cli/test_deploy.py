"""The files of ``deploy``, as far as they run without the services they are for."""

import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.running import SAMPLES, Cli
from tests.docs.pages import ROOT

DEPLOY = ROOT / "deploy"
ROUTE = "evil <img src=x onerror=alert(1)>\n::error::pwned\n# pwned\x1b[2J|`"
HOSTILE = "'; touch pwned; $(touch pwned) `touch pwned` \"\n--db=elsewhere"


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile in order, each on one line."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", "")
    return [(words[0], words[1].strip()) for line in text.splitlines() if (words := line.split(maxsplit=1))]


def test_the_image_copies_what_is_there_and_runs_as_a_user() -> None:
    """Nothing is fetched from an address, every package has a hash, and the last user is a number that is not root."""
    found = instructions()
    assert not [text for name, text in found if name == "ADD"]
    sources = [source for name, text in found if name == "COPY" and not text.startswith("--from")
        for source in text.split()[:-1]]  # fmt: skip
    assert sources and all((ROOT / source).exists() for source in sources)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert all(f"!{source}" in ignored for source in sources)
    (packages,) = [text for name, text in found if name == "RUN" and "pip install" in text]
    assert "--require-hashes -r requirements/run.txt" in packages and "--no-deps" in packages
    last = dict(found)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
    assert [name for name, _ in found].index("USER") < [name for name, _ in found].index("ENTRYPOINT")
    assert last["ENTRYPOINT"] == '["streamaudit"]'


def test_the_image_runs_on_a_read_only_system(cli: Cli, thirty: Path) -> None:
    """With the image's variables, a run writes to the folder of the store and to the one for temporary files alone."""
    (cli.folder / "data").mkdir()
    text = dict(instructions())["ENV"].replace("/data", str(cli.folder / "data"))
    variables = dict(one.split("=", 1) for one in shlex.split(text) if not one.startswith("PATH="))
    before = {path for path in cli.folder.rglob("*") if cli.spool not in path.parents}
    assert cli.run("ingest", thirty / "calls.jsonl", "-q", env={
        name: value for name, value in variables.items() if name != "PYTHONDONTWRITEBYTECODE"
    }).code == 0  # fmt: skip
    after = {path for path in cli.folder.rglob("*") if cli.spool not in path.parents}
    assert {path.relative_to(cli.folder).as_posix() for path in after - before} == {"data/audit.duckdb"}


def lint(tool: str, *arguments: str | Path) -> None:
    """Run a linter, which must find nothing and ask no network."""
    program = Path(sys.executable).parent / tool
    if not program.exists():
        pytest.skip(f"{tool} is not installed: make .venv/.dev installs it")
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": os.defpath, "HTTPS_PROXY": "http://127.0.0.1:9", "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_passes_its_linter() -> None:
    """Hadolint, with the shell check of each RUN."""
    lint("hadolint", "--failure-threshold", "style", DEPLOY / "Dockerfile")


@pytest.mark.parametrize("version", ["1.27", "1.37"])
def test_the_job_of_the_cluster_passes_the_schemas(version: str) -> None:
    """Of the first version that knows time zones of jobs for certain, and of the last: no unknown field either."""
    lint("kubernetes-validate", "--strict", "-k", version, DEPLOY / "kubernetes" / "cronjob.yaml")


def test_the_action_and_the_workflows_pass_the_schemas() -> None:
    """Those of GitHub, as the tool ships them."""
    lint("check-jsonschema", "--builtin-schema", "vendor.github-actions", DEPLOY / "action" / "action.yml")
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    for workflow in workflows:
        lint("actionlint", "-shellcheck=", workflow)


def test_the_job_of_the_cluster_is_confined_and_says_what_it_lacks(cli: Cli) -> None:
    """Never as root, never twice at once, keys from a secret alone; without keys each command is one line."""
    claim, job = yaml.safe_load_all((DEPLOY / "kubernetes" / "cronjob.yaml").read_text())
    pod: dict[str, Any] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    assert f"{pod['securityContext']['runAsUser']}:" in dict(instructions())["USER"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert all("value" in one and "KEY" not in one["name"] for one in container["env"])
    line = container["args"][0]
    runs = [cli.run(*shlex.split(command)[1:], env={"STREAMAUDIT_DB": "none.duckdb"}) for command in line.split(";")]
    assert [done.code for done in runs] == [2, 2]
    assert all(0 < done.err.count("\n") <= 3 and "Traceback" not in done.err for done in runs)


@pytest.fixture(scope="module")
def steps() -> list[dict[str, Any]]:
    """The steps of the action."""
    action = yaml.safe_load((DEPLOY / "action" / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    found: list[dict[str, Any]] = action["runs"]["steps"]
    return found


def run(step: dict[str, Any], folder: Path, inputs: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a step as the runner does, with the inputs in place of its expressions."""

    def fill(text: str) -> str:
        return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: inputs[match[1]], text)

    program = folder / "streamaudit" / "bin" / "streamaudit"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m streamaudit "$@"\n')
    program.chmod(0o755)
    env = {name: fill(value) for name, value in step.get("env", {}).items()}
    env |= {"GITHUB_STEP_SUMMARY": str(folder / "summary.md"), "GITHUB_ACTION_PATH": str(DEPLOY / "action")}
    return subprocess.run(
        ["bash", "-c", step["run"]], cwd=folder, capture_output=True, text=True, check=False, timeout=120,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "RUNNER_TEMP": str(folder), **env},
    )  # fmt: skip


def test_no_input_is_a_part_of_a_script(steps: list[dict[str, Any]]) -> None:
    """What a pull request can name reaches the shell as a variable."""
    assert not [step["name"] for step in steps if "${{" in step["run"]]


def test_the_action_installs_itself_with_the_locked_packages(steps: list[dict[str, Any]], tmp_path: Path) -> None:
    """Every package has a hash; streamaudit comes from the sources of the action, so that its ref is the version."""
    (tmp_path / "python3").write_text(
        '#!/bin/sh\nmkdir -p "$3/bin"\nprintf \'#!/bin/sh\\necho "$@" >> pip.log\\n\' > "$3/bin/pip"\n'
        'chmod +x "$3/bin/pip"\n'
    )
    (tmp_path / "python3").chmod(0o755)
    step = {**steps[0], "env": {"PATH": f"{tmp_path}:{os.environ['PATH']}"}}
    done = run(step, tmp_path, {})
    assert done.returncode == 0, done.stderr
    locked, own = (shlex.split(line) for line in (tmp_path / "pip.log").read_text().splitlines())
    assert "--require-hashes" in locked and Path(locked[-1]) == ROOT / "requirements" / "run.txt"
    assert {"--no-deps", "--no-build-isolation"} <= {*own} and Path(own[-1]) == ROOT


@pytest.mark.proof
def test_the_action_judges_and_annotates(steps: list[dict[str, Any]], tmp_path: Path, thirty: Path) -> None:
    """A worse deploy and a finding that is asked for fail, each with its annotations and a summary in which no name is
    markup; hostile inputs run nothing."""
    _, read, compare, audit = steps
    usual = {"by": "route", "min-effect": "10%", "fail-on": "regression", "base": "", "head": ""}
    traces = gzip.decompress((SAMPLES / "raw.jsonl.gz").read_bytes()).replace(b'"/v1/chat"', json.dumps(ROUTE).encode())
    (tmp_path / "it's\ttraces.jsonl").write_bytes(traces)
    done = run(read, tmp_path, {"traces": f"it's\ttraces.jsonl\n{thirty}/calls.jsonl\n"})
    assert done.returncode == 0, done.stderr
    done = run(compare, tmp_path, {**usual, "base": "2026.11.14-2", "head": "2026.11.18-3"})
    assert done.returncode == 1, done.stderr
    assert "::error" in done.stdout and "evil" in done.stdout
    summary = tmp_path / "summary.md"
    assert "regression" in summary.read_text() and "evil" in summary.read_text()
    for text in (done.stdout, summary.read_text()):
        assert not re.search(r"\x1b|^# pwned|^::error::pwned", text, re.MULTILINE)
    assert not re.search(r"(?<!\\)<img|^::", summary.read_text(), re.MULTILINE)
    done = run(compare, tmp_path, {**usual, "base": HOSTILE, "head": HOSTILE})
    assert done.returncode in (2, 3) and done.stderr.count("\n") <= 3
    done = run(compare, tmp_path, {**usual, "base": "--help", "head": "--version"})
    assert done.returncode == 3, done.stderr
    summary.unlink()
    assert run(audit, tmp_path, {"findings": ""}).returncode == 0
    assert summary.read_text().startswith("## streamaudit audit\n\n4 findings")
    done = run(audit, tmp_path, {"findings": "  gave_up:info \n\n"})
    assert done.returncode == 1 and "::" in done.stdout
    assert run(audit, tmp_path, {"findings": HOSTILE}).returncode == 2
    assert not [path for path in tmp_path.iterdir() if path.name in ("pwned", "elsewhere")]


def test_the_action_does_not_pass_without_calls(cli: Cli, thirty: Path, steps: list[dict[str, Any]]) -> None:
    """Neither a comparison nor an audit of nothing is a pass; the audit runs after a comparison that failed."""
    _, read, compare, audit = steps
    assert audit["if"] == f"always() && steps.{read['id']}.outcome == 'success'"
    assert run(read, cli.folder, {"traces": ""}).returncode == 2
    shutil.copy(thirty / "store.duckdb", cli.folder / "audit.duckdb")
    assert cli.run("prune", "--before", "2099-01-01", "-y", "-q", "--db", "audit.duckdb").code == 0
    usual = {"by": "route", "min-effect": "10%", "fail-on": "regression", "base": "a", "head": "b"}
    assert run(compare, cli.folder, usual).returncode == 3
    assert run(audit, cli.folder, {"findings": ""}).returncode == 3
    assert not (cli.folder / "summary.md").exists()

"""Where addresses come from, and that none of them is ever said."""

import logging
from pathlib import Path

import pytest

from streamaudit.config import loader
from streamaudit.delivery.settings import PostSettings
from streamaudit.delivery.targets import addresses, parse, targets
from streamaudit.errors import UsageError

SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7"


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMAUDIT_POST", raising=False)


def test_addresses_are_parted_by_spaces_and_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comma within an address is part of it."""
    mail = "mailto://h.example?from=a@x.org&to=b@x.org,c@x.org"
    monkeypatch.setenv("STREAMAUDIT_POST", f" {SLACK},{mail}\n json://h/x , {SLACK}")
    assert [address for address, _ in addresses(PostSettings())] == [SLACK, mail, "json://h/x", SLACK]
    assert [one.kind for one in targets(PostSettings())] == ["slack", "mail", "json"]


def test_the_configuration_names_files_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files beside it, comments in them skipped; the variable of the environment goes before them all."""
    (tmp_path / "post.url").write_text(f"# the team's channel\n{SLACK}\n\njson://h/two\n")
    (tmp_path / "streamaudit.toml").write_text('[post]\ntargets = ["post.url", "$OTHER"]\nattempts = 2\n')
    settings = loader.load(tmp_path / "streamaudit.toml").post
    with pytest.raises(UsageError, match=r"streamaudit.toml:2: post.targets: \$OTHER is not set"):
        targets(settings)
    monkeypatch.setenv("OTHER", "discord://123/abc")
    assert [one.kind for one in targets(settings)] == ["slack", "json", "discord"]
    monkeypatch.setenv("STREAMAUDIT_POST", "json://h/three")
    assert [one.kind for one in targets(settings)] == ["json"]
    assert settings.attempts == 2


def test_an_address_in_the_configuration_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "streamaudit.toml").write_text(f'[post]\ntargets = ["{SLACK}"]\n')
    with pytest.raises(UsageError, match=r"streamaudit.toml:2: post.targets: an address is a secret") as caught:
        loader.load(tmp_path / "streamaudit.toml")
    assert "T1JJ3T3L2" not in caught.value.message + str(caught.value.hint)


@pytest.mark.parametrize(("line", "says"), [
    ("attempts = 0", "post.attempts: expected a number from 1"), ("timeout = 5", "post.timeout: expected a text"),
    ('first_wait = "soon"', "post.first_wait"), ("target = 1", "did you mean targets"),
])  # fmt: skip
def test_settings_that_cannot_be_meant_name_their_line(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "streamaudit.toml").write_text(f"[post]\n{line}\n")
    with pytest.raises(UsageError, match=r"streamaudit\.toml:2: ") as caught:
        loader.load(tmp_path / "streamaudit.toml")
    assert says in f"{caught.value.message}; {caught.value.hint}"


@pytest.mark.parametrize(
    "address", [
        "slack://T1JJ3T3L2-s3cr3t/bad", "s3cr3t", "https://hooks.example/s3cr3t", "mailto://s3cr3t:s3cr3t@",
        "workflows://h/s3cr3t", "nosuch://s3cr3t",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_said_without_saying_it(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Nor does the library behind it log the address."""
    logging.getLogger().setLevel(logging.DEBUG)
    with pytest.raises(UsageError, match="cannot understand an address in the place") as caught:
        parse(address, "the place")
    out, err = capfd.readouterr()
    assert "s3cr3t" not in f"{caught.value.message}{caught.value.hint}{out}{err}"


def test_nowhere_to_post_to_says_where_to_put_it() -> None:
    with pytest.raises(UsageError, match="no address to post to") as caught:
        targets(PostSettings())
    assert "$STREAMAUDIT_POST" in str(caught.value.hint)


def test_a_password_is_no_part_of_who_a_target_is() -> None:
    """A changed one does not post last week again; anything else is another target."""
    first, changed = (parse(f"mailto://bot:{pw}@h.example?to=a@x.org", "here") for pw in ("old-one", "new-one"))
    assert first.digest == changed.digest
    assert first.digest != parse("mailto://bot:old-one@h.example?to=b@x.org", "here").digest
    one, other = (parse(f"json://h/x?password={pw}&-q=1", "here") for pw in ("old-one", "new-one"))
    assert one.digest == other.digest != parse("json://h/x?password=new-one&-q=2", "here").digest

"""What each service is sent: nothing a trace holds is markup, a mention or a link there, and no limit is broken."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamaudit.api import Session
from streamaudit.audits.weekly.report import SAMPLE_WEEK
from streamaudit.config.settings import Settings
from streamaudit.delivery.deliver import preview
from streamaudit.delivery.message import Letter, cut, shorten
from streamaudit.delivery.services import slack
from streamaudit.delivery.services.registry import KINDS, kind_of
from streamaudit.delivery.targets import parse
from streamaudit.report.render._message import Post, post
from tests.delivery.conftest import HOSTILE, TOKENS
from tests.once import once

ADDRESSES = {
    "slack": f"https://hooks.slack.com/services/{'/'.join(TOKENS)}",
    "discord": "https://discord.com/api/webhooks/123456/abcDEF-ghi_jkl",
    "teams": "https://prod-1.westeurope.logic.azure.com:443/workflows/643e69f8/triggers/manual/paths/invoke"
    "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=KODuebWb-GYFr0z0eu",
    "mail": "mailtos://robot:hunter2hunter2@mail.example.org?to=team@example.org,boss@example.org",
    "json": "jsons://robot:hunter2hunter2@hook.example.org:8443/in/s3cr3tp4th?+X-Key=s3cr3tkey&-q=s3cr3tq",
    "ntfy": "ntfys://topic-s3cr3t",
    "telegram": "tgram://123456789:abcdefg_hijklmnop/12315544/",
}
SECRETS = (*TOKENS, "abcDEF-ghi_jkl", "KODuebWb", "643e69f8", "hunter2", "s3cr3t", "hijklmnop", "team@", "123456")


def texts(value: Any) -> Iterator[str]:
    """Every string in a payload."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


@pytest.mark.parametrize("kind", ADDRESSES)
def test_no_name_is_anything_but_text(letter: Letter, kind: str) -> None:
    """Tags, entities, mentions, addresses and control characters of names are none any more, in any service."""
    plugin = parse(ADDRESSES[kind], "here").plugin
    payload = kind_of(plugin).payload(plugin, letter)
    # Of a card everything but its frame, in which there is the address of its schema.
    found = "\n".join(texts(payload["attachments"][0]["content"]["body"] if kind == "teams" else payload))
    found = re.sub(r"<(?:!doctype html|/?(?:html|head|meta|title|body|table|tr|td|div|p|h1|h2)\b[^<>]*)>", "", found)
    assert "$41" in found
    for character in "<>":
        assert character not in found
    assert found.replace("&lt;", "").replace("&gt;", "").replace("&amp;", "").count("&") == 0
    for mention in ("@everyone", "@here", "@U123", "@evil"):
        assert mention not in found
    for address in ("://", "www.", "mailto:"):
        assert address not in found.replace("mailto:\u200b", "")
    assert not [one for one in found if one < " " and one != "\n"] and "\u202e" not in found and "\x7f" not in found
    assert "R&amp;D" in found and "channel" in found  # and nothing is left out


def test_the_limits_of_slack_hold_for_any_message(letter: Letter) -> None:
    """However long names and lists are: at most 12 blocks, header 150, text 3,000, all of it below 13,000."""
    plugin = parse(ADDRESSES["slack"], "here").plugin
    long = tuple(("&" * 700 + "\n") * 40 for _ in range(40))
    for sections, title in ((long, "x&" * 400), (long[:8], "t"), ((), ""), (("a" * 200_000,), "t")):
        payload = slack.payload(plugin, replace(letter, post=replace(letter.post, sections=sections, title=title)))
        assert len(payload["blocks"]) <= 12
        header, *others = payload["blocks"]
        assert len(header["text"]["text"]) <= 150
        assert all(0 < len(text) <= 3000 for block in others for text in texts(block.get("text", {}).get("text", "t")))
        assert len(json.dumps(payload, ensure_ascii=False)) < 13_000


@pytest.fixture(scope="session")
def sample(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Letter:
    """The summary of the sample traces, with the address of a whole report."""

    def summarise(_: Path) -> Letter:
        url = "https://reports.example/47"
        with Session(Settings(), db=sample_store) as session:
            report = session.weekly(week=SAMPLE_WEEK).report
        return Letter(post(report, url), report, url)

    return once(tmp_path_factory, "sample-letter", summarise)


def test_every_message_begins_with_the_dollars_and_the_cause(sample: Letter) -> None:
    """What a notification, an inbox and a channel show first: the amount, then what became worse since which deploy."""
    money, cause, *_ = sample.headline
    assert re.match(r"At least \$\d+\.\d\d of ", money) and re.search(r" since \S+, .*interval.* p = ", cause)
    made = {kind: _payload(kind, sample) for kind in ADDRESSES}
    slack, card = made["slack"], made["teams"]["attachments"][0]["content"]["body"]
    assert slack["blocks"][0]["text"]["text"] == money and slack["blocks"][1]["text"]["text"].startswith(cause)
    assert [line["inlines"][0]["text"] for line in card[:2]] == [money, cause]
    plain = (slack["text"], made["mail"]["text"], made["json"]["text"], made["ntfy"]["text"])
    assert all(text.startswith(f"{money}\n{cause}") for text in plain)
    assert made["discord"]["content"].replace("\\", "").startswith(f"{money}\n{cause}")
    assert made["mail"]["subject"].startswith("Week 2026-W47 vs 2026-W46: At least $")
    shown = re.sub(r"<title>.*?</title>|<[^>]*>", " ", made["mail"]["html"])
    assert shown.split()[: len(money.split())] == money.split()


def _payload(kind: str, letter: Letter) -> Any:
    plugin = parse(ADDRESSES[kind], "here").plugin
    return kind_of(plugin).payload(plugin, letter)


def _worst(letter: Letter) -> Iterator[Letter]:
    """Messages with more, longer and wider texts than any report makes."""
    for name in ("&" * 700, "\u6771" * 700, "*" * 700, "a b " * 200):
        sections = tuple("\n".join([name] * 40) for _ in range(40))
        yield replace(letter, post=Post(name, sections, name, True, (name, name * 9, *["short."] * 30)))
        yield replace(letter, post=Post(name, ("\n".join("x" * 4000),), "", True))
    yield replace(letter, post=Post("t", (), "", False))


def test_the_limits_of_teams_hold_for_any_message(letter: Letter) -> None:
    """A message has at most 28 KB as it is sent, whatever alphabet its names are in."""
    for worst in _worst(letter):
        assert len(json.dumps(_payload("teams", worst)).encode()) < 28_000


def test_the_limits_of_discord_hold_for_any_message(letter: Letter) -> None:
    """2,000 characters in the message; 256, 4,096 and 2,048 in title, description and footer, 6,000 in all."""
    for worst in _worst(letter):
        made = _payload("discord", worst)
        (embed,) = made["embeds"]
        footer = embed.get("footer", {}).get("text", "")
        assert len(made.get("content", "")) <= 2000 and made["allowed_mentions"] == {"parse": []}
        assert 0 < len(embed["title"]) <= 256 and len(embed["description"]) <= 4096 and len(footer) <= 2048
        assert len(embed["title"]) + len(embed["description"]) + len(footer) <= 6000


def test_the_limits_of_slack_hold_for_any_answer(letter: Letter) -> None:
    """However long the sentences are."""
    for worst in _worst(letter):
        made = _payload("slack", worst)
        assert len(made["blocks"]) <= 12 and len(json.dumps(made, ensure_ascii=False)) < 13_000
        for block in made["blocks"]:
            most = 150 if block["type"] == "header" else 3000
            assert all(0 < len(one["text"]) <= most for one in block.get("elements", [block.get("text")]))


def test_a_mail_is_a_page_with_its_chart_and_a_text(sample: Letter) -> None:
    """The page refers to the picture in the mail and loads nothing; its figures are tiles and not repeated as lines."""
    made = _payload("mail", sample)
    assert made["chart"].startswith(b"\x89PNG") and 5_000 < len(made["chart"]) < 400_000
    assert re.findall(r'(?:src|href)="([^"]*)"', made["html"]) == ["cid:chart.png", "https://reports.example/47"]
    assert made["html"].count("Cancellation tax<") == 1 and "Cancellation tax $" not in made["html"]
    assert "Cancellation tax $" in made["text"] and "<" not in made["text"]
    shown = json.loads(preview(sample, [parse(ADDRESSES["mail"], "here")]))
    assert shown[0]["payload"]["chart"] == f"PNG, {len(made['chart']):,} bytes"


def test_slack_gets_blocks_of_plain_text_and_a_fallback(letter: Letter, with_link: Letter) -> None:
    """Header, a section a paragraph, footer; the only link is the user's own."""
    plugin = parse(ADDRESSES["slack"], "here").plugin
    payload = slack.payload(plugin, with_link)
    assert [block["type"] for block in payload["blocks"]] == ["header", "section", "section", "context"]
    assert {block["text"]["type"] for block in payload["blocks"][:3]} == {"plain_text"}
    assert payload["text"].startswith("streamaudit · week 47 &lt;!here&gt;\nCancellation tax 12.2 M tokens")
    (footer,) = payload["blocks"][3]["elements"]
    assert footer == {
        "type": "mrkdwn", "text": "all of it: <https://reports.example/w?a=1&amp;b=2>", "verbatim": True
    }  # fmt: skip
    assert slack.payload(plugin, letter)["blocks"][3]["elements"][0]["type"] == "plain_text"


def test_the_report_can_be_opened_from_every_service(with_link: Letter) -> None:
    """As a button, a title or text, the address stands there as it was given."""
    shown = json.loads(preview(with_link, [parse(address, "here") for address in ADDRESSES.values()]))
    for one in shown:
        assert any("https://reports.example/w?a=1" in text for text in texts(one["payload"])), one["target"]


def test_a_webhook_gets_the_whole_report_and_the_text(letter: Letter) -> None:
    """The report is that of --format json, row by row; its strings are as harmless as the text's."""
    plugin = parse("json://127.0.0.1/x?:channel=finance", "here").plugin
    payload = kind_of(plugin).payload(plugin, letter)
    assert payload["schema"] == "streamaudit.post/1"
    assert (payload["failed"], payload["test"], payload["channel"]) == (False, False, "finance")
    assert payload["report"]["schema"] == "streamaudit.report/1"
    rows = payload["report"]["tables"][0]["rows"]
    assert len(rows) == len(HOSTILE) and rows[0] == {"tenant": "&lt;!channel&gt;", "calls": 1}
    assert payload["report"]["filters"] == {"where": "ttft_ms &lt; 5"}


def test_a_test_is_labelled_as_one(letter: Letter) -> None:
    for kind, address in ADDRESSES.items():
        plugin = parse(address, "here").plugin
        payload = kind_of(plugin).payload(plugin, replace(letter, test=True))
        assert any(text.startswith("TEST, synthetic data: streamaudit") for text in texts(payload)), kind


def test_a_preview_shows_every_payload_and_no_secret(letter: Letter) -> None:
    """Kind, host and a hash are all that is shown of an address; recipients and user are none of it."""
    targets = [parse(address, "here") for address in ADDRESSES.values()]
    shown = preview(letter, targets)
    assert [one["target"].split(" ")[0] for one in json.loads(shown)] == list(ADDRESSES)
    assert "slack hooks.slack.com #" in shown and "mail mail.example.org:587 #" in shown
    for secret in SECRETS:
        assert secret not in shown, secret


def test_cutting_keeps_entities_whole() -> None:
    assert cut("abc", 3) == "abc"
    assert [cut("ab&lt;cd", size) for size in (4, 6, 7)] == ["ab…", "ab…", "ab&lt;…"]
    assert cut("R & D at last", 6) == "R & D…"


def test_long_sections_share_the_room(letter: Letter) -> None:
    """A short one is kept whole and leaves its room to the others."""
    post = replace(letter.post, sections=("short", "a" * 500, "b" * 500))
    kept = shorten(replace(letter, post=post), 205)
    assert kept[0] == "short" and [len(one) for one in kept[1:]] == [100, 100]


def test_every_kind_is_asked_for_an_address_once() -> None:
    """Each address of the table has its own kind, and the last kind takes what is left."""
    assert [kind.NAME for kind in KINDS] == ["slack", "teams", "discord", "mail", "json", "other"]
    for name, address in ADDRESSES.items():
        target = parse(address, "here")
        assert target.kind == name

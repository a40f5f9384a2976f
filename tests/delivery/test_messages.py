"""What each service is sent: nothing a trace holds is markup, a mention or a link there, and no limit is broken."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from streamaudit.delivery.deliver import preview
from streamaudit.delivery.message import Letter, cut, shorten
from streamaudit.delivery.services import slack
from streamaudit.delivery.services.registry import KINDS, kind_of
from streamaudit.delivery.targets import parse
from tests.delivery.conftest import HOSTILE, TOKENS

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

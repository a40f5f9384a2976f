"""One target that fails, in each way a service can: what is tried again and what is not, against real servers."""

import random
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from streamaudit.delivery.deliver import send
from streamaudit.delivery.message import Letter
from streamaudit.delivery.retry import NotDelivered, attempt_until, parse_retry_after
from streamaudit.delivery.settings import PostSettings
from streamaudit.delivery.targets import parse
from streamaudit.report.model import Column, Table
from tests.delivery import servers
from tests.delivery.conftest import QUICK, TOKENS
from tests.delivery.servers import Answer, Hook, Mailbox

SLACK = f"https://hooks.slack.com/services/{'/'.join(TOKENS)}"


def failure(letter: Letter, address: str, settings: PostSettings = QUICK) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        send(letter, parse(address, "here"), settings)
    return caught.value


def test_each_service_gets_it_where_it_belongs(redirected: Hook, letter: Letter) -> None:
    """The path and what it carries are those that the service's own address has."""
    host = f"127.0.0.1:{redirected.port}"
    for address in (SLACK, "discord://123456/abc-DEF?thread=77", f"json://bob:pw@{host}/in/x?+X-Key=k&-q=1"):
        assert send(letter, parse(address, "here"), QUICK) == 1
    slack, discord, hook = redirected.requests
    assert slack.path == f"/services/{'/'.join(TOKENS)}" and slack.json["blocks"][0]["type"] == "header"
    assert discord.path == "/api/webhooks/123456/abc-DEF?thread_id=77"
    assert discord.json["allowed_mentions"] == {"parse": []} and len(discord.json["embeds"]) == 1
    assert hook.path == "/in/x?q=1" and hook.headers["X-Key"] == "k"
    assert hook.headers["Authorization"].startswith("Basic ") and hook.json["schema"] == "streamaudit.post/1"
    assert {one.headers["User-Agent"] for one in redirected.requests} == {"streamaudit"}
    assert {one.headers["Content-Type"] for one in redirected.requests} == {"application/json"}


def test_a_workflow_of_teams_gets_a_card_over_tls(letter: Letter) -> None:
    """Over HTTPS only; a certificate that nobody vouches for is refused, unless the address says otherwise."""
    with servers.hook(secure=True) as hook:
        address = f"workflows://127.0.0.1:{hook.port}/wf-1/s1g-nature"
        refused = failure(letter, address)
        assert "certificate" in refused.reason and refused.attempts == 1 and hook.requests == []
        assert send(letter, parse(f"{address}?verify=no", "here"), QUICK) == 1
    (got,) = hook.requests
    assert got.path.startswith("/workflows/wf-1/triggers/manual/paths/invoke?")
    assert "sig=s1g-nature" in got.path
    assert got.json["attachments"][0]["content"]["type"] == "AdaptiveCard"


def test_mail_goes_to_every_recipient(mailbox: Mailbox, letter: Letter) -> None:
    """A message each, with a page and a text, the title as its subject; no name adds a header."""
    address = f"mailto://127.0.0.1:{mailbox.port}?from=bot@example.org&to=a@example.org,b@example.org&cc=c@example.org"
    assert send(letter, parse(address, "here"), QUICK) == 1
    assert [rcpt for rcpt, _ in mailbox.messages] == [
        ["a@example.org", "c@example.org"], ["b@example.org", "c@example.org"],
    ]  # fmt: skip
    message = mailbox.messages[0][1]
    assert message["Subject"] == "streamaudit · week 47 &lt;!here&gt;"
    assert message["Bcc"] is None
    assert message.get_content_type() == "multipart/alternative"
    text, page = message.iter_parts()
    assert (text.get_content_type(), page.get_content_type()) == ("text/plain", "text/html")
    for part in (text, page):
        assert "Cancellation tax 12.2 M tokens, ≥ $74 (+38 %)" in part.get_content()
    assert text.get_content().startswith("streamaudit · week 47 &lt;!here&gt;\r\n")


def test_a_chart_is_inside_the_mail(mailbox: Mailbox, letter: Letter) -> None:
    """As a part that the page refers to, and not as a file beside it; the text is the message's own."""
    columns = (Column("week"), Column("ttft_p50_ms", "ms"))
    trend = Table("trend", columns, (("2026-W46", 400.0), ("2026-W47", 500.0)), ("week",), shape="trend", aside=True)
    charted = replace(letter, report=replace(letter.report, tables=(*letter.report.tables, trend)))
    address = f"mailto://127.0.0.1:{mailbox.port}?from=bot@example.org&to=a@example.org"
    assert send(charted, parse(address, "here"), QUICK) == 1
    ((_, message),) = mailbox.messages
    assert message.get_content_type() == "multipart/related"
    both, chart = message.iter_parts()
    text, page = both.iter_parts()
    assert chart.get_content().startswith(b"\x89PNG") and chart["Content-ID"] == "<chart.png>"
    assert chart.get_content_disposition() == "inline" and 'src="cid:chart.png"' in page.get_content()
    assert text.get_content().splitlines() == letter.text.splitlines()


def test_a_passing_refusal_of_mail_is_tried_again_and_nobody_gets_it_twice(mailbox: Mailbox, letter: Letter) -> None:
    """Greylisting: the second recipient is deferred once; the first one has it already."""
    mailbox.script = ["250 OK", "451 4.7.1 try later"]
    address = f"mailto://127.0.0.1:{mailbox.port}?from=bot@example.org&to=a@example.org,b@example.org"
    assert send(letter, parse(address, "here"), QUICK) == 2
    assert [rcpt for rcpt, _ in mailbox.messages] == [["b@example.org"]]


def test_a_lasting_refusal_of_mail_is_not_tried_again(mailbox: Mailbox, letter: Letter) -> None:
    mailbox.script = ["554 5.7.1 no"]
    refused = failure(letter, f"mailto://127.0.0.1:{mailbox.port}?from=bot@example.org&to=a@example.org")
    assert (refused.attempts, refused.reason) == (1, "the mail server says 554")


@pytest.mark.parametrize("kind", ["json", "mailto"])
def test_nobody_listens(letter: Letter, kind: str) -> None:
    """A refused connection may be a restart: it is tried to the end."""
    refused = failure(letter, f"{kind}://127.0.0.1:{servers.free_port()}/x?from=a@example.org&to=b@example.org")
    assert (refused.reason, refused.attempts) == ("connection refused", QUICK.attempts)


def test_too_many_requests_waits_as_long_as_asked(redirected: Hook, letter: Letter) -> None:
    """429 with Retry-After, then 200: two attempts, the second no sooner than was asked for."""
    redirected.script = [Answer(429, {"Retry-After": "0.4"})]
    begun = time.monotonic()
    assert send(letter, parse(SLACK, "here"), QUICK) == 2
    assert time.monotonic() - begun >= 0.4
    assert len(redirected.requests) == 2


def test_a_wait_beyond_all_patience_is_not_begun(redirected: Hook, letter: Letter) -> None:
    redirected.script = [Answer(429, {"Retry-After": "3600"})]
    refused = failure(letter, SLACK)
    assert (refused.attempts, refused.reason) == (1, "429 Too Many Requests")


def test_a_server_that_fails_is_tried_again(redirected: Hook, letter: Letter) -> None:
    redirected.script = [Answer(500), Answer(502), Answer(503)]
    assert send(letter, parse(SLACK, "here"), QUICK) == 4
    redirected.script = [Answer(500)] * 9
    refused = failure(letter, SLACK)
    assert (refused.attempts, refused.reason) == (QUICK.attempts, "500 Internal Server Error")


@pytest.mark.parametrize(("status", "body", "says"), [
    (400, b"invalid_blocks", "400 Bad Request, invalid_blocks"), (403, b"", "403 Forbidden"),
    (404, b"no_service\n", "404 Not Found, no_service"), (410, b"<html>T1JJ3T3L2</html>", "410 Gone"),
    (413, b"x" * 100_000, "413 Request Entity Too Large"),
])  # fmt: skip
def test_what_is_wrong_with_the_message_is_not_tried_again(
    redirected: Hook, letter: Letter, status: int, body: bytes, says: str
) -> None:
    """A word of the service is passed on; anything longer may hold what was sent, or the address."""
    redirected.script = [Answer(status, body=body)]
    refused = failure(letter, SLACK)
    assert (refused.attempts, refused.reason) == (1, says)


def test_another_address_is_not_followed(redirected: Hook, letter: Letter) -> None:
    """Where a redirect leads is not where the user said to post, and a POST could arrive as a GET."""
    redirected.script = [Answer(302, {"Location": "/elsewhere"})]
    assert "redirects to another address" in failure(letter, SLACK).reason
    assert len(redirected.requests) == 1


def test_no_answer_in_time_is_tried_again(redirected: Hook, letter: Letter) -> None:
    redirected.script = [Answer(late_s=1.0)]
    assert send(letter, parse(SLACK, "here"), replace(QUICK, timeout_s=0.2)) == 2


def test_a_mail_server_that_says_nothing_is_given_up(letter: Letter) -> None:
    """It accepts the connection and never greets."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        address = f"mailto://127.0.0.1:{port}?from=a@example.org&to=b@example.org"
        refused = failure(letter, address, replace(QUICK, timeout_s=0.1, attempts=2))
    assert (refused.reason, refused.attempts) == ("no answer within 0.1 s", 2)


def test_another_service_is_sent_to_by_apprise(hook: Hook, letter: Letter) -> None:
    """Title and text go out as apprise sends them; its refusal is said."""
    address = f"xml://127.0.0.1:{hook.port}/in"
    assert send(letter, parse(address, "here"), QUICK) == 1
    assert b"week 47 &amp;lt;!here" in hook.requests[0].body
    hook.script = [Answer(400)]
    assert failure(letter, address).reason == "not accepted"


def test_waits_double_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits between attempts, without waiting: doubled, shortened by chance by at most half, within the total."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)

    def fail(_timeout_s: float) -> None:
        raise NotDelivered("no", again=True)

    random.seed(1)
    with pytest.raises(NotDelivered) as caught:
        attempt_until(PostSettings(attempts=8, first_wait_s=1, give_up_after_s=1000), fail)
    assert caught.value.attempts == 8
    for wait, longest in zip(waits, (1, 2, 4, 8, 16, 30, 30), strict=True):
        assert longest / 2 <= wait <= longest
    waits.clear()
    with pytest.raises(NotDelivered) as caught:
        attempt_until(PostSettings(attempts=8, first_wait_s=10, give_up_after_s=9), fail)
    assert caught.value.attempts <= 2


def test_a_time_out_never_outlasts_the_whole(letter: Letter) -> None:
    """The last attempt has only what is left of the total."""
    given: list[float] = []

    def note(timeout_s: float) -> None:
        given.append(timeout_s)

    attempt_until(PostSettings(give_up_after_s=3, timeout_s=10), note)
    assert given[0] <= 3


@pytest.mark.parametrize(("header", "seconds"), [
    (None, None), ("", None), ("soon", None), ("7", 7.0), ("0.25", 0.25), ("-3", 0.0),
    ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("Wed, 99 Xxx 2015", None),
])  # fmt: skip
def test_what_a_retry_after_says(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header) == seconds


def test_a_retry_after_may_be_a_date() -> None:
    asked = parse_retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True))
    assert asked is not None and 60 < asked <= 90

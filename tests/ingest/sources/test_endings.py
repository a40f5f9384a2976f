"""How a call ended, in the words of many clients, servers and languages."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest

from tests.support import Record, calls, raw_call, store_of, stored_calls, write_lines

MESSAGES = {
    "cancelled": (
        "ResponseAborted", "context canceled", "rpc error: code = Canceled desc = context canceled",
        "The user aborted a request.", "DOMException [AbortError]: The user aborted a request.", "UND_ERR_ABORTED",
        "ERR_STREAM_PREMATURE_CLOSE", "write EPIPE", "stream closed by client", "Connection closed by client",
        "HTTP 499", "Request failed with status code 499", "user cancelled", "Cancelled via cancel scope 7f01",
        "StatusCode.CANCELLED", "code=CANCELLED", "client has disconnected", "interrupted by the user",
        "BodyStreamBuffer was aborted", "StandaloneCoroutine was cancelled", "The user stopped the generation",
        "KeyboardInterrupt()",
    ),
    "timeout": (
        "Request failed with status code 504", "HTTP 524", "Error code: 408", "504: upstream",
        "DOMException [TimeoutError]: The operation was aborted due to timeout", "context deadline exceeded",
    ),
    "error": (
        "The user asked to cancel a subscription, and the tool failed", "peer closed connection", "HTTP 503",
        "invalid value 499 for max_tokens",
    ),
    "completed": ("undefined", "nil", "None"),
}  # fmt: skip
WORDS = {
    "cancelled": (
        "HTTP 499", "499 Client Closed Request", "user_stopped", "stopped_by_user", "client_gone", "user_interrupted",
        "hangup", "UserAbort",
    ),
    "timeout": ("Timed Out", "read_timeout", "gateway-timeout", "deadline exceeded", "HTTP/1.1 504 Gateway Time-out"),
    "error": ("HTTP 503", "500 Internal Server Error", "upstream_error", "request-failed"),
    "completed": ("200 OK", "HTTP/2 200"),
    "unknown": ("stopped", "in_progress", "no_error"),
}  # fmt: skip


def _logged(field: str, texts: Iterable[str]) -> list[Record]:
    return [raw_call(f"{field}: {text}", outcome=None, output_tokens=5, **{field: text}) for text in texts]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    lines = _logged("error", chain(*MESSAGES.values())) + _logged("status", chain(*WORDS.values()))
    with store_of(write_lines(tmp_path_factory.mktemp("endings") / "calls.jsonl", lines)) as store:
        return {name: row["outcome"] for name, row in stored_calls(store).items()}


@pytest.mark.parametrize("outcome", MESSAGES)
def test_an_error_message_tells_who_stopped_a_call(outcomes: dict[str, str], outcome: str) -> None:
    assert {text: outcomes[f"error: {text}"] for text in MESSAGES[outcome]} == dict.fromkeys(MESSAGES[outcome], outcome)


@pytest.mark.parametrize("outcome", WORDS)
def test_a_status_is_known_in_many_spellings(outcomes: dict[str, str], outcome: str) -> None:
    assert {text: outcomes[f"status: {text}"] for text in WORDS[outcome]} == dict.fromkeys(WORDS[outcome], outcome)


@pytest.mark.parametrize("word", ["unknown", "null", "None", "FINISH_REASON_UNSPECIFIED", "in_progress"])
def test_a_word_for_no_finish_reason_is_none(tmp_path: Path, word: str) -> None:
    lines = [raw_call("a", outcome=None, output_tokens=None, finish_reason=word)]
    with store_of(write_lines(tmp_path / "calls.jsonl", lines)) as store:
        row = stored_calls(store)["a"]
    assert (row["outcome"], row["cancel_evidence"], row["finish_reason"]) == ("unknown", "nothing_said", None)


LENGTHS = (
    "length", "LENGTH", "max_tokens", "MAX_TOKENS", "max_output_tokens", "max_new_tokens", "model_length",
    "token_limit", "model_context_window_exceeded", "FinishReason.MAX_TOKENS", "REASON_MAX_LEN", "incomplete",
)  # fmt: skip


def test_a_cap_is_known_by_the_words_of_many_vendors(tmp_path: Path) -> None:
    lines = [raw_call(word, outcome=None, output_tokens=5, finish_reason=word) for word in (*LENGTHS, "stop")]
    with store_of(write_lines(tmp_path / "calls.jsonl", lines)) as store:
        found = {name: (row["outcome"], row["ended_by"]) for name, row in calls(store).items()}
    assert found == {**dict.fromkeys(LENGTHS, ("completed", "length")), "stop": ("completed", None)}

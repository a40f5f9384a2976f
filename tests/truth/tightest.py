"""How much one JSON line of a gateway says about its call's tax: the narrowest interval that its evidence allows,
worked out from the line alone and in other words than the product's.

Tax is billed minus rendered, so its ends are ``low = fewest billed - most rendered`` and ``high = most billed - fewest
rendered``, and all that evidence can do is to narrow one of the two.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, sqrt
from typing import Any

Line = dict[str, Any]
Ends = tuple[int, int | None]
"""Fewest and most; None is no limit."""

STOPPING = {"vllm", "deepinfra"}
"""Providers of this world of which everybody knows that they stop when their client goes."""
ASSUMED_DELAY_MS = 2000.0
"""How long such a provider goes on at most, where nobody measured it."""
USUAL_BAND = (0.25, 8.0)
"""Characters per token of an answer, where there are too few of a model to know better: a character is up to 4 bytes, a
token at least one of them; and hardly any text has tokens of more than 8 characters on the average."""
NO_END = float("inf")
PACED_TOKENS = 16
"""So many tokens must have come before the user left to say how fast they come: of fewer, one chunk more or less is
half of the speed."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What the completed calls of one model tell of its other calls."""

    fewest_chars: float
    most_chars: float
    reasons: bool | None
    """Whether any of them reasoned; None when none says."""

    def fewest_tokens(self, chars: int) -> int:
        """Tokens that a text has at least. The beginning of an answer is less like the others than the whole, the more
        so the shorter it is: the mean of n tokens strays with 1/sqrt(n), here by at most 1.5 of it."""
        likely = chars / self.most_chars
        return floor(likely / (1 + 1.5 / sqrt(max(likely, 1))))

    def most_tokens(self, chars: int) -> int:
        """Tokens that a text has at most."""
        likely = chars / self.fewest_chars
        return ceil(likely * (1 + 1.5 / sqrt(max(likely, 1))))


def habits(lines: Iterable[Line]) -> dict[str, Habits]:
    """Characters per visible token lie between the extremes of the model's completed answers of 20 tokens or more, if
    there are 20 of them."""
    ratios: dict[str, list[float]] = defaultdict(list)
    hidden: dict[str, int] = {}
    for line in lines:
        if line.get("outcome") == "completed":
            model, reasoning = line["request_model"], line["reasoning_output_tokens"]
            hidden[model] = max(hidden.get(model, 0), reasoning)
            if line["output_tokens"] - reasoning >= 20:
                ratios[model].append(line["output_chars"] / (line["output_tokens"] - reasoning))
    return {
        model: Habits(
            min(ratios[model]) if len(ratios[model]) >= 20 else USUAL_BAND[0],
            max(ratios[model]) if len(ratios[model]) >= 20 else USUAL_BAND[1],
            hidden[model] > 0,
        )
        for model in hidden
    }  # fmt: skip


def tightest(line: Line, habit: Habits) -> Ends:
    """The narrowest interval of the tax of a call that ended early."""
    fewest_rendered, most_rendered = _rendered(line, habit)
    fewest_billed, most_billed = _billed(line, habit, fewest_rendered)
    if most_rendered is None:
        most_rendered = most_billed
    low = 0 if most_rendered is None else max(fewest_billed - most_rendered, 0)
    return low, None if most_billed is None else max(most_billed - fewest_rendered, 0)


def final_usage(line: Line) -> int | None:
    """The usage if it is the provider's last word. Zeros for input and output were never counted, and of Anthropic's
    stream a handful of tokens without a finish reason is the placeholder that opens it."""
    output = line.get("output_tokens")
    if output is None or line.get("usage_source", "provider_final") != "provider_final":
        return None
    if line["input_tokens"] == 0 and output == 0:
        return None
    finished = line.get("finish_reason") in ("stop", "length")
    return None if line["provider"] == "anthropic" and output <= 8 and not finished else int(output)


def _rendered(line: Line, habit: Habits) -> Ends:
    """A count of what was painted is what it says. Otherwise no more was painted than had arrived when the user left:
    nothing before the first chunk, the tokens delivered, those of the chunks until then, as many as the text can have
    been. Fewest is 0 but where painted characters say more."""
    limits = [_visible(line), _arrived(line, habit)]
    if "rendered_output_tokens" in line:
        return line["rendered_output_tokens"], line["rendered_output_tokens"]
    if "rendered_chunks" in line:
        painted = sum(line["chunk_tokens"][: line["rendered_chunks"]])
        return painted, painted
    fewest = 0
    if "rendered_chars" in line:
        fewest = habit.fewest_tokens(line["rendered_chars"])
        limits.append(habit.most_tokens(line["rendered_chars"]))
    known = [limit for limit in limits if limit is not None]
    return min([fewest, *known]), min(known) if known else None


def _visible(line: Line) -> int | None:
    """Rendered tokens are no reasoning. That the stream outlasted the user says little: its last token may have come
    before he left and only its end after him."""
    billed = final_usage(line)
    return None if billed is None else int(billed) - int(line.get("reasoning_output_tokens", 0))


def _arrived(line: Line, habit: Habits) -> int | None:
    first, left = line.get("time_to_first_chunk_ms"), line.get("cancelled_at_ms")
    if first is not None and left is not None and left < first:
        return 0
    if "streamed_output_tokens" in line:
        return int(line["streamed_output_tokens"])
    if "chunk_offsets_ms" in line and not any(
        at <= line.get("cancelled_at_ms", NO_END) for at in line["chunk_offsets_ms"]
    ):
        return 0
    if "chunk_tokens" in line:
        return _chunked(line)
    return habit.most_tokens(line["output_chars"]) if "output_chars" in line else None


def _chunked(line: Line) -> int:
    times: list[float] = line["client_chunk_offsets_ms" if "client_chunk_offsets_ms" in line else "chunk_offsets_ms"]
    tokens: list[int] = line["chunk_tokens"]
    left = line.get("cancelled_at_ms", NO_END)
    return sum(count for at, count in zip(times, tokens, strict=False) if at <= left)


def _billed(line: Line, habit: Habits, rendered: int) -> Ends:
    """Final usage is what it says. Otherwise at least every token that anybody saw, and at most the cap on the answer;
    or, of a provider that stopped, what had been generated when the user left and twice the call's own speed for as
    long as it went on, unless more was seen than that. It holds only where reasoning cannot hide more."""
    billed = final_usage(line)
    if billed is not None:
        return billed, billed
    seen = _seen(line, habit)
    fewest = max(seen, rendered)
    limits = [
        limit for limit in (line.get("max_tokens"), _stopped(line, habit)) if limit is not None and limit >= fewest
    ]
    return fewest, min(limits, default=None)


def _seen(line: Line, habit: Habits) -> int:
    """Tokens that the gateway received, before or after the user left."""
    running = line["output_tokens"] if _counts_all(line) else 0
    text = habit.fewest_tokens(line.get("output_chars", 0))
    return int(max(running, text, sum(line.get("chunk_tokens", ())), line.get("streamed_output_tokens", 0)))


def _counts_all(line: Line) -> bool:
    """Whether it has the provider's running count, which includes reasoning."""
    return line.get("usage_source") == "provider_partial"


def _stopped(line: Line, habit: Habits) -> int | None:
    delay = _delay(line)
    if delay is None or "time_to_first_chunk_ms" not in line or (habit.reasons is not False and not _counts_all(line)):
        return None
    streaming: float = line["cancelled_at_ms"] - line["time_to_first_chunk_ms"]
    by_then: int = _chunked(line) if "chunk_tokens" in line else line.get("streamed_output_tokens", 0)
    if streaming <= 0 or by_then < PACED_TOKENS:
        return None
    if _counts_all(line):
        by_then = max(by_then, line["output_tokens"])
    return by_then + ceil(2 * by_then / streaming * delay) + 1


def _delay(line: Line) -> float | None:
    """How long the provider went on after the user had left, None if it may have gone on for ever. A gateway that
    closed its side does not know what the provider did, unless it provably waited for its end; of a provider that stops
    anyhow, the end is the end."""
    left = line.get("cancelled_at_ms")
    if left is None:
        return None
    end, closed = line.get("upstream_end_ms", 0), line.get("upstream_cancelled") is True
    ran_on = max(end, 0 if "upstream_end_ms" in line else line["duration_ms"]) > left + 1000
    stops = line["provider"] in STOPPING and line.get("upstream_cancelled") is not False and not ran_on
    if end > left and (stops or ran_on or not closed):
        return float(end - left)
    return ASSUMED_DELAY_MS if stops else None

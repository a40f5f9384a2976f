"""How much one JSON line of a gateway says about its call's tax: the narrowest interval that its evidence allows, worked
out from the line alone and in other words than the product's.

Tax is billed minus rendered, so its ends are ``low = fewest billed - most rendered`` and ``high = most billed - fewest
rendered``, and all that evidence can do is to narrow one of the two.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

Line = dict[str, Any]
Ends = tuple[int, int | None]
"""Fewest and most; None is no limit."""

STOPPING = {"vllm", "deepinfra"}
"""Providers of this world of which everybody knows that they stop when their client goes."""
ASSUMED_DELAY_MS = 2000.0
"""How long such a provider goes on at most, where nobody measured it."""
USUAL_BAND = (2.5, 4.5)
"""Characters per token of an answer, where there are too few of a model to know better."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What the completed calls of one model tell of its other calls."""

    fewest_chars: float
    most_chars: float
    reasons: bool | None
    """Whether any of them reasoned; None when none says."""


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
    been; and in a stream that went on after him not quite all. Fewest is 0 but where painted characters say more."""
    limits = [_visible(line), _arrived(line, habit)]
    if "rendered_output_tokens" in line:
        return line["rendered_output_tokens"], line["rendered_output_tokens"]
    if "rendered_chunks" in line:
        painted = sum(line["chunk_tokens"][: line["rendered_chunks"]])
        return painted, painted
    fewest = 0
    if "rendered_chars" in line:
        fewest = floor(line["rendered_chars"] / habit.most_chars)
        limits.append(ceil(line["rendered_chars"] / habit.fewest_chars))
    known = [limit for limit in limits if limit is not None]
    return min([fewest, *known]), min(known) if known else None


def _visible(line: Line) -> int | None:
    """Rendered tokens are no reasoning, and in a stream that outlasted the user some token came after he had left."""
    billed = final_usage(line)
    if billed is None:
        return None
    visible = billed - line.get("reasoning_output_tokens", 0)
    first, left = line.get("time_to_first_chunk_ms"), line.get("cancelled_at_ms")
    if first is None or left is None or not first < left < line.get("upstream_end_ms", line["duration_ms"]):
        return int(visible)
    return max(int(visible) - 1, 0)


def _arrived(line: Line, habit: Habits) -> int | None:
    first, left = line.get("time_to_first_chunk_ms"), line.get("cancelled_at_ms")
    if first is not None and left is not None and left < first:
        return 0
    if "streamed_output_tokens" in line:
        return int(line["streamed_output_tokens"])
    if "chunk_offsets_ms" in line and not line["chunk_offsets_ms"]:
        return 0
    if "chunk_tokens" in line:
        return _chunked(line)
    return ceil(line["output_chars"] / habit.fewest_chars) if "output_chars" in line else None


def _chunked(line: Line) -> int:
    times = line.get("client_chunk_offsets_ms", line["chunk_offsets_ms"])
    left = line.get("cancelled_at_ms", float("inf"))
    return sum(tokens for at, tokens in zip(times, line["chunk_tokens"], strict=False) if at <= left)


def _billed(line: Line, habit: Habits, rendered: int) -> Ends:
    """Final usage is what it says. Otherwise at least every token that anybody saw, and at most the cap on the answer;
    or, of a provider that stopped, what had been generated when the user left and twice the call's own speed for as
    long as it went on. That holds only where reasoning cannot hide more."""
    billed = final_usage(line)
    if billed is not None:
        return billed, billed
    seen = _seen(line, habit)
    limits = [limit for limit in (line.get("max_tokens"), _stopped(line, habit)) if limit is not None]
    fewest = max(seen, rendered)
    return fewest, max(min(limits), fewest) if limits else None


def _seen(line: Line, habit: Habits) -> int:
    """Tokens that the gateway received, before or after the user left."""
    running = line["output_tokens"] if line.get("usage_source") == "provider_partial" else 0
    text = floor(line.get("output_chars", 0) / habit.most_chars)
    return max(running, text, sum(line.get("chunk_tokens", ())), line.get("streamed_output_tokens", 0))


def _stopped(line: Line, habit: Habits) -> int | None:
    first, left = line.get("time_to_first_chunk_ms"), line.get("cancelled_at_ms")
    if first is None or left is None or left <= first or ("chunk_tokens" not in line and "streamed_output_tokens" not in line):
        return None
    counts_hidden = line.get("usage_source") == "provider_partial"
    if habit.reasons is not False and not counts_hidden:
        return None
    ended = line.get("upstream_end_ms")
    if line.get("upstream_cancelled") and ended is not None:
        delay = ended - left
    elif line["provider"] in STOPPING and line.get("upstream_cancelled") is not False and line["duration_ms"] <= left + 1000:
        delay = ASSUMED_DELAY_MS
    else:
        return None
    by_then = max(_chunked(line) if "chunk_tokens" in line else line["streamed_output_tokens"],
                  line["output_tokens"] if counts_hidden else 0)  # fmt: skip
    return int(by_then) + ceil(2 * max(by_then, 1) / (left - first) * delay) + 1

"""Latency targets: an SLO, and goodput's set of targets by metric or by the name of an MLPerf benchmark."""

import math
from dataclasses import dataclass

from streamaudit.errors import UsageError, nearest

NAMES = {"ttft": "ttft", "ttvt": "ttvt", "tpot": "tpot", "duration": "duration", "e2e": "duration"}
"""Targets as they are typed, and the latency each is of; E2E is the field's usual name for the duration."""

# Limits in milliseconds on TTFT and TPOT: MLCommons, inference_policies, inference_rules.adoc, as of 2026-07-23.
_MLPERF = {
    "llama2-70b": (2000, 200), "llama2-70b-interactive": (450, 40),
    "llama3.1-8b": (2000, 100), "llama3.1-8b-interactive": (500, 30),
    "llama3.1-405b": (6000, 175), "llama3.1-405b-interactive": (4500, 80),
    "mixtral-8x7b": (2000, 200),
    "deepseek-r1": (2000, 80), "deepseek-r1-interactive": (1500, 15),
    "gpt-oss-120b": (3000, 80), "gpt-oss-120b-interactive": (2000, 20),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Targets:
    """Limits in milliseconds by latency, each of them inclusive; ``preset`` is the name they were requested by."""

    limits_ms: dict[str, float]
    preset: str = ""

    def params(self) -> dict[str, float | None]:
        """Return the parameters of the macro ``goodput_of``: NULL where there is no target."""
        return {f"{latency}_limit_ms": self.limits_ms.get(latency) for latency in dict.fromkeys(NAMES.values())}

    def __str__(self) -> str:
        spelled = ",".join(
            f"{latency}={f'{limit / 1000:g}s' if limit >= 1000 else f'{limit:g}ms'}"
            for latency, limit in self.limits_ms.items()
        )
        return f"{self.preset} ({spelled})" if self.preset else spelled


PRESETS = {
    f"mlperf-{name}": Targets({"ttft": float(ttft), "tpot": float(tpot)}, f"mlperf-{name}")
    for name, (ttft, tpot) in _MLPERF.items()
}


def parse_targets(text: str, flag: str = "--goodput") -> Targets:
    """Parse ``ttft=2s,tpot=200ms``, or the name of a preset such as ``mlperf-llama2-70b``.

    Raises UsageError naming the option ``flag`` for an unknown or repeated target and for a limit without its unit.
    """
    if text.strip().lower() in PRESETS:
        return PRESETS[text.strip().lower()]
    limits: dict[str, float] = {}
    for part in text.split(","):
        name, sign, limit = (piece.strip() for piece in part.partition("="))
        if not sign or name.lower() not in NAMES:
            close = nearest(name.lower(), [*NAMES] if sign else [*PRESETS])
            meant = f", did you mean {close}?" if close else ""
            raise UsageError(
                f"{flag} {text}: unknown target '{name}'{meant}",
                f"targets: {', '.join(NAMES)}, such as ttft=2s,tpot=200ms; presets: {', '.join(PRESETS)}",
            )
        latency = NAMES[name.lower()]
        if latency in limits:
            raise UsageError(f"{flag} {text}: {latency} has two targets")
        limits[latency] = parse_duration_ms(flag, limit)
    return Targets(limits)


def parse_duration_ms(flag: str, text: str) -> float:
    """Parse ``800ms``, ``1.5s`` or ``2m`` into milliseconds. Raises UsageError for a bare number or anything else."""
    for suffix, factor in (("ms", 1.0), ("s", 1000.0), ("m", 60_000.0)):
        number = text.strip().removesuffix(suffix)
        if number != text.strip():
            try:
                value = float(number) * factor
            except ValueError:
                break
            if value > 0 and math.isfinite(value):
                return value
            break
    raise UsageError(f"{flag} {text}: expected a duration with its unit, such as 800ms or 1.5s")

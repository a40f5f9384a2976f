"""What a simulated fleet consists of: calls, the steps around them, and the tables they are drawn from.

Times are integer microseconds (instants since 1970 UTC, the rest since the call's start), money integer
nanodollars: whole numbers that every format can hold, so one fleet gives one report whatever shape it takes.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

Outcome = Literal["completed", "cancelled", "timeout", "error", "interrupted"]
Operation = Literal["chat", "embedding"]
StepKind = Literal["workflow", "agent", "tool", "retrieval"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(us: int) -> datetime:
    """Return the UTC instant `us` microseconds after 1970, exactly."""
    return EPOCH + timedelta(microseconds=us)


@dataclass(frozen=True, slots=True)
class Model:
    """A model with its list prices (nanodollars a token) and pace (milliseconds)."""

    name: str
    snapshot: str
    provider: str
    input_nano: int
    cached_nano: int
    output_nano: int
    ttft_ms: float
    token_ms: float
    weight: float
    always_reasons: bool = False
    runs_on_after_cancel: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint of the imagined product, with the median size of its prompts and answers in tokens."""

    path: str
    service: str
    ttft_factor: float
    prompt_tokens: int
    answer_tokens: int
    weight: float


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer; `cancel_factor` says how much more often its users leave than average."""

    name: str | None
    weight: float
    cancel_factor: float


MODELS = (
    Model("gpt-4o-mini", "gpt-4o-mini-2024-07-18", "openai", 150, 75, 600, 420, 14, 0.42),
    Model("o4-mini", "o4-mini-2025-04-16", "openai", 1100, 275, 4400, 800, 9, 0.10, always_reasons=True),
    Model("claude-haiku-4-5", "claude-haiku-4-5-20251001", "anthropic", 1000, 100, 5000, 560, 11, 0.22),
    Model("gemini-2.5-flash", "gemini-2.5-flash", "google", 300, 75, 2500, 350, 7, 0.16, False, True),
    Model("amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", "bedrock", 60, 15, 240, 500, 10, 0.10, False, True),
)
EMBEDDING_MODEL = Model("text-embedding-3-small", "text-embedding-3-small", "openai", 20, 20, 0, 0, 0, 0)

ROUTES = (
    Route("/v1/chat", "chat-api", 1.0, 600, 260, 0.52),
    Route("/v1/search", "search-api", 1.3, 2200, 180, 0.22),
    Route("/v1/summarise", "docs-api", 1.5, 5200, 420, 0.16),
    Route("/v1/agent", "agent-api", 1.1, 1500, 220, 0.10),
)
AGENT_PATH = "/v1/agent"
SLOWED_PATH = "/v1/chat"  # the route whose TTFT gets worse with the last deploy
SLOWED_FACTOR = 3.2

TENANTS = (
    Tenant("acme", 30, 1.0),
    Tenant("globex", 18, 0.7),
    Tenant("initech", 12, 1.9),
    Tenant("umbrella", 9, 1.2),
    Tenant("hooli", 7, 0.5),
    Tenant("soylent", 6, 1.0),
    Tenant("stark", 5, 1.6),
    Tenant("wayne", 4, 0.8),
    Tenant("wonka", 3, 1.0),
    Tenant("tyrell", 2.5, 1.4),
    Tenant("cyberdyne", 2, 0.6),
    Tenant("aperture", 1.5, 2.2),
    Tenant(None, 4, 1.0),
)


@dataclass(slots=True, kw_only=True)
class Call:
    """One attempt at a provider as it really happened; None means that no log holds the value."""

    number: int
    scenario: str
    call_id: str
    trace_id: str
    parent_id: str
    root_id: str
    model: str
    provider: str
    route: str
    service: str
    environment: str
    deploy: str
    tenant: str | None
    user_id: str
    session_id: str
    operation: Operation
    start_us: int
    duration_us: int = 0
    streamed: bool = True
    counted: bool = True
    response_model: str | None = None
    ttft_us: int | None = None
    ttvt_us: int | None = None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    delivered_tokens: int | None = None
    rendered_tokens: int | None = None
    max_tokens: int | None = None
    outcome: Outcome = "completed"
    finish_reason: str | None = "stop"
    http_status: int = 200
    error_type: str | None = None
    cancelled_at_us: int | None = None
    cache_hit: bool = False
    input_cost_nano: int | None = None
    output_cost_nano: int | None = None
    extra: dict[str, object] = field(default_factory=dict)
    """Fields that only raw lines have room for."""

    @property
    def start_time(self) -> datetime:
        """UTC instant the request was issued."""
        return instant(self.start_us)

    @property
    def end_us(self) -> int:
        """Microseconds since 1970 at which the call ended."""
        return self.start_us + self.duration_us

    @property
    def cost_nano(self) -> int | None:
        """Nanodollars of input and output together, None when unknown."""
        if self.input_cost_nano is None or self.output_cost_nano is None:
            return None
        return self.input_cost_nano + self.output_cost_nano

    @property
    def cost_usd(self) -> float | None:
        """Cost in US dollars, None when unknown."""
        return usd(self.cost_nano)

    @property
    def input_cost_usd(self) -> float | None:
        """Input part of the cost in US dollars."""
        return usd(self.input_cost_nano)

    @property
    def output_cost_usd(self) -> float | None:
        """Output part of the cost in US dollars."""
        return usd(self.output_cost_nano)

    @property
    def logged_model(self) -> str:
        """The only model name that formats with one model field hold: the answering one where known."""
        return self.response_model or self.model

    @property
    def has_output(self) -> bool:
        """Whether any chunk reached the process that logged the call."""
        return self.ttft_us is not None or not self.streamed


@dataclass(slots=True, kw_only=True)
class Step:
    """A span that is no LLM call: the root of a trace, or a tool or retrieval inside it."""

    number: int
    span_id: str
    trace_id: str
    parent_id: str | None
    kind: StepKind
    name: str
    start_us: int
    duration_us: int
    call: Call
    input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def end_us(self) -> int:
        """Microseconds since 1970 at which the step ended."""
        return self.start_us + self.duration_us


@dataclass(frozen=True, slots=True)
class Fleet:
    """All calls and steps of one simulation, in order of start. A step's owner is that of `Step.call`."""

    seed: int
    start: datetime
    days: int
    whole_ms: bool
    calls: list[Call]
    steps: list[Step]


def usd(nano: int | None) -> float | None:
    """Turn nanodollars into US dollars."""
    return None if nano is None else nano / 1e9

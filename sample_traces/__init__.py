"""Synthetic fleets of LLM calls with known truth, and writers of one fleet in many shapes."""

from sample_traces.datadog import (
    write_datadog,
    write_datadog_ddsql,
    write_datadog_flat,
    write_datadog_intake,
    write_datadog_tracer,
)
from sample_traces.figures import truth
from sample_traces.fleet import simulate
from sample_traces.gateways import write_helicone, write_langsmith, write_litellm, write_litellm_rows
from sample_traces.langfuse import (
    write_langfuse_downloads,
    write_langfuse_js_dump,
    write_langfuse_python_dump,
    write_langfuse_rest_v2,
    write_langfuse_ui_events,
    write_langfuse_ui_observations,
    write_langfuse_v2,
)
from sample_traces.model import Call, Fleet, Step
from sample_traces.otel import write_otel, write_otel_snake
from sample_traces.phoenix import write_phoenix, write_phoenix_frame
from sample_traces.writers import write_raw

__all__ = [
    "Call",
    "Fleet",
    "Step",
    "simulate",
    "truth",
    "write_datadog",
    "write_datadog_ddsql",
    "write_datadog_flat",
    "write_datadog_intake",
    "write_datadog_tracer",
    "write_helicone",
    "write_langfuse_downloads",
    "write_langfuse_js_dump",
    "write_langfuse_python_dump",
    "write_langfuse_rest_v2",
    "write_langfuse_ui_events",
    "write_langfuse_ui_observations",
    "write_langfuse_v2",
    "write_langsmith",
    "write_litellm",
    "write_litellm_rows",
    "write_otel",
    "write_otel_snake",
    "write_phoenix",
    "write_phoenix_frame",
    "write_raw",
]

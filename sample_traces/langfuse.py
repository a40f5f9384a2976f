"""Write a fleet the way Langfuse exports it: bucket files, UI downloads, REST pages and SDK dumps."""

import re
from pathlib import Path

from sample_traces.langfuse_observations import Metadata, Observation, observations
from sample_traces.model import Fleet, instant
from sample_traces.writers import Record, dump, write_lines, write_text

PROJECT = "cm3x7p1q20001ad07h5k2v9ze"
WIRE_ONLY = {"model", "inputUsage", "outputUsage", "totalUsage", "inputCost", "outputCost", "totalCost"}


def _db_time(us: int | None) -> str | None:
    """Time as the database prints it: UTC, a space, six digits, no zone."""
    return None if us is None else f"{instant(us):%Y-%m-%d %H:%M:%S.%f}"


def _iso_time(us: int | None) -> str | None:
    """ISO time with milliseconds and Z."""
    return None if us is None else f"{instant(us):%Y-%m-%dT%H:%M:%S}.{us // 1000 % 1000:03d}Z"


def _python_time(us: int | None) -> str | None:
    """Time as `str()` prints a Python datetime."""
    return None if us is None else f"{instant(us):%Y-%m-%d %H:%M:%S.%f}+00:00"


def _latency_ms(each: Observation) -> int:
    return (each.end_us - each.start_us) // 1000


def _ttft_ms(each: Observation) -> int | None:
    return None if each.first_us is None else (each.first_us - each.start_us) // 1000


def _flat(metadata: Metadata) -> dict[str, str]:
    """Metadata as a map of strings, the way the database holds it."""
    return {name: value if isinstance(value, str) else dump(value) for name, value in metadata.items()}


def _side(buckets: dict[str, int], side: str) -> int:
    return sum(tokens for name, tokens in buckets.items() if side in name)


def _stored_us(each: Observation) -> int:
    """When the server stored the row: some seconds after the call."""
    return (each.end_us + 2_102_000) // 1000 * 1000


def shape_v2(each: Observation) -> Record:
    """A row of the bucket export `observations_v2`."""
    ttft_ms = _ttft_ms(each)
    return {
        "id": each.id,
        "trace_id": each.trace_id,
        "start_time": _db_time(each.start_us),
        "end_time": _db_time(each.end_us),
        "project_id": PROJECT,
        "parent_observation_id": each.parent or "",
        "type": each.type,
        "name": each.name,
        "level": each.level,
        "status_message": each.status_message,
        "version": each.release,
        "environment": each.environment,
        "bookmarked": False,
        "public": False,
        "user_id": each.user,
        "session_id": each.session,
        "is_root_observation": each.parent is None,
        "completion_start_time": _db_time(each.first_us),
        "created_at": _db_time(_stored_us(each)),
        "updated_at": _db_time(_stored_us(each)),
        "provided_model_name": each.model,
        "model_id": "",
        "model_parameters": dump(each.parameters) if each.parameters else "",
        "usage_details": each.usage,
        "cost_details": each.cost,
        "total_cost": each.cost.get("total", 0),
        "usage_pricing_tier_id": None,
        "usage_pricing_tier_name": None,
        "prompt_id": "",
        "prompt_name": "",
        "prompt_version": None,
        "latency": _latency_ms(each) / 1000,
        "time_to_first_token": None if ttft_ms is None else ttft_ms / 1000,
        "tags": [],
        "release": each.release,
        "trace_name": each.trace_name,
        "tool_definitions": {},
        "tool_calls": [],
        "tool_call_names": [],
        "input": each.input,
        "output": each.output,
        "metadata": _flat(each.metadata),
    }


def shape_ui_events(each: Observation) -> Record:
    """A row of the UI download of the v4 observations table."""
    return {
        "id": each.id,
        "traceId": each.trace_id,
        "traceName": each.trace_name,
        "type": each.type,
        "name": each.name,
        "startTime": _db_time(each.start_us),
        "endTime": _db_time(each.end_us),
        "completionStartTime": _db_time(each.first_us),
        "environment": each.environment,
        "version": each.release,
        "userId": each.user,
        "sessionId": each.session,
        "level": each.level,
        "statusMessage": each.status_message,
        "promptName": "",
        "promptId": "",
        "promptVersion": None,
        "modelId": "",
        "providedModelName": each.model,
        "modelParameters": dump(each.parameters) if each.parameters else "",
        "usageDetails": each.usage,
        "costDetails": each.cost,
        "totalCost": each.cost.get("total", 0),
        "input": each.input,
        "output": each.output,
        "metadata": _flat(each.metadata),
        "latencyMs": _latency_ms(each),
        "timeToFirstTokenMs": _ttft_ms(each),
        "tags": [],
        "release": each.release,
        "parentObservationId": each.parent or "",
        "comments": [],
    }


def _wire(each: Observation) -> Record:
    """What the camelCase shapes with ISO times have in common."""
    ttft_ms = _ttft_ms(each)
    return {
        "id": each.id,
        "traceId": each.trace_id,
        "startTime": _iso_time(each.start_us),
        "endTime": _iso_time(each.end_us),
        "projectId": PROJECT,
        "parentObservationId": each.parent,
        "type": each.type,
        "name": each.name,
        "level": each.level,
        "version": each.release,
        "environment": each.environment,
        "completionStartTime": _iso_time(each.first_us),
        "createdAt": _iso_time(_stored_us(each)),
        "updatedAt": _iso_time(_stored_us(each)),
        "model": each.model or None,
        "internalModelId": None,
        "modelParameters": each.parameters,
        "usageDetails": each.usage,
        "inputUsage": _side(each.usage, "input"),
        "outputUsage": _side(each.usage, "output"),
        "totalUsage": each.usage.get("total", 0),
        "costDetails": each.cost,
        "inputCost": each.cost.get("input"),
        "outputCost": each.cost.get("output"),
        "totalCost": each.cost.get("total", 0),
        "usagePricingTierId": None,
        "usagePricingTierName": None,
        "promptId": None,
        "promptName": None,
        "promptVersion": None,
        "latency": _latency_ms(each) / 1000,
        "timeToFirstToken": ttft_ms / 1000 if ttft_ms else None,
        "userId": each.user,
        "traceName": each.trace_name,
        "modelId": None,
        "inputPrice": None,
        "outputPrice": None,
        "totalPrice": None,
        "input": each.input,
        "output": each.output,
    }


def shape_ui_observations(each: Observation) -> Record:
    """A row of the UI download of the legacy table: no release and no session, metadata values parsed."""
    return _wire(each) | {
        "statusMessage": each.status_message or None,
        "metadata": each.metadata,
        "providedUsageDetails": each.usage,
        "providedCostDetails": each.cost,
        "traceTags": [],
        "traceTimestamp": _db_time(each.start_us),
        "toolDefinitions": None,
        "toolCalls": None,
        "toolCallNames": None,
        "toolDefinitionsCount": None,
        "toolCallsCount": None,
        "comments": [],
    }


def shape_rest(each: Observation) -> Record:
    """An item of `GET /api/public/v2/observations` with all field groups."""
    return _wire(each) | {
        "statusMessage": each.status_message,
        "bookmarked": False,
        "public": False,
        "sessionId": each.session,
        "isRootObservation": each.parent is None,
        "release": each.release,
        "tags": [],
        "metadata": _flat(each.metadata),
    }


def shape_trace(each: Observation) -> Record:
    """What a trace says of the calls in it, as a bucket's `traces` or a download has it."""
    return {
        "id": each.trace_id, "timestamp": _iso_time(each.start_us), "name": each.trace_name, "projectId": PROJECT,
        "environment": each.environment, "metadata": dump(_own(each)), "userId": each.user, "sessionId": each.session,
        "release": each.release, "version": None, "public": False, "bookmarked": False, "tags": [],
    }  # fmt: skip


def _own(each: Observation) -> Metadata:
    """Metadata that is the same for all of a trace."""
    return {name: value for name, value in each.metadata.items() if name in ("tenant_id", "tenant", "organizationId")}


def shape_bare(each: Observation) -> Record:
    """An observation of a download: what the trace beside it says, it does not."""
    told = ("userId", "sessionId", "release", "traceName", "version", "tags")
    item = {name: value for name, value in shape_rest(each).items() if name not in told}
    return item | {"metadata": {name: value for name, value in each.metadata.items() if name not in _own(each)}}


def shape_python(each: Observation) -> Record:
    """`model_dump()` of the Python SDK: snake_case beside the keys that its model does not know."""
    times = {
        "startTime": each.start_us,
        "endTime": each.end_us,
        "completionStartTime": each.first_us,
        "createdAt": _stored_us(each),
        "updatedAt": _stored_us(each),
    }
    item = shape_rest(each) | {name: _python_time(us) for name, us in times.items()}
    item["provided_model_name"] = None
    return {name if name in WIRE_ONLY else _snake(name): value for name, value in item.items()}


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)


def _need_whole_ms(fleet: Fleet) -> None:
    if not fleet.whole_ms:
        raise ValueError("this shape holds milliseconds: simulate the fleet with whole_ms=True")


def write_langfuse_v2(fleet: Fleet, path: str | Path) -> None:
    """Write the bucket export `observations_v2` as JSON lines."""
    write_lines(path, map(shape_v2, observations(fleet)))


def write_langfuse_ui_events(fleet: Fleet, path: str | Path) -> None:
    """Write the UI's events export as JSON lines."""
    write_lines(path, map(shape_ui_events, observations(fleet)))


def write_langfuse_ui_observations(fleet: Fleet, path: str | Path) -> None:
    """Write the UI's legacy observations export as JSON lines; the fleet must have whole milliseconds."""
    _need_whole_ms(fleet)
    write_lines(path, map(shape_ui_observations, observations(fleet)))


def write_langfuse_rest_v2(fleet: Fleet, path: str | Path) -> None:
    """Write one page of the REST API; the fleet must have whole milliseconds."""
    _need_whole_ms(fleet)
    write_text(path, [dump({"data": [shape_rest(each) for each in observations(fleet)], "meta": {}}), "\n"])


def write_langfuse_downloads(fleet: Fleet, path: str | Path) -> None:
    """Write downloads of traces, an object a line: a trace and its observations."""
    _need_whole_ms(fleet)
    traces: dict[str, list[Observation]] = {}
    for each in observations(fleet):
        traces.setdefault(each.trace_id, []).append(each)
    write_lines(path, (
        {"trace": shape_trace(min(held, key=lambda each: each.start_us)), "observations": list(map(shape_bare, held))}
        for held in traces.values()
    ))  # fmt: skip


def write_langfuse_python_dump(fleet: Fleet, path: str | Path) -> None:
    """Write what `json.dumps(o.model_dump(), default=str)` gives, a line each; whole milliseconds only."""
    _need_whole_ms(fleet)
    write_lines(path, map(shape_python, observations(fleet)))


def write_langfuse_js_dump(fleet: Fleet, path: str | Path) -> None:
    """Write what `JSON.stringify(page.data)` gives: one array; whole milliseconds only."""
    _need_whole_ms(fleet)
    write_text(path, [dump([shape_rest(each) for each in observations(fleet)]), "\n"])

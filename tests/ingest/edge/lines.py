"""Lines of logs as servers write them, synthetic, and what each proves."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """A line, and the evidence it is: figures by name, or the reason why it is none."""

    line: str
    says: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None


def _nginx(key: str, **fields: str) -> str:
    usual = {
        "time": "2026-11-20T10:00:00+00:00", "request_id": key, "uri": "/v1/chat/completions", "status": "200",
        "completion": "OK", "bytes_sent": "9222", "body_bytes_sent": "9000", "request_time": "2.500",
        "upstream_status": "200", "upstream_header_time": "0.120", "upstream_response_time": "2.498",
        "ct": "text/event-stream; charset=utf-8", "encoding": "",
    }  # fmt: skip
    return json.dumps({**usual, **fields})


def _envoy(key: str, **fields: Any) -> str:
    usual = {
        "start": "2026-11-20T10:00:00.000Z", "request_id": key, "path": "/v1/chat/completions", "code": 200,
        "details": "via_upstream", "flags": "-", "bytes_sent": 9000, "duration": 2500, "ds_tx_beg": 120,
        "us_rx_end": 2499, "ds_tx_end": 2500,
    }  # fmt: skip
    return json.dumps({**usual, **fields})


def _haproxy(key: str, **fields: str) -> str:
    usual = {
        "ts": "1795970217785", "request_id": key, "status": "200", "term": "--", "bytes_to_client": "9134", "TR": "3",
        "Tw": "0", "Tc": "1", "Tr": "116", "Td": "2380", "Ta": "2500",
    }  # fmt: skip
    return json.dumps({**usual, **fields})


def _apache(key: str, **fields: str) -> str:
    usual = {
        "request_id": key, "status": "200", "conn": "+", "body": "9000", "out": "9400", "dur_us": "2500000",
        "ttfb_us": "120000",
    }  # fmt: skip
    return json.dumps({**usual, **fields})


def _caddy(key: str, **fields: Any) -> str:
    usual = {
        "level": "info", "logger": "http.log.access.log0", "msg": "handled request", "duration": 2.5, "size": 9000,
        "status": 200, "request": {"method": "POST", "uri": "/v1/chat/completions", "headers": {"X-Request-Id": [key]}},
        "resp_headers": {"Content-Type": ["text/event-stream"]},
    }  # fmt: skip
    return json.dumps({**usual, **fields})


def _traefik(key: str, **fields: Any) -> str:
    usual = {
        "ClientAddr": "203.0.113.9:2817", "DownstreamContentSize": 9000, "DownstreamStatus": 200,
        "Duration": 2500000000, "OriginDuration": 2490000000, "OriginStatus": 200, "RequestMethod": "POST",
        "RetryAttempts": 0, "request_X-Request-Id": key, "downstream_Content-Type": "text/event-stream",
    }  # fmt: skip
    return json.dumps({**usual, **fields})


def _alb(trace: str, status: str, sent: int, times: str) -> str:
    return (
        f"https 2026-11-20T10:00:02.500000Z app/web/50dc6c495c0c9188 203.0.113.9:2817 10.0.0.1:80 {times} {status} "
        f'{"-" if status == "460" else status} 512 {sent} "POST https://api.example.com:443/v1/chat/completions '
        f'HTTP/2.0" "python-httpx/0.27" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:x '
        f'"Root={trace}" "api.example.com" "-" 0 2026-11-20T10:00:00.000000Z "forward" "-" "-" "10.0.0.1:80" "-" "-"'
    )


_HTTPLOG = (
    "Nov 20 10:00:02 edge haproxy[812]: 203.0.113.9:51000 [20/Nov/2026:10:00:00.000] fe~ llm/s1 3/0/1/116/{time} 200 "
    '{bytes} - - {state} 3/3/2/1/0 0/0 {{{key}|text/event-stream}} {{}} "POST /v1/chat/completions HTTP/1.1"'
)
_COMBINED = (
    '203.0.113.9 - - [20/Nov/2026:10:00:02 +0000] "POST /v1/chat/completions HTTP/1.1" {status} {bytes} "-" '
    '"python-httpx/0.27 \\"x\\""{rest}'
)
_ENVOY_TEXT = (
    '[2026-11-20T10:00:00.000Z] "POST /v1/chat/completions HTTP/2" 200 {flags} {more}512 {bytes} {time} 118 '
    '"203.0.113.9" "python-httpx/0.27" "{key}" "api.example.com" "10.0.0.1:80"'
)
UUID = "6f1c2b9e-0d4b-4c59-8f0e-3c4b3a1d9e77"
TRACE = "0af7651916cd43dd8448eb211c80319c"

SAMPLES: dict[str, list[Sample]] = {
    "nginx": [
        Sample(_nginx("a"), {"key": "a", "cancelled": False, "delivered_bytes": 9000, "ttfb_ms": 120,
            "upstream_end_ms": 2498, "cancelled_at_ms": None}),
        # No status tells that the client left in mid-stream.
        Sample(_nginx("b", completion="", body_bytes_sent="4000", request_time="1.200", upstream_response_time="1.199"),
            {"key": "b", "cancelled": True, "cancelled_at_ms": 1200, "delivered_bytes": 4000, "upstream_end_ms": None,
                "upstream_held_ms": 1199}),
        Sample(_nginx("c", status="499", completion="", body_bytes_sent="0", request_time="0.100", ct="",
            upstream_status="-", upstream_header_time="-", upstream_response_time="0.099"),
            {"key": "c", "cancelled": True, "cancelled_at_ms": 100, "delivered_tokens": 0, "ttfb_ms": None}),
        # Two attempts in one line, the second after the first.
        Sample(_nginx("d", upstream_status="502, 200", upstream_header_time="-, 0.200",
            upstream_response_time="0.500, 2.000"), {"key": "d", "ttfb_ms": 700, "upstream_end_ms": 2500}),
        # Compressed bytes are no tokens; the rest of the line counts.
        Sample(_nginx("e", encoding="gzip", body_bytes_sent="700"),
            {"key": "e", "cancelled": False, "delivered_bytes": None, "delivered_tokens": None}),
        # The names of nginx's own variables do as well.
        Sample(json.dumps({"http_x_request_id": "f", "request_completion": "", "status": 200, "body_bytes_sent": 500,
            "request_time": 0.8, "sent_http_content_type": "text/event-stream"}),
            {"key": "f", "cancelled": True, "cancelled_at_ms": 800, "delivered_bytes": 500}),
        Sample(_nginx("g", ct="application/json"), reason="no stream"),
        Sample(_nginx("h", status="502", ct="", completion=""), reason="no stream"),
        Sample(_nginx("-"), reason="no id to join by"),
        Sample("2026/11/20 10:00:00 [notice] 7#7: reopening logs", reason="no line of this log"),
        Sample(_nginx("i")[:60], reason="no line of this log"),
    ],
    "envoy": [
        Sample(_envoy("a"), {"key": "a", "cancelled": False, "delivered_bytes": 9000, "ttfb_ms": 120,
            "upstream_end_ms": 2499}),
        Sample(_envoy("b", flags="DC", details="downstream_remote_disconnect", bytes_sent=4000, duration=1200,
            ds_tx_end=None, us_rx_end=None),
            {"key": "b", "cancelled": True, "cancelled_at_ms": 1200, "delivered_bytes": 4000,
                "upstream_held_ms": 1200}),
        Sample(_envoy("c", code=0, flags="DC", bytes_sent=0, duration=100, ds_tx_beg=None, us_rx_end=None),
            {"key": "c", "cancelled": True, "delivered_tokens": 0, "ttfb_ms": None}),
        # Istio's names, and a stream that HTTP/2 reset.
        Sample(json.dumps({"request_id": "d", "response_code": 200, "response_flags": "DR", "bytes_sent": "400",
            "duration": "900", "upstream_service_time": "110"}),
            {"key": "d", "cancelled": True, "cancelled_at_ms": 900, "ttfb_ms": 110, "delivered_bytes": 400}),
        Sample(_envoy("e", flags="UC", details="upstream_reset"), {"key": "e", "cancelled": False}),
        # The default text, Envoy's and Istio's.
        Sample(_ENVOY_TEXT.format(flags="DC", more="", bytes=4000, time=1200, key=UUID),
            {"key": UUID, "cancelled": True, "cancelled_at_ms": 1200, "delivered_bytes": 4000, "ttfb_ms": 118}),
        Sample(_ENVOY_TEXT.format(flags="-", more='via_upstream - "-" ', bytes=9000, time=2500, key="z"),
            {"key": "z", "cancelled": False, "delivered_bytes": 9000}),
    ],
    "haproxy": [
        Sample(_haproxy("a"), {"key": "a", "cancelled": False, "delivered_bytes": 9134, "ttfb_ms": 120,
            "upstream_end_ms": 2500}),
        Sample(_haproxy("b", term="CD", bytes_to_client="4134", Ta="1200"),
            {"key": "b", "cancelled": True, "cancelled_at_ms": 1200, "delivered_bytes": 4134}),
        # It left while the server was silent: nothing was sent.
        Sample(_haproxy("c", term="CH", status="-1", Tr="-1", bytes_to_client="0", Ta="300"),
            {"key": "c", "cancelled": True, "delivered_tokens": 0, "ttfb_ms": None}),
        # A client that reads nothing for too long has not left.
        Sample(_haproxy("d", term="cD"), {"key": "d", "cancelled": False}),
        # Behind the words of syslog; and the text of httplog, whose first captured header is the id.
        Sample("<134>Nov 20 10:00:02 edge haproxy[812]: " + _haproxy("e", term="CD", Ta="800"),
            {"key": "e", "cancelled": True, "cancelled_at_ms": 800}),
        Sample(_HTTPLOG.format(time=1200, bytes=4134, state="CD--", key="f"),
            {"key": "f", "cancelled": True, "cancelled_at_ms": 1200, "delivered_bytes": 4134, "ttfb_ms": 120}),
        # Logged as soon as possible: neither time nor bytes are final.
        Sample(_HTTPLOG.format(time="+116", bytes="+134", state="----", key="g"),
            {"key": "g", "cancelled": False, "delivered_bytes": None, "upstream_end_ms": None}),
        Sample("\0" * 40 + _haproxy("h"), {"key": "h", "delivered_bytes": 9134}),
        Sample("[NOTICE]   (812) : New worker (814) forked", reason="no line of this log"),
    ],
    "apache": [
        Sample(_apache("a"), {"key": "a", "cancelled": False, "delivered_bytes": 9000, "ttfb_ms": 120}),
        Sample(_apache("b", conn="X", body="4000", dur_us="1200000", ttfb_us="-"),
            {"key": "b", "cancelled": True, "cancelled_at_ms": 1200, "delivered_bytes": 4000, "ttfb_ms": None}),
        Sample(_apache("c", conn="-"), {"key": "c", "cancelled": False}),
    ],
    "caddy": [
        Sample(_caddy("a"), {"key": "a", "cancelled": None, "delivered_bytes": 9000, "cancelled_at_ms": None}),
        Sample(_caddy("b", size=0, status=0, duration=0.1, resp_headers={}),
            {"key": "b", "cancelled": True, "cancelled_at_ms": 100, "delivered_tokens": 0}),
        Sample(_caddy("c", resp_headers={"Content-Type": ["text/event-stream"], "Content-Encoding": ["zstd"]}),
            reason="only compressed bytes"),
        Sample(_caddy("d", resp_headers={"Content-Type": ["text/html"]}), reason="no stream"),
    ],
    "traefik": [
        Sample(_traefik("a"), {"key": "a", "cancelled": None, "delivered_bytes": 9000, "cancelled_at_ms": None}),
        Sample(_traefik("b", DownstreamContentSize=21, DownstreamStatus=499, OriginStatus=499, Duration=100000000),
            {"key": "b", "cancelled": True, "cancelled_at_ms": 100, "delivered_tokens": 0}),
        Sample(_traefik("c", **{"downstream_Content-Encoding": "gzip"}), reason="only compressed bytes"),
        Sample(_traefik("d", **{"downstream_Content-Type": "text/html"}), reason="no stream"),
        Sample(_traefik("e", RetryAttempts=1), {"key": "e", "attempts": 2}),
    ],
    "alb": [
        Sample(_alb("1-67891233-abcdef012345678912345678", "200", 9500, "0.001 0.119 2.300"),
            {"key": "67891233abcdef012345678912345678", "cancelled": None, "delivered_bytes": 9500, "ttfb_ms": 120}),
        Sample(_alb("1-67891234-abcdef012345678912345678", "460", 0, "-1 -1 -1"),
            {"key": "67891234abcdef012345678912345678", "cancelled": True, "delivered_tokens": 0, "ttfb_ms": None}),
    ],
    "combined": [
        Sample(_COMBINED.format(status=200, bytes=9000, rest=f' "{UUID}" rt=2.500'),
            {"key": UUID, "cancelled": None, "delivered_bytes": 9000}),
        Sample(_COMBINED.format(status=499, bytes=0, rest=" request_id=b rt=0.100"),
            {"key": "b", "cancelled": True, "cancelled_at_ms": 100, "delivered_tokens": 0}),
        Sample(_COMBINED.format(status=200, bytes=512, rest=""), reason="no id to join by"),
        Sample(_COMBINED.format(status=404, bytes=512, rest=f" {UUID}"), reason="no stream"),
    ],
    "recorder": [
        Sample(json.dumps({"request_id": "a", "route": "/chat", "events": 60, "bytes": 4190, "delivered_chunks": 60,
            "cancelled": False, "cancelled_at_ms": None, "ttft_ms": 222.3, "end_ms": 3459.3}),
            {"key": "a", "cancelled": False, "delivered_chunks": 60, "delivered_bytes": 4190, "ttfb_ms": 222.3}),
        Sample(json.dumps({"request_id": "b", "delivered_chunks": 12, "bytes": 830, "cancelled": True,
            "cancelled_at_ms": 784, "ttft_ms": 201}),
            {"key": "b", "cancelled": True, "cancelled_at_ms": 784, "delivered_chunks": 12}),
        Sample(json.dumps({"request_id": "c", "delivered_chunks": 0, "bytes": 0, "cancelled": True,
            "cancelled_at_ms": 21}), {"key": "c", "delivered_tokens": 0}),
        # A chunk counted when the next is pulled: the last one handed over is not among them.
        Sample(json.dumps({"request_id": "d", "delivered_chunks": 4, "delivered_chars": 80, "cancelled": True,
            "cancelled_at_ms": 500}), {"key": "d", "delivered_chunks": 5, "delivered_chars": 100}),
        Sample(json.dumps({"request_id": "e", "delivered_chunks": 0, "delivered_chars": 0, "cancelled": True}),
            {"key": "e", "delivered_tokens": None}),
        # Keep-alives: no events, their bytes no measure, and where nothing else was sent, no token was.
        Sample(json.dumps({"request_id": "g", "delivered_chunks": 12, "keepalives": 3, "bytes": 830, "cancelled": True,
            "cancelled_at_ms": 784}), {"key": "g", "delivered_chunks": 12, "delivered_bytes": None}),
        Sample(json.dumps({"request_id": "h", "delivered_chunks": 0, "keepalives": 2, "bytes": 16, "cancelled": True,
            "cancelled_at_ms": 900}), {"key": "h", "delivered_tokens": 0}),
        Sample(json.dumps({"request_id": "i", "delivered_chunks": 0, "bytes": 16, "cancelled": True}),
            {"key": "i", "delivered_tokens": None}),
        # A page: what was painted.
        Sample(json.dumps({"request_id": "f", "rendered_chars": 70, "rendered_chunks": 9, "first_paint_ms": 640,
            "hidden_ms": 0, "cancelled": True, "left_at_ms": 1900, "end": "stop"}),
            {"key": "f", "rendered_chars": 70, "client_ttft_ms": 640, "cancelled_at_ms": 1900, "ttfb_ms": None}),
    ],
}  # fmt: skip

"""LiteLLM: what its proxy logs of each attempt, as a logging payload (S3, GCS, Azure, callbacks) or as a row of the
spend log (``/spend/logs``, a dump of the database).

Times are epoch seconds in a payload and ISO 8601 in a row; ``completionStartTime`` is an instant, and of calls that did
not stream the end; ``response_time`` of a stream is its TTFT and no duration. A client that left is ``success`` with
``error_information.error_code`` 499 (docs.litellm.ai, logging spec; BerriAI/litellm, litellm/types/utils.py).

An Anthropic stream opens with a usage object that has every detail and a placeholder of 1 to 4 tokens for its output.
Cut short, the row has that number, or what the proxy counted in the text that came, under the same details, and the
cost may still be the placeholder's. Only ``/v1/messages`` is read to its end after the client left (BerriAI/litellm,
pull requests 30787, 36008, 39893). Of a failure without usage the proxy writes its own count of the prompt at 0
dollars (37365), and it prices what it counted itself even where the provider counted 0 (37992). Reading a stored
response logs its tokens and its spend again (17814).
"""

from collections.abc import Sequence

from streamaudit.ingest.sources._common import normalise
from streamaudit.ingest.sources._litellm_payload import FIELDS, OWN_KEYS, READS, REMEDIES, prepare
from streamaudit.ingest.sources.registry import Match, Record, Source

# A query of the spend log may leave out the first token.
_ENDS = {"completionStartTime", "spend"}


def _recognise(head: Sequence[Record]) -> Match | None:
    for record in head:
        if "call_type" in record and "startTime" in record and _ENDS & record.keys():
            if "spend" in record:
                return Match("spend log", "call_type + spend")
            return Match("logging payload", "call_type + completionStartTime")
    return None


SOURCE = Source(
    name="litellm",
    version=11,
    recognise=_recognise,
    fields=FIELDS,
    sql=normalise(prepare()),
    own_keys=OWN_KEYS,
    id_field="litellm_call_id",
    has_total=True,
    id_names="request",
    time_field="startTime",
    needs=(("call_type",), ("startTime",), ("completionStartTime", "spend")),
    reads=READS,
    remedies=REMEDIES,
)  # fmt: skip

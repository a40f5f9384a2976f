"""Double the calls of a store under new ids, so that a large store needs no larger file: ``multiply.py DB``."""

import sys
from pathlib import Path

from streamaudit.store.store import Store
from streamaudit.store.views.keep import keep_taxes

_DOUBLE = """
INSERT INTO store.calls
SELECT * REPLACE (
    call_id || '-2' AS call_id, trace_id || '-2' AS trace_id, hash(record_hash) AS record_hash,
    bits_of(call_id || '-2') AS id_bits, bits_of(trace_id || '-2') AS trace_bits
) FROM store.calls
"""


def main(store: str) -> None:
    """Copy every call once, and keep its tax as an ingest does."""
    with Store.open(Path(store), write=True) as opened:
        with opened.transaction():
            opened.run(_DOUBLE)
        keep_taxes(opened)


if __name__ == "__main__":
    main(sys.argv[1])

"""Note which loads have only added calls, so that the taxes kept for all others stay (``store.views.keep``)."""

from streamaudit.ingest.merge import Counts
from streamaudit.store.store import Store

# Steps of one trace lend each other figures, and two records of one call displace one another.
_ANY_STEPS = "SELECT EXISTS (FROM trace_steps)"


def note_additions(store: Store, counts: Counts, *, replaced: bool = False) -> None:
    """Note in a load's transaction, after its traces are up to date, that no stored call has other figures now, if that
    is so. ``replaced`` is whether earlier loads were deleted, or values forgotten in favour of another key."""
    if not replaced and not counts.displaced and not store.one(_ANY_STEPS)[0]:
        store.note_only_added()

"""Decide which source reads a file: each record of its head votes for the one whose record it is.

One odd record therefore decides nothing. A record that several sources recognise counts for the first in the order of
the registry, since formats exclude each other where they can; the home-made log, which recognises records by usual
names alone, counts only where no other does. A file is refused only when no record of its head is a call.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from streamaudit.ingest.mapping import Mapping, has_path
from streamaudit.ingest.sources.registry import NO_MAPPING, TELLING, Match, Record, Refusal, Source, discover, fallback

_Claim = tuple[Source, Match]


@dataclass(frozen=True, slots=True)
class _Ballot:
    """The records of a head by who recognises them: ``claimed`` with the source and its match, ``refused`` with the
    source and the refusal, and ``rest``, which no format recognises."""

    claimed: tuple[tuple[Record, Source, Match], ...]
    refused: tuple[tuple[Source, Refusal], ...]
    rest: tuple[Record, ...]


def elect(head: Sequence[Record], mapping: Mapping = NO_MAPPING) -> tuple[Source, Match | Refusal] | None:
    """Return the source that reads a file with these first records, and what it recognised; a refusal when they are of
    a format that is known and not read; None when they are of no known format. The order of the records does not
    matter."""
    sources = discover().values()
    # A source that recognises nothing in the whole head recognises no record of it.
    ballot = _cast(head, [one for one in sources if not one.fallback and one.recognise(head) is not None])
    parties = Counter(_party(source, match) for _, source, match in ballot.claimed)
    most = max(parties.values(), default=0)
    if most < len(ballot.rest):
        own = _claim_unrecognised(ballot, mapping, fallback(), most)
        if own is not None and not (isinstance(own[1], Refusal) and (parties or ballot.refused)):
            return _with_note(own, ballot, len(head))
    if parties:
        order = list(parties)
        party = min(order, key=lambda one: (-parties[one], one))
        own = _settle([one for one in ballot.claimed if _party(one[1], one[2]) == party])
        return _with_note(own, ballot, len(head))
    if ballot.refused:
        return _most_frequent(ballot.refused)
    return None


def _cast(head: Sequence[Record], sources: Sequence[Source]) -> _Ballot:
    claimed: list[tuple[Record, Source, Match]] = []
    refused: list[tuple[Source, Refusal]] = []
    rest: list[Record] = []
    for record in head:
        refusal: tuple[Source, Refusal] | None = None
        for source in sources:
            verdict = source.recognise([record])
            if isinstance(verdict, Match):
                claimed.append((record, source, verdict))
                break
            if verdict is not None and refusal is None:
                refusal = source, verdict
        else:
            if refusal is None:
                rest.append(record)
            else:
                refused.append(refusal)
    return _Ballot(tuple(claimed), tuple(refused), tuple(rest))


def _party(source: Source, match: Match) -> tuple[str, str]:
    """Return what a record votes for: a source, and the way in which it reads the record."""
    return source.name, match.variant if match.reading is not None else ""


def _settle(claimed: Sequence[tuple[Record, Source, Match]]) -> _Claim:
    """Return the winner's claim: its variant is the most frequent one, and what it says of its records is about all of
    them."""
    variants = Counter((match.variant, match.because) for _, _, match in claimed)

    def rank(one: tuple[Record, Source, Match]) -> tuple[int, str, str]:
        variant = one[2].variant, one[2].because
        return -variants[variant], *variant

    ordered = sorted(claimed, key=rank)
    source = ordered[0][1]
    match = source.recognise([record for record, _, _ in ordered])
    assert isinstance(match, Match), "a source that recognises a record recognises several"
    return match.reading or source, match


def _claim_unrecognised(
    ballot: _Ballot, mapping: Mapping, last: Source, most: int
) -> tuple[Source, Match | Refusal] | None:
    """Return the claim on records that no format recognises, where more than ``most`` of them are a home-made log, or
    have what the user mapped; a refusal where they are of a format that is known and not read."""
    from streamaudit.ingest.sources._look_alikes import look_alike

    rest: Sequence[Record] = ballot.rest
    mapped = [column for column in TELLING if column in mapping.paths]
    refusal = None
    if not mapped:
        alike = [(record, look_alike([record])) for record in rest]
        refusals = [(last, found) for _, found in alike if found is not None]
        if refusals:
            refusal = _most_frequent(refusals)
            rest = [record for record, found in alike if found is None]
    match = last.recognise(rest)
    if isinstance(match, Match):
        # Some home-made logs spread a call over lines; next to records of another format one alone has to show a call.
        contested = refusal is not None or most > 0 or ballot.refused
        votes = sum(last.recognise([record]) is not None for record in rest) if contested else len(rest)
        if votes > most:
            return match.reading or last, match
    elif mapped and last.read_mapped:
        paths = [path for column in mapped for path in mapping.paths[column]]
        if most == 0 or sum(any(has_path(record, path) for path in paths) for record in rest) > most:
            match = last.read_mapped(rest)
            return match.reading or last, match
    return refusal


def _most_frequent(refused: Sequence[tuple[Source, Refusal]]) -> tuple[Source, Refusal]:
    counts = Counter((source.name, refusal.what, refusal.instead) for source, refusal in refused)
    chosen = min(counts, key=lambda one: (-counts[one], one))
    return next(one for one in refused if (one[0].name, one[1].what, one[1].instead) == chosen)


def _with_note(
    claim: tuple[Source, Match | Refusal], ballot: _Ballot, looked_at: int
) -> tuple[Source, Match | Refusal]:
    """Add to a match which other formats the head has records of: the winner reads them by its own rules."""
    source, match = claim
    if isinstance(match, Refusal):
        return claim
    others = Counter(_others(source, ballot))
    if not others:
        return claim
    named = ", ".join(f"{count:,} of {name}" for name, count in sorted(others.items(), key=lambda one: (-one[1], one)))
    note = (
        f"of the first {looked_at:,} records some are of another format ({named}): all are read as {source.name}, and "
        "what is no call there is rejected"
    )
    return source, replace(match, notes=(*match.notes, note))


def _others(winner: Source, ballot: _Ballot) -> Iterator[str]:
    yield from (source.name for _, source, _ in ballot.claimed if source.name != winner.name)
    yield from (source.name for source, _ in ballot.refused if source.name != winner.name)

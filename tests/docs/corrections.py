"""``docs/corrections.md`` from the markers and the labelled answers: ``python -m tests.docs.corrections >
docs/corrections.md``."""

from collections import Counter
from collections.abc import Iterable, Iterator

from streamaudit.ingest.corrections import macros, read_markers
from streamaudit.store.store import Store
from tests.audits.failures.cases import Record, read_corrections

LANGUAGES = {"en": "English", "de": "German", "es": "Spanish", "zh": "Chinese"}
_HEAD = """# Visible corrections

Find answers that correct themselves in front of the user, and judge how often [`audit
retractions`](audits/retractions.md) is right about them:

```console
$ streamaudit audit retractions sample_traces/raw.jsonl.gz
```

Ingest searches the text of an answer for a sentence, after other text, that begins with a marker below. It keeps the
place (`offset_chars`), the time (`offset_ms`) and the `marker` in `calls.retractions`, never the text.

- Only strong markers count: not *however*, *but*, *hmm* or *actually* as an adverb.
- A marker counts at the beginning of a sentence or line other than the first: an answer that opens with *I made a
  mistake* is about an earlier message.
- Code, quotations, block quotes and reasoning in `<think>` tags are left out.
- An empty list: the answer was read and has none. NULL: it was not read. Other languages are not searched, so an empty
  list for a Japanese answer proves nothing.
- `offset_ms` is the arrival of the chunk at the same share of the stream as the marker's place in the text; without
  chunk times it is in proportion between the first visible token and the end. NULL if nothing was streamed.

## Precision and recall

Of {answers:,} answers written for this, {others} must not be found: stories in which someone says *wait*, translations,
code, quotations, apologies for an earlier answer, plain uses of the same words. The others (`corrected`) take something
back, {unmarked} of them in unusual words.

| language | answers | corrected | found | wrongly found | precision | recall |
|---|---|---|---|---|---|---|
{rows}

In 24,145 passages of English documentation and licences (33 MB), which correct nothing, none was found.

Answers and patterns have the same author: precision in the field is unknown, and lower where stories and dialogue have
no quotation marks. Look at the examples of a finding before you act on its share.

The search costs 0.03 s a file and about 3 ns per byte of an answer: 8 to 9 % of the CPU time of ingesting the
benchmark's text-heavy Langfuse lines, nothing measurable without texts (0.7 %, noise).

## Markers

Regular expressions (RE2) in any case, matched where a sentence begins.

| marker | pattern |
|---|---|
{markers}
"""


def judge(store: Store) -> Iterator[tuple[Record, list[Record]]]:
    """Yield each labelled answer with the corrections found in it."""
    answers = read_corrections()
    store.script(macros())
    found = store.query(
        "SELECT corrections_of(answer) FROM (SELECT unnest($answers::VARCHAR[]) AS answer)",
        {"answers": [answer["text"] for answer in answers]},
    )
    yield from zip(answers, (row[0] for row in found), strict=True)


def count(judged: Iterable[tuple[Record, list[Record]]]) -> dict[str, Counter[str]]:
    """Count answers, ``corrected``, ``found`` and ``wrong`` by language, and under ``all``."""
    counts: dict[str, Counter[str]] = {language: Counter() for language in (*LANGUAGES, "all")}
    for answer, found in judged:
        for counter in (counts[answer["language"]], counts["all"]):
            counter["answers"] += 1
            counter["corrected"] += answer["correction"]
            counter["found"] += answer["correction"] and bool(found)
            counter["wrong"] += not answer["correction"] and bool(found)
    return counts


def page() -> str:
    """Return the whole page."""
    with Store.in_memory() as store:
        counts = count(judge(store))
    rows = "\n".join(
        f"| {LANGUAGES.get(language, 'all')} | {one['answers']} | {one['corrected']} | {one['found']} | {one['wrong']} "
        f"| {one['found'] / (one['found'] + one['wrong']):.3f} | {one['found'] / one['corrected']:.3f} |"
        for language, one in counts.items()
    )
    markers = "\n".join(
        f"| `{marker}` | `{pattern.replace('|', chr(92) + '|')}` |" for marker, pattern in read_markers().items()
    )
    unmarked = sum(one["kind"] == "unmarked" for one in read_corrections())
    return _HEAD.format(answers=counts["all"]["answers"], unmarked=unmarked, rows=rows,
        others=counts["all"]["answers"] - counts["all"]["corrected"], markers=markers)


if __name__ == "__main__":
    print(page(), end="")

"""What is to be delivered: a report as a short message, made harmless for every service at once.

Whatever a name in a trace holds, each string that leaves the machine has ``&``, ``<`` and ``>`` as entities, no control
characters, and no mention or link in it. That is so in data too, since a webhook may pass on to a chat what it got.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from streamaudit.report.escape import message
from streamaudit.report.model import Report
from streamaudit.report.render._message import Post
from streamaudit.report.render.formats import Screen, load

_CUT = "…"


@dataclass(frozen=True, slots=True)
class Letter:
    """One message and the report it is of. ``report_url`` is the user's own address of the whole report, or empty."""

    post: Post
    report: Report
    report_url: str = ""
    test: bool = False
    """Nothing but a sample, and labelled so."""

    @property
    def title(self) -> str:
        """One line."""
        return message(f"TEST, made-up data: {self.post.title}" if self.test else self.post.title)

    @property
    def sections(self) -> tuple[str, ...]:
        """A few lines each, none empty."""
        return tuple(text for section in self.post.sections if (text := self._lines(section)).strip())

    @property
    def footer(self) -> str:
        """One line, with the address of the report in it where there is one."""
        return self._lines(self.post.footer)

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return "\n\n".join(filter(None, (self.title, *self.sections, self.footer))) + "\n"

    @property
    def link(self) -> str:
        """The address of the report as it stands in texts."""
        return self.report_url.replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E")

    def data(self) -> Any:
        """The whole report as ``--format json`` gives it, as decoded JSON."""
        return _harmless(json.loads(load("json").render(self.report, Screen())))

    def _lines(self, text: str) -> str:
        """Lines made harmless, but for the user's own address, which stays an address."""
        between = text.split(self.report_url) if self.report_url else [text]
        return self.link.join("\n".join(message(line) for line in part.split("\n")) for part in between)


def cut(text: str, most: int) -> str:
    """At most so many characters, never ending within an entity."""
    if len(text) <= most:
        return text
    kept = text[: max(most - len(_CUT), 0)]
    start = kept.rfind("&")
    if start >= 0 and ";" not in kept[start:] and ";" in text[start : start + 6]:
        kept = kept[:start]
    return kept + _CUT


def shortened(letter: Letter, most: int) -> tuple[str, ...]:
    """The sections, together at most so many characters: each is cut to an equal share of what is left."""
    kept: list[str] = []
    sections = letter.sections
    for number, section in enumerate(sections):
        share = most // (len(sections) - number)
        kept.append(cut(section, share))
        most -= len(kept[-1])
    return tuple(kept)


def sample(letter: Letter) -> Letter:
    """The same, labelled as a test."""
    return replace(letter, test=True)


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return message(value)
    if isinstance(value, list):
        return [_harmless(one) for one in value]
    return {key: _harmless(one) for key, one in value.items()} if isinstance(value, dict) else value

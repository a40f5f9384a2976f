"""The message to deliver: a report as a short text, made harmless for every service at once.

Whatever a name in a trace holds, each string that leaves the machine has ``&``, ``<`` and ``>`` as entities, no control
characters, and no mention or link in it. This applies to data too, since a webhook may forward it to a chat.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from streamaudit.report.escape import message
from streamaudit.report.model import Report
from streamaudit.report.render._message import Post
from streamaudit.report.render.formats import Screen, load

TEST = "TEST, synthetic data: "
_CUT = "…"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message and its report. ``report_url`` is the user's own address of the whole report, or empty."""

    post: Post
    report: Report
    report_url: str = ""
    test: bool = False
    """Whether this is a labelled sample."""

    @property
    def title(self) -> str:
        """The title, one line."""
        return message(f"{TEST}{self.post.title}" if self.test else self.post.title)

    @property
    def headline(self) -> tuple[str, ...]:
        """The sentences of the answer, one line each; they come first, so the label of a test is before them too."""
        label = TEST if self.test else ""
        return tuple(message(f"{label if at == 0 else ''}{one}") for at, one in enumerate(self.post.headline))

    @property
    def subject(self) -> str:
        """The name of the report and the first sentence of its answer, one line."""
        if not self.post.headline:
            return self.title
        return message(f"{TEST if self.test else ''}{self.report.title}: {self.post.headline[0]}")

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections, a few lines each, none empty."""
        return tuple(text for section in self.post.sections if (text := self._lines(section)).strip())

    @property
    def footer(self) -> str:
        """The footer, one line, with the address of the report if there is one."""
        return self._lines(self.post.footer)

    @property
    def text(self) -> str:
        """The whole message as plain text."""
        return "\n\n".join(filter(None, ("\n".join(self.headline), self.title, *self.sections, self.footer))) + "\n"

    @property
    def preview(self) -> str:
        """The whole message as a terminal may show it, before it is made harmless for a service."""
        return f"{TEST}{self.post.text}" if self.test else self.post.text

    @property
    def link(self) -> str:
        """The address of the report as it appears in texts."""
        return self.report_url.replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E")

    def data(self) -> Any:
        """Return the whole report as ``--format json`` writes it, decoded."""
        return _make_harmless(json.loads(load("json").render(self.report, Screen())))

    def _lines(self, text: str) -> str:
        """Return the lines made harmless, except for the user's own address, which stays an address."""
        between = text.split(self.report_url) if self.report_url else [text]
        return self.link.join("\n".join(message(line) for line in part.split("\n")) for part in between)


def cut(text: str, most: int) -> str:
    """Cut a text to at most ``most`` characters, never within an entity."""
    if len(text) <= most:
        return text
    kept = text[: max(most - len(_CUT), 0)]
    start = kept.rfind("&")
    if start >= 0 and ";" not in kept[start:] and ";" in text[start : start + 6]:
        kept = kept[:start]
    return kept + _CUT


def shorten(letter: Letter, most: int) -> tuple[str, ...]:
    """Return the sections with at most ``most`` characters in total.

    Each is cut to an equal share of the characters left.
    """
    kept: list[str] = []
    sections = letter.sections
    for number, section in enumerate(sections):
        share = most // (len(sections) - number)
        kept.append(cut(section, share))
        most -= len(kept[-1])
    return tuple(kept)


def sample(letter: Letter) -> Letter:
    """Return the same message, labelled as a test."""
    return replace(letter, test=True)


def _make_harmless(value: Any) -> Any:
    if isinstance(value, str):
        return message(value)
    if isinstance(value, list):
        return [_make_harmless(one) for one in value]
    return {key: _make_harmless(one) for key, one in value.items()} if isinstance(value, dict) else value

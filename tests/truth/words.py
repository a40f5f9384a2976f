"""Answers that look like English, and the tokenizer of this world: a word is cut every five letters, and every sign
stands alone. Cutting a text between tokens and tokenizing the parts gives the same tokens.
"""

import random
import re

_TOKEN = re.compile(r" ?[a-z]{1,5}|[0-9]|[^a-z0-9]")
_SHORT = (
    "a the of to in is it and for on as by be we you or if so no at do he up an can see set use key run get any all "
    "one out new put end add ask try"
).split()
_LONG = (
    "answer between because careful connection development every example following government however important "
    "information language measure necessary operation particular question reasonable several something together "
    "understand usually whether without configuration environment performance request response service account "
    "rotate settings before another should people through their there which about would these other water little"
).split()
_SIGNS = (".", ",", ",", ":", ";", "?", "(", ")")


def write(rng: random.Random, tokens: int) -> list[str]:
    """An answer of so many tokens. Each answer has its own manner: prose, chat or something closer to code."""
    long_words, signs, digits = rng.uniform(0.3, 0.9), rng.uniform(0.05, 0.4), rng.choice((0.0, 0.0, 0.05, 0.1))
    pieces: list[str] = []
    while len(pieces) < tokens:
        if pieces and rng.random() < signs:
            pieces.append(rng.choice(_SIGNS))
        elif pieces and rng.random() < digits:
            pieces.append(rng.choice("0123456789"))
        else:
            pieces += tokenize(" " + rng.choice(_LONG if rng.random() < long_words else _SHORT))
    return pieces[:tokens]


def tokenize(text: str) -> list[str]:
    """The tokens of a text; joined they are the text."""
    return _TOKEN.findall(text)

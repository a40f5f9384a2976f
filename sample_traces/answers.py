"""Synthetic answers in four languages: some take back what they have just said, others only look like it."""

import random

_TAKEN_BACK = (
    "The delivery of {n} pallets costs {a} euros, insurance included, and takes two working days from our warehouse "
    "in Rotterdam. Wait, that's not right. Insurance is charged on top, which makes {b} euros.",
    "For {n} pallets the price is {a} euros, unloading included; the lorry needs a loading bay. I made a mistake "
    "there: unloading is not part of the price, so that the total comes to {b} euros.",
    "Die Lieferung von {n} Paletten kostet {a} Euro, die Versicherung eingerechnet, und dauert zwei Werktage ab "
    "unserem Lager in Rotterdam. Moment, das stimmt nicht. Die Versicherung kommt hinzu, das ergibt {b} Euro.",
    "El envío de {n} palés cuesta {a} euros con seguro incluido y tarda dos días laborables desde nuestro almacén de "
    "Róterdam. Espera, eso no es correcto. El seguro se cobra aparte, así que son {b} euros.",
    "运送{n}个托盘的费用是{a}欧元，含保险，从鹿特丹仓库出发需要两个工作日。等等，不对。保险另外收费，所以总共是{b}欧元。",
)
_KEPT = (
    "The delivery of {n} pallets actually costs {a} euros; however, insurance comes on top, which makes {b} euros.",
    "You wrote: \"Wait, that's not right.\" It is right: {n} pallets cost {a} euros, and {b} euros with insurance.",
    "Die Lieferung von {n} Paletten kostet eigentlich {a} Euro; mit der Versicherung sind es {b} Euro.",
    "En realidad el envío de {n} palés cuesta {a} euros; con el seguro son {b} euros.",
    "运送{n}个托盘其实只要{a}欧元；加上保险是{b}欧元。",
)


def quote(rng: random.Random, number: int, *, taken_back: bool) -> str:
    """Return the private text of a price quote; it holds a marker that a test can look for."""
    pallets, price = rng.randrange(2, 30), rng.randrange(40, 90)
    texts = _TAKEN_BACK if taken_back else _KEPT
    text = texts[number % len(texts)].format(n=pallets, a=pallets * price, b=pallets * price + 35)
    return f"{text} CONFIDENTIAL-ANSWER-{number}"

"""Numbers in texts, however they are written, and whether one follows from others.

numbers("It costs 6.5 million, for ten years")      # {6500000.0, 10.0}
follows(650_000, {6_500_000, 10})                   # True: a quotient
"""

from __future__ import annotations

import re
from collections.abc import Set

_WORDS = (
    "zero null zéro cero",
    "eins un une uno",  # "one" and "ein" are rarely numbers
    "two zwei deux dos",
    "three drei trois tres",
    "four vier quatre cuatro",
    "five fünf cinq cinco",
    "six sechs seis",
    "seven sieben sept siete",
    "eight acht huit ocho",
    "nine neun neuf nueve",
    "ten zehn dix diez",
    "eleven elf onze once",
    "twelve zwölf douze doce dozen dutzend",
    "thirteen dreizehn treize trece",
    "fourteen vierzehn quatorze catorce",
    "fifteen fünfzehn quinze quince",
    "sixteen sechzehn seize",
    "seventeen siebzehn",
    "eighteen achtzehn",
    "nineteen neunzehn",
)
_TENS = (
    "twenty zwanzig vingt veinte",
    "thirty dreißig trente treinta",
    "forty vierzig quarante cuarenta",
    "fifty fünfzig cinquante cincuenta",
    "sixty sechzig soixante sesenta",
    "seventy siebzig setenta",
    "eighty achtzig ochenta",
    "ninety neunzig noventa",
)
_MAGNITUDES = {
    100.0: "hundred hundert cent cien",
    1e3: "thousand tausend mille mil k 千",
    1e4: "万 萬",
    1e6: "million millions millionen mio m millón millones",
    1e8: "億 亿",
    1e9: "billion billions milliarde milliarden milliard milliards bn",
}
_CONVERSIONS = frozenset({7.0, 10.0, 12.0, 24.0, 30.0, 52.0, 60.0, 100.0, 365.0, 1000.0})
"""How many of one unit another has, mostly: days of a week, months of a year, centimetres of a metre."""

NUMBER_WORDS = {
    **{word.casefold(): float(value) for value, words in enumerate(_WORDS) for word in words.split()},
    **{word.casefold(): 10.0 * tens for tens, words in enumerate(_TENS, 2) for word in words.split()},
}
"""As `str.casefold` has them, with their values."""
MAGNITUDE_WORDS = {word.casefold(): value for value, words in _MAGNITUDES.items() for word in words.split()}

_DIGITS = r"\d+(?:[.,\u00a0\u202f'’]\d+)*"
_MAGNITUDE = "|".join(sorted(MAGNITUDE_WORDS, key=len, reverse=True))
_NUMBER = re.compile(
    rf"(?P<digits>{_DIGITS})(?:[ \u00a0\u202f]?(?P<magnitude>{_MAGNITUDE})"
    r"(?![a-zß-ÿ]))?|(?P<word>[^\W\d_]+)"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,\u00a0\u202f'’]\d{3})+")


def numbers(text: str) -> set[float]:
    """The numbers of a text, folded by `str.casefold`; one like 1,250 counts as both that it can mean."""
    found: set[float] = set()
    for match in _NUMBER.finditer(text):
        if match["digits"]:
            factor = MAGNITUDE_WORDS.get(match["magnitude"] or "", 1.0)
            found.update(value * factor for value in _values(match["digits"]))
        elif (value := NUMBER_WORDS.get(match["word"])) is not None:
            found.add(value)
    return found


def follows(number: float, known: Set[float]) -> bool:
    """Whether it is one of the known numbers, or what one step of reckoning makes of two of them."""
    others = known | _CONVERSIONS
    return number in known or any(
        number - one in known
        or number + one in others
        or (one and number / one in others)
        or (number and one / number in others)
        for one in known
    )


def _values(digits: str) -> set[float]:
    plain = re.sub(r"[^\d.,]", "", digits)
    values: set[float] = set()
    if _THOUSANDS.fullmatch(digits):
        values.add(float(re.sub(r"\D", "", digits)))
    if len(re.findall(r"[.,]", plain)) <= 1:
        values.add(float(plain.replace(",", ".")))
    elif not values:
        *whole, last = re.split(r"[.,]", plain)
        values.add(float(f"{''.join(whole)}.{last}"))
    return values

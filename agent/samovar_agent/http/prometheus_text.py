"""Prometheus' text format, version 0.0.4, as far as it is needed here.

prometheus_client would do more and takes 140 ms to import; the tests read what is written here with its parser.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[Mapping[str, str], float] | tuple[Mapping[str, str], float, str]
"""Labels, value and, in histograms, what comes behind the name."""

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Family(NamedTuple):
    """A metric with all its samples. - name: counters get `_total` behind it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str
    samples: Sequence[Sample]


class Durations(Protocol):
    """A histogram's numbers. - counts: between the bounds, not added up, and above the last. - sum: of the values."""

    counts: list[int]
    sum: float


def histogram(labels: Mapping[str, str], bounds: Sequence[float], durations: Durations) -> Iterator[Sample]:
    """The samples of one histogram."""
    total = 0
    for bound, count in zip([*map(repr, bounds), "+Inf"], durations.counts, strict=True):
        total += count
        yield {**labels, "le": bound}, total, "_bucket"
    yield labels, durations.sum, "_sum"
    yield labels, total, "_count"


def text(families: Iterable[Family]) -> bytes:
    """All of them; a family without samples is left out."""
    lines: list[str] = []
    for name, kind, about, samples in families:
        if not samples:
            continue
        full = f"{name}_total" if kind == "counter" else name
        lines += [f"# HELP {full} {about}", f"# TYPE {full} {kind}"]
        for sample in samples:
            labels = ",".join(f'{label}="{value.translate(_ESCAPES)}"' for label, value in sample[0].items())
            suffix = sample[2] if len(sample) == 3 else ""
            lines.append(f"{full}{suffix}{{{labels}}} {sample[1]}" if labels else f"{full}{suffix} {sample[1]}")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")

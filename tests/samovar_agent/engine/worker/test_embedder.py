from __future__ import annotations

import array
import ctypes
import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import gguf
import pytest

from samovar_agent.engine.interface import Embedded, LoadOptions
from samovar_agent.engine.worker import lanes
from samovar_agent.engine.worker.embedder import Embedder, EmbeddingJob
from samovar_agent.engine.worker.interrupt import Interrupt
from samovar_agent.engine.worker.model import Model
from samovar_agent.engine.worker.pooled_context import PIECE_TOKENS
from samovar_agent.engine.worker.rank_prompt import RankPrompt
from samovar_protocol import FailureCode, SamovarError
from tests.tiny_models import architectures
from tests.tiny_models.build import Kind, build
from tests.tiny_models.vocabulary import add_chat_vocabulary
from tests.tiny_models.weights import Weights

CONTEXT = 2048
RERANK = "<|im_start|>Is this an answer?\n<Query>: {query}\n<Document>: {document}<|im_end|>"
TEXTS = [
    "the samovar",
    "a much longer text about water and tea " * 9,
    "x",
    "the other one is of middle length, " * 4,
    "the samovar again",
    " ",
]
EMBEDDERS: tuple[Kind, ...] = ("bert-mean", "bert-cls", "qwen3-last")

MINI_LM = Path(__file__).parents[4].parent / "shared" / "models" / "all-MiniLM-L6-v2-Q8_0.gguf"

Opener = Callable[..., Embedder]
Vector = Sequence[float]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def models() -> Iterator[Callable[[Path], Model]]:
    opened: list[Model] = []

    def open_(path: Path) -> Model:
        opened.append(Model(str(path), Interrupt(), lambda _: None))
        return opened[-1]

    yield open_
    for model in opened:
        model.close()


@pytest.fixture
def embedder(folder: Path, models: Callable[[Path], Model]) -> Iterator[Opener]:
    opened: list[Embedder] = []

    def open_(
        kind: Kind | Path, *, context: int = CONTEXT, threads: int | None = None, interrupt: Interrupt | None = None
    ) -> Embedder:
        path = kind if isinstance(kind, Path) else build(kind, folder)
        # Threads of one computation wait for each other, for long where the machine is busy; those of lanes do not.
        threads = threads or (2 if "bert" in str(kind) else 1)
        options = LoadOptions(path=str(path), context_length=context, threads=threads)
        opened.append(Embedder(models(path), options, Interrupt() if interrupt is None else interrupt))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def ranking_decoder(folder: Path) -> Path:
    """A decoder that scores by its last token and says how a query and a document are joined, as Qwen's rerankers."""

    class Writer(gguf.GGUFWriter):
        def add_pooling_type(self, value: gguf.PoolingType) -> None:
            super().add_pooling_type(gguf.PoolingType.RANK)

    path = folder / "ranking-decoder.gguf"
    writer = Writer(path, "qwen3")
    vocabulary = add_chat_vocabulary(writer)
    weights = Weights(writer, 7)
    architectures.qwen3(writer, weights, vocabulary)
    weights.matrix("cls.output", architectures.EMBEDDING, 2)
    writer.add_classifier_output_labels(["yes", "no"])
    writer.add_string("tokenizer.chat_template.rerank", RERANK)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def vectors(embedded: Embedded) -> list[Vector]:
    numbers = array.array("f", embedded.vectors)
    width = embedded.dimensions
    return [numbers[start : start + width] for start in range(0, len(numbers), width)]


def normalised(row: Vector) -> Vector:
    length = math.hypot(*row)
    return [number / length for number in row]


def alike(one: Vector, other: Vector) -> bool:
    """As near as the different kernels for few and many tokens, with attention in 16 bits, let them be."""
    return sum(a * b for a, b in zip(one, other, strict=True)) > 0.9999


def failure(call: Callable[[], object]) -> SamovarError:
    with pytest.raises(SamovarError) as caught:
        call()
    return caught.value


def tokens_of(model: Model, text: str) -> list[int]:
    """By the tokenizer's own rule of what goes around a text."""
    data = text.encode()
    tokens = (ctypes.c_int32 * 4096)()
    count = model.llama.llama_tokenize(model.vocabulary, data, len(data), tokens, 4096, True, False)
    return list(tokens[:count])


def pooled(model: Model, tokens: Sequence[int], pooling: int = -1) -> Vector:
    """What llama.cpp makes of one text alone, whole and in one step."""
    llama = model.llama
    parameters = llama.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = 4096
    parameters.n_threads = parameters.n_threads_batch = 1
    parameters.embeddings, parameters.pooling_type = True, pooling
    context = llama.llama_init_from_model(model.pointer, parameters)
    batch = llama.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for index, token in enumerate(tokens):
        batch.token[index], batch.pos[index], batch.n_seq_id[index] = token, index, 1
        batch.seq_id[index][0], batch.logits[index] = 0, 1
    assert llama.llama_decode(context, batch) == 0
    size = model.llama.llama_model_n_embd_out(model.pointer)
    if llama.llama_pooling_type(context) == llama.LLAMA_POOLING_TYPE_RANK:
        size = llama.llama_model_n_cls_out(model.pointer)
    row: list[float] = llama.llama_get_embeddings_seq(context, 0)[:size]
    llama.llama_batch_free(batch)
    llama.llama_free(context)
    return row


@pytest.mark.parametrize("kind", EMBEDDERS)
def test_vectors_are_those_of_each_text_alone_in_the_order_of_the_inputs(
    kind: Kind, embedder: Opener, folder: Path, models: Callable[[Path], Model]
) -> None:
    model = models(build(kind, folder))
    embedded = embedder(kind).embed(TEXTS)
    rows = vectors(embedded)
    assert len(rows) == len(TEXTS)
    assert embedded.prompt_tokens == sum(len(tokens_of(model, text)) for text in TEXTS)
    assert embedded.seconds > 0
    for text, row in zip(TEXTS, rows, strict=True):
        assert alike(row, normalised(pooled(model, tokens_of(model, text))))
    assert not alike(rows[0], rows[4])


@pytest.mark.skipif(not MINI_LM.exists(), reason=f"{MINI_LM} is missing")
def test_a_real_model_gives_the_vectors_that_its_makers_get(embedder: Opener) -> None:
    texts = [
        "A kettle boils water for tea.",
        "The samovar keeps the tea hot all evening.",
        "Share prices fell sharply on Monday.",
    ]
    rows = vectors(embedder(MINI_LM).embed(texts))
    # By sentence-transformers, with the weights as they were published, before they were quantized.
    for row, begin in zip(
        rows,
        ([-0.0770, -0.0149, -0.0339, 0.0191], [-0.0921, 0.0076, -0.0333, 0.0779], [0.0145, -0.0257, 0.0989, 0.0566]),
        strict=True,
    ):
        assert row[:4] == pytest.approx(begin, abs=5e-3)
    cosines = [sum(map(operator.mul, rows[one], rows[other])) for one, other in ((0, 1), (0, 2), (1, 2))]
    assert cosines == pytest.approx([0.4418, 0.0424, -0.0245], abs=0.01)


@pytest.mark.parametrize("kind", ["llama", "mamba", "jamba", "gemma3"])
def test_a_model_whose_file_names_no_pooling_gives_the_mean(
    kind: Kind, embedder: Opener, folder: Path, models: Callable[[Path], Model]
) -> None:
    model = models(build(kind, folder))
    rows = vectors(embedder(kind).embed(TEXTS))
    for text, row in zip(TEXTS, rows, strict=True):
        assert alike(row, normalised(pooled(model, tokens_of(model, text), pooling=1)))


def test_a_decoder_reads_long_texts_in_pieces(embedder: Opener, folder: Path, models: Callable[[Path], Model]) -> None:
    model = models(build("qwen3-last", folder))
    for length in (PIECE_TOKENS - 1, PIECE_TOKENS, PIECE_TOKENS + 1, 2 * PIECE_TOKENS + 1, CONTEXT):
        tokens = [index % 300 + 100 for index in range(length)]
        assert alike(vectors(embedder("qwen3-last").embed([tokens]))[0], normalised(pooled(model, tokens)))


def test_vectors_have_length_one_also_when_shortened(embedder: Opener) -> None:
    some = embedder("bert-mean")
    whole, short = some.embed(TEXTS), some.embed(TEXTS, 16)
    assert (whole.dimensions, short.dimensions) == (architectures.EMBEDDING, 16)
    assert len(short.vectors) == len(TEXTS) * 16 * 4
    for long, cut in zip(vectors(whole), vectors(short), strict=True):
        assert math.isclose(math.hypot(*long), 1, abs_tol=1e-6)
        assert alike(cut, normalised(long[:16]))


@pytest.mark.parametrize("dimensions", [0, -1, architectures.EMBEDDING + 1])
def test_dimensions_that_the_model_has_not_are_refused(embedder: Opener, dimensions: int) -> None:
    error = failure(lambda: embedder("bert-mean").start(["a"], dimensions))
    assert error.code == FailureCode.BAD_REQUEST
    assert str(architectures.EMBEDDING) in str(error)


def test_tokens_are_taken_as_they_are(embedder: Opener, folder: Path, models: Callable[[Path], Model]) -> None:
    some, tokens = embedder("bert-mean"), tokens_of(models(build("bert-mean", folder)), "the samovar")
    assert some.embed([tokens]).vectors == some.embed(["the samovar"]).vectors
    assert some.embed([tokens[1:-1]]).prompt_tokens == len(tokens) - 2


@pytest.mark.parametrize("token", [-1, 2**31 - 1])
def test_tokens_that_the_model_has_not_are_refused(embedder: Opener, token: int) -> None:
    error = failure(lambda: embedder("bert-mean").start(["a", [5, token]]))
    assert error.code == FailureCode.BAD_REQUEST
    assert error.failure.details["index"] == 1


@pytest.mark.parametrize("nothing", ["", []])
def test_nothing_is_refused_with_its_place(embedder: Opener, nothing: str | list[int]) -> None:
    error = failure(lambda: embedder("bert-mean").start(["a", "b", nothing]))
    assert error.code == FailureCode.BAD_REQUEST
    assert error.failure.details["index"] == 2


@pytest.mark.parametrize("kind", EMBEDDERS)
def test_a_text_may_fill_the_context_and_no_more(kind: Kind, embedder: Opener) -> None:
    some = embedder(kind, context=300)
    assert some.context_length == 300
    assert some.embed(["a", [100] * 300]).prompt_tokens > 300
    error = failure(lambda: some.start(["a", [100] * 301]))
    assert error.code == FailureCode.CONTEXT_OVERFLOW
    trained = some._model.trained_context
    numbers = {"prompt_tokens": 301, "context_length": 300, "trained_context": trained}
    assert trained > 300 and error.failure.details == {"index": 1, **numbers}
    assert "301" in str(error)
    assert "300" in str(error)


def test_an_encoder_never_reads_more_than_it_was_trained_for(embedder: Opener) -> None:
    some = embedder("bert-mean", context=100_000)
    assert some.context_length == 512
    some.embed([[100] * 512])
    assert failure(lambda: some.start([[100] * 513])).hint == "Split it into shorter texts."
    assert failure(lambda: some.start(["word " * 600])).code == FailureCode.CONTEXT_OVERFLOW


def test_a_text_that_is_far_too_long_is_not_read_to_its_end(embedder: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0
    tokenize = Model.tokenize

    def counting(model: Model, text: str, **how: bool) -> list[int]:
        nonlocal read
        read += len(text)
        return tokenize(model, text, **how)

    some, ranker = embedder("bert-mean"), embedder("bert-rank")
    monkeypatch.setattr(Model, "tokenize", counting)
    for attempt in (
        lambda: some.start(["a", "word " * 1_000_000]),
        lambda: ranker.start_ranking("q", ["a b " * 10**6]),
    ):
        read = 0
        error = failure(attempt)
        assert error.code == FailureCode.CONTEXT_OVERFLOW
        assert " has over " in str(error)
        tokens = error.failure.details["prompt_tokens"]
        assert isinstance(tokens, int)
        assert tokens > 512
        assert read < 100_000


def test_a_small_context_still_computes_many_texts(embedder: Opener) -> None:
    assert len(vectors(embedder("bert-mean", context=8).embed(["a b"] * 100))) == 100


@pytest.mark.parametrize(("kind", "marker"), [("bert-mean", "[SEP]"), ("qwen3-last", "<|im_end|>")])
def test_markers_that_people_type_stay_text(
    kind: Kind, marker: str, embedder: Opener, folder: Path, models: Callable[[Path], Model]
) -> None:
    model = models(build(kind, folder))
    (special,) = model.tokenize(marker, special=True)
    plain = tokens_of(model, f"one {marker} two")
    assert plain.count(special) == tokens_of(model, "one two").count(special)
    some = embedder(kind)
    assert some.embed([f"one {marker} two"]).vectors == some.embed([plain]).vectors


@pytest.fixture
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "STEP_SECONDS", 0.0)


@pytest.mark.usefixtures("short_steps")
@pytest.mark.parametrize("kind", ["bert-mean", "qwen3-last"])
def test_steps_of_several_jobs_may_alternate(kind: Kind, embedder: Opener) -> None:
    some = embedder(kind)
    texts = [text * 2 for text in TEXTS] * 3
    alone = [some.embed(one).vectors for one in (texts, texts[::-1])]
    running = [some.start(texts), some.start(texts[::-1])]
    jobs = list(running)
    steps = 0
    while running:
        running = [job for job in running if job.step()]
        steps += 1
    assert steps > 1
    for job, expected in zip(jobs, alone, strict=True):
        assert job.result.vectors == expected


@pytest.mark.usefixtures("short_steps")
@pytest.mark.parametrize("kind", ["bert-mean", "qwen3-last"])
def test_between_steps_and_inside_of_long_texts_work_can_be_stopped(kind: Kind, embedder: Opener) -> None:
    class StoppedError(Exception):
        pass

    polls = 0

    def poll() -> None:
        nonlocal polls
        polls += 1
        if polls == 2:
            raise StoppedError

    some = embedder(kind)
    before = some.embed(TEXTS).vectors
    texts: list[str | list[int]] = [[100] * CONTEXT] if kind == "qwen3-last" else [[100] * 200] * 10
    with pytest.raises(StoppedError):
        some.embed(texts, poll=poll)
    assert some.embed(TEXTS).vectors == before


@pytest.mark.usefixtures("short_steps")
@pytest.mark.parametrize(("kind", "threads"), [("bert-mean", 1), ("bert-mean", 2), ("qwen3-last", 1)])
def test_an_interrupted_step_is_done_again(kind: Kind, threads: int, embedder: Opener) -> None:
    interrupt = Interrupt()
    some = embedder(kind, interrupt=interrupt, threads=threads)
    texts: list[str | list[int]] = [[number] * 200 for number in range(100, 107)]
    expected = some.embed(texts).vectors
    job = some.start(texts)
    assert job.step()
    interrupt.set()
    assert [job.step() for _ in range(20)] == [True] * 20
    interrupt.clear()
    while job.step():
        pass
    assert job.result.vectors == expected


def test_numbers_that_are_none_are_a_failure_and_no_vector(embedder: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    some = embedder("bert-mean")
    monkeypatch.setattr(some._lanes, "step", lambda groups, *_: [(groups.pop()[0], [math.nan] * some.dimensions)])
    assert failure(lambda: some.embed(["a"])).code == FailureCode.INTERNAL


def test_a_text_without_any_meaning_is_no_division_by_zero(embedder: Opener) -> None:
    job = EmbeddingJob(embedder("bert-mean")._lanes, [[100]], 4)
    job._take(0, [0.0, 0.0, 0.0, 0.0, 5.0])
    assert job.result.vectors == bytes(16)


def test_an_encoder_scores_documents_in_their_order(
    embedder: Opener, folder: Path, models: Callable[[Path], Model]
) -> None:
    model, some = models(build("bert-rank", folder)), embedder("bert-rank")
    documents = ["water and tea", "", "nothing of the kind [SEP] " * 20, "tea"]
    ranked = some.rank("tea?", documents)
    begin, end = model.tokenize("[CLS]", special=True), model.tokenize("[SEP]", special=True)
    head = [*begin, *model.tokenize("tea?", special=False), *end]
    pairs = [[*head, *model.tokenize(document, special=False)] for document in documents]
    assert ranked.prompt_tokens == sum(len(pair) for pair in pairs)
    for pair, score in zip(pairs, ranked.scores, strict=True):
        assert math.isclose(score, pooled(model, pair)[0], abs_tol=1e-3)
    assert len(set(ranked.scores)) == len(documents)


def test_a_decoder_scores_documents_by_its_template(
    embedder: Opener, ranking_decoder: Path, models: Callable[[Path], Model]
) -> None:
    model, some = models(ranking_decoder), embedder(ranking_decoder)
    documents = ["an answer", "no answer at all", "the " * PIECE_TOKENS]
    ranked = some.rank("what is it?", documents)
    for document, score in zip(documents, ranked.scores, strict=True):
        text = RERANK.replace("{query}", "what is it?").replace("{document}", document)
        assert math.isclose(score, pooled(model, model.tokenize(text, special=True))[0], abs_tol=0.01)
    assert min(abs(a - b) for a, b in itertools.combinations(ranked.scores, 2)) > 0.05


def test_a_query_cannot_write_markers_or_places_of_the_template(
    ranking_decoder: Path, models: Callable[[Path], Model]
) -> None:
    model = models(ranking_decoder)
    (tokens,) = RankPrompt(model).tokens("<|im_end|>{document}", ["its text"])
    end = model.tokenize("<|im_end|>", special=True)[0]
    assert tokens.count(end) == 1
    assert tokens[-1] == end
    text = b"".join(model.piece(token, special=True) for token in tokens).decode()
    assert "<|im_end|>{document}" in text
    assert text.count("its text") == 1


def test_a_pair_may_fill_the_context_and_no_more(embedder: Opener) -> None:
    error = failure(lambda: embedder("bert-rank").start_ranking("query", ["short", "word " * 600]))
    assert error.code == FailureCode.CONTEXT_OVERFLOW
    assert error.failure.details["index"] == 1
    assert error.failure.details["context_length"] == 512


def test_a_model_does_only_what_it_is_for(embedder: Opener) -> None:
    assert failure(lambda: embedder("bert-rank").start(["a"])).code == FailureCode.MODEL_UNSUPPORTED
    assert failure(lambda: embedder("bert-mean").start_ranking("a", ["b"])).code == FailureCode.MODEL_UNSUPPORTED

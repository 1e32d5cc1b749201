import pytest

from samovar_agent.documents.embedding_models import CONTEXT_TOKENS, EmbeddingModels
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.documents.bench import DIMENSIONS, Bench, crashed

SMALL = "acme/small"


@pytest.fixture
def bench(documents_bench: Bench) -> Bench:
    return documents_bench


def models(bench: Bench) -> EmbeddingModels:
    return bench.models


def test_the_smallest_one_that_is_able(bench: Bench) -> None:
    assert models(bench).default() is None
    bench.add_model("acme/chat", size=1, capabilities=["chat"])
    bench.add_model("acme/broken", size=1, state="broken")
    bench.add_model("acme/short", size=1, context=64)
    assert models(bench).default() is None
    bench.add_model("acme/large", size=900)
    bench.add_model(SMALL, size=10)
    bench.add_model("acme/same-size", size=10)
    assert models(bench).default() == "acme/same-size", "of equals the first by name"
    del bench.library.models["acme/same-size"]
    assert models(bench).default() == SMALL


def test_the_one_of_the_settings(bench: Bench) -> None:
    bench.add_model(SMALL, size=10)
    bench.add_model("acme/large", size=900)
    bench.settings.current.documents.embedding_model = "large"
    assert models(bench).default() == "acme/large"


def test_a_setting_that_names_nothing_is_said_and_another_taken(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.add_model(SMALL)
    bench.settings.current.documents.embedding_model = "acme/nothing"
    assert models(bench).default() == SMALL
    assert "documents.embedding_model" in caplog.text


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"capabilities": ["chat"]}, FailureCode.MODEL_UNSUPPORTED),
        ({"state": "missing"}, FailureCode.MODEL_UNSUPPORTED),
        ({"context": 127}, FailureCode.MODEL_UNSUPPORTED),
    ],
)
def test_what_is_no_embedding_model(bench: Bench, options: dict[str, object], code: str) -> None:
    bench.add_model(SMALL, **options)  # type: ignore[arg-type]
    with pytest.raises(SamovarError) as raised:
        models(bench).resolve("small")
    assert raised.value.code == code
    assert not models(bench).is_there(SMALL)
    with pytest.raises(SamovarError) as raised:
        models(bench).resolve("nothing")
    assert raised.value.code == FailureCode.MODEL_UNKNOWN


def test_one_that_does_not_say_how_long_its_texts_may_be(bench: Bench) -> None:
    bench.add_model(SMALL, context=None)
    assert models(bench).is_there(SMALL)
    assert models(bench).length(SMALL) == 128


async def test_it_is_cut_by_the_models_own_tokens(bench: Bench) -> None:
    bench.add_model(SMALL, context=200)
    cutter = await models(bench).cutter(SMALL)
    assert cutter.target == 200 - CONTEXT_TOKENS
    assert cutter.recipe == f"{SMALL}/{cutter.target}"
    assert await cutter.count_tokens(["a b c", "d"]) == [3, 1]
    before = bench.instances.counted
    assert len(await cutter.count_tokens(["a"] * 4001)) == 4001
    assert bench.instances.counted == before + 3, "not all of them in one message"


@pytest.mark.parametrize("why", ["no model", "not there", "does not load"])
async def test_by_estimate_where_no_model_can_count(bench: Bench, why: str, caplog: pytest.LogCaptureFixture) -> None:
    if why == "does not load":
        bench.add_model(SMALL)
        bench.instances.count_failure = crashed()
    cutter = await models(bench).cutter(None if why == "no model" else SMALL)
    assert cutter.recipe.startswith("estimated")
    prose = "The kettle sings on the stove while somebody reads the paper. " * 20
    [tokens] = await cutter.count_tokens([prose])
    assert len(prose) / 5 < tokens < len(prose) / 2, "rather too many than too few"
    [chinese] = await cutter.count_tokens(["\N{CJK UNIFIED IDEOGRAPH-8336}" * 100])
    assert chinese >= 50
    if why == "does not load":
        await models(bench).cutter(SMALL)
        assert caplog.text.count("does not count tokens") == 1, "it is said once"
        bench.instances.count_failure = None
        assert (await models(bench).cutter(SMALL)).recipe.startswith(SMALL)


async def test_an_agent_that_stops_cuts_nothing(bench: Bench) -> None:
    bench.add_model(SMALL)
    bench.instances.count_failure = SamovarError(FailureCode.SHUTTING_DOWN, "The agent is stopping.")
    with pytest.raises(SamovarError):
        await models(bench).cutter(SMALL)


async def test_vectors(bench: Bench) -> None:
    bench.add_model(SMALL)
    reply = await models(bench).embed(SMALL, ["one", "two"])
    assert len(reply.vectors) == 2 * DIMENSIONS * 4
    bench.instances.failures = [crashed()]
    with pytest.raises(SamovarError) as raised:
        await models(bench).embed(SMALL, ["one"])
    assert raised.value.code == FailureCode.WORKER_CRASHED

import pytest

from samovar_agent.http.ollama.model_names import find_model, shown_name
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import InstanceInfo
from tests.samovar_agent.http.ollama.conftest import EMBEDDER, FILLER, KEY, NAME, OllamaAgent
from tests.samovar_agent.models.gguf_files import llama, write_gguf


@pytest.mark.parametrize(
    "name",
    [
        KEY,
        NAME,
        "tiny",
        "TINY:latest",
        "Tiny:f16",
        "Acme/Tiny:F16",
        "Acme/Tiny@F16",
        "hf.co/Acme/Tiny:F16",
        "tiny:LATEST",
    ],
)
async def test_all_names_of_one_model(bench: OllamaAgent, name: str) -> None:
    meant = find_model(bench.agent.services, name)
    assert (meant.name, meant.info.key, meant.asked) == (KEY, KEY, name)


async def test_names_that_are_listed_can_be_sent_back(bench: OllamaAgent) -> None:
    write_gguf(bench.library._places.models / "Acme/Tiny/Tiny-Q4_K_M.gguf", llama(name="2"))
    await bench.library.refresh()
    shown = {shown_name(info): info.key for info in bench.library.ls()}
    assert shown["Acme/Tiny:Q4_K_M"] == "Acme/Tiny@Q4_K_M"
    for name, key in shown.items():
        assert find_model(bench.agent.services, name).name == key
    with pytest.raises(SamovarError) as caught:
        find_model(bench.agent.services, "tiny:latest")
    assert caught.value.code == FailureCode.MODEL_AMBIGUOUS and "Acme/Tiny@F16" in str(caught.value)


async def test_an_unknown_name_says_what_there_is_in_the_words_that_clients_look_for(bench: OllamaAgent) -> None:
    with pytest.raises(SamovarError) as caught:
        find_model(bench.agent.services, "llama3:70b")
    assert caught.value.code == FailureCode.MODEL_UNKNOWN
    assert str(caught.value).startswith("model 'llama3:70b' not found, try pulling it first. There are ")
    assert NAME in str(caught.value) and f"{FILLER}:latest" in str(caught.value)


async def test_an_instance_is_found_by_its_identifier(bench: OllamaAgent) -> None:
    bench.instances.loaded = [InstanceInfo(identifier="mine", model=KEY, state="ready")]
    for name in ("mine", "mine:latest"):
        assert find_model(bench.agent.services, name)[:2] == ("mine", bench.library.info(KEY))
    bench.instances.loaded = [InstanceInfo(identifier="other", model="gone/model", state="ready")]
    meant = find_model(bench.agent.services, "other")
    assert (meant.info.key, meant.info.state) == ("gone/model", "missing")
    meant.check("chat", "chat")  # nobody knows what it cannot do


@pytest.mark.parametrize(("asked", "given"), [(9_017, 512), (512, 512), (64, 64), (None, None)])
async def test_no_more_context_than_the_model_can_have(served: OllamaAgent, asked: int | None, given: int) -> None:
    """aider asks for 8,192 tokens more than it needs, whatever the model."""
    options = {"num_ctx": asked}
    await served.chat(options=options, stream=False)
    await served.generate(options=options, stream=False)
    await served.post("embed", model=EMBEDDER, input="a", options=options)
    assert [keep.context for keep in served.instances.keeps[-3:]] == [given] * 3

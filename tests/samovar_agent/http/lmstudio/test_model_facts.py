"""What is told of a model, and what is left open."""

import pytest
from msgspec import UNSET

from samovar_agent.http.lmstudio import model_facts
from samovar_agent.http.lmstudio.model_facts import LoadConfig, Quantization
from samovar_protocol.values import InstanceInfo
from tests.samovar_agent.engine.conftest import header
from tests.samovar_agent.http.conftest import KEY, model


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, None),
        (0, None),
        (500, "500"),
        (22_700_000, "23M"),
        (134_515_008, "135M"),
        (999_900_000, "1B"),
        (1_235_814_432, "1.2B"),
        (7_000_000_000, "7B"),
        (9_960_000_000, "10B"),
        (30_532_122_624, "31B"),
        (671_000_000_000, "671B"),
        (1_040_000_000_000, "1T"),
    ],
)
def test_counts_of_parameters(count: int | None, text: str | None) -> None:
    assert model_facts.params_string(model("a/b", parameters=count)) == text


def test_bits_are_those_of_the_weights_in_the_file() -> None:
    head = header(parameters=1000, tensor_bytes=600)
    expected = Quantization(name="Q4_K_M", bits_per_weight=4.8)
    assert model_facts.quantization(model("a/b", quantization="Q4_K_M"), head) == expected
    assert model_facts.quantization(model("a/b", quantization="X"), None) == Quantization(
        name="X", bits_per_weight=None
    )
    assert model_facts.quantization(model("a/b"), None) is None


def test_names_come_from_the_catalog_then_from_the_file_then_from_the_key() -> None:
    assert model_facts.display_name(model(KEY), header(name="Other")) == "SmolLM2 135M Instruct"
    assert model_facts.display_name(model("a/b"), header(name=" Bee ")) == "Bee"
    assert model_facts.display_name(model("a/b"), header(name=None)) == "b"
    assert model_facts.display_name(model("a/b"), None) == "b"
    assert "chat model" in (model_facts.description(model(KEY)) or "")
    assert model_facts.description(model("a/b")) is None


def test_how_an_instance_is_loaded() -> None:
    instance = InstanceInfo(identifier="x", model="a/b", state="ready", context_length=2048)
    chat, embedder = model("a/b", capabilities=["chat"]), model("a/b", capabilities=["embedding"])
    assert model_facts.load_config(instance, chat, header()) == LoadConfig(
        context_length=2048, eval_batch_size=512, parallel=64, num_experts=UNSET, offload_kv_cache_to_gpu=False
    )
    mixture = header(shape={"expert_used_count": (4,)})
    assert model_facts.load_config(instance, chat, mixture).num_experts == 4
    assert model_facts.load_config(instance, embedder, header()) == LoadConfig(context_length=2048)
    assert model_facts.load_config(instance, None, None) == LoadConfig(context_length=2048)

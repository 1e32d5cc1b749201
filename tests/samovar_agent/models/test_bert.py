"""Configurations of BERT and the tensors that must be there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samovar_agent.models.bert import BertTensor, read_config, read_pooling, tensors
from samovar_agent.models.safetensors import open_safetensors
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.models.bert_files import LAYERS, TinyBert, write_safetensors

QUERY = "encoder.layer.0.attention.self.query.weight"


@pytest.fixture
def bert(tmp_path: Path) -> TinyBert:
    return TinyBert(tmp_path)


def plan(bert: TinyBert) -> list[BertTensor]:
    with open_safetensors(bert.weights) as weights:
        return tensors(weights, read_config(bert.folder))


def refused(bert: TinyBert, code: FailureCode = FailureCode.MODEL_FILE_BROKEN) -> str:
    with pytest.raises(SamovarError) as caught:
        read_pooling(bert.folder)
        plan(bert)
    assert caught.value.code == code, caught.value
    return caught.value.failure.message


def test_every_tensor_has_its_place(bert: TinyBert) -> None:
    found = {tensor.name: tensor for tensor in plan(bert)}
    assert len(found) == 5 + 16 * LAYERS
    assert found["blk.1.ffn_down.weight"].entry.name == "encoder.layer.1.output.dense.weight"
    matrices = [name for name, tensor in found.items() if tensor.quantized]
    assert len(matrices) == 1 + 6 * LAYERS
    assert "position_embd.weight" not in matrices
    assert "blk.0.attn_output_norm.weight" not in matrices


def test_names_of_older_files(bert: TinyBert) -> None:
    now = plan(bert)
    older = {}
    for name, array in bert.tensors.items():
        if "LayerNorm" in name:
            name = name.replace(".weight", ".gamma").replace(".bias", ".beta")
        older[f"bert.{name}"] = array
    older["cls.predictions.bias"] = np.zeros(3, dtype=np.float32)
    write_safetensors(bert.weights, older)
    assert [tensor.name for tensor in plan(bert)] == [tensor.name for tensor in now]


def test_a_name_in_both_forms_is_refused(bert: TinyBert) -> None:
    write_safetensors(bert.weights, bert.tensors | {f"bert.{QUERY}": bert.tensors[QUERY]})
    assert "twice" in refused(bert)


def test_a_missing_tensor(bert: TinyBert) -> None:
    del bert.tensors[QUERY]
    bert.write()
    assert QUERY in refused(bert)


def test_a_tensor_of_another_shape(bert: TinyBert) -> None:
    bert.tensors[QUERY] = bert.tensors[QUERY][:-1]
    bert.write()
    assert "(63, 64)" in refused(bert)


def test_numbers_that_are_no_floats(bert: TinyBert) -> None:
    bert.tensors[QUERY] = bert.tensors[QUERY].astype(np.int64)
    bert.write()
    assert "I64" in refused(bert, FailureCode.MODEL_UNSUPPORTED)


@pytest.mark.parametrize("name", ["classifier.weight", "encoder.layer.2.output.dense.bias", "emb.weight"])
def test_a_tensor_that_bert_has_not(bert: TinyBert, name: str) -> None:
    bert.tensors[name] = np.zeros(3, dtype=np.float32)
    bert.write()
    assert name in refused(bert, FailureCode.MODEL_UNSUPPORTED)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("model_type", "roberta", FailureCode.MODEL_UNSUPPORTED),
        ("model_type", None, FailureCode.MODEL_FILE_BROKEN),
        ("hidden_act", "relu", FailureCode.MODEL_UNSUPPORTED),
        ("position_embedding_type", "relative_key", FailureCode.MODEL_UNSUPPORTED),
        ("num_attention_heads", 5, FailureCode.MODEL_FILE_BROKEN),
        ("num_attention_heads", 0, FailureCode.MODEL_FILE_BROKEN),
        ("hidden_size", 2**40, FailureCode.MODEL_FILE_BROKEN),
        ("hidden_size", "64", FailureCode.MODEL_FILE_BROKEN),
        ("num_hidden_layers", 10**9, FailureCode.MODEL_FILE_BROKEN),
        ("num_hidden_layers", 3, FailureCode.MODEL_FILE_BROKEN),
        ("num_hidden_layers", 1, FailureCode.MODEL_UNSUPPORTED),
        ("vocab_size", 10**9, FailureCode.MODEL_FILE_BROKEN),
        ("layer_norm_eps", -1.0, FailureCode.MODEL_FILE_BROKEN),
    ],
)
def test_a_configuration_that_does_not_fit(bert: TinyBert, key: str, value: object, code: FailureCode) -> None:
    bert.config[key] = value
    bert.write()
    assert refused(bert, code)


def test_no_configuration(bert: TinyBert) -> None:
    (bert.folder / "config.json").unlink()
    assert "config.json" in refused(bert, FailureCode.MODEL_FILE_MISSING)


def test_pooling_is_what_the_publisher_says_or_the_mean(bert: TinyBert) -> None:
    assert read_pooling(bert.folder) == "mean"
    bert.write_json("1_Pooling/config.json", {"pooling_mode_cls_token": True})
    assert read_pooling(bert.folder) == "cls"
    (bert.folder / "modules.json").unlink()
    assert read_pooling(bert.folder) == "cls"
    (bert.folder / "1_Pooling" / "config.json").unlink()
    assert read_pooling(bert.folder) == "mean"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, FailureCode.MODEL_UNSUPPORTED),
        (
            "1_Pooling/config.json",
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            FailureCode.MODEL_UNSUPPORTED,
        ),
        ("modules.json", [{"type": "x.Transformer"}, {"type": "x.Dense"}], FailureCode.MODEL_UNSUPPORTED),
        ("modules.json", [{"type": "x.Pooling", "path": "../elsewhere"}], FailureCode.PATH_REFUSED),
        ("modules.json", {"type": "x.Pooling"}, FailureCode.MODEL_FILE_BROKEN),
    ],
)
def test_what_the_engine_does_not_compute(bert: TinyBert, name: str, content: Any, code: FailureCode) -> None:
    bert.write_json(name, content)
    assert refused(bert, code)

"""The architectures: for each the facts in its header and its tensors, as llama.cpp's loader wants them."""

from __future__ import annotations

import gguf

from tests.tiny_models.weights import Weights

EMBEDDING = 64
HEADS, KV_HEADS, HEAD_SIZE = 4, 2, 16
FEED_FORWARD = 128
CONTEXT = 4096
WINDOW = 32
"""Of the sliding-window models: they look back this many tokens, themselves included."""

_STATE, _CONVOLUTION, _RANK = 16, 4, 4
_INNER = 2 * EMBEDDING
_MIXING = 3.0
"""What attention and running states contribute, against what a token is by itself: enough that a reply depends on all
that came before, so that a wrong memory is noticed."""
_FOCUS = 4.0
"""How much attention prefers some tokens; without preferences it is an average, which changes little."""


def llama(writer: gguf.GGUFWriter, weights: Weights, vocabulary: int) -> None:
    """Full attention in every layer."""
    _transformer_facts(writer, layers=3)
    _ends(weights, vocabulary)
    for layer in range(3):
        _attention(weights, layer)
        _feed_forward(weights, layer)


def qwen3(writer: gguf.GGUFWriter, weights: Weights, vocabulary: int) -> None:
    """Full attention with normalised heads, pooled by its last token: the form of Qwen's embedding models."""
    _transformer_facts(writer, layers=2)
    writer.add_key_length(HEAD_SIZE)
    writer.add_value_length(HEAD_SIZE)
    writer.add_pooling_type(gguf.PoolingType.LAST)
    _ends(weights, vocabulary)
    for layer in range(2):
        _attention(weights, layer, normed_heads=True)
        _feed_forward(weights, layer)


def gemma3(writer: gguf.GGUFWriter, weights: Weights, vocabulary: int) -> None:
    """Three layers with a sliding window and one with full attention."""
    _transformer_facts(writer, layers=4)
    writer.add_key_length(HEAD_SIZE)
    writer.add_value_length(HEAD_SIZE)
    writer.add_sliding_window(WINDOW)
    writer.add_sliding_window_pattern(4)
    _ends(weights, vocabulary, embedding=0.5 / EMBEDDING**0.5)  # the architecture multiplies them
    for layer in range(4):
        _attention(weights, layer, normed_heads=True)
        weights.norm(f"blk.{layer}.post_attention_norm", EMBEDDING)
        _feed_forward(weights, layer)
        weights.norm(f"blk.{layer}.post_ffw_norm", EMBEDDING)


def mamba(writer: gguf.GGUFWriter, weights: Weights, vocabulary: int) -> None:
    """A running state in every layer and no attention."""
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(EMBEDDING)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(3)
    writer.add_layer_norm_rms_eps(1e-5)
    _state_facts(writer)
    _ends(weights, vocabulary)
    for layer in range(3):
        weights.norm(f"blk.{layer}.attn_norm", EMBEDDING)
        _state_space(weights, layer)


def jamba(writer: gguf.GGUFWriter, weights: Weights, vocabulary: int) -> None:
    """Running states and, in every other layer, full attention."""
    _transformer_facts(writer, layers=4, kv_heads=[0, KV_HEADS, 0, KV_HEADS])
    _state_facts(writer)
    _ends(weights, vocabulary)
    for layer in range(4):
        if layer % 2:
            _attention(weights, layer)
        else:
            weights.norm(f"blk.{layer}.attn_norm", EMBEDDING)
            _state_space(weights, layer)
            weights.norm(f"blk.{layer}.ssm_dt_norm", _RANK)
            weights.norm(f"blk.{layer}.ssm_b_norm", _STATE)
            weights.norm(f"blk.{layer}.ssm_c_norm", _STATE)
        _feed_forward(weights, layer)


def lfm2(writer: gguf.GGUFWriter, weights: Weights, vocabulary: int) -> None:
    """Short convolutions, which remember two tokens, and, in every other layer, full attention."""
    _transformer_facts(writer, layers=4, kv_heads=[0, KV_HEADS, 0, KV_HEADS])
    writer.add_vocab_size(vocabulary)
    writer.add_shortconv_l_cache(3)
    _ends(weights, vocabulary, norm="token_embd_norm")
    for layer in range(4):
        if layer % 2:
            _attention(weights, layer, normed_heads=True)
        else:
            weights.norm(f"blk.{layer}.attn_norm", EMBEDDING)
            weights.matrix(f"blk.{layer}.shortconv.conv", 3, EMBEDDING)
            weights.matrix(f"blk.{layer}.shortconv.in_proj", EMBEDDING, 3 * EMBEDDING)
            weights.matrix(f"blk.{layer}.shortconv.out_proj", EMBEDDING, EMBEDDING, gain=_MIXING)
        _feed_forward(weights, layer)


def bert(writer: gguf.GGUFWriter, weights: Weights, vocabulary: int, pooling: gguf.PoolingType) -> None:
    """An encoder, with a head that scores a pair of texts where the pooling is RANK."""
    _transformer_facts(writer, layers=2, kv_heads=HEADS, context=512)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(pooling)
    weights.matrix("token_embd", EMBEDDING, vocabulary, gain=EMBEDDING**0.5)
    weights.matrix("token_types", EMBEDDING, 2)
    weights.matrix("position_embd", EMBEDDING, 512, gain=2)
    weights.norm("token_embd_norm", EMBEDDING, bias=True)
    for layer in range(2):
        block = f"blk.{layer}"
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights.matrix(f"{block}.{name}", EMBEDDING, EMBEDDING)
            weights.bias(f"{block}.{name}", EMBEDDING)
        weights.norm(f"{block}.attn_output_norm", EMBEDDING, bias=True)
        weights.matrix(f"{block}.ffn_up", EMBEDDING, FEED_FORWARD)
        weights.bias(f"{block}.ffn_up", FEED_FORWARD)
        weights.matrix(f"{block}.ffn_down", FEED_FORWARD, EMBEDDING)
        weights.bias(f"{block}.ffn_down", EMBEDDING)
        weights.norm(f"{block}.layer_output_norm", EMBEDDING, bias=True)
    if pooling == gguf.PoolingType.RANK:
        weights.matrix("cls", EMBEDDING, EMBEDDING)
        weights.bias("cls", EMBEDDING)
        weights.matrix("cls.output", EMBEDDING, 1)
        weights.bias("cls.output", 1)


def _transformer_facts(
    writer: gguf.GGUFWriter, *, layers: int, kv_heads: int | list[int] = KV_HEADS, context: int = CONTEXT
) -> None:
    writer.add_context_length(context)
    writer.add_embedding_length(EMBEDDING)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_block_count(layers)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)


def _state_facts(writer: gguf.GGUFWriter) -> None:
    writer.add_ssm_conv_kernel(_CONVOLUTION)
    writer.add_ssm_inner_size(_INNER)
    writer.add_ssm_state_size(_STATE)
    writer.add_ssm_time_step_rank(_RANK)


def _ends(weights: Weights, vocabulary: int, *, norm: str = "output_norm", embedding: float = 0.5) -> None:
    weights.matrix("token_embd", EMBEDDING, vocabulary, gain=embedding * EMBEDDING**0.5)
    weights.norm(norm, EMBEDDING)
    weights.matrix("output", EMBEDDING, vocabulary, gain=4)


def _attention(weights: Weights, layer: int, *, normed_heads: bool = False) -> None:
    block = f"blk.{layer}"
    weights.norm(f"{block}.attn_norm", EMBEDDING)
    weights.matrix(f"{block}.attn_q", EMBEDDING, HEADS * HEAD_SIZE, gain=_FOCUS)
    weights.matrix(f"{block}.attn_k", EMBEDDING, KV_HEADS * HEAD_SIZE)
    weights.matrix(f"{block}.attn_v", EMBEDDING, KV_HEADS * HEAD_SIZE)
    weights.matrix(f"{block}.attn_output", HEADS * HEAD_SIZE, EMBEDDING, gain=_MIXING)
    if normed_heads:
        weights.norm(f"{block}.attn_q_norm", HEAD_SIZE, mean=_FOCUS)
        weights.norm(f"{block}.attn_k_norm", HEAD_SIZE)


def _feed_forward(weights: Weights, layer: int) -> None:
    block = f"blk.{layer}"
    weights.norm(f"{block}.ffn_norm", EMBEDDING)
    weights.matrix(f"{block}.ffn_gate", EMBEDDING, FEED_FORWARD)
    weights.matrix(f"{block}.ffn_up", EMBEDDING, FEED_FORWARD)
    weights.matrix(f"{block}.ffn_down", FEED_FORWARD, EMBEDDING)


def _state_space(weights: Weights, layer: int) -> None:
    block = f"blk.{layer}"
    weights.matrix(f"{block}.ssm_in", EMBEDDING, 2 * _INNER)
    weights.matrix(f"{block}.ssm_conv1d", _CONVOLUTION, _INNER)
    weights.bias(f"{block}.ssm_conv1d", _INNER)
    weights.matrix(f"{block}.ssm_x", _INNER, _RANK + 2 * _STATE)
    weights.matrix(f"{block}.ssm_dt", _RANK, _INNER)
    weights.bias(f"{block}.ssm_dt", _INNER, mean=-3.0)  # time steps of about 0.05
    weights.decay(f"{block}.ssm_a", _STATE, _INNER)
    weights.ones(f"{block}.ssm_d", _INNER)
    weights.matrix(f"{block}.ssm_out", _INNER, EMBEDDING, gain=_MIXING)

"""Vocabularies of some 400 tokens: every byte or character, common pieces of English, the markers of ChatML or BERT."""

from __future__ import annotations

import gguf

SPACE = "▁"

PIECES = [
    "th",
    "he",
    "in",
    "er",
    "an",
    "re",
    "on",
    "at",
    "en",
    "nd",
    "ti",
    "es",
    "or",
    "te",
    "of",
    "ed",
    "is",
    "it",
    "al",
    "ar",
    "st",
    "to",
    "nt",
    "ng",
    "se",
    "ha",
    "as",
    "ou",
    "io",
    "le",
    "ve",
    "co",
    "me",
    "de",
    "hi",
    "ri",
    "ro",
    "ic",
    "ne",
    "ea",
    "ra",
    "ce",
    "li",
    "ch",
    "ll",
    "be",
    "ma",
    "si",
    "om",
    "ur",
    "the",
    "and",
    "ing",
    "ion",
    "ent",
]

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


FILL_MARKERS = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<fim_pad>", "<|repo_name|>", "<|file_sep|>"]


def add_chat_vocabulary(writer: gguf.GGUFWriter, *, fills: bool = False) -> int:
    """SentencePiece with byte fallback; returns how many tokens there are. The end of a turn is `<|im_end|>`.

    - fills: with the markers for filling in the middle of a file.
    """
    markers = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", *(FILL_MARKERS if fills else ())]
    tokens: list[tuple[str, float, gguf.TokenType]] = [
        (marker, 0.0, gguf.TokenType.UNKNOWN if marker == "<unk>" else gguf.TokenType.CONTROL) for marker in markers
    ]
    tokens += [(f"<0x{byte:02X}>", 0.0, gguf.TokenType.BYTE) for byte in range(256)]
    characters = [SPACE, *(chr(code) for code in range(0x21, 0x7F))]
    pieces = [*PIECES, *(SPACE + letter for letter in "abcdefghilmnoprstuwy")]
    # Longer pieces are worth more, so that the tokenizer joins letters to them.
    tokens += [(text, -1000.0 + 100 * len(text), gguf.TokenType.NORMAL) for text in [*characters, *pieces]]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([text for text, _, _ in tokens])
    writer.add_token_scores([score for _, score, _ in tokens])
    writer.add_token_types([kind for _, _, kind in tokens])
    writer.add_unk_token_id(markers.index("<unk>"))
    writer.add_bos_token_id(markers.index("<s>"))
    writer.add_eos_token_id(markers.index("<|im_end|>"))
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHATML)
    return len(tokens)


def add_bert_vocabulary(writer: gguf.GGUFWriter) -> int:
    """WordPiece: a piece that begins a word has `▁` before it; returns how many tokens there are."""
    markers = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = [chr(code) for code in range(0x21, 0x7F) if not chr(code).isupper()]
    inside = [*characters, *PIECES]
    tokens = [*markers, *(SPACE + text for text in inside), *inside]
    kinds = [gguf.TokenType.CONTROL] * len(markers) + [gguf.TokenType.NORMAL] * (len(tokens) - len(markers))
    kinds[markers.index("[UNK]")] = gguf.TokenType.UNKNOWN
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_type_count(2)
    writer.add_pad_token_id(markers.index("[PAD]"))
    writer.add_unk_token_id(markers.index("[UNK]"))
    writer.add_bos_token_id(markers.index("[CLS]"))
    writer.add_sep_token_id(markers.index("[SEP]"))
    writer.add_mask_token_id(markers.index("[MASK]"))
    return len(tokens)

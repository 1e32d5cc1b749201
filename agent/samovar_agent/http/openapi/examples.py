"""Bodies that each endpoint takes, as one would write them, for `/openapi.json`; a test sends every one of them.

    EXAMPLES["POST /v1/embeddings"]  # {"Two texts": {"model": "all-MiniLM-L6-v2", "input": ["A cup of tea", "Rain"]}}

They stand here and not in the table of routes, since nobody needs them before somebody reads the description.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

CHAT_MODEL, EMBEDDING_MODEL, RERANK_MODEL = "SmolLM2-135M-Instruct", "all-MiniLM-L6-v2", "bge-reranker-v2-m3"
FOLDER, FILE = "/home/me/notes", "/home/me/models/model.gguf"
FILE_ID, RESPONSE_ID = "file-example", "resp_example"

_QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
_CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_PROMPT = "The three primary colours are"
_ABOUT = "The weather in a city."
_TEXTS = ["A cup of tea", "Rain on the roof"]

_TOOL = {"type": "function", "function": {"name": "weather", "description": _ABOUT, "parameters": _CITY}}
_CHAT: dict[str, Json] = {
    "A question": {"model": CHAT_MODEL, "messages": _QUESTION},
    "The answer as it is written": {
        "model": CHAT_MODEL,
        "messages": [{"role": "system", "content": "Be brief."}, *_QUESTION],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 200,
        "temperature": 0.7,
    },
    "JSON of a schema": {
        "model": CHAT_MODEL,
        "messages": _QUESTION,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": _CITY}},
    },
    "With a tool": {"model": CHAT_MODEL, "messages": _QUESTION, "tools": [_TOOL], "tool_choice": "auto"},
}
_TEXT: dict[str, Json] = {
    "A text that goes on": {"model": CHAT_MODEL, "prompt": _PROMPT, "max_tokens": 40},
    "As it is written": {"model": CHAT_MODEL, "prompt": _PROMPT, "max_tokens": 40, "stream": True, "stop": ["\n"]},
}
_EMBEDDINGS: dict[str, Json] = {
    "Two texts": {"model": EMBEDDING_MODEL, "input": _TEXTS},
    "As base64": {"model": EMBEDDING_MODEL, "input": _TEXTS[0], "encoding_format": "base64"},
}

_OPENAI: dict[str, dict[str, Json]] = {
    "POST /v1/chat/completions": _CHAT,
    "POST /v1/completions": _TEXT,
    "POST /v1/embeddings": _EMBEDDINGS,
    "POST /v1/rerank": {
        "Two documents": {"model": RERANK_MODEL, "query": "What to drink?", "documents": _TEXTS, "top_n": 1}
    },
    "POST /v1/responses": {
        "A question": {"model": CHAT_MODEL, "input": "What is the capital of France?"},
        "As it is written, and not kept": {
            "model": CHAT_MODEL,
            "instructions": "Be brief.",
            "input": [{"role": "user", "content": "What is the capital of France?"}],
            "stream": True,
            "store": False,
        },
        "The next turn": {"model": CHAT_MODEL, "input": "And of Spain?", "previous_response_id": RESPONSE_ID},
        "With a tool": {
            "model": CHAT_MODEL,
            "input": "What is the weather in Paris?",
            "tools": [{"type": "function", "name": "weather", "description": _ABOUT, "parameters": _CITY}],
        },
    },
    "POST /v1/responses/input_tokens": {"A question": {"model": CHAT_MODEL, "input": "What is the capital of France?"}},
    "POST /v1/vector_stores": {"With a name": {"name": "notes"}},
    "POST /v1/vector_stores/{store}": {"Another name": {"name": "old notes"}},
    "POST /v1/vector_stores/{store}/search": {"A question": {"query": "When does the garden open?"}},
    "POST /v1/vector_stores/{store}/files": {"With an attribute": {"file_id": FILE_ID, "attributes": {"year": 2026}}},
    "POST /v1/vector_stores/{store}/files/{file}": {"An attribute": {"attributes": {"year": 2025}}},
    "POST /v1/vector_stores/{store}/file_batches": {"One file": {"file_ids": [FILE_ID]}},
}

_ANTHROPIC: dict[str, dict[str, Json]] = {
    "POST /v1/messages": {
        "A question": {"model": CHAT_MODEL, "max_tokens": 200, "messages": _QUESTION},
        "As it is written, with a tool": {
            "model": CHAT_MODEL,
            "max_tokens": 200,
            "system": "Be brief.",
            "messages": _QUESTION,
            "tools": [{"name": "weather", "description": _ABOUT, "input_schema": _CITY}],
            "stream": True,
        },
    },
    "POST /v1/messages/count_tokens": {"A question": {"model": CHAT_MODEL, "messages": _QUESTION}},
}

_OLLAMA: dict[str, dict[str, Json]] = {
    "POST /api/chat": {
        "As it is written": {"model": CHAT_MODEL, "messages": _QUESTION},
        "Whole, of a schema": {"model": CHAT_MODEL, "messages": _QUESTION, "stream": False, "format": _CITY},
        "Kept in memory for an hour": {"model": CHAT_MODEL, "messages": _QUESTION, "keep_alive": "1h"},
    },
    "POST /api/generate": {
        "A question": {"model": CHAT_MODEL, "prompt": "Why is the sky blue?", "stream": False},
        "Unload the model": {"model": CHAT_MODEL, "keep_alive": 0},
    },
    "POST /api/embed": {"Two texts": {"model": EMBEDDING_MODEL, "input": _TEXTS}},
    "POST /api/embeddings": {"A text": {"model": EMBEDDING_MODEL, "prompt": _TEXTS[0]}},
    "POST /api/show": {"A model": {"model": CHAT_MODEL}},
    "POST /api/pull": {"With its progress": {"model": CHAT_MODEL}},
    "POST /api/copy": {"Another name": {"source": CHAT_MODEL, "destination": "small"}},
    "DELETE /api/delete": {"A model": {"model": CHAT_MODEL}},
}

_LLAMA_CPP: dict[str, dict[str, Json]] = {
    "POST /infill": {
        "The middle of a function": {"input_prefix": "def add(a, b):\n    ", "input_suffix": "\n", "n_predict": 20}
    },
    "POST /tokenize": {"A text": {"content": "A cup of tea", "with_pieces": True}},
    "POST /detokenize": {"Tokens": {"tokens": [65, 32, 99, 117, 112]}},
    "POST /apply-template": {"A conversation": {"messages": _QUESTION}},
}

_LM_STUDIO: dict[str, dict[str, Json]] = {
    "POST /api/v0/chat/completions": _CHAT,
    "POST /api/v0/completions": _TEXT,
    "POST /api/v0/embeddings": _EMBEDDINGS,
    "POST /api/v1/chat": {
        "A question": {"model": CHAT_MODEL, "input": "What is the capital of France?"},
        "The next turn, as it is written": {
            "model": CHAT_MODEL,
            "input": [{"type": "message", "content": "And of Spain?"}],
            "previous_response_id": RESPONSE_ID,
            "stream": True,
        },
    },
    "POST /api/v1/models/load": {
        "With a context": {"model": CHAT_MODEL, "context_length": 4096, "echo_load_config": True}
    },
    "POST /api/v1/models/unload": {"An instance": {"instance_id": CHAT_MODEL}},
    "POST /api/v1/models/download": {
        "A repository of the hub": {"model": "https://huggingface.co/unsloth/SmolLM2-135M-Instruct-GGUF"}
    },
}

_SAMOVAR: dict[str, dict[str, Json]] = {
    "PATCH /api/samovar/settings/{key}": {"A value": {"value": 10}, "Its default": {"value": None}},
    "POST /api/samovar/tokens": {
        "For an editor, for 30 days": {"name": "editor", "scopes": ["chat", "embed"], "lifetime_seconds": 2_592_000}
    },
    "PATCH /api/samovar/network": {"Nothing leaves this machine": {"policy": "offline"}},
    "POST /api/samovar/models/import": {"A file, where it lies": {"path": FILE}},
    "POST /api/samovar/models/verify": {"One model": {"name": CHAT_MODEL}, "All, with progress": {"stream": True}},
    "POST /api/samovar/models/load": {
        "For an hour": {"name": CHAT_MODEL, "ttl_seconds": 3600},
        "With its progress": {"name": CHAT_MODEL, "context": 4096, "stream": True},
    },
    "POST /api/samovar/models/unload": {"One": {"name": CHAT_MODEL}, "All": {"all": True}},
    "POST /api/samovar/models/estimate": {"With a context": {"name": CHAT_MODEL, "context": 8192}},
    "POST /api/samovar/downloads": {
        "In the background": {"name": "smollm2-135m"},
        "Followed to its end": {"name": "smollm2-135m", "stream": True},
    },
    "POST /api/samovar/collections": {"By name": {"name": "recipes"}},
    "PATCH /api/samovar/collections/{collection}": {"Another name": {"rename": "old notes"}},
    "POST /api/samovar/collections/{collection}/documents": {
        "A folder, with progress": {"paths": [FOLDER], "stream": True},
        "Several, in the background": {"paths": [FOLDER], "watch": False, "wait": False},
    },
    "DELETE /api/samovar/collections/{collection}/documents": {"By path": {"paths": [FOLDER]}},
    "POST /api/samovar/collections/{collection}/watch": {"No longer": {"path": FOLDER, "watch": False}},
    "POST /api/samovar/collections/{collection}/export": {"To a file": {"path": "/home/me/notes.samovar"}},
    "POST /api/samovar/documents/retry": {"All that failed": {"collection": "notes"}},
    "POST /api/samovar/documents/search": {
        "In one collection": {"query": "When does the garden open?", "collections": ["notes"], "limit": 5}
    },
    "POST /api/samovar/documents/ask": {
        "A question": {"question": "When does the garden open?"},
        "As it is written": {"question": "When does the garden open?", "collections": ["notes"], "stream": True},
    },
    "POST /api/samovar/documents/import": {"From a file": {"path": "/home/me/notes.samovar", "name": "notes 2"}},
    "POST /api/samovar/conversations": {"About some documents": {"title": "Tea", "collections": ["notes"]}},
    "PATCH /api/samovar/conversations/{conversation}": {"Another title": {"title": "Green tea"}},
}

EXAMPLES = _OPENAI | _ANTHROPIC | _OLLAMA | _LLAMA_CPP | _LM_STUDIO | _SAMOVAR
"""By method and path: what each shows, and the body."""

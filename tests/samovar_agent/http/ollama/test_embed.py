"""`/api/embed` and `/api/embeddings` over HTTP."""

from samovar_agent.engine.instances import Keep
from tests.samovar_agent.http.ollama.conftest import EMBEDDER, NAME, OllamaAgent, sentence


async def test_vectors_of_one_text_and_of_several(served: OllamaAgent) -> None:
    served.instances.vectors = [[0.5, -1.0], [2.0, 0.25]]
    body = {"model": EMBEDDER, "input": ["a", "b"], "dimensions": 2, "keep_alive": "1h", "options": {"num_ctx": 128}}
    found = (await served.post("embed", **body)).json()
    assert (found["embeddings"], found["model"], found["prompt_eval_count"]) == (
        [[0.5, -1.0], [2.0, 0.25]],
        EMBEDDER,
        7,
    )
    assert found["total_duration"] > 0 <= found["load_duration"]
    assert served.instances.others == [(EMBEDDER, ["a", "b"], 2)] and served.instances.keeps == [Keep(3600, 128)]
    served.instances.vectors = [[0.5, -1.0]]
    assert (await served.post("embed", model=EMBEDDER, input="a")).json()["embeddings"] == [[0.5, -1.0]]


async def test_what_is_too_long_is_cut_unless_told_otherwise(served: OllamaAgent) -> None:
    served.instances.limit = 10
    long = "word " * 50
    for more in ({}, {"truncate": True}, {"truncate": None}):
        assert (await served.post("embed", model=EMBEDDER, input=["short", long], **more)).status == 200
        cut = served.instances.embedded[-1]
        assert cut[0] == "short" and len(str(cut[1]).split()) == 8 and long.startswith(str(cut[1]))
    answer = await served.post("embed", model=EMBEDDER, input=long, truncate=False)
    assert (answer.status, sentence(answer)) == (400, "Input 0 is too long.")


async def test_nothing_to_read_only_loads(served: OllamaAgent) -> None:
    for nothing in ("", [], [""]):
        assert (await served.post("embed", model=EMBEDDER, input=nothing)).json()["embeddings"] == []
    assert (await served.post("embeddings", model=EMBEDDER, prompt="")).json() == {"embedding": []}
    assert served.instances.made_ready == [(EMBEDDER, "embedding")] * 4 and not served.instances.others


async def test_the_older_way(served: OllamaAgent) -> None:
    answer = await served.post("embeddings", model=f"{EMBEDDER}:latest", prompt="a", keep_alive=0)
    assert answer.json() == {"embedding": [0.5, -1.0]} and served.instances.keeps == [Keep(0, None)]


async def test_a_model_without_vectors(served: OllamaAgent) -> None:
    answer = await served.post("embed", model=NAME, input="a")
    assert (answer.status, sentence(answer)) == (400, f'"{NAME}" does not support embeddings.')


async def test_options_without_effect_are_named(served: OllamaAgent) -> None:
    options = {"temperature": 0.5, "num_thread": 2, "num_ctx": 64}
    for path, more in (("embed", {"input": "a"}), ("embeddings", {"prompt": "a"}), ("embeddings", {})):
        answer = await served.post(path, model=EMBEDDER, options=options, **more)
        assert answer.headers["Samovar-Without-Effect"] == "options.num_thread, options.temperature"

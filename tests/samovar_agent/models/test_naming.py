import re
import time

from hypothesis import given
from hypothesis import strategies as st

from samovar_agent.models.naming import Named, Names, meanings, meant, near

WORDS = st.lists(st.sampled_from(["qwen3", "smol", "135m", "4b", "gguf", "Q8_0", "ä", "模型"]), min_size=1, max_size=4)
MODELS = st.lists(
    st.builds(
        lambda publisher, name, tag: Named(f"{publisher}/{'-'.join(name)}@{tag}", publisher, "-".join(name), tag),
        st.sampled_from(["Acme", "acme-labs", "x"]),
        WORDS,
        st.sampled_from(["F16", "Q8_0"]),
    ),
    max_size=8,
    unique_by=lambda named: named.key,
)


@given(models=MODELS, wanted=st.text("qwen3-smol135m4b/@ggufQ8_0ä模型\n ", max_size=12) | WORDS.map("-".join))
def test_parts_of_names_are_found_as_if_each_were_looked_at(models: list[Named], wanted: str) -> None:
    names = Names(models)
    folded = wanted.strip().casefold()
    if "@" in folded or not folded:
        names.meant(wanted)  # does not fail
        return
    pattern = re.compile(rf"(?<![^\W_]){re.escape(folded)}")
    full = [named.key for named in models if f"{named.publisher}/{named.name}".casefold() == folded]
    short = [named.key for named in models if named.name.casefold() == folded]
    part = [named.key for named in models if pattern.search(f"{named.publisher}/{named.name}@{named.tag}".casefold())]
    assert names.meant(wanted) == ([wanted] if any(named.key == wanted for named in models) else full or short or part)


def test_a_tag_chooses_among_all() -> None:
    models = [Named(f"a/b@{tag}", "a", "b", tag) for tag in ("F16", "Q8_0")]
    assert meant("b@q8_0", models) == ["a/b@Q8_0"]
    assert meant("b@", models) == meant("@q8_0", models) == []


def test_ten_thousand_names_cost_little() -> None:
    models = [
        Named(f"publisher{n % 90}/model-{n}-GGUF", f"publisher{n % 90}", f"model-{n}", "F16") for n in range(10_000)
    ]
    names = Names(models)
    began = time.monotonic()
    for _ in range(1000):
        assert names.meant("publisher1/model-9001") == ["publisher1/model-9001-GGUF"]
    assert time.monotonic() - began < 1  # under a millisecond each, on a slow machine too
    began = time.monotonic()
    assert near("model-5oo1", [named.name for named in models])
    assert time.monotonic() - began < 2


def test_near_names_are_found_among_many() -> None:
    names = [f"some-other-{n}" for n in range(3000)] + ["Qwen/Qwen3-4B-Thinking"]
    assert near("qwen3-4b-thinkign", names)[0] == "Qwen/Qwen3-4B-Thinking"


def test_what_a_name_can_stand_for() -> None:
    assert list(meanings("smollm2")) == ["smollm2"]
    assert list(meanings("smollm2:latest")) == ["smollm2:latest", "smollm2"]
    assert list(meanings("smollm2:135m")) == ["smollm2:135m", "smollm2@135m", "smollm2-135m"]
    assert list(meanings("a:1b-it-q4_0"))[-1] == "a-1b-it@q4_0"
    assert list(meanings("hf.co/user/repo:Q4_0"))[:2] == ["user/repo:Q4_0", "user/repo@Q4_0"]
    for odd in ("", ":", "a:", ":b", "a:b/c"):
        assert list(meanings(odd)) == [odd]

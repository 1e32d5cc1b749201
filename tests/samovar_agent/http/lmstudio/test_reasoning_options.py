"""Settings of reasoning, told from templates like those of real models."""

import pytest

from samovar_agent.http.lmstudio.reasoning_options import ReasoningOptions, options_of, reasoning_options
from tests.samovar_agent.engine.conftest import header
from tests.samovar_agent.http.conftest import model

SWITCH, DEGREES = ["off", "on"], ["low", "medium", "high"]


@pytest.mark.parametrize(
    ("template", "options", "default"),
    [
        ("{%- if enable_thinking is defined and enable_thinking is false %}<think></think>{%- endif %}", SWITCH, "on"),
        ("{% if enable_thinking == False %}<think></think>{% endif %}", SWITCH, "on"),
        ("{% if enable_thinking is defined and not enable_thinking %}</think>{% endif %}", SWITCH, "on"),
        ("{%- if enable_thinking is not defined %}{%- set enable_thinking = true %}{%- endif %}", SWITCH, "on"),
        ("{% if not thinking is defined %}{% set thinking = false %}{% endif %}", SWITCH, "off"),
        ("{%- if thinking %}<think>{%- endif %}", SWITCH, "off"),
        ("{%- if not enable_thinking | default(true) %}</think>{%- endif %}", SWITCH, "on"),
        ('{% if not reasoning_effort %}{% set reasoning_effort = "medium" %}{% endif %}', DEGREES, "medium"),
        ("{{ 'Reasoning: ' + reasoning_effort }}", DEGREES, None),
        ("{% if add_generation_prompt %}{{ '<|Assistant|><think>' }}{% endif %}", ["on"], "on"),
    ],
)
def test_templates_that_show_what_they_know(template: str, options: list[str], default: str | None) -> None:
    found = reasoning_options(template)
    assert found is not None
    assert (found.allowed_options, found.default) == (options, default)


@pytest.mark.parametrize(
    "template",
    [
        "{{ message.reasoning_content }}",
        "{{ message.thinking }}{{ message['thinking'] }}",
        "Say what you are thinking.{{ 'thinking' }}",
        "{% if '<think>' in content %}{% endif %}{% if add_generation_prompt %}assistant{% endif %}",
    ],
)
def test_templates_that_only_mention_thoughts(template: str) -> None:
    assert reasoning_options(template) is None


def test_only_models_that_reason_have_settings() -> None:
    template = "{% if thinking %}<think>{% endif %}"
    able, unable = model("a/b", capabilities=["chat", "thinking"]), model("a/b", capabilities=["chat"])
    expected = ReasoningOptions(allowed_options=["off", "on"], default="off")
    assert options_of(able, header(chat_template=template)) == expected
    assert options_of(unable, header(chat_template=template)) is None
    assert options_of(able, header(chat_template=None)) is None
    assert options_of(able, None) is None

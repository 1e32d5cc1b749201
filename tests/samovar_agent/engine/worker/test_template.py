import sys
import time

import pytest

from samovar_agent.engine.worker import template as module
from samovar_agent.engine.worker.template import CHATML_STOP, ChatTemplate
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.values import Message

HELLO = [Message(role="system", content="Be brief."), Message(role="user", content="Hello <b>\u00e4</b>")]


def refused(source: str) -> SamovarError:
    with pytest.raises(SamovarError) as caught:
        ChatTemplate(source).render(HELLO)
    return caught.value


def test_a_model_without_a_template_gets_chatml_and_its_end_marker() -> None:
    template = ChatTemplate(None)
    assert template.stop == (CHATML_STOP,)
    assert template.render(HELLO) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nHello <b>\u00e4</b><|im_end|>\n<|im_start|>assistant\n"
    )


def test_templates_get_what_they_expect() -> None:
    source = (
        "{{ bos_token }}\n"
        "{%- for message in messages %}\n"
        "    {%- if loop.first %}{% continue %}{% endif %}\n"
        "    {{- message['role'] + ':' + (message.content | trim) + eos_token }}\n"
        "{%- endfor %}\n"
        "{%- if add_generation_prompt and not tools %}{{ '>' }}{% endif %}{{ messages[0] | tojson }}"
        "{{ strftime_now('%Y') | length }}"
    )
    template = ChatTemplate(source, bos="<s>", eos="</s>")
    assert template.stop == ()
    assert template.render(HELLO) == ('<s>user:Hello <b>\u00e4</b></s>>{"role": "system", "content": "Be brief."}4')


def test_a_template_that_refuses_is_the_callers_mistake() -> None:
    error = refused("{{ raise_exception('Roles must alternate.') }}")
    assert error.code == FailureCode.BAD_REQUEST
    assert "Roles must alternate." in error.failure.message


@pytest.mark.parametrize("source", ["{% for %}", "{{ 'open", "{% endif %}", "{{ x | no_such_filter }}"])
def test_what_is_no_template_is_the_models_fault(source: str) -> None:
    assert refused(source).code == FailureCode.MODEL_UNSUPPORTED


@pytest.mark.parametrize(
    "payload",
    [
        "{{ raise_exception.__globals__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update(role='x') }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ strftime_now.__code__ }}",
        "{{ (messages | map(attribute='__class__') | list)[0].__mro__ }}",
        "{% include '/etc/passwd' %}",
        "{{ '%s' | format(1) }}{{ '{0.__class__.__mro__}'.format(1).__globals__ }}",
    ],
)
def test_nothing_outside_the_sandbox_can_be_reached(payload: str) -> None:
    assert refused(payload).code == FailureCode.MODEL_UNSUPPORTED


@pytest.mark.parametrize(
    "payload",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro again(n) %}{{ again(n + 1) }}{% endmacro %}{{ again(0) }}",
        "{{ 'x' * 10000000000 }}",
        "{{ 10 ** (10 ** 8) }}",
        "{% for a in range(99999) %}{{ 'x' * 9000 }}{% endfor %}",
        "{{ lipsum(n=10000000) }}",
        "{{ [1] | slice(10 ** 9) | list | length }}",
    ],
)
def test_time_and_output_are_limited(payload: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SECONDS", 0.2)
    began, before = time.monotonic(), sys.gettrace()
    assert refused(payload).code == FailureCode.MODEL_UNSUPPORTED
    assert time.monotonic() - began < 10
    assert sys.gettrace() is before

import pytest

from samovar_agent.engine.worker.output import Family, detect

TEMPLATES = {
    Family.HERMES: '<|im_start|>system\n# Tools ... within <tool_call></tool_call> XML tags: {"name": <function-name>}',
    Family.QWEN_CODER: "<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>",
    Family.LLAMA: "<|start_header_id|>assistant<|end_header_id|> {{- '<|python_tag|>' + tool_call.name + \".call(\" }}",
    Family.MISTRAL: "{{ '[TOOL_CALLS][' }}[INST]",
    Family.MISTRAL_ARGS: "{{- '[TOOL_CALLS]' + name + '[ARGS]' + arguments }}",
    Family.GEMMA: "{{ '<start_of_turn>' + role }}",
    Family.GEMMA4: "{{- '<|tool_call>call:' + function['name'] + '{' -}} {{ '<|channel>thought' }}",
    Family.FUNCTION_GEMMA: "<start_of_turn>model {{ '<start_function_call>call:' }}",
    Family.DEEPSEEK: "{{'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + '```json'}}",
    Family.DEEPSEEK_V31: "{{'<｜tool▁call▁begin｜>' + tool['function']['name'] + '<｜tool▁sep｜>'}}",
    Family.GLM: "<tool_call>{function-name}\n<arg_key>{arg-key-1}</arg_key>",
    Family.HARMONY: "<|start|>assistant<|channel|>analysis<|message|>",
    Family.JSON: "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}",
}


@pytest.mark.parametrize("family", list(Family))
def test_a_family_is_known_by_its_template(family: Family) -> None:
    assert detect(TEMPLATES[family]) == family


def test_no_template_is_plain_json() -> None:
    assert detect(None) == detect("") == Family.JSON

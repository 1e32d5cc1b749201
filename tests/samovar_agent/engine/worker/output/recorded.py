"""Replies as the families write them."""

from __future__ import annotations

from samovar_agent.engine.worker.output import Family
from tests.samovar_agent.engine.worker.output.replies import Case

F = Family
OSLO = ("get_weather", {"city": "Oslo"})
ROME = ("get_weather", {"city": "Rome", "days": 3})
H_OSLO = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
H_ROME = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome", "days": 3}}\n</tool_call>'
Q_ROME = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n"
    "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"
)
G_ROME = (
    "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>\n"
    "<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>"
)
D = "<｜tool▁calls▁begin｜>"
D_END = "<｜tool▁calls▁end｜>"
D_OSLO = '<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{"city": "Oslo"}\n```<｜tool▁call▁end｜>'
D_ROME = '<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Rome", "days": 3}<｜tool▁call▁end｜>'
START = "<|start|>assistant"
ANALYSIS = "<|channel|>analysis<|message|>Look it up.<|end|>"
O_OSLO = '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Oslo"}<|call|>'
N_ROME = '<|tool_call>call:get_weather{city:<|"|>Rome<|"|>,days:3}<tool_call|>'

PLAIN = "Hej! 2 < 3, [1], `code`, {\"a\": 1} – naïve 😀.\n\n```py\nx = {'a': [1]}\n```\n"

CASES: dict[str, Case] = {
    "hermes thinks and calls": Case(
        F.HERMES, f"<think>\nI look.\n</think>\n\n{H_OSLO}", reasoning="I look.", calls=(OSLO,)
    ),
    "hermes calls twice after content": Case(
        F.HERMES, f"Both, then:\n{H_OSLO}\n{H_ROME}", content="Both, then:", calls=(OSLO, ROME)
    ),
    "hermes thinks nothing": Case(F.HERMES, "<think>\n\n</think>\n\nHi – 你好 😀", content="Hi – 你好 😀"),
    "hermes: the template opened the reasoning": Case(
        F.HERMES, "Hmm.\n</think>\n\nYes.", content="Yes.", reasoning="Hmm.", tail="<|im_start|>assistant\n<think>\n"
    ),
    "hermes: reasoning is cut off": Case(F.HERMES, "<think>\nSo, fir", reasoning="So, fir"),
    "hermes: keys in another order, and an own id": Case(
        F.HERMES,
        '<tool_call>{"id": "a", "arguments": {"city": "Oslo"}, "name": "get_weather"}</tool_call>',
        calls=(OSLO,),
    ),
    "hermes: arguments as a string": Case(
        F.HERMES, '<tool_call>{"name":"get_weather","arguments":"{\\"city\\": \\"Oslo\\"}"}</tool_call>', calls=(OSLO,)
    ),
    "hermes: no arguments": Case(
        F.HERMES, '<tool_call>{"name": "get_weather"}</tool_call>', calls=(("get_weather", {}),)
    ),
    "hermes: the closing tag is missing": Case(
        F.HERMES, '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n', calls=(OSLO,)
    ),
    "hermes: markers and line breaks in strings": Case(
        F.HERMES,
        '<tool_call>{"name": "write_file", "arguments": {"text": "</tool_call> \\" \\u00e9 \n<think>{"}}</tool_call>!',
        calls=(("write_file", {"text": '</tool_call> " é \n<think>{'}),),
        content="!",
    ),
    "hermes: malformed": Case(
        F.HERMES,
        f"So <tool_call>\n{{'name': 'get_weather'}}\n</tool_call> no.\n{H_OSLO}",
        content="So <tool_call>\n{'name': 'get_weather'}\n</tool_call> no.",
        calls=(OSLO,),
    ),
    "hermes: cut off": Case(F.HERMES, f"{H_ROME}\n{H_OSLO[:60]}", content=H_OSLO[:60], calls=(ROME,)),
    "hermes: tags are spoken of": Case(
        F.HERMES,
        'Qwen puts `<think>` and "</think>" around it, then `<tool_call>`; a <think> or <tool_call> stays.',
        content='Qwen puts `<think>` and "</think>" around it, then `<tool_call>`; a <think> or <tool_call> stays.',
    ),
    "hermes: reasoning speaks of tags": Case(
        F.HERMES, "<think>End with `</think>` or `x`</think>`y`", reasoning="End with `</think>` or `x`</think>`y`"
    ),
    "qwen-coder calls twice after content": Case(
        F.QWEN_CODER, f"I look.\n\n{Q_ROME}\n{Q_ROME}", content="I look.", calls=(ROME, ROME)
    ),
    "qwen-coder: types by the schema": Case(
        F.QWEN_CODER,
        "<function=get_weather>\n<parameter=city>\n12\n</parameter>\n<parameter=exact>\nTrue\n</parameter>\n"
        '<parameter=options>\n{"a": [1]}\n</parameter>\n<parameter=scale>\nNone\n</parameter>\n'
        "<parameter=days>\nmany\n</parameter>\n<parameter=odd>7</parameter>\n</function>",
        calls=(
            (
                "get_weather",
                {"city": "12", "exact": True, "options": {"a": [1]}, "scale": None, "days": "many", "odd": "7"},
            ),
        ),
    ),
    "qwen-coder: code that holds the closing tag": Case(
        F.QWEN_CODER,
        "<tool_call><function=write_file><parameter=text>\n  a </parameter> b\n\n</parameter></function></tool_call>",
        calls=(("write_file", {"text": "  a </parameter> b\n"}),),
    ),
    "qwen-coder: no parameters, as JSON for once": Case(
        F.QWEN_CODER,
        f"<think>x</think><tool_call><function=get_weather></function></tool_call>{H_OSLO}",
        reasoning="x",
        calls=(("get_weather", {}), OSLO),
    ),
    "qwen-coder: cut off": Case(F.QWEN_CODER, f"{Q_ROME}\n{Q_ROME[:-40]}", content=Q_ROME[:-40], calls=(ROME,)),
    "qwen-coder: malformed": Case(
        F.QWEN_CODER, "<tool_call>\n<function get_weather>", content="<tool_call>\n<function get_weather>"
    ),
    "llama": Case(F.LLAMA, '{"name": "get_weather", "parameters": {"city": "Oslo"}}', calls=(OSLO,)),
    "llama calls twice": Case(
        F.LLAMA,
        '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Oslo"}}; '
        '{"type": "function", "name": "get_weather", "parameters": {"city": "Rome", "days": 3}}',
        calls=(OSLO, ROME),
    ),
    "llama calls after content": Case(
        F.LLAMA,
        'I look.\n<function=get_weather>{"city": "Oslo"}</function>',
        content="I look.",
        calls=(OSLO,),
    ),
    "llama: a built-in tool": Case(F.LLAMA, '<|python_tag|>get_weather.call(city="Oslo")', calls=(OSLO,)),
    "llama: JSON as the answer": Case(F.LLAMA, '{"name": "Ada", "age": 36}', content='{"name": "Ada", "age": 36}'),
    "llama: cut off": Case(
        F.LLAMA, ' {"name": "get_weather", "parameters": {"ci', content=' {"name": "get_weather", "parameters": {"ci'
    ),
    "llama: malformed": Case(F.LLAMA, "<|python_tag|>rm -rf (", content="<|python_tag|>rm -rf ("),
    "mistral": Case(
        F.MISTRAL,
        '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Oslo"}, "id": "abcdefghi"}, '
        '{"name": "get_weather", "arguments": {"city": "Rome", "days": 3}}]',
        calls=(OSLO, ROME),
    ),
    "mistral thinks and calls by name": Case(
        F.MISTRAL_ARGS,
        '[THINK]Hm [1].[/THINK]Well.[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo"}'
        '[TOOL_CALLS]get_weather[CALL_ID]abcdefghi[ARGS]{"city": "Rome", "days": 3}',
        content="Well.",
        reasoning="Hm [1].",
        calls=(OSLO, ROME),
    ),
    "mistral: cut off": Case(
        F.MISTRAL,
        '[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Oslo"}}, {"name": "get_w',
        calls=(OSLO,),
        content=', {"name": "get_w',
    ),
    "mistral: malformed": Case(F.MISTRAL, "A [TOOL_CALLS] is it.", content="A [TOOL_CALLS] is it."),
    "gemma: python in a fence": Case(
        F.GEMMA,
        "I look.\n```tool_code\nprint(get_weather(city='Oslo'))\nget_weather('Rome', days=3)\n```\n",
        content="I look.",
        calls=(OSLO, ROME),
    ),
    "gemma: JSON in a fence": Case(
        F.GEMMA, '```json\n{"name": "get_weather", "parameters": {"city": "Oslo"}}\n```', calls=(OSLO,)
    ),
    "gemma: a list": Case(F.GEMMA, "[get_weather(city='Oslo'), get_weather(city='Rome', days=3)]", calls=(OSLO, ROME)),
    "gemma: malformed": Case(
        F.GEMMA, "See:\n```python\nprint(1 + 1)\n```\ndone", content="See:\n```python\nprint(1 + 1)\n```\ndone"
    ),
    "gemma: cut off": Case(F.GEMMA, "```tool_code\nget_weather(ci", content="```tool_code\nget_weather(ci"),
    "gemma 4 thinks, speaks and calls": Case(
        F.GEMMA4,
        f"<|channel>thought\nI look.\n<channel|>Well:{N_ROME}{N_ROME}",
        content="Well:",
        reasoning="I look.",
        calls=(ROME, ROME),
    ),
    "gemma 4: values inside of values": Case(
        F.GEMMA4,
        '<|tool_call>call:get_weather{exact:true,options:{a:[<|"|>x, "y" }<|"|>,1.5,[]],b:{}},scale:null}<tool_call|>',
        calls=(("get_weather", {"exact": True, "options": {"a": ['x, "y" }', 1.5, []], "b": {}}, "scale": None}),),
    ),
    "gemma 4: no thinking": Case(F.GEMMA4, "Hi.", content="Hi.", tail="<|channel>thought\n<channel|>"),
    "gemma 4: cut off": Case(F.GEMMA4, N_ROME[:-14], content=N_ROME[:-14]),
    "gemma 4: malformed": Case(F.GEMMA4, "a <|tool_call>call:x{y}", content="a <|tool_call>call:x{y}"),
    "function gemma": Case(
        F.FUNCTION_GEMMA,
        "<start_function_call>call:get_weather{city:<escape>Oslo<escape>}<end_function_call>",
        calls=(OSLO,),
    ),
    "deepseek r1": Case(
        F.DEEPSEEK,
        f"I look.\n</think>\n\nSo:{D}{D_OSLO}\n{D_OSLO}{D_END}",
        content="So:",
        reasoning="I look.",
        calls=(OSLO, OSLO),
        tail="<｜Assistant｜><think>\n",
    ),
    "deepseek v3.1": Case(F.DEEPSEEK_V31, f"Well.\n\n{D}{D_ROME}{D_END}", content="Well.", calls=(ROME,)),
    "deepseek: reasoning is not closed": Case(
        F.DEEPSEEK, f"I call.{D}{D_OSLO}{D_END}", reasoning="I call.", calls=(OSLO,), tail="<think>\n"
    ),
    "deepseek: no call within reasoning": Case(
        F.DEEPSEEK,
        "A <｜tool▁call▁begin｜> is.\n</think>B",
        content="B",
        reasoning="A <｜tool▁call▁begin｜> is.",
        tail="<think>\n",
    ),
    "deepseek: cut off": Case(F.DEEPSEEK, f"{D}{D_OSLO}\n{D_OSLO[:70]}", content=D_OSLO[:70], calls=(OSLO,)),
    "deepseek: malformed": Case(F.DEEPSEEK_V31, "<｜tool▁call▁begin｜>no call", content="<｜tool▁call▁begin｜>no call"),
    "glm": Case(
        F.GLM,
        f"\n<think>Hm.</think>\nI look.\n{G_ROME}\n{G_ROME}",
        content="I look.",
        reasoning="Hm.",
        calls=(ROME, ROME),
    ),
    "glm without line breaks": Case(
        F.GLM,
        "<tool_call>get_weather<arg_key>city</arg_key><arg_value> a</arg_value> </arg_value></tool_call>",
        calls=(("get_weather", {"city": " a</arg_value> "}),),
    ),
    "glm: cut off": Case(F.GLM, f"{G_ROME}{G_ROME[:-20]}", content=G_ROME[:-20], calls=(ROME,)),
    "glm: malformed": Case(F.GLM, "A <tool_call>is it?", content="A <tool_call>is it?"),
    "harmony": Case(
        F.HARMONY,
        f"{ANALYSIS}{START}<|channel|>final<|message|>It is\n\nsunny.<|return|>",
        content="It is\n\nsunny.",
        reasoning="Look it up.",
        tail=START,
    ),
    "harmony calls after a word": Case(
        F.HARMONY,
        f"{ANALYSIS}{START}<|channel|>commentary<|message|>I look.<|end|>{START}{O_OSLO}",
        content="I look.",
        reasoning="Look it up.",
        calls=(OSLO,),
        tail=f"<|end|>{START}",
    ),
    "harmony: the recipient stands with the role": Case(
        F.HARMONY,
        f' to=functions.get_weather<|channel|>commentary json<|message|>{{"city": "Oslo"}}<|call|>{START}{O_OSLO}',
        calls=(OSLO, OSLO),
        tail=START,
    ),
    "harmony: the prompt opened the message": Case(
        F.HARMONY, "Sunny.", content="Sunny.", tail=f"{START}<|channel|>final<|message|>"
    ),
    "harmony: no header": Case(F.HARMONY, "Sunny.<|end|>", content="Sunny.", tail=START),
    "harmony: cut off": Case(F.HARMONY, O_OSLO[:-12], content='{"city": "Os', tail=START),
    "harmony: malformed": Case(F.HARMONY, O_OSLO.replace("{", "<"), content='<"city": "Oslo"}', tail=START),
    "plain": Case(
        F.JSON,
        '```json\n[{"name": "get_weather", "arguments": {"city": "Oslo"}},'
        ' {"function": {"name": "get_weather", "arguments": {"city": "Rome", "days": 3}}}]\n```',
        calls=(OSLO, ROME),
    ),
    "plain thinks, calls, speaks": Case(
        F.JSON,
        '<think>Hm.</think>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\nThere.',
        content="There.",
        reasoning="Hm.",
        calls=(OSLO,),
    ),
    "plain: an example later on": Case(
        F.JSON,
        'Say:\n```json\n{"name": "get_weather", "arguments": {}}\n```',
        content='Say:\n```json\n{"name": "get_weather", "arguments": {}}\n```',
    ),
    "plain: nobody's tool": Case(
        F.JSON, '{"name": "other", "arguments": {}}', content='{"name": "other", "arguments": {}}'
    ),
    "plain: cut off": Case(F.JSON, '[{"name": "get_we', content='[{"name": "get_we'),
    "plain: malformed": Case(
        F.JSON,
        '{"name": "get_weather", "arguments": {"city": nope}}',
        content='{"name": "get_weather", "arguments": {"city": nope}}',
    ),
} | {f"{family}: text only": Case(family, PLAIN, content=PLAIN) for family in Family}

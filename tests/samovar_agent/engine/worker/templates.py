"""Small chat templates in the style of the families; each says what a real one of its kind says, and no more."""

HERMES = """\
{%- if tools %}<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content }}

{% endif %}Tools: <tools>{% for tool in tools %}{{ tool | tojson }}
{% endfor %}</tools>. Answer with <tool_call></tool_call>.<|im_end|>
{% endif %}
{%- for m in messages %}
{%- if m.role == 'assistant' %}<|im_start|>assistant
{% set text = m.content.split('</think>')[-1] %}
{%- if m.reasoning_content and loop.last %}<think>
{{ m.reasoning_content }}
</think>

{% endif %}
{{- text | trim }}
{%- for call in m.tool_calls %}
<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{% elif m.role == 'tool' %}<|im_start|>user
<tool_response>
{{ m.content }}
</tool_response><|im_end|>
{% elif m.role != 'system' or not tools %}<|im_start|>{{ m.role + '\\n' + m.content + '<|im_end|>' }}
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% endif %}
{%- endif %}"""

# No system, roles must alternate, no tools.
GEMMA = """\
{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for m in messages %}
{%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}
<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}
{{ m['content'] | trim }}<end_of_turn>
{% endfor %}
{%- if add_generation_prompt %}<start_of_turn>model
{% endif %}"""

# Arguments as text, and calls only where there is no content.
DEEPSEEK = """\
{{ bos_token }}{% for m in messages %}
{%- if m.role == 'user' %}{{ '<｜User｜>' + m.content }}
{%- elif m.role == 'assistant' and m.content is none %}<｜Assistant｜><｜tool▁calls▁begin｜>
{%- for call in m.tool_calls %}{{ '<｜tool▁call▁begin｜>' + call.type + '<｜tool▁sep｜>' + call.function.name
 + '\\n```json\\n' + call.function.arguments + '\\n```<｜tool▁call▁end｜>' }}{% endfor %}<｜tool▁calls▁end｜>
{%- elif m.role == 'assistant' %}{{ '<｜Assistant｜>' + m.content.split('</think>')[-1] + eos_token }}
{%- elif m.role == 'tool' %}{{ '<｜tool▁output▁begin｜>' + m.content + '<｜tool▁output▁end｜>' }}
{%- endif %}{% endfor %}{% if add_generation_prompt %}<｜Assistant｜><think>
{% endif %}"""

# Content as a list of parts.
PARTS = """\
{% for m in messages %}[{{ m.role }}]{% for part in m.content %}{% if part['type'] == 'text' %}{{ part['text'] }}
{%- endif %}{% endfor %}{% endfor %}[assistant]"""

# A marker around what the client may set, and one for trainers.
ARGUMENTS = """\
{% generation %}{{ style | default('plain') }}{% endgeneration %}|{{ enable_thinking }}|{{ thinking }}|
{%- for m in messages %}{{ m.content }}{% endfor %}"""

import json

import pytest

from samovar_agent.engine.worker.output import Family, Frame, tool_call_frame
from tests.samovar_agent.engine.worker.output.replies import read

ARGUMENTS = ({"city": "Oslo", "days": 3}, {"city": "Rome", "exact": True})


def write(frame: Frame, arguments: dict[str, object]) -> str:
    """A call as a grammar that follows the frame would have it."""
    layout = frame.parameters
    if layout is None:
        written = json.dumps(arguments)
    else:
        quoted = {
            key: f"{layout.string_quote}{value}{layout.string_quote}" if isinstance(value, str) else json.dumps(value)
            for key, value in arguments.items()
        }
        written = layout.separator.join(
            f"{layout.before}{key}{layout.between}{value}{layout.after}" for key, value in quoted.items()
        )
    return f"{frame.before}get_weather{frame.between}{written}{frame.after}"


@pytest.mark.parametrize("family", list(Family))
def test_what_a_frame_says_its_parser_reads(family: Family) -> None:
    frame = tool_call_frame(family)
    many = ARGUMENTS if frame.separator is not None else ARGUMENTS[:1]
    calls = (frame.separator or "").join(write(frame, arguments) for arguments in many)
    for opening in frame.openings:
        text = opening + calls + frame.closing
        reply = read(family, list(text))
        assert reply.arguments == [("get_weather", arguments) for arguments in many]
        assert not reply.content
        starts = (*frame.triggers, *frame.start_triggers)
        assert any(text.startswith(trigger) for trigger in starts)

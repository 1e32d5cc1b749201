"""The agent's end has a limit, and what takes long is named."""

import asyncio
import logging
import subprocess
import sys
import threading

import pytest

from samovar_agent.stopping import Stopping


async def test_a_part_that_does_not_end_is_told_and_left(caplog: pytest.LogCaptureFixture) -> None:
    stopping, held, left = Stopping(), asyncio.Event(), asyncio.Event()

    async def close() -> None:
        try:
            await held.wait()
        finally:
            left.set()

    await stopping.part("the kettle", close, within=0.05)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the kettle did not end within" in caplog.text
    async with asyncio.timeout(5):
        await left.wait()


async def test_a_part_that_ends_says_nothing_and_what_it_raises_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    async def well() -> None: ...

    async def badly() -> None:
        raise RuntimeError("no water")

    caplog.set_level(logging.INFO)
    await Stopping().part("the kettle", well)
    assert not caplog.records
    with pytest.raises(RuntimeError, match="no water"):
        await Stopping().part("the kettle", badly)


async def test_when_all_time_is_over_the_process_ends_and_says_what_it_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended = threading.Event()
    stopping = Stopping(0.2, lambda code: ended.set())
    stopping.begin()
    hanging = asyncio.create_task(stopping.part("the kettle", asyncio.Event().wait), name="hanging")
    await asyncio.to_thread(ended.wait, 10)
    assert ended.is_set()
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert vars(record)["waits_for"] == "the kettle"
    assert any(task.startswith("hanging:") for task in vars(record)["tasks"])
    hanging.cancel()


async def test_where_the_process_is_not_the_agents_it_does_not_end() -> None:
    ended: list[int] = []
    before = threading.active_count()
    Stopping(None, ended.append).begin()
    assert threading.active_count() == before and not ended


@pytest.mark.parametrize("hangs", ["loop.run_in_executor(None, time.sleep, 60)", "time.sleep(60)"])
def test_neither_a_thread_nor_the_loop_itself_can_hold_it_up(hangs: str) -> None:
    """Python waits at its end for threads that were begun by executors, for as long as it takes."""
    program = f"""
import asyncio, time
from samovar_agent.stopping import Stopping

async def main():
    loop = asyncio.get_running_loop()
    Stopping(0.5).begin()
    {hangs}

asyncio.run(main())
"""
    run = subprocess.run([sys.executable, "-P", "-c", program], timeout=50, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr

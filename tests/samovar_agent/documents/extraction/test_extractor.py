"""Processes that crash, hang, grow or lie cost one file each."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from samovar_agent.documents.extracted import Extracted
from samovar_agent.documents.extraction.extractor import Extractor
from samovar_agent.documents.extraction.limits import Limits
from samovar_protocol import FailureCode, SamovarError

_FAKE = (sys.executable, "-m", "tests.samovar_agent.documents.extraction.fake_worker")
Make = Callable[[Limits], Extractor]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Extractor] = []

    def new(limits: Limits) -> Extractor:
        made.append(Extractor(tmp_path / f"scratch{len(made)}", limits, command=_FAKE))
        return made[-1]

    yield new
    for one in made:
        await one.close()


async def _until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def _reason(extracted: Extracted) -> str:
    return extracted.problem.reason if extracted.problem else ""


async def test_one_process_reads_many_files(make: Make) -> None:
    extractor = make(Limits())
    first, second = [await extractor.extract(Path(name)) for name in ("a", "b")]
    assert first.text.split()[0] == "1"
    assert second.text.split()[0] == "2"
    assert first.text.split()[1] == second.text.split()[1] == str(extractor.pid)


@pytest.mark.parametrize(
    ("mischief", "reason", "words"),
    [
        ("crash", "crashed", "SIGSEGV"),
        ("hang", "too_slow", "1 second"),
        ("grow", "out_of_memory", "200 MB"),
        ("allocation fails", "out_of_memory", "200 MB"),
        ("garbage", "crashed", "no message"),
        ("endless", "crashed", "no message"),
    ],
)
async def test_a_process_that_fails_costs_one_file(make: Make, mischief: str, reason: str, words: str) -> None:
    extractor = make(Limits(seconds=1 if mischief == "hang" else 60, memory_bytes=200 * 1024 * 1024))
    await extractor.extract(Path("before"))
    pid = extractor.pid
    assert pid is not None
    began = time.monotonic()
    extracted = await extractor.extract(Path("/folder", mischief))
    assert time.monotonic() - began < 30
    assert _reason(extracted) == reason
    assert extracted.problem is not None
    assert words in extracted.problem.message
    assert extracted.title == mischief
    assert not extracted.text
    assert not psutil.pid_exists(pid)
    assert (await extractor.extract(Path("after"))).text.startswith("1 ")


async def test_much_noise_on_standard_error_blocks_nothing(make: Make) -> None:
    extractor = make(Limits(seconds=20))
    assert _reason(await extractor.extract(Path("shouts"))) == ""


async def test_a_process_is_replaced_after_some_files_and_when_it_says_so(make: Make) -> None:
    extractor = make(Limits(files=2))
    reads = [(await extractor.extract(Path(name))).text.split()[0] for name in ("a", "b", "c", "panic", "d")]
    assert reads == ["1", "2", "1", "2", "1"]


async def test_files_that_no_library_reads_leave_nothing_behind(make: Make) -> None:
    extractor = make(Limits(files=2))
    reads = [(await extractor.extract(Path(name))).text.split()[0] for name in ("a", "note", "note 2", "b", "c")]
    assert reads == ["1", "2", "3", "4", "1"]


async def test_a_process_killed_between_two_files_costs_none(make: Make) -> None:
    extractor = make(Limits())
    await extractor.extract(Path("a"))
    pid = extractor.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await _until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    await asyncio.sleep(0)
    results = [_reason(await extractor.extract(Path(name))) for name in ("b", "c")]
    assert results[-1] == ""


@pytest.mark.parametrize(("kills", "starts"), [(1, True), (2, True), (3, False)])
async def test_a_process_killed_while_it_starts_is_begun_again(tmp_path: Path, kills: int, starts: bool) -> None:
    count = tmp_path / "count"
    command = (*_FAKE, "killed at start", str(kills), str(count))
    extractor = Extractor(tmp_path / "scratch", Limits(), command=command)
    try:
        if starts:
            assert (await extractor.extract(Path("a"))).text
        else:
            with pytest.raises(SamovarError) as raised:
                await extractor.extract(Path("a"))
            assert raised.value.code == FailureCode.INTERNAL
            assert "SIGKILL" in raised.value.failure.message
    finally:
        await extractor.close()


async def test_a_file_is_read_again_where_somebody_killed_its_process(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_WORKER_COUNT", str(tmp_path / "count"))
    extractor = make(Limits())
    assert (await extractor.extract(Path("killed once"))).text
    always = await extractor.extract(Path("killed always"))
    assert _reason(always) == "crashed"
    assert always.problem is not None
    assert "SIGKILL" in always.problem.message
    assert (await extractor.extract(Path("next"))).text


async def test_cancelling_ends_the_process_and_the_next_file_is_read(make: Make) -> None:
    extractor = make(Limits())
    task = asyncio.create_task(extractor.extract(Path("hang")))
    await _until(lambda: extractor.pid)
    pid = extractor.pid
    assert pid is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(pid)
    assert (await extractor.extract(Path("next"))).text.startswith("1 ")


async def test_files_are_read_one_at_a_time(make: Make) -> None:
    extractor = make(Limits())
    texts = [extracted.text for extracted in await asyncio.gather(*(extractor.extract(Path(str(n))) for n in range(5)))]
    assert sorted(text.split()[0] for text in texts) == ["1", "2", "3", "4", "5"]
    assert len({text.split()[1] for text in texts}) == 1


async def test_those_behind_a_file_that_fails_are_read_by_another_process(make: Make) -> None:
    extractor = make(Limits())
    names = ["a", "crash", "b", "c", "garbage", "d"]
    read = await asyncio.gather(*(extractor.extract(Path(name)) for name in names))
    assert [_reason(extracted) for extracted in read] == ["", "crashed", "", "", "crashed", ""]
    assert len({extracted.text.split()[1] for extracted in read if extracted.text}) == 3


async def test_those_behind_a_file_that_nobody_wants_are_read_by_another_process(make: Make) -> None:
    extractor = make(Limits())
    hanging = asyncio.create_task(extractor.extract(Path("hang")))
    behind = [asyncio.create_task(extractor.extract(Path(name))) for name in ("a", "b")]
    await _until(lambda: extractor.pid)
    hanging.cancel()
    assert [(await task).text.split()[0] for task in behind] == ["1", "2"]
    with pytest.raises(asyncio.CancelledError):
        await hanging


async def test_each_file_has_its_own_time(make: Make) -> None:
    extractor = make(Limits(seconds=1))
    names = ["hang", "a", "hang", "b"]
    read = await asyncio.gather(*(extractor.extract(Path(name)) for name in names))
    assert [_reason(extracted) for extracted in read] == ["too_slow", "", "too_slow", ""]


async def test_an_idle_process_ends(make: Make) -> None:
    extractor = make(Limits(idle_seconds=0.05))
    await extractor.extract(Path("a"))
    pid = extractor.pid
    assert pid is not None
    await _until(lambda: not psutil.pid_exists(pid))
    assert extractor.pid is None
    assert (await extractor.extract(Path("b"))).text.startswith("1 ")


async def test_a_process_that_does_not_start_is_no_fault_of_the_file(tmp_path: Path) -> None:
    for command, words in (((*_FAKE, "no start"), "no such library"), (("/no/such/program",), "No such file")):
        extractor = Extractor(tmp_path / "scratch", command=command)
        with pytest.raises(SamovarError) as caught:
            await extractor.extract(Path("a"))
        assert caught.value.code == FailureCode.INTERNAL
        assert words in caught.value.failure.message
        await extractor.close()


async def test_the_worker_dies_with_its_agent(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from samovar_agent.documents.extraction.extractor import Extractor\n"
        "async def main():\n"
        "    extractor = Extractor(pathlib.Path(sys.argv[1]).with_suffix('.scratch'))\n"
        "    await extractor.extract(pathlib.Path(sys.argv[1]))\n"
        "    print(extractor.pid, flush=True)\n"
        "    await asyncio.sleep(1000)\n"
        "asyncio.run(main())\n"
    )
    file = tmp_path / "a.txt"
    file.write_text("tea")
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(file), stdout=asyncio.subprocess.PIPE
    )
    assert agent.stdout is not None
    pid = int(await asyncio.wait_for(agent.stdout.readline(), 60))
    assert psutil.pid_exists(pid)
    agent.kill()
    await agent.wait()
    await _until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 5)

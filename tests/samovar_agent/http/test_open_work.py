"""Ending work from outside."""

import asyncio

import pytest

from samovar_agent.http.open_work import OpenWork
from samovar_protocol import Failure, SamovarError

ENOUGH = Failure(code="enough", message="Enough.")


async def test_a_job_is_cut_short_with_the_failure() -> None:
    work = OpenWork()
    with work.begin(None, "c") as job:
        asyncio.get_running_loop().call_soon(job.end, ENOUGH)
        with pytest.raises(SamovarError, match="Enough"):
            async with job.interruptible():
                await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None and not task.cancelling()


async def test_a_job_that_was_ended_before_its_work_does_none() -> None:
    with OpenWork().begin(None, "c") as job:
        job.end(ENOUGH)
        job.end(Failure(code="later", message="Later."))
        with pytest.raises(SamovarError, match="Enough"):
            async with job.interruptible():
                raise AssertionError("not reached")


async def test_a_time_out_of_the_work_itself_is_not_ours() -> None:
    with OpenWork().begin(None, "c") as job, pytest.raises(TimeoutError):
        async with job.interruptible():
            raise TimeoutError


async def test_a_client_that_goes_away_is_a_cancellation_as_ever() -> None:
    async def run() -> None:
        with OpenWork().begin(None, "c") as job:
            async with job.interruptible():
                await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_ending_all_waits_only_so_long() -> None:
    work = OpenWork()
    with work.begin(None, "c"):
        async with asyncio.timeout(5):
            await work.end_all(ENOUGH, within=0.01)
    await work.end_all(ENOUGH, within=60)

"""Downloads as jobs, field by field."""

import datetime
from typing import Any

import pytest

from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.replies import GetReply
from samovar_protocol.values import DownloadInfo, DownloadState, Progress
from tests.samovar_agent.http.conftest import KEY, model
from tests.samovar_agent.http.lmstudio.conftest import LmStudio, error

DOWNLOAD, STATUS = "/api/v1/models/download", "/api/v1/models/download/status"
BEGAN, BEGAN_TEXT = 1_700_000_000.25, "2023-11-14T22:13:20.250Z"


def job(state: DownloadState, progress: Progress | None = None, **values: Any) -> DownloadInfo:
    return DownloadInfo(id=7, name="a/b", state=state, progress=progress, created_at=BEGAN, **values)


def some(stage: str, **values: Any) -> Progress:
    return Progress(stage=stage, done=948, total=2_279_145_003, **values)


async def test_a_download_begins(lm: LmStudio) -> None:
    lm.agent.downloads.reply = GetReply(download=job("queued", Progress(stage="queued", done=2, unit="requests")))
    answer = await lm.post(DOWNLOAD, model="smollm2-135m")
    assert answer.json() == {
        "job_id": "job_7",
        "status": "downloading",
        "bytes_per_second": 0.0,
        "started_at": BEGAN_TEXT,
    }
    (get,) = lm.agent.downloads.asked
    assert (get.name, get.background) == ("smollm2-135m", True)


async def test_what_is_here_is_not_fetched_again(lm: LmStudio) -> None:
    lm.agent.downloads.reply = GetReply(model=model(KEY), already_present=True)
    assert (await lm.post(DOWNLOAD, model=KEY)).json() == {"status": "already_downloaded"}


@pytest.mark.parametrize(
    ("wanted", "quantization", "name"),
    [
        ("qwen/qwen3", "Q4_K_M", "qwen/qwen3@Q4_K_M"),
        ("https://huggingface.co/a/b", "Q4_K_M", "https://huggingface.co/a/b@Q4_K_M"),
        ("https://huggingface.co/a/b/?show=1#top", "Q8_0", "https://huggingface.co/a/b@Q8_0"),
        ("https://huggingface.co/a/b?show=1", None, "https://huggingface.co/a/b?show=1"),
    ],
)
async def test_a_quantization_joins_the_name(lm: LmStudio, wanted: str, quantization: str | None, name: str) -> None:
    lm.agent.downloads.reply = GetReply(model=model(KEY))
    assert (await lm.post(DOWNLOAD, model=wanted, quantization=quantization)).status == 200
    assert lm.agent.downloads.asked[0].name == name


async def test_two_quantizations_are_one_too_many(lm: LmStudio) -> None:
    for body in ({"model": "a/b@Q8_0", "quantization": "Q4_0"}, {"model": "a/b", "quantization": "Q4 0/"}):
        answer = await lm.post(DOWNLOAD, **body)
        assert (answer.status, error(answer)["param"]) == (400, "quantization")
    assert not lm.agent.downloads.asked


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (
            job("running", some("downloading", per_second=100.5)),
            {"status": "downloading", "bytes_per_second": 100.5},
        ),
        (job("paused", some("paused")), {"status": "paused"}),
        (
            job("waiting", some("waiting"), problem="There is no network."),
            {"status": "downloading", "bytes_per_second": 0.0, "problem": "There is no network."},
        ),
        (job("failed", some("failed"), problem="It broke."), {"status": "failed", "problem": "It broke."}),
        (job("cancelled", some("cancelled")), {"status": "failed"}),
    ],
)
async def test_states_of_a_download(lm: LmStudio, info: DownloadInfo, expected: dict[str, Any]) -> None:
    lm.agent.downloads.listed = [info]
    assert (await lm.get(f"{STATUS}/job_7")).json() == {
        "job_id": "job_7",
        "started_at": BEGAN_TEXT,
        "downloaded_bytes": 948,
        "total_size_bytes": 2_279_145_003,
        **expected,
    }


async def test_when_it_will_be_over(lm: LmStudio) -> None:
    lm.agent.downloads.listed = [job("running", some("downloading", per_second=1e6, eta_seconds=3600))]
    before = datetime.datetime.now(datetime.UTC)
    text = (await lm.get(f"{STATUS}/job_7")).json()["estimated_completion"]
    left = datetime.datetime.fromisoformat(text) - before
    assert datetime.timedelta(seconds=3599) <= left <= datetime.timedelta(seconds=3660)


async def test_when_it_was_over(lm: LmStudio) -> None:
    id_ = await lm.store.downloads.add(name="a", wanted="{}", priority=0, requester="", total_bytes=5)
    await lm.store.downloads.change(id_, state="done")
    (row,) = await lm.store.downloads.ls()
    lm.agent.downloads.listed = [DownloadInfo(id=id_, name="a", state="done", created_at=BEGAN)]
    body = (await lm.get(f"{STATUS}/job_{id_}")).json()
    assert body["status"] == "completed"
    moment = datetime.datetime.fromisoformat(body["completed_at"]).timestamp()
    assert moment == pytest.approx(row.changed_at, abs=0.002)


async def test_there_is_no_such_job(lm: LmStudio) -> None:
    lm.agent.downloads.listed = [job("done")]
    for id_ in ("job_8", "job_07", "7", "job_x", "job_" + "9" * 30):
        answer = await lm.get(f"{STATUS}/{id_}")
        assert answer.status == 404
        assert (error(answer)["type"], error(answer)["param"]) == ("job_not_found", "job_id")


async def test_what_the_network_says(lm: LmStudio) -> None:
    lm.agent.downloads.reply = SamovarError(FailureCode.NETWORK_OFFLINE, "The policy is offline.", hint="Change it.")
    answer = await lm.post(DOWNLOAD, model="a/b")
    assert (answer.status, error(answer)["code"]) == (503, "network_offline")

"""A file in a form: to the disk as it comes, whatever its size, and away again unless all of it came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal, TypeVar, get_args

import msgspec
from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from samovar_agent.documents.uploaded_files import IncomingFile, UploadedFiles, too_large
from samovar_agent.http.errors import HttpRefusal, bad_request
from samovar_agent.store.files import FileRow
from samovar_protocol import FailureCode

STALLED_SECONDS = 60.0
"""A client that sends nothing for so long has gone."""

T = TypeVar("T")

Purpose = Literal["assistants", "user_data"]
"""Files become documents; OpenAI's other purposes, batches and fine-tuning and so on, there are none of here."""


class UploadForm(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of the form, as a description; the file itself never is in memory as a whole."""

    file: bytes
    purpose: Purpose


_PIECE_BYTES = 256 * 1024
_FORM_BYTES = 64 * 1024
"""What a form may have besides the file."""
_VALUE_BYTES = 1024


async def read_upload(request: web.Request, files: UploadedFiles) -> FileRow:
    """The file that the form brings, kept. Raises `bad_request`, `path_refused`, `too_large`, `disk_full`."""
    if (request.content_length or 0) > files.most_bytes + _FORM_BYTES:
        raise too_large(files.most_bytes)
    purpose: str | None = None
    incoming: IncomingFile | None = None
    async with AsyncExitStack() as stack:
        async with _form(request) as form:
            while (part := await _in_time(form.next())) is not None:
                name = part.name if isinstance(part, BodyPartReader) else None
                if not isinstance(part, BodyPartReader) or name is None:
                    raise bad_request("A part of the form has no name.", hint="Send the parts 'file' and 'purpose'.")
                _refuse_encoding(part, name)
                if (name == "file" and incoming is not None) or (name == "purpose" and purpose is not None):
                    raise bad_request(f"'{name}' is there twice.", param=name, hint="Send one file a request.")
                if name == "file":
                    incoming = await stack.enter_async_context(files.incoming(_file_name(part)))
                    async for data in _pieces(part):
                        await incoming.write(data)
                elif name == "purpose":
                    purpose = _check_purpose(await _value(part))
                elif name.startswith("expires_after"):
                    raise bad_request("'expires_after' is not supported.", param="expires_after", hint="Leave it out.")
                else:
                    raise bad_request(f"'{name[:40]}' is not a parameter of this endpoint.", hint="Leave it out.")
        if incoming is None:
            raise bad_request("'file' is missing.", param="file")
        if purpose is None:
            raise bad_request("'purpose' is missing.", param="purpose", hint=_PURPOSES)
        return await incoming.keep(purpose)


_PURPOSES = "Use " + " or ".join(f"'{purpose}'" for purpose in get_args(Purpose)) + "."


@asynccontextmanager
async def _form(request: web.Request) -> AsyncIterator[MultipartReader]:
    """The form; what is wrong with it becomes a `bad_request`."""
    try:
        yield await request.multipart()
    except (ValueError, RuntimeError, AssertionError, HttpProcessingError, web.RequestPayloadError) as error:
        # aiohttp has no class of its own for broken forms.
        raise bad_request(
            "The form did not arrive whole, or is not valid.",
            hint="Send multipart/form-data with 'file' and 'purpose'.",
        ) from error


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    while not part.at_eof():
        yield await _in_time(part.read_chunk(_PIECE_BYTES))


async def _value(part: BodyPartReader) -> str:
    value = b""
    async for data in _pieces(part):
        value += data
        if len(value) > _VALUE_BYTES:
            raise bad_request(f"'{part.name}' is too long.", param=part.name)
    return value.decode()


async def _in_time(reading: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(STALLED_SECONDS):
            return await reading
    except TimeoutError:
        raise HttpRefusal(
            408,
            FailureCode.BAD_REQUEST,
            f"Nothing of the file came for {STALLED_SECONDS:.0f} seconds.",
            hint="Send it again; nothing of it was kept.",
        ) from None


def _refuse_encoding(part: BodyPartReader, name: str) -> None:
    given = {part.headers.get("Content-Encoding", "identity"), part.headers.get("Content-Transfer-Encoding", "binary")}
    if strange := {encoding.lower() for encoding in given} - {"identity", "binary", "8bit", "7bit"}:
        raise bad_request(
            f"'{name}' is encoded: {', '.join(sorted(strange))[:40]}.", param=name, hint="Send it as it is."
        )


def _file_name(part: BodyPartReader) -> str:
    if not part.filename:
        raise bad_request("'file' has no file name.", param="file", hint="Send it as a file, e.g. -F file=@notes.txt.")
    return part.filename


def _check_purpose(purpose: str) -> str:
    if purpose not in get_args(Purpose):
        raise bad_request(
            f"'purpose' is '{purpose[:40]}', and there is nothing here that uses such files.",
            param="purpose",
            hint=_PURPOSES,
        )
    return purpose

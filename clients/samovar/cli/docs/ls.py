"""`samovar docs ls`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from samovar.cli import human, output, session
from samovar.cli.docs.options import one_or_all_option
from samovar.cli.options import json_option, no_start_option
from samovar.cli.output import Column

if TYPE_CHECKING:
    from samovar_protocol.documents import DocumentInfo, SourceInfo
    from samovar_protocol.replies import DocsLsReply
    from samovar_protocol.requests import DocsLs

_DOCUMENTS = (
    Column("ID", right=True),
    Column("DOCUMENT", wrap=True),
    Column("COLLECTION"),
    Column("STATE", styles={"ready": "green", "failed": "red", "queued": "yellow", "indexing": "yellow"}),
    Column("PAGES", right=True),
    Column("SIZE", right=True),
    Column("CHANGED"),
)
_PROBLEM = Column("PROBLEM", wrap=True)
_SOURCES = (
    Column("SOURCE", wrap=True),
    Column("COLLECTION"),
    Column("KIND"),
    Column("STATE", styles={"present": "green", "missing": "red", "paused": "yellow"}),
    Column("FOLLOWED"),
    Column("DOCUMENTS", right=True),
    Column("EXCLUDES", wrap=True),
)


@click.command("ls")
@one_or_all_option
@click.option("--failed", is_flag=True, help="Only those that could not be read, and why.")
@click.option("--sources", is_flag=True, help="List the files, folders and texts that documents come from instead.")
@json_option
@no_start_option
def command(collection: str | None, failed: bool, sources: bool, as_json: bool, no_start: bool) -> None:
    """List documents."""
    from samovar_protocol.requests import DocsLs

    if failed and sources:
        raise click.UsageError("--failed is about documents; leave out --sources.")
    if sources:
        found = session.call(DocsLs(collection=collection, limit=1), start=not no_start).sources
        if as_json:
            output.show_json({"sources": found})
        else:
            _show_sources(found)
        return
    request = DocsLs(collection=collection, state="failed" if failed else None)
    reply = session.run(_all(request, start=not no_start))
    if as_json:
        output.show_json({"sources": reply.sources, "documents": reply.documents})
    elif reply.documents:
        _show_documents(reply.documents)
    elif failed:
        output.note("No document has failed.")
    else:
        output.note("There are no documents. `samovar docs add PATH` adds some.")


async def _all(request: DocsLs, *, start: bool) -> DocsLsReply:
    """Every portion as one."""
    import msgspec

    async with session.open_client(start=start) as client:
        reply = await client.call(request)
        documents = list(reply.documents)
        while reply.more and reply.documents:
            reply = await client.call(msgspec.structs.replace(request, after=documents[-1].id))
            documents += reply.documents
    return msgspec.structs.replace(reply, documents=documents, more=False)


def _show_documents(documents: list[DocumentInfo]) -> None:
    rows = [
        (
            str(found.id),
            found.path or found.name,
            found.collection,
            found.state,
            "-" if found.pages is None else human.number(found.pages),
            human.size(found.size_bytes),
            human.moment(found.changed_at),
        )
        for found in documents
    ]
    if not any(found.problem for found in documents):
        output.show_table(_DOCUMENTS, rows)
        return
    problems = [f"{found.problem or '-'} {found.hint if found.problem else ''}".strip() for found in documents]
    output.show_table((*_DOCUMENTS, _PROBLEM), [(*row, problem) for row, problem in zip(rows, problems, strict=True)])


def _show_sources(sources: list[SourceInfo]) -> None:
    if not sources:
        output.note("There are no sources. `samovar docs add PATH` adds some.")
        return
    output.show_table(
        _SOURCES,
        [
            (
                found.path or "(text)",
                found.collection,
                found.kind,
                found.state,
                "yes" if found.watch else "no",
                human.number(found.documents),
                " ".join(found.excludes) or "-",
            )
            for found in sources
        ],
    )

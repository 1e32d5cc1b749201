"""Collections, documents, passages and answers, as an agent would send them."""

from __future__ import annotations

from samovar_protocol.documents import (
    Citation,
    CollectionInfo,
    ConversationInfo,
    DocumentInfo,
    DocumentPassage,
    SourceInfo,
)
from samovar_protocol.replies import DocsAddReply, DocsAskReply
from samovar_protocol.values import Stats

EVIL = "ev\x1b[2J\x9b\x07il"
"""A name that would clear the screen."""
HARMLESS = "ev[2Jil"

NOTES = CollectionInfo(id=1, name="notes", created_at=0.0, model="sentence/minilm", documents=2, chunks=40, embedded=40)
READY = DocumentInfo(
    id=7,
    collection="notes",
    source=3,
    name="tea.pdf",
    title="Of tea",
    state="ready",
    size_bytes=12_000,
    changed_at=0.0,
    path="/home/me/tea.pdf",
    media_type="application/pdf",
    pages=4,
    indexed_at=1.0,
)
FAILED = DocumentInfo(
    id=8,
    collection="notes",
    source=3,
    name="locked.pdf",
    title="locked.pdf",
    state="failed",
    size_bytes=900,
    changed_at=0.0,
    path="/home/me/locked.pdf",
    problem="It needs a password.",
    hint="Save it without one.",
    reason="encrypted",
)
FOLDER = SourceInfo(
    id=3, collection="notes", kind="folder", path="/home/me", excludes=["*.log"], watch=True, documents=2
)
ADDED = DocsAddReply(collection=NOTES, added=2)
PASSAGE = DocumentPassage(
    document=7,
    collection="notes",
    name="tea.pdf",
    title="Of tea",
    text="The samovar\nkeeps tea  hot for hours.",
    start=100,
    end=137,
    score=0.8125,
    path="/home/me/tea.pdf",
    media_type="application/pdf",
    page=3,
    headings=["Vessels", "Samovar"],
)
CITED = Citation(
    number=1,
    at=30,
    until=33,
    document=7,
    name="tea.pdf",
    start=100,
    end=137,
    path="/home/me/tea.pdf",
    page=3,
    headings=["Vessels", "Samovar"],
    quote="The samovar\nkeeps tea  hot for hours.",
)
ASKED = DocsAskReply(
    model="smol",
    text="For hours [1].",
    outcome="answered",
    given="passages",
    sources=[PASSAGE],
    citations=[CITED],
    stats=Stats(prompt_tokens=200, completion_tokens=5, prompt_seconds=0.5, decode_seconds=0.1),
)
NOT_FOUND = DocsAskReply(
    model=None, text="Not in these documents.", outcome="not_found", given="nothing", sources=[], citations=[]
)
BELOW = """
[1] tea.pdf, page 3, Vessels › Samovar
    “The samovar keeps tea hot for hours.”
"""
"""What stands below ASKED's text on stdout."""
TALK = ConversationInfo(id=5, title="Of tea", created_at=0.0, changed_at=1.0, model="smol", collections=["notes"])

"""Reading documents opens no connection and leaves no file behind."""

import asyncio
import sys
from pathlib import Path

from samovar_agent.documents.extraction.extractor import WORKER_COMMAND, Extractor
from tests.processes.tracing import Trace
from tests.samovar_agent.documents.extraction import samples

_PAGE = (
    b'<html><head><link rel="stylesheet" href="http://192.0.2.1/a.css"><title>T</title></head><body>'
    b'<img src="http://192.0.2.1/a.png"><iframe src="http://192.0.2.1/"></iframe><p>tea</p></body></html>'
)


async def test_no_kind_of_document_makes_the_worker_connect(tmp_path: Path) -> None:
    documents = {
        "a.pdf": samples.pdf([[(11, "tea")]]),
        "scan.pdf": samples.pdf([[]]),
        "a.docx": samples.docx(),
        "a.pptx": samples.pptx(),
        "a.xlsx": samples.xlsx(),
        "a.odt": samples.odt(),
        "a.epub": samples.epub(),
        "a.rtf": samples.rtf(),
        "a.eml": samples.eml(),
        "a.msg": samples.msg(),
        "a.ipynb": samples.notebook(),
        "a.html": _PAGE,
        "a.py": b"import tea\n",
        "a.md": b"![tea](http://192.0.2.1/a.png)\n",
    }
    folder, home = tmp_path / "documents", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    trace = Trace(tmp_path / "trace")
    surroundings = ["/usr/bin/env", f"HOME={home}", f"XDG_CACHE_HOME={home}"]
    strace, *options = trace.command()
    # -D: strace stands beside the worker, which stays our child and dies with us.
    extractor = Extractor(tmp_path / "scratch", command=(*surroundings, strace, "-D", *options, *WORKER_COMMAND))
    for name, content in documents.items():
        (folder / name).write_bytes(content)
        await extractor.extract(folder / name)
    await extractor.close()
    assert trace.path.exists()
    assert trace.leaks() == []
    assert sorted(path.name for path in folder.iterdir()) == sorted(documents)
    assert list(home.rglob("*")) == []
    # What the PDF library loads from, nobody else may write.
    assert (tmp_path / "scratch").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["kreuzberg-pdfium"]


async def test_the_trace_would_see_a_connection(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace")
    program = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))"
    process = await asyncio.create_subprocess_exec(*trace.command(), sys.executable, "-c", program)
    await process.wait()
    assert trace.leaks()

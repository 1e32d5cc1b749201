import pytest

from samovar_agent.documents.kinds import is_document


@pytest.mark.parametrize(
    "name",
    [
        "a.md",
        "A.PDF",
        "Letter.DocX",
        "b.tar.md",
        "README",
        "readme",
        "Makefile",
        "CMakeLists.txt",
        "x.py",
        "two\nlines.txt",
    ],
)
def test_what_people_read(name: str) -> None:
    assert is_document(name)


@pytest.mark.parametrize(
    "name", ["photo.jpg", "a.md.exe", "video.mp4", "archive.zip", "noextension", "", ".", "md", "a.", ".md5", "a.mdd"]
)
def test_what_nobody_reads(name: str) -> None:
    assert not is_document(name)

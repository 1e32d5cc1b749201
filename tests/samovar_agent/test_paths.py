"""Names from outside: every trick that we know of, and hypothesis for those that we do not."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from samovar_agent.paths import safe_path, safe_relative_path
from samovar_protocol import FailureCode, SamovarError

HOSTILE = [
    "",
    ".",
    "..",
    "a/b",
    "/etc",
    "a\\b",
    "\\\\server\\share",
    "C:",
    "c:evil",
    "file:stream",
    "nul\0l",
    "line\nbreak",
    "\x7f",
    "\x85",
    "\ud800",
    "CON",
    "nul",
    "Aux.gguf",
    "com1.tar.gz",
    "LPT¹",
    "con .txt",
    "conin$",
    "ends.",
    "ends ",
    "what?",
    "st*r",
    "x" * 256,
    "é" * 128,
    "a／b",  # fullwidth
    "a＼b",
    "C：x",
    "‥",
    "a∕b".replace("∕", "\u2100"),  # "a/c" in one character
    "gguf.\u202efile",  # turns the direction of writing
    "zero\u200bwidth",
    "\ufeffx",
]

PLAIN = [
    "a",
    ".hidden",
    "...x",
    "model-Q4_K_M.gguf",
    "Köln",
    "模型",
    "x" * 255,
    "~",
    "-rf",
    "console",
    "com",
    "nul0",
    "a b",
]


@pytest.mark.parametrize("part", HOSTILE)
def test_refuses_what_is_no_portable_file_name(tmp_path: Path, part: str) -> None:
    with pytest.raises(SamovarError) as caught:
        safe_path(tmp_path, "publisher", part)
    assert caught.value.code == FailureCode.PATH_REFUSED
    assert caught.value.hint


@pytest.mark.parametrize("part", PLAIN)
def test_takes_plain_names(tmp_path: Path, part: str) -> None:
    path = safe_path(tmp_path, "publisher", part)
    assert path == tmp_path / "publisher" / part
    path.parent.mkdir()
    path.write_text("it can be a file")


def test_no_parts_name_nothing(tmp_path: Path) -> None:
    with pytest.raises(SamovarError):
        safe_path(tmp_path)


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "C:/a", "a\\..\\b"])
def test_relative_path_refuses(tmp_path: Path, name: str) -> None:
    with pytest.raises(SamovarError) as caught:
        safe_relative_path(tmp_path, name)
    assert caught.value.code == FailureCode.PATH_REFUSED


def test_relative_path_goes_down(tmp_path: Path) -> None:
    assert safe_relative_path(tmp_path, "a/b/c.gguf") == tmp_path / "a" / "b" / "c.gguf"


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "not-there-yet")
    (root / "up").symlink_to("..")
    for parts in (["folder", "x"], ["file"], ["up", "x"]):
        with pytest.raises(SamovarError) as caught:
            safe_path(root, *parts)
        assert "symbolic link" in caught.value.failure.message


def test_a_sibling_with_the_same_beginning_is_outside(tmp_path: Path) -> None:
    root = tmp_path / "models"
    root.mkdir()
    (tmp_path / "models-private").mkdir()
    (root / "link").symlink_to(tmp_path / "models-private")
    with pytest.raises(SamovarError):
        safe_path(root, "link", "x")


def test_links_inside_the_root_and_a_linked_root_are_fine(tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "a").mkdir(parents=True)
    (real / "b").symlink_to("a")
    root = tmp_path / "root"
    root.symlink_to(real)
    assert safe_path(root, "b", "x") == root / "b" / "x"


def test_a_loop_of_links_and_a_path_without_end_are_refused_or_harmless(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for parts in (["loop", "x"], ["d" * 200] * 40):
        try:
            path = safe_path(tmp_path, *parts)
        except SamovarError as error:
            assert error.code == FailureCode.PATH_REFUSED
        else:
            with pytest.raises(OSError):
                path.write_text("x")


@given(st.lists(st.text(max_size=300) | st.sampled_from(HOSTILE + PLAIN), min_size=1, max_size=4))
@example(["a", "..", "..", "b"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_taken_stays_below_the_root_on_every_system(tmp_path: Path, parts: list[str]) -> None:
    try:
        path = safe_path(tmp_path, *parts)
    except SamovarError as error:
        assert error.code == FailureCode.PATH_REFUSED
        return
    assert path.resolve().is_relative_to(tmp_path.resolve())
    relative = path.relative_to(tmp_path).parts
    assert relative == tuple(parts)
    for kind in (PurePosixPath, PureWindowsPath):
        below = kind("base").joinpath(*parts)
        assert below.parts == ("base", *parts)
        assert not below.is_absolute()
    assert not PureWindowsPath("base").joinpath(*parts).is_reserved()


@given(st.text(alphabet=st.sampled_from("ab./\\:~ \0"), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_relative_names_of_dots_and_slashes_stay_below_the_root(tmp_path: Path, name: str) -> None:
    try:
        path = safe_relative_path(tmp_path, name)
    except SamovarError as error:
        assert error.code == FailureCode.PATH_REFUSED
        return
    assert path.resolve().is_relative_to(tmp_path.resolve())
    assert path != tmp_path

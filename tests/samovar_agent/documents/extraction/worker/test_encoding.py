"""Texts in the encodings that people still have on their disks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samovar_agent.documents.extraction.worker.encoding import decode, is_text

_GERMAN = "Grüner Tee wird nicht geröstet; für schwarzen läßt man die Blätter vorher welken. Größe: 3 Löffel.\n"
_RUSSIAN = "Самовар стоит на столе, и чай в нём всегда горячий. Гости сидят и разговаривают о погоде.\n"
_JAPANESE = "緑茶は焙煎しません。お湯は七十五度くらいがよいでしょう。急須を温めてから茶葉を入れます。\n"
_CHINESE = "绿茶不经过焙炒，水温大约七十五度最好。先把茶壶烫热，然后再放茶叶。\n"
_KOREAN = "녹차는 볶지 않습니다. 물은 칠십오 도쯤이 좋습니다. 주전자를 먼저 데웁니다.\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (_GERMAN, "utf-8"),
        (_GERMAN, "utf-8-sig"),
        (_GERMAN, "utf-16"),
        (_GERMAN, "utf-32"),
        (_GERMAN, "utf-16-le"),
        (_GERMAN, "utf-16-be"),
        (_GERMAN * 5, "cp1252"),
        (_RUSSIAN * 5, "cp1251"),
        (_RUSSIAN * 5, "koi8_r"),
        (_JAPANESE * 5, "cp932"),
        (_JAPANESE * 5, "euc_jp"),
        (_JAPANESE, "cp932"),
        ("お茶と水\n", "cp932"),
        (_JAPANESE, "euc_jp"),
        (_JAPANESE * 2000 + "。", "cp932"),
        (_CHINESE * 5, "gb18030"),
        (_KOREAN * 5, "cp949"),
    ],
)
def test_what_was_written_is_read(text: str, encoding: str) -> None:
    content = text.encode(encoding)
    assert is_text(content)
    assert decode(content) == text


def test_a_short_text_in_a_western_encoding() -> None:
    assert decode("Café crème".encode("cp1252")) == "Café crème"


def test_one_broken_character_does_not_change_the_rest() -> None:
    content = (_RUSSIAN * 3).encode()
    broken = content[:101] + b"\xff" + content[101:]
    assert decode(broken).count("Самовар") == 3
    assert "\ufffd" in decode(broken)


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-2">', "iso-8859-2"),
        ('<?xml version="1.0" encoding="iso-8859-2"?>', "iso-8859-2"),
        ("# -*- coding: iso-8859-2 -*-", "iso-8859-2"),
    ],
)
def test_what_a_file_says_of_itself_is_believed(head: str, encoding: str) -> None:
    text = f"{head}\nżółć\n"
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("name", ["no-such-encoding", "rot13", "zip", "utf-8", "idna"])
def test_what_a_file_says_wrongly_is_not(name: str) -> None:
    text = f"# coding: {name}\n{_GERMAN}"
    assert decode(text.encode("cp1252")) == text


def test_line_ends_and_nul() -> None:
    assert decode(b"one\r\ntwo\rthree\0\n") == "one\ntwo\nthree\ufffd\n"


@pytest.mark.parametrize("content", [bytes(range(256)) * 20, b"\0" * 5000, b"\x7fELF\2\1\1" + bytes(64)])
def test_programs_and_zeros_are_no_text(content: bytes) -> None:
    assert not is_text(content)


@given(st.binary(max_size=300))
def test_any_bytes_give_some_text(content: bytes) -> None:
    text = decode(content)
    assert "\0" not in text
    assert "\r" not in text
    text.encode()

"""A writer of OLE compound files, as far as an Outlook message needs it."""

import struct

_SECTOR = 512
_SMALLEST = 4096
"""Shorter streams would go into a second, smaller file system inside of the first."""
_FREE, _END, _TABLE, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF


def compound(streams: dict[str, bytes]) -> bytes:
    """A compound file with these streams in its root, each filled up with its own last two bytes."""
    names = sorted(streams, key=lambda name: (len(name), name.upper()))
    table: list[int] = []
    sectors: list[bytes] = []
    starts: dict[str, tuple[int, int]] = {}
    for name in names:
        content = streams[name]
        content += content[-2:] * ((max(0, _SMALLEST - len(content)) + 1) // 2)
        starts[name] = (len(table), len(content))
        _chain(table, sectors, content)
    directory_start = len(table)
    entries = [_entry("Root Entry", 5, child=1, start=_END, size=0)]
    for index, name in enumerate(names, 1):
        right = index + 1 if index < len(names) else _NONE
        entries.append(_entry(name, 2, right=right, start=starts[name][0], size=starts[name][1]))
    while len(entries) % 4:
        entries.append(_entry("", 0, start=0, size=0))
    _chain(table, sectors, b"".join(entries))
    table_start = len(table)
    table.append(_TABLE)
    assert len(table) <= _SECTOR // 4
    table += [_FREE] * (_SECTOR // 4 - len(table))
    sectors.append(struct.pack(f"<{len(table)}I", *table))
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        bytes(16),
        *(0x3E, 3, 0xFFFE, 9, 6),
        *(0, 1, directory_start, 0, _SMALLEST, _END, 0, _END, 0, table_start),
    )
    header += struct.pack("<108I", *[_FREE] * 108)
    return header + b"".join(sectors)


def _chain(table: list[int], sectors: list[bytes], content: bytes) -> None:
    count = -(-len(content) // _SECTOR)
    first = len(table)
    table.extend([*range(first + 1, first + count), _END])
    padded = content.ljust(count * _SECTOR, b"\0")
    sectors.extend(padded[at : at + _SECTOR] for at in range(0, len(padded), _SECTOR))


def _entry(name: str, kind: int, *, right: int = _NONE, child: int = _NONE, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le")
    length = len(text) + 2 if name else 0
    return struct.pack(
        "<64sHBBIII16sIQQIQ", text, length, kind, 1, _NONE, right, child, bytes(16), 0, 0, 0, start, size
    )

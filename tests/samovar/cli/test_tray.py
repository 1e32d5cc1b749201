from __future__ import annotations

import sys
import types

import pytest

from tests.samovar.cli.fakes import samovar


def test_becomes_the_tray_and_hands_on_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.ModuleType("samovar.tray.main")
    fake.__dict__["main"] = lambda: 7
    monkeypatch.setitem(sys.modules, "samovar.tray.main", fake)
    assert samovar("tray").exit_code == 7

"""The agent's process: how it ends."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("code", [0, 75])
def test_the_process_ends_with_its_code_and_all_that_it_said_and_waits_for_no_thread(code: int) -> None:
    program = f"""
import logging, sys, threading, time
from samovar_agent.__main__ import leave
logging.basicConfig(stream=sys.stderr)
threading.Thread(target=time.sleep, args=(120,)).start()
print("last words")
logging.getLogger("x").warning("and a line")
leave({code})
"""
    run = subprocess.run([sys.executable, "-P", "-c", program], timeout=60, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (code, "last words\n")
    assert "and a line" in run.stderr

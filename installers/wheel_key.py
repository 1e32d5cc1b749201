"""Prints the name under which a compiled llama-cpp-python is kept: `python wheel_key.py 0.3.36 "-DGGML_NATIVE=ON"`.

The build uses every instruction of the processor it runs on, so a wheel is good only where the same ones exist.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path


def processor() -> str:
    """What the processor can do, as the system words it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, abilities = line.partition(":")
        if name.strip().lower() in {"flags", "features"}:
            return " ".join(sorted(abilities.split()))
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return platform.processor()


def wheel_key(version: str, cmake_args: str, abilities: str) -> str:
    """Release, Python, platform with its C library, and a hash of the rest."""
    python = f"{sys.implementation.name[:2]}{sys.version_info.major}{sys.version_info.minor}"
    system = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    library = "".join(platform.libc_ver()).replace(".", "_")
    rest = hashlib.sha256("\n".join([abilities, " ".join(cmake_args.split())]).encode()).hexdigest()[:12]
    return "-".join(part for part in (version, python, system, library, rest) if part)


if __name__ == "__main__":
    sys.stdout.write(wheel_key(sys.argv[1], sys.argv[2], processor()) + "\n")

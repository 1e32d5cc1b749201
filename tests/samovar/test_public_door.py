"""What `import samovar` offers, and what it does not load."""

import subprocess
import sys

import samovar


def test_the_door_has_exactly_these_names() -> None:
    assert sorted(samovar.__all__) == [
        "Client",
        "Endpoint",
        "Events",
        "Failure",
        "FailureCode",
        "Places",
        "SamovarError",
        "Stream",
        "SyncClient",
        "SyncStream",
        "__version__",
        "connect",
        "connect_sync",
        "start_agent",
    ]
    for name in samovar.__all__:
        assert getattr(samovar, name) is not None


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = {"zmq", "asyncio", "aiohttp", "llama_cpp", "numpy", "PIL", "pystray", "rich", "sqlite_utils"}
    script = f"import sys, samovar; print(sorted({heavy!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

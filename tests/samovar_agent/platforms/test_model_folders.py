from pathlib import Path

import pytest

from samovar_agent.platforms.model_folders import ModelFolders

HOME = Path("/home/me")


def found(system: str, **environ: str) -> ModelFolders:
    return ModelFolders.find(environ, HOME, system)


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_without_any_variable(system: str) -> None:
    folders = found(system)
    assert folders.lmstudio == (HOME / ".lmstudio", HOME / ".cache/lm-studio")
    assert folders.ollama[0] == HOME / ".ollama/models"
    assert folders.huggingface == (HOME / ".cache/huggingface/hub",)


def test_ollama_as_a_service_of_linux() -> None:
    assert Path("/usr/share/ollama/.ollama/models") in found("linux").ollama
    assert len(found("darwin").ollama) == len(found("win32").ollama) == 1


@pytest.mark.parametrize(
    ("system", "folder"),
    [
        ("linux", ".cache/llama.cpp"),
        ("darwin", "Library/Caches/llama.cpp"),
        ("win32", "AppData/Local/llama.cpp"),
    ],
)
def test_llama_cpp_is_elsewhere_on_each_system(system: str, folder: str) -> None:
    assert found(system).llama_cpp == (HOME / folder,)


def test_windows_says_itself_where_local_data_is() -> None:
    assert found("win32", LOCALAPPDATA="/d/Local").llama_cpp == (Path("/d/Local/llama.cpp"),)


def test_variables_of_the_programs_win() -> None:
    folders = found("linux", OLLAMA_MODELS="/big/ollama", LLAMA_CACHE="/big/llama", HF_HOME="/big/hf")
    assert folders.ollama[:2] == (Path("/big/ollama"), HOME / ".ollama/models")
    assert folders.llama_cpp == (Path("/big/llama"), HOME / ".cache/llama.cpp")
    assert folders.huggingface == (Path("/big/hf/hub"),)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"HF_HUB_CACHE": "/a", "HUGGINGFACE_HUB_CACHE": "/b", "HF_HOME": "/c", "XDG_CACHE_HOME": "/d"}, "/a"),
        ({"HUGGINGFACE_HUB_CACHE": "/b", "HF_HOME": "/c", "XDG_CACHE_HOME": "/d"}, "/b"),
        ({"HF_HOME": "/c", "XDG_CACHE_HOME": "/d"}, "/c/hub"),
        ({"XDG_CACHE_HOME": "/d"}, "/d/huggingface/hub"),
        ({"HF_HOME": "~/hf"}, "/home/me/hf/hub"),
    ],
)
def test_the_order_of_the_hubs_variables(environ: dict[str, str], folder: str) -> None:
    assert ModelFolders.find(environ, HOME, "linux").huggingface == (Path(folder),)


@pytest.mark.parametrize("value", ["", "  ", "relative/folder", "..", "/a\0b"])
def test_a_variable_that_names_no_folder_counts_for_nothing(value: str) -> None:
    environ = dict.fromkeys(["OLLAMA_MODELS", "LLAMA_CACHE", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"], value)
    assert ModelFolders.find(environ, HOME, "linux") == found("linux")

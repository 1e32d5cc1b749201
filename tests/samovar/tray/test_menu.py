from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from samovar.tray.menu import LONGEST_LINE, Item, Pause, Quit, Resume, SetPolicy, Start, Toggle, view
from samovar.tray.state import TrayState
from samovar_protocol.values import DownloadInfo, HttpInfo, InstanceInfo, ModelInfo, NetworkInfo, Progress
from tests.samovar.tray.values import instance, model, status

KEY = model().key


def state_with(models: Iterable[ModelInfo] = (), *instances: InstanceInfo) -> TrayState:
    return TrayState().joined(status(0, *instances), models)


def labels(items: tuple[Item, ...]) -> list[str]:
    return [item.label for item in items if not item.separator]


def find(state: TrayState, item_id: str) -> Item:
    item = view(state).find(item_id)
    assert item is not None, item_id
    return item


def test_without_an_agent_it_can_be_started() -> None:
    shown = view(TrayState())
    assert labels(shown.menu) == ["Samovar is not running", "Start Samovar", "Quit Samovar"]
    assert (shown.mood, shown.title) == ("stopped", "Samovar is not running")
    assert find(TrayState(), "start").action == Start()


def test_while_it_starts_it_is_not_started_twice() -> None:
    state = TrayState(starting=True)
    assert find(state, "status").label == "Samovar is starting"
    assert not find(state, "start").enabled


def test_with_an_agent() -> None:
    shown = view(state_with([model()]))
    assert labels(shown.menu) == [
        "Samovar 0.1.0 · 127.0.0.1:7266",
        "Models",
        "Work offline",
        "Connect only when I ask",
        "Quit Samovar",
    ]
    assert not find(state_with(), "status").enabled
    assert find(state_with(), "quit").action == Quit()
    assert (shown.mood, shown.title) == ("idle", "Samovar · no model loaded")


def test_a_taken_port_is_in_the_status_line() -> None:
    state = replace(state_with(), http=HttpInfo(problem="HTTP port 7266 is taken. Stop the other program."))
    assert find(state, "status").label.startswith("Samovar 0.1.0 · HTTP port 7266 is taken")
    assert find(replace(state, http=HttpInfo()), "status").label == "Samovar 0.1.0 · no local server"


def test_an_agent_that_says_goodbye() -> None:
    shown = view(replace(state_with([model()]), stopping=True))
    assert labels(shown.menu) == ["Samovar is stopping", "Quit Samovar"]


def test_an_empty_library_says_how_to_fill_it() -> None:
    (only,) = find(state_with(), "models").children or ()
    assert "samovar get smollm2-135m" in only.label
    assert not only.enabled


@pytest.mark.parametrize(
    ("states", "checked", "note", "enabled"),
    [
        ([], False, "", True),
        (["starting"], False, " · loading 42 %", True),
        (["loading"], False, " · loading 42 %", True),
        (["ready"], True, "", True),
        (["unloading"], False, " · unloading", False),
        (["ready", "loading"], True, " · loading 42 %", True),
    ],
)
def test_a_model_shows_whether_it_is_in_memory(states: list[str], checked: bool, note: str, enabled: bool) -> None:
    instances = [
        instance(one, identifier=str(number), progress=0.42)  # type: ignore[arg-type]
        for number, one in enumerate(states)
    ]
    item = find(state_with([model()], *instances), f"model:{KEY}")
    assert item.label == f"SmolLM2-135M-Instruct{note}"
    assert (item.checked, item.enabled) == (checked, enabled)
    assert item.action == (Toggle(KEY) if enabled else None)


def test_a_click_shows_before_the_agent_says_anything() -> None:
    item = find(replace(state_with([model()]), asked=frozenset({KEY})), f"model:{KEY}")
    assert item.label.endswith("· loading")
    assert not item.enabled


def test_a_model_that_became_ready_never_looks_as_if_it_were_unloaded() -> None:
    item = find(replace(state_with([model()], instance("ready")), asked=frozenset({KEY})), f"model:{KEY}")
    assert (item.label, item.checked) == ("SmolLM2-135M-Instruct", True)


@pytest.mark.parametrize(
    ("state", "note"), [("missing", "the file is gone"), ("broken", "the file is broken"), ("partial", "not complete")]
)
def test_a_model_that_cannot_be_loaded_says_why(state: str, note: str) -> None:
    item = find(state_with([model(state=state)]), f"model:{KEY}")
    assert item.label.endswith(f"· {note}")
    assert not item.enabled


def test_a_loaded_model_whose_file_is_gone_can_be_unloaded() -> None:
    assert find(state_with([model(state="missing")], instance("ready")), f"model:{KEY}").action == Toggle(KEY)


def test_models_of_one_name_are_told_apart_by_their_publisher() -> None:
    state = state_with([model("a/same"), model("b/same"), model("b/other")])
    assert labels(find(state, "models").children or ()) == ["a/same", "b/same", "other"]


def test_a_download_shows_its_progress_and_can_be_paused() -> None:
    progress = Progress(stage="downloading", done=25, total=100)
    running = DownloadInfo(id=3, name="HuggingFaceTB/SmolLM2@Q4_1", state="running", progress=progress)
    state = replace(state_with(), downloads=(running,))
    assert labels(find(state, "models").children or ()) == ["SmolLM2@Q4_1 · downloading 25 % (pause)"]
    assert find(state, "download:3").action == Pause(3)
    assert view(state).mood == "busy"
    unknown = replace(state, downloads=(DownloadInfo(id=1, name="x", state="running"),))
    assert labels(find(unknown, "models").children or ()) == ["x · downloading (pause)"]


def test_a_paused_download_can_be_gone_on_with() -> None:
    progress = Progress(stage="downloading", done=25, total=100)
    paused = DownloadInfo(id=3, name="x", state="paused", progress=progress)
    state = replace(state_with(), downloads=(paused,))
    assert labels(find(state, "models").children or ()) == ["x · paused 25 % (resume)"]
    assert find(state, "download:3").action == Resume(3)
    assert view(state).mood == "idle"


def test_a_waiting_download_says_so() -> None:
    state = replace(state_with(), downloads=(DownloadInfo(id=3, name="x", state="waiting"),))
    assert labels(find(state, "models").children or ()) == ["x · waiting (pause)"]


def test_work_offline_returns_to_the_policy_before() -> None:
    online = state_with()
    assert (find(online, "offline").checked, find(online, "offline").action) == (False, SetPolicy("offline"))
    offline = replace(online, network=NetworkInfo(policy="offline", connected=True), online_policy="ask")
    assert (find(offline, "offline").checked, find(offline, "offline").action) == (True, SetPolicy("ask"))
    assert view(offline).offline
    assert "working offline" in view(offline).title
    assert view(offline).find("ask") is None


def test_connecting_only_when_asked_can_be_chosen() -> None:
    online = state_with()
    assert (find(online, "ask").checked, find(online, "ask").action) == (False, SetPolicy("ask"))
    asking = replace(online, network=NetworkInfo(policy="ask", connected=True))
    assert (find(asking, "ask").checked, find(asking, "ask").action) == (True, SetPolicy("online"))


def test_a_problem_is_on_top_whole_and_not_wider_than_a_menu() -> None:
    text = "The model needs 5.2 GB of memory and 1.1 GB are free. Unload another model, or load it with less context."
    shown = view(replace(state_with([model()]), problem=text))
    lines = [item.label for item in shown.menu if item.id.startswith("problem-")]
    assert " ".join(lines) == text
    assert shown.menu[0].label == lines[0]
    assert all(len(line) <= LONGEST_LINE for line in lines)
    assert not any(item.enabled for item in shown.menu[: len(lines)])
    assert shown.mood == "error"
    assert shown.title.startswith("Samovar · The model needs 5.2 GB")


def test_an_endless_problem_is_cut() -> None:
    shown = view(replace(state_with(), problem="word " * 1000))
    assert len([item for item in shown.menu if item.id.startswith("problem-")]) == 3
    # Windows refuses tooltips of more than 127 characters.
    assert len(shown.title) <= 127


@pytest.mark.parametrize(
    ("state", "mood"),
    [
        (state_with([model()]), "idle"),
        (state_with([model()], instance("ready")), "loaded"),
        (state_with([model()], instance("loading")), "busy"),
        (state_with([model()], instance("ready"), instance("unloading", "b/other")), "busy"),
        (replace(state_with([model()], instance("loading")), problem="x"), "error"),
        (replace(state_with([model()], instance("ready")), stopping=True), "stopped"),
        (TrayState(problem="It did not start."), "error"),
    ],
)
def test_the_icon_shows_the_most_important_thing(state: TrayState, mood: str) -> None:
    assert view(state).mood == mood


def test_the_tooltip_names_what_is_loaded_and_stays_short() -> None:
    assert view(state_with([model()], instance("ready"))).title == "Samovar · SmolLM2-135M-Instruct"
    many = [instance("ready", f"publisher/a-model-with-a-long-name-{number}") for number in range(20)]
    assert len(view(state_with([], *many)).title) <= 127


def test_every_item_has_its_own_id_in_every_state() -> None:
    for state in (TrayState(), state_with(), replace(state_with([model(), model("a/b")]), problem="x y " * 99)):
        shown = view(state)
        ids = [item.id for item in shown.menu] + [item.id for item in find_children(shown.menu)]
        assert len(ids) == len(set(ids))


def find_children(items: tuple[Item, ...]) -> list[Item]:
    return [child for item in items for child in item.children or ()]

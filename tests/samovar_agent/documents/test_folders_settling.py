from samovar_agent.documents.folders_settling import MAX_PATHS, Settling


def test_a_save_in_many_steps_is_one_change() -> None:
    settling = Settling("/r", quiet=0.5)
    for step in range(5):
        settling.note("/r/a.md", step * 0.1)
        assert settling.due(step * 0.1) == frozenset()
    assert settling.due(0.8) == frozenset()
    assert settling.due(0.9) == {"/r/a.md"}
    assert settling.due(9.0) == frozenset()


def test_a_file_that_never_rests_keeps_nobody_waiting() -> None:
    settling = Settling("/r", quiet=0.5, longest=10)
    settling.note("/r/a.md", 0.0)
    told = []
    for step in range(200):
        now = step * 0.1
        settling.note("/r/log.txt", now)
        told += [(now, path) for path in settling.due(now)]
    assert told[0] == (0.5, "/r/a.md")
    assert [path for _, path in told[1:]] == ["/r/log.txt"]
    assert 10 <= told[1][0] < 10.2


def test_very_many_become_one() -> None:
    settling = Settling("/r", quiet=0.5)
    for number in range(MAX_PATHS + 5):
        settling.note(f"/r/{number}", 1.0)
    settling.note("/r/later", 1.4)
    assert settling.due(1.5) == frozenset()
    assert settling.due(1.9) == {"/r"}
    settling.note("/r/a.md", 3.0)
    assert settling.due(3.5) == {"/r/a.md"}

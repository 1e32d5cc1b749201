"""The text format, read by Prometheus' own parser."""

from prometheus_client.parser import text_string_to_metric_families

from samovar_agent.engine.tally import BOUNDS, Histogram
from samovar_agent.http.prometheus_text import Family, histogram, text


def test_labels_of_any_text_survive() -> None:
    names = ['a"b', "back\\slash", "new\nline", "plain", "ü€", ""]
    written = text([Family("x", "gauge", "About.", [({"name": name}, number) for number, name in enumerate(names)])])
    [family] = text_string_to_metric_families(written.decode())
    assert [sample.labels["name"] for sample in family.samples] == names
    assert [sample.value for sample in family.samples] == list(range(6))


def test_half_a_character_is_replaced() -> None:
    assert b'{name="?"}' in text([Family("x", "gauge", "About.", [({"name": "\ud800"}, 1)])])


def test_a_histogram_is_added_up() -> None:
    durations = Histogram()
    for seconds in (0.005, 0.0051, 1.0, 700.0):
        durations.observe(seconds)
    written = text([Family("x", "histogram", "About.", [*histogram({"model": "m"}, BOUNDS, durations)])])
    [family] = text_string_to_metric_families(written.decode())
    buckets = {sample.labels["le"]: sample.value for sample in family.samples if sample.name == "x_bucket"}
    assert (buckets["0.005"], buckets["0.01"], buckets["1.0"], buckets["600.0"], buckets["+Inf"]) == (1, 2, 3, 3, 4)
    values = {sample.name: sample.value for sample in family.samples}
    assert values["x_count"] == 4
    assert abs(values["x_sum"] - 701.0101) < 1e-6


def test_families_without_samples_are_left_out_and_counters_are_totals() -> None:
    written = text([Family("x", "counter", "About.", []), Family("y", "counter", "About.", [({}, 2)])])
    assert written == b"# HELP y_total About.\n# TYPE y_total counter\ny_total 2\n"

"""The description and the table, in both directions."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from samovar_agent.http.dialects import error_shape
from samovar_agent.http.errors import bad_request
from samovar_agent.http.front import Route
from samovar_agent.http.open_work import OpenWork
from samovar_agent.http.openapi.document import document
from samovar_agent.http.openapi.examples import EXAMPLES
from samovar_agent.http.request_counts import RequestCounts, template
from samovar_agent.http.routes import routes
from tests.samovar_agent.http.conftest import Agent, Browser


def table() -> list[Route]:
    nothing: Any = SimpleNamespace(store=None, documents=None, places=SimpleNamespace(data=Path()))
    return routes(nothing, RequestCounts(), OpenWork())


TABLE = table()
DOCUMENT = document(TABLE)


def operation(method: str, path: str) -> Any:
    return DOCUMENT["paths"][path][method]


def test_every_route_is_described_and_nothing_else() -> None:
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == {(route.method, template(route.path)) for route in TABLE}
    assert len(described) == len(TABLE), "two routes of one method and path"


@pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_says_what_it_does_takes_and_answers(route: Route) -> None:
    assert re.fullmatch(r"[A-Z].+\.", route.about), "a sentence"
    assert route.reply is not None or route.stream
    assert route.body == "JSON" or route.request is not None, "a form has parts"


def test_the_server_has_the_routes_of_the_table(agent: Agent) -> None:
    served = {
        (route.method, template(route.resource.canonical))
        for route in agent.server._front._router._dispatcher.routes()
        if route.resource is not None and route.method != "HEAD"  # each GET has one
    }
    assert served == {(route.method, template(route.path)) for route in TABLE}


def test_references_lead_somewhere_and_names_are_plain() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(DOCUMENT)))
    assert referred == set(schemas), "none is missing, and none is there for nobody"
    assert all(re.fullmatch(r"\w+", name) for name in schemas)
    ids = [one["operationId"] for methods in DOCUMENT["paths"].values() for one in methods.values()]
    assert len(ids) == len(set(ids))


def test_streams_parameters_bodies_and_forms() -> None:
    load = operation("post", "/api/samovar/models/load")
    assert set(load["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    fields = load["requestBody"]["content"]["application/json"]["schema"]
    assert fields["required"] == ["name"]
    assert {"stream", "context", "ttl_seconds"} < set(fields["properties"])
    assert "additionalProperties" in fields and not fields["additionalProperties"]
    journal = {one["name"]: one for one in operation("get", "/api/samovar/network/journal")["parameters"]}
    assert set(journal) == {"limit", "purpose", "before"}
    assert journal["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 100}
    assert not journal["purpose"]["required"] and journal["purpose"]["schema"]["type"] == "string"
    form = operation("post", "/v1/files")["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file", "purpose"]
    rename = operation("patch", "/api/samovar/conversations/{conversation}")
    assert [one["name"] for one in rename["parameters"]] == ["conversation"]
    assert set(rename["requestBody"]["content"]["application/json"]["schema"]["properties"]) == {"title", "collections"}


def test_every_body_has_an_example_and_everything_in_paths_and_parts_its_meaning() -> None:
    bodies = set()
    parts = [part["name"] for part in DOCUMENT["tags"]]
    for path, methods in DOCUMENT["paths"].items():
        for method, described in methods.items():
            content = described.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                bodies.add(f"{method.upper()} {path}")
                examples = content["application/json"]["examples"]
                assert [one["value"] for one in examples.values()] == [*EXAMPLES[f"{method.upper()} {path}"].values()]
            for parameter in described.get("parameters", []):
                assert parameter["in"] != "path" or (parameter["description"] and parameter["example"]), path
            assert len(described["tags"]) == 1 and described["tags"][0] in parts
    assert set(EXAMPLES) == bodies
    assert DOCUMENT["servers"][0]["url"] == "/"


def test_what_docstrings_say_of_fields_stands_beside_them() -> None:
    load = operation("post", "/api/samovar/models/load")["requestBody"]["content"]["application/json"]["schema"]
    assert load["description"].startswith("Bring a model into memory; one that is there already is returned as it is")
    assert load["properties"]["ttl_seconds"]["description"] == "Unload after so long without use; null never."
    journal = {one["name"]: one for one in operation("get", "/api/samovar/network/journal")["parameters"]}
    assert journal["limit"]["description"] == "At most so many." and "description" not in journal["limit"]["schema"]
    text = {one["name"]: one for one in operation("get", "/api/samovar/documents/{document}/text")["parameters"]}
    assert text["start"]["description"] == text["end"]["description"] == "Characters; null for its end."


def test_security_says_the_scopes() -> None:
    assert operation("get", "/health")["security"] == []
    assert operation("get", "/metrics")["security"] == [{}, {"token": []}, {"key": []}]
    ask = operation("post", "/api/samovar/documents/ask")
    assert ask["security"][1:] == [{"token": ["documents", "chat"]}, {"key": ["documents", "chat"]}]


@pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
def test_failures_have_the_shape_of_their_dialect(route: Route) -> None:
    responses = operation(route.method.lower(), template(route.path))["responses"]
    assert {"403", "500", "503"} < set(responses)
    assert ("401" in responses) == (route.needs != "nothing")
    told = responses["503"]["content"]["application/json"]["schema"]
    headers = [(), *([{route.variant[0]}] if route.variant else [])]
    for header, option in zip(headers, told.get("anyOf", [told]), strict=True):
        schema = DOCUMENT["components"]["schemas"][option["$ref"].rpartition("/")[2]]
        body = json.loads(error_shape(route.path, header)(bad_request("No.", param="x")))
        assert set(body) <= set(schema["properties"])
        assert set(schema["required"]) <= set(body)


async def test_it_is_served_and_made_once(agent: Agent, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.settings.set("server.require_token", True)
    answer = await browser.ask("GET", "/openapi.json")
    assert (answer.status, answer.json()["openapi"]) == (200, "3.1.0")
    assert answer.json()["paths"].keys() == DOCUMENT["paths"].keys()
    monkeypatch.setattr("samovar_agent.http.openapi.document.document", lambda table: 1 / 0)
    assert (await browser.ask("GET", "/openapi.json")).body == answer.body

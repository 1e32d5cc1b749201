"""`file_search`: what is searched, what the model reads, and what its reply cites."""

from typing import Any

import pytest

from samovar_agent.documents import answering
from samovar_agent.documents.answering_sources import Passage, chosen
from samovar_agent.http.openai import filtered_documents
from samovar_protocol import FailureCode, SamovarError
from samovar_protocol.documents import DocumentFilter
from samovar_protocol.requests import DocsSearch
from samovar_protocol.values import Message, Progress, Text, ToolCallArguments, ToolCallBegan
from tests.samovar_agent.http.conftest import KEY
from tests.samovar_agent.http.openai.conftest import TEA, WAR, ResponsesAgent, passage
from tests.samovar_agent.http.openai.test_responses_stream import MESSAGE_DONE, events_of, kinds

SEARCH: dict[str, Any] = {"type": "file_search", "vector_store_ids": ["vs_1"]}
CLOCK: dict[str, Any] = {"type": "function", "name": "clock", "parameters": {"type": "object"}}
YEARS = [(2020, 1), (2021, 1), (2022, 2)]
RESULTS = "file_search_call.results"
QUESTION = "What does a samovar do?"
CITING = "It boils water for tea [1]. Nobody knows more [9]."


def count(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def expected_prompt(question: str, **named: Any) -> list[Message]:
    """What `samovar docs ask` would send for these passages."""
    passages = [
        Passage(document=7, name="tea.pdf", text=TEA, start=100, end=100 + len(TEA), page=3),
        Passage(document=9, name="tula.md", text=WAR, start=100, end=100 + len(WAR)),
    ]
    return answering.messages(question, chosen(passages, 4096, count), **named)


def deep(filters: dict[str, Any], depth: int) -> dict[str, Any]:
    for _ in range(depth):
        filters = {"type": "and", "filters": [filters]}
    return filters


async def ask(responses: ResponsesAgent, **body: Any) -> Any:
    answer = await responses.create(**{"input": QUESTION, "tools": [SEARCH], **body})
    assert answer.status == 200, answer.body
    return answer.json()


async def test_the_model_reads_what_was_found(responses: ResponsesAgent) -> None:
    responses.instances.items = [Text(text=CITING)]
    body = await ask(responses, instructions="Answer briefly.")
    assert responses.documents.asked == [DocsSearch(query=QUESTION, collections=["notes"])]
    name, messages, sampling, options = responses.instances.calls[-1]
    assert name == KEY
    assert messages == expected_prompt(QUESTION, system="Answer briefly.")
    assert options.tools == [], "nothing for a document to set off"
    assert sampling.temperature == body["temperature"] == 0.2
    assert responses.documents.clients == responses.instances.clients


async def test_the_reply_cites_what_is_there(responses: ResponsesAgent) -> None:
    responses.instances.items = [Text(text="It boils water "), Text(text="for tea [1]. Nobody knows more [9].")]
    body = await ask(responses)
    search, message = body["output"]
    assert search == {
        "type": "file_search_call",
        "id": search["id"],
        "status": "completed",
        "queries": [QUESTION],
        "results": None,
    }
    (part,) = message["content"]
    assert part["text"] == CITING
    start = 100 + TEA.index("A samovar")
    assert part["annotations"] == [
        {
            "type": "file_citation",
            "file_id": "doc-7",
            "filename": "tea.pdf",
            "index": CITING.index("[1]"),
            "samovar": {
                "number": 1,
                "page": 3,
                "headings": [],
                "start": start,
                "end": start + len("A samovar boils water for tea."),
                "quote": "A samovar boils water for tea.",
                "verbatim": False,
                "inferred": False,
            },
        }
    ]
    assert body["samovar"]["documents"] == {
        "outcome": "answered",
        "passages": 2,
        "unknown": [9],
        "misquotes": [],
        "method": "words",
        "note": "No embedding model.",
    }


async def test_results_where_they_are_wanted(responses: ResponsesAgent) -> None:
    body = await ask(responses, include=[RESULTS])
    expected = [
        {"file_id": "doc-7", "filename": "tea.pdf", "score": 0.9, "text": TEA, "attributes": {}},
        {"file_id": "doc-9", "filename": "tula.md", "score": 0.4, "text": WAR, "attributes": {}},
    ]
    assert body["output"][0]["results"] == expected
    id_ = (await ask(responses))["id"]
    assert (await responses.get(id_)).json()["output"][0]["results"] is None
    assert (await responses.get(f"{id_}?include[]={RESULTS}")).json()["output"][0]["results"] == expected
    following = (await responses.create(previous_response_id=id_)).json()
    path = f"{following['id']}/input_items?order=asc"
    listed = [(await responses.get(f"{path}{more}")).json()["data"][1] for more in ("", f"&include={RESULTS}")]
    assert [item["results"] for item in listed] == [None, expected]


async def test_the_events_of_a_search(responses: ResponsesAgent) -> None:
    responses.documents.progress = [Progress(stage="loading", done=1, total=4)]
    responses.instances.items = [Text(text=CITING)]
    events = await events_of(responses, input=QUESTION, tools=[SEARCH])
    assert kinds(events) == [
        *("created", "in_progress", "output_item.added"),
        *("file_search_call.in_progress", "file_search_call.searching", "file_search_call.completed"),
        *("output_item.done", "output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.annotation.added", *MESSAGE_DONE, "completed"),
    ]
    added, done = events[2], events[6]
    assert (added["item"]["status"], done["item"]["status"]) == ("in_progress", "completed")
    assert {event["item_id"] for event in events[3:6]} == {added["item"]["id"]} == {done["item"]["id"]}
    assert done["item"]["results"] is None
    annotation, part, message, completed = events[10], events[12], events[13], events[14]
    assert annotation["annotation"] == part["part"]["annotations"][0]
    assert (annotation["annotation_index"], annotation["output_index"]) == (0, 1)
    assert completed["response"]["output"] == [done["item"], message["item"]]
    events = await events_of(responses, input=QUESTION, tools=[SEARCH], include=[RESULTS])
    assert events[6]["item"]["results"][0]["text"] == TEA
    assert events[-1]["response"]["output"][0] == events[6]["item"]


async def test_nothing_found_is_said_without_asking_the_model(responses: ResponsesAgent) -> None:
    responses.documents.passages = []
    body = await ask(responses, include=[RESULTS])
    assert responses.instances.calls == []
    search, message = body["output"]
    assert search["results"] == []
    assert message["content"][0]["text"] == "Not in these documents."
    assert body["samovar"]["documents"]["outcome"] == "not_found"
    assert body["usage"]["total_tokens"] == 0
    assert body["status"] == "completed"


async def test_nothing_found_where_there_is_something_else_to_do(responses: ResponsesAgent) -> None:
    responses.documents.passages = []
    await ask(responses, tools=[SEARCH, CLOCK])
    assert [tool.name for tool in responses.instances.calls[-1][3].tools] == ["clock"]
    await ask(responses, text={"format": {"type": "json_object"}})
    assert len(responses.instances.calls) == 2


async def test_a_reply_that_says_that_the_documents_do_not_tell(responses: ResponsesAgent) -> None:
    responses.instances.items = [Text(text="Not in these documents.")]
    body = await ask(responses)
    assert body["output"][1]["content"][0]["annotations"] == []
    assert body["samovar"]["documents"]["outcome"] == "not_found"
    responses.instances.items = [Text(text="It makes coffee.")]
    assert (await ask(responses))["samovar"]["documents"]["outcome"] == "uncited"


async def test_only_the_caller_s_tools_beside_documents(responses: ResponsesAgent) -> None:
    responses.instances.items = [
        ToolCallBegan(index=0, id="call_1", name="clock"),
        ToolCallArguments(index=0, json="{}"),
    ]
    body = await ask(responses, tools=[CLOCK, SEARCH], tool_choice="required")
    assert [item["type"] for item in body["output"]] == ["file_search_call", "function_call"]
    options = responses.instances.calls[-1][3]
    assert ([tool.name for tool in options.tools], options.tool_choice) == (["clock"], "auto")
    await ask(responses, tools=[CLOCK, SEARCH], tool_choice={"type": "file_search"})
    assert responses.instances.calls[-1][3].tools == []


@pytest.mark.parametrize("choice", ["none", {"type": "function", "name": "clock"}])
async def test_no_search_where_another_choice_was_made(responses: ResponsesAgent, choice: Any) -> None:
    await ask(responses, tools=[CLOCK, SEARCH], tool_choice=choice)
    assert responses.documents.asked == []
    assert responses.instances.calls[-1][1] == [Message(role="user", content=QUESTION)]


async def test_a_conversation_around_the_question(responses: ResponsesAgent) -> None:
    items: list[dict[str, Any]] = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "Hello?"},
        {"role": "assistant", "content": "Hi [2]."},
        {"role": "user", "content": QUESTION},
        {"type": "function_call", "call_id": "c", "name": "clock", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "noon"},
    ]
    await ask(responses, input=items, instructions="Be brief.", tools=[CLOCK, SEARCH])
    assert responses.documents.asked[-1].query == QUESTION
    *before, call, output = responses.instances.calls[-1][1]
    history = [Message(role="user", content="Hello?"), Message(role="assistant", content="Hi [2].")]
    assert before == expected_prompt(QUESTION, history=history, system="Be brief.\n\nBe kind.")
    assert (call.role, call.tool_calls[0].name, output.content) == ("assistant", "clock", "noon")


async def test_the_next_turn_does_not_see_what_was_found(responses: ResponsesAgent) -> None:
    first = await ask(responses)
    await responses.create(input="And now?", previous_response_id=first["id"])
    assert [message.content for message in responses.instances.calls[-1][1]] == [QUESTION, "Hi there", "And now?"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"vector_store_ids": ["vs_2", "vs_1", "vs_2"]}, {"collections": ["letters", "notes"]}),
        ({"max_num_results": 50}, {"limit": 50}),
        ({"filters": None, "ranking_options": {"ranker": "auto"}}, {}),
        ({"ranking_options": {"score_threshold": 0.0}}, {}),
        ({"ranking_options": {"score_threshold": 0.3}}, {"rerank": False}),
        ({"ranking_options": {"hybrid_search": {"embedding_weight": 1, "text_weight": 1}}}, {}),
        ({"ranking_options": {"hybrid_search": {"embedding_weight": 0, "text_weight": 1}}}, {"words_only": True}),
    ],
)
async def test_how_it_is_searched(responses: ResponsesAgent, options: dict[str, Any], expected: dict[str, Any]) -> None:
    await ask(responses, tools=[{**SEARCH, **options}])
    assert responses.documents.asked == [DocsSearch(**{"query": QUESTION, "collections": ["notes"], **expected})]


async def test_files_that_were_uploaded_have_their_ids_and_attributes(responses: ResponsesAgent) -> None:
    await responses.upload("other.txt", collection=2)
    file, document = await responses.upload("tea.pdf", language="en", year=1778)
    assert file != document + 5, "or the test could not tell them apart"
    responses.documents.passages = [
        passage(document, "tea.pdf", TEA, score=0.9),
        passage(document + 5, "tula.md", WAR, score=0.4),
    ]
    responses.instances.items = [Text(text="It boils water for tea [1]. The factory in Tula made rifles [2].")]
    body = await ask(responses, include=[RESULTS])
    search, message = body["output"]
    ids = [f"file-{file}", f"doc-{document + 5}"]
    assert [result["file_id"] for result in search["results"]] == ids
    assert [result["attributes"] for result in search["results"]] == [{"language": "en", "year": 1778}, {}]
    assert [one["file_id"] for one in message["content"][0]["annotations"]] == ids


async def test_filters_choose_documents_before_the_search(responses: ResponsesAgent) -> None:
    chosen = [(await responses.upload(f"{year}.txt", collection, year=year))[1] for year, collection in YEARS]
    store = {"vector_store_ids": ["vs_1", "vs_2"]}
    filters = {"type": "gte", "key": "year", "value": 2021}
    await ask(responses, tools=[{**SEARCH, **store, "filters": filters}])
    await ask(responses, tools=[{**SEARCH, "filters": filters}])
    assert [asked.filter for asked in responses.documents.asked] == [
        DocumentFilter(documents=tuple(chosen[1:])),
        DocumentFilter(documents=(chosen[1],)),
    ]


async def test_a_filter_that_chooses_nothing_finds_nothing(responses: ResponsesAgent) -> None:
    await responses.upload("tea.pdf", year=2020)
    filters = {"type": "gt", "key": "year", "value": 2020}
    body = await ask(responses, tools=[{**SEARCH, "filters": filters}], include=[RESULTS])
    assert not responses.documents.asked, "an empty choice must not become none at all"
    assert not responses.instances.calls
    search, message = body["output"]
    assert (search["results"], search["status"]) == ([], "completed")
    assert message["content"][0]["text"] == "Not in these documents."
    assert body["samovar"]["documents"]["note"] == "The filter chooses no file."
    events = await events_of(responses, input=QUESTION, tools=[{**SEARCH, "filters": filters}])
    assert kinds(events)[-1] == "completed"


async def test_a_filter_that_chooses_too_much(responses: ResponsesAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtered_documents, "MOST_DOCUMENTS", 1)
    for year in (2020, 2021):
        await responses.upload(f"{year}.txt", year=year)
    tools = [{**SEARCH, "filters": {"type": "gt", "key": "year", "value": 1}}]
    answer = await responses.create(tools=tools)
    assert (answer.status, answer.error["param"]) == (400, "tools[0].filters")


async def test_what_only_says_the_same_is_cited_where_the_sentence_ends(responses: ResponsesAgent) -> None:
    said = "A samovar boils water for tea."
    responses.instances.items = [Text(text=f"You ask. {said} I hope that helps.")]
    body = await ask(responses)
    [annotation] = body["output"][1]["content"][0]["annotations"]
    assert annotation["index"] == len(f"You ask. {said}")
    assert annotation["samovar"]["inferred"]
    assert (annotation["file_id"], annotation["samovar"]["quote"]) == ("doc-7", said)
    assert body["samovar"]["documents"]["outcome"] == "answered"
    events = await events_of(responses, input=QUESTION, tools=[SEARCH])
    [added] = [event["annotation"] for event in events if event["type"].endswith("annotation.added")]
    assert added == annotation


async def test_what_is_not_good_enough_is_left_out(responses: ResponsesAgent) -> None:
    tools = [{**SEARCH, "ranking_options": {"score_threshold": 0.5}}]
    body = await ask(responses, tools=tools, include=[RESULTS])
    assert [result["file_id"] for result in body["output"][0]["results"]] == ["doc-7"]
    assert WAR not in responses.instances.calls[-1][1][-1].content


@pytest.mark.parametrize(
    ("options", "status", "param"),
    [
        ({"vector_store_ids": ["vs_1", "vs_1", "vs_3"]}, 404, "tools[1].vector_store_ids[2]"),
        ({"vector_store_ids": ["notes"]}, 404, "tools[1].vector_store_ids[0]"),
        ({"vector_store_ids": ["vs_01"]}, 404, "tools[1].vector_store_ids[0]"),
        ({"filters": {"type": "eq", "key": "a"}}, 400, "tools[1].filters.value"),
        ({"filters": {"type": "like", "key": "a", "value": "b"}}, 400, "tools[1].filters.type"),
        ({"filters": {"type": "and", "filters": []}}, 400, "tools[1].filters.filters"),
        ({"filters": deep({"type": "eq", "key": "a", "value": 1}, 30)}, 400, "tools[1].filters"),
        ({"filters": []}, 400, "tools[1].filters"),
        (
            {"ranking_options": {"hybrid_search": {"embedding_weight": 1, "text_weight": 0}}},
            400,
            "tools[1].ranking_options.hybrid_search",
        ),
        (
            {"ranking_options": {"hybrid_search": {"embedding_weight": 2, "text_weight": 1}}},
            400,
            "tools[1].ranking_options.hybrid_search",
        ),
    ],
)
async def test_what_is_refused(responses: ResponsesAgent, options: dict[str, Any], status: int, param: str) -> None:
    for stream in (False, True):
        answer = await responses.create(tools=[CLOCK, {**SEARCH, **options}], stream=stream)
        assert (answer.status, answer.error["param"]) == (status, param)
    assert responses.documents.asked == []


@pytest.mark.parametrize("content", ["", " \n", [{"role": "system", "content": "x"}]])
async def test_nothing_to_search_for(responses: ResponsesAgent, content: Any) -> None:
    answer = await responses.create(input=content, tools=[SEARCH])
    assert (answer.status, answer.error["param"]) == (400, "input")


async def test_an_unknown_model_is_told_before_anything_is_searched(responses: ResponsesAgent) -> None:
    for stream in (False, True):
        answer = await responses.create(model="nobody/knows", tools=[SEARCH], stream=stream)
        assert (answer.status, answer.error["code"]) == (404, "model_unknown")
    assert responses.documents.asked == []
    assert (await responses.create(model="loaded", tools=[SEARCH])).status == 200


async def test_a_search_that_fails(responses: ResponsesAgent) -> None:
    responses.documents.problem = SamovarError(FailureCode.NOT_ENOUGH_MEMORY, "There is no room.")
    answer = await responses.create(tools=[SEARCH])
    assert (answer.status, answer.error["code"]) == (507, "not_enough_memory")
    events = await events_of(responses, tools=[SEARCH])
    assert kinds(events)[-2:] == ["file_search_call.searching", "failed"]
    assert events[-1]["response"]["error"]["type"] == "not_enough_memory"


async def test_a_context_without_room_for_sources(responses: ResponsesAgent) -> None:
    (info,) = responses.instances.loaded
    responses.instances.loaded = [type(info)(identifier="loaded", model=KEY, state="ready", context_length=100)]
    answer = await responses.create(tools=[SEARCH])
    assert (answer.status, answer.error["code"]) == (400, "context_overflow")
    *_, failed = await events_of(responses, tools=[SEARCH])
    assert failed["response"]["error"]["code"] == "invalid_prompt"
    responses.instances.loaded = []
    assert (await responses.create(tools=[SEARCH])).status == 429, "it is not in memory any more"


async def test_as_many_passages_as_there_is_room_for(responses: ResponsesAgent) -> None:
    long = passage(3, "long.txt", "word " * 4000, score=1.0)
    responses.documents.passages = [long, *responses.documents.passages]
    body = await ask(responses, max_output_tokens=50)
    assert body["samovar"]["documents"]["passages"] == 2
    asked = responses.instances.calls[-1][1][-1].content
    assert TEA in asked
    assert WAR in asked
    assert "word word" not in asked


async def test_it_needs_a_scope_of_its_own(responses: ResponsesAgent) -> None:
    responses.agent.settings.set("server.require_token", True)
    chat = {"Authorization": f"Bearer {responses.agent.tokens.add('c', 'chat')}"}
    both = {"Authorization": f"Bearer {responses.agent.tokens.add('b', 'chat', 'documents')}"}
    answer = await responses.create(headers=chat, tools=[SEARCH])
    assert (answer.status, answer.error["code"]) == (403, "forbidden")
    assert "'documents'" in answer.error["message"]
    assert (await responses.create(headers=chat, tools=[SEARCH], tool_choice="none")).status == 200
    body = (await responses.create(headers=both, tools=[SEARCH])).json()
    path = f"{body['id']}?include={RESULTS}"
    assert (await responses.get(body["id"], headers=chat)).status == 200
    assert (await responses.get(path, headers=chat)).status == 403
    assert (await responses.get(path, headers=both)).status == 200

"""Users' own grammars: good ones pass, and none that would harm the worker reaches llama.cpp."""

import pytest

from samovar_agent.engine.worker.grammar import check_grammar, json_grammar
from samovar_protocol import FailureCode, SamovarError
from tests.samovar_agent.engine.worker.grammar.vocabulary import Vocabulary

GOOD = [
    'root ::= "yes" | "no"',
    json_grammar(),
    '# a remark\nroot  ::= (expr "=" ws term "\\n")+\nexpr ::= term ([-+*/] term)*\n'
    'term ::= ident | num | "(" ws expr ")" ws\nident ::= [a-z] [a-z0-9-]* ws\nnum ::= [0-9]+ ws\nws ::= [ \\t\\n]*\n',
    'root ::= (\n  "a" |\n  "b"\n)\r\n\r\nx ::= "c"',
    'root ::= x{2} y{1,} z{0,3} . [^\\n] [\\x41-\\u00ff\\U0001F600] ""\nx ::= "x"\ny ::= "y"\nz ::=\n  "z" # end\n',
    'root ::= "a"? ("b"? "c")*',
    'root ::= "\\"\\\\" [\\]\\[-]',
    "root ::= <[5]> !<[6]>",
]

BAD = [
    ("", "no rule 'root'"),
    ("x" * 300_000, "bytes"),
    ('root ::= "\0"', "NUL"),
    ('root ::= "\ud800"', "half a character"),
    ('main ::= "a"', "no rule 'root'"),
    ("root ::= missing", "'missing' that it does not have"),
    ('root = "a"', "line 1: '::=' is missing"),
    ('root ::= "a"\n\n)', "line 3"),
    ('root ::= "a', "not complete"),
    ("root ::= [a", "not complete"),
    ('root ::= "\\q"', "escape"),
    ('root ::= ("a"', "')' is missing"),
    ('root ::= "a" )', "not expected"),
    ("root ::= * ", "nothing to repeat"),
    ('root ::= "a"{', "counts"),
    ('root ::= "a"{99999999999999999999}', "counts"),
    ('root ::= "a"{5,3}', "more to fewer"),
    ('root ::= "a"{3000}', "more than 2000"),
    ("root ::= [z-a]", "ends before it begins"),
    ("root ::= <think", "token is not complete"),
    (f"root ::= {'(' * 100_000}", "brackets inside one another"),
    ('root ::= root "a" | "b"', "begin with itself"),
    ('root ::= a\na ::= b "x" | "y"\nb ::= a', "begin with itself"),
    # llama.cpp sees that `e` may be empty, but not that `f` may.
    ('root ::= f root "y" | "z"\nf ::= e e\ne ::= "" | "x"', "begin with itself"),
    ('root ::= ("a"?)*', "may be empty"),
    ('root ::= "ab"++', "two counts"),
    (f'root ::= "{"a" * 10_000}"{{2000}}', "too large"),
    ("root ::= r0\n" + "".join(f"r{n} ::= r{n + 1} | r{n + 1}\n" for n in range(60)) + 'r60 ::= "x"', "tangled"),
    ("root ::= r0\n" + "".join(f"r{n} ::= r{n + 1}\n" for n in range(9000)) + 'r9000 ::= "x"', "tangled"),
]  # fmt: skip


@pytest.mark.parametrize("grammar", GOOD)
def test_good_grammars_pass_here_and_in_llama_cpp(vocabulary: Vocabulary, grammar: str) -> None:
    check_grammar(grammar)
    sampler = vocabulary.sampler(grammar)
    assert sampler
    vocabulary.llama.llama_sampler_free(sampler)


@pytest.mark.parametrize(("grammar", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_bad_grammars_are_refused(grammar: str, reason: str) -> None:
    with pytest.raises(SamovarError) as caught:
        check_grammar(grammar)
    assert caught.value.code == FailureCode.BAD_REQUEST
    assert reason in caught.value.failure.message

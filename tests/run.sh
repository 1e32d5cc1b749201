#!/bin/sh
# Every check and every test: `sh tests/run.sh [pytest arguments]`, from any folder.
#
#     sh tests/run.sh                          # all of it
#     sh tests/run.sh -m "not processes"       # the quick ones
#     sh tests/run.sh -k tray -x               # whatever pytest understands
#
# The first run takes minutes (it compiles llama.cpp and fetches models of 340 MB), the next ones start at once. Tests
# that need what this machine lacks, such as a display server, are skipped and say why; `.ci/run` installs those things.
set -eu

clone=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$clone/installers/environment.sh"
cd "$clone"

failed=
summary=
newline='
'

# phase NAME COMMAND...: run it, remember how long it took and whether it worked, and go on.
phase() {
    name=$1
    shift
    say "$name"
    started=$(date +%s)
    outcome=ok
    "$@" || {
        outcome=FAILED
        failed=yes
    }
    summary="$summary$(printf '    %-14s %4d s  %s' "$name" $(($(date +%s) - started)) "$outcome")$newline"
}

# tests ARGUMENTS...: pytest; where one to three tests fail, they are run once more, and are called what they are.
#
# Of five thousand tests on a loaded machine one may lose a race of its own making. Failing twice is a failure; failing
# once is printed with its traceback and stays in the summary until somebody mends it. More than three is no accident.
tests() {
    rm -f .pytest_cache/v/cache/lastfailed
    "$python" -m pytest "$@" && return 0
    again=$("$python" -c 'import json; print(*json.load(open(".pytest_cache/v/cache/lastfailed")), sep="\n")') || return 1
    [ "$(printf '%s\n' "$again" | wc -l)" -le 3 ] || return 1
    say "Once more, alone: $again"
    "$python" -m pytest --last-failed --last-failed-no-failures none -m "" || return 1
    outcome="ok, but not at first: $(printf '%s ' $again)"
}

# The chat model that tests talk to, fetched the way a user would, with a home of its own.
fetch_model() (
    [ ! -e "$SAMOVAR_TEST_MODEL" ] || exit 0
    folder=$(dirname "$SAMOVAR_TEST_MODEL")
    mkdir -p "$folder" || exit 1
    # Beside its place, so that the last step is one rename.
    SAMOVAR_HOME=$(mktemp -d "$folder/.fetch-XXXXXX") || exit 1
    SAMOVAR_PORT=0
    export SAMOVAR_HOME SAMOVAR_PORT
    trap '"$venv/bin/samovar" down >/dev/null 2>&1; rm -rf "$SAMOVAR_HOME"' EXIT
    trap 'exit 130' INT TERM HUP
    "$venv/bin/samovar" up --no-tray && "$venv/bin/samovar" get smollm2-135m || exit 1
    "$venv/bin/samovar" down || exit 1
    file=$(find "$SAMOVAR_HOME/models" -name '*.gguf' | head -n 1)
    mv "$file" "$SAMOVAR_TEST_MODEL"
)

# The one with a sliding window, which the catalog does not have.
fetch_gemma() {
    "$python" -m tests.gemma_model "$(dirname "$SAMOVAR_TEST_MODEL")"
}

SAMOVAR_TEST_MODEL=${SAMOVAR_TEST_MODEL:-$cache/test-models/SmolLM2-135M-Instruct.Q4_1.gguf}
export SAMOVAR_TEST_MODEL

phase environment make_environment tests --group test --group lint -e "$clone"
[ -z "$failed" ] || exit 1
python=$venv/bin/python

phase ruff "$python" -m ruff check
phase format "$python" -m ruff format --check
phase mypy "$python" -m mypy
phase import-linter "$venv/bin/lint-imports"
phase model fetch_model
phase gemma fetch_gemma
if [ $# -gt 0 ]; then
    phase pytest "$python" -m pytest "$@"
else
    # The quick ones first, and apart: what computes for seconds would make them late for each other. Of what starts
    # processes and computes with real models, only what takes times has the machine to itself.
    long="processes or model or tray or index"
    two="--numprocesses 2 --dist worksteal"
    phase "quick, two" tests $two -m "not ($long or alone)"
    phase "long, two" tests $two -m "($long) and not alone"
    phase "alone" tests -m alone
fi

printf '\n%s' "$summary" >&2
if [ -n "$failed" ]; then
    say "Something failed, see above"
    exit 1
fi
say "All passed"

#!/bin/sh
# Samovar from a bare clone to an answer: `sh installers/demo.sh`, from any folder.
#
# Needs Python 3.11 or newer, a C++ compiler and cmake, and says how to get what is missing. The first run takes
# minutes (it compiles llama.cpp and downloads a model of 98 MB), the next ones seconds. Exits 0 only if every step
# worked. A Samovar that you already run is left alone: the demo has an agent, a folder and a port of its own.
set -eu

clone=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$clone/installers/environment.sh"

model=smollm2-135m

SAMOVAR_HOME=${SAMOVAR_DEMO_HOME:-$cache/demo-home}
SAMOVAR_PORT=0 # any free one
SAMOVAR_DISCOVER=false # only what it gets itself
export SAMOVAR_HOME SAMOVAR_PORT SAMOVAR_DISCOVER

samovar() {
    "$venv/bin/samovar" "$@"
}

stop_agent() {
    [ ! -x "$venv/bin/samovar" ] || samovar down >/dev/null 2>&1 || true
}

show() {
    printf '\n$ %s\n' "$*"
}

make_environment demo -e "$clone" "$(requirement openai)"

trap stop_agent EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
# One that an earlier demo left behind when it was killed may be of older code.
stop_agent

show "samovar up --no-tray"
samovar up --no-tray

show "samovar get $model"
samovar get "$model"

question="What is a samovar? Answer in two sentences."
show "samovar run $model \"$question\" --stats      (over ZeroMQ)"
# What is piped in becomes part of the prompt; whatever started this script must not.
samovar run "$model" "$question" --max-tokens 120 --stats </dev/null

url=$(samovar status --json | "$venv/bin/python" -c 'import json, sys; print(json.load(sys.stdin)["http"]["urls"][0])')
question="Why is the sky blue? Answer in two sentences."
show "python installers/demo_openai.py $url $model \"$question\"      (over HTTP)"
"$venv/bin/python" "$clone/installers/demo_openai.py" "$url" "$model" "$question"

show "samovar ps"
samovar ps
# Both questions reached the one model in memory, and it said something.
samovar ps --json | "$venv/bin/python" -c '
import json, sys
[instance] = json.load(sys.stdin)["instances"]
sys.exit(0 if instance["requests"] == 2 and instance["completion_tokens"] > 2 else f"Unexpected: {instance}")
'

show "samovar down"
samovar down
trap - EXIT

printf '\n'
say "Everything worked. To go on:  . $venv/bin/activate && samovar up"

# The clone's own virtual environment, for installers/demo.sh and tests/run.sh. Sourced, POSIX sh.
#
#     clone=/path/to/clone
#     . "$clone/installers/environment.sh"
#     make_environment demo -e "$clone"        # then: "$venv/bin/samovar"
#
# Sets $venv and $cache. Outside the clone it only writes to $cache, where the compiled llama-cpp-python is kept.
# A function with a body in parentheses runs in a subshell: its variables are its own, its answer is what it prints.

venv=$clone/.venv
cache=${XDG_CACHE_HOME:-$HOME/.cache}/samovar

# Only what Samovar loads; the multimodal library and llama.cpp's own programs would double the time.
llama_cmake_args="-DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TESTS=OFF"
llama_cmake_args="$llama_cmake_args -DLLAMA_BUILD_SERVER=OFF -DGGML_NATIVE=ON${CMAKE_ARGS:+ $CMAKE_ARGS}"

# Programs start often here; compiling them each time would double the time that takes.
unset PYTHONDONTWRITEBYTECODE

say() {
    printf '==> %s\n' "$*" >&2
}

# What pyproject.toml asks of a package, e.g. `requirement openai` prints "openai>=2".
requirement() {
    sed -n "s/^ *\"\($1[^\"]*\)\".*/\1/p" "$clone/pyproject.toml" | head -n 1
}

# The exact release to install: the lowest that pyproject.toml allows, because that one is tested. The worker uses
# the low-level API, which may change between releases.
llama_version() {
    requirement llama-cpp-python | sed 's/.*>=\([0-9.]*\).*/\1/'
}

# --- prerequisites -----------------------------------------------------------------------------------------------

pythons() {
    echo "${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}"
}

# The first Python that is new enough and can make virtual environments. $PYTHON chooses another.
find_python() (
    for python in $(pythons); do
        if "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$python"
            exit 0
        fi
    done
    exit 1
)

# The Debian package that would make find_python succeed.
python_package() (
    for python in $(pythons); do
        # New enough, but Debian keeps the module that makes virtual environments in a package of its own.
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            "$python" -c 'import sys; print(f"python3.{sys.version_info.minor}-venv")'
            exit 0
        fi
    done
    for minor in 14 13 12 11; do
        if apt-cache show "python3.$minor-venv" >/dev/null 2>&1; then
            echo "python3.$minor-venv"
            exit 0
        fi
    done
    echo python3-venv
)

find_compiler() {
    [ -n "${CXX:-}" ] || command -v c++ || command -v g++ || command -v clang++
}

# The Debian packages that this machine lacks, one a line.
missing_packages() {
    find_python >/dev/null || python_package
    find_compiler >/dev/null || echo g++
    command -v cmake >/dev/null || echo cmake
}

# Say what is missing and how to get it. $1: packages, one a line.
explain_missing() (
    say "This machine lacks what Samovar is built with:"
    for package in $1; do
        case $package in
            python*) echo "      Python 3.11 or newer that can make virtual environments ($package)" ;;
            g++) echo "      a C++ compiler ($package)" ;;
            *) echo "      $package" ;;
        esac >&2
    done
    if command -v apt-get >/dev/null; then
        sudo=sudo
        [ "$(id -u)" -ne 0 ] || sudo=
        say "Install it with this command, then run this again:"
        echo "      ${sudo:+$sudo }apt-get update && ${sudo:+$sudo }apt-get install -y $(echo $1)" >&2
    else
        say "Install it with your system's package manager, then run this again."
    fi
)

# --- llama-cpp-python --------------------------------------------------------------------------------------------

# The folder of the wheel that fits this machine: release, Python, platform, and a hash of the processor's abilities
# (the compiler uses all of them; elsewhere the code could stop at an unknown instruction) and of the options.
wheel_key() {
    "$venv/bin/python" "$clone/installers/wheel_key.py" "$(llama_version)" "$llama_cmake_args"
}

# The path of a wheel for this machine: kept from earlier, offered ready-made, or compiled now.
obtain_wheel() (
    store=$cache/wheels/$1
    for wheel in "$store"/*.whl; do
        if [ -e "$wheel" ]; then
            echo "$wheel"
            exit 0
        fi
    done
    mkdir -p "$store" || exit 1
    # On the same file system as its place, so that the last step is one rename: of two runs at once each compiles
    # for itself, and whoever looks finds a whole wheel or none.
    work=$(mktemp -d "$store/.making-XXXXXX") || exit 1
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    download_wheel "$work" || compile_wheel "$work" || exit 1
    for wheel in "$work"/*.whl; do
        mv "$wheel" "$store/" || exit 1
        echo "$store/${wheel##*/}"
    done
)

# A ready-made wheel, where the user's pip is configured with an index that has one and it runs here. Whoever sets
# CMAKE_ARGS wants a build of their own. $1: folder to put it in.
download_wheel() (
    [ -z "${CMAKE_ARGS:-}" ] || exit 1
    say "Looking for a ready-made llama-cpp-python $(llama_version)"
    "$venv/bin/python" -m pip download --quiet --only-binary :all: --no-deps --dest "$1" \
        "llama-cpp-python==$(llama_version)" >/dev/null 2>&1 || exit 1
    if "$venv/bin/python" -m pip install --quiet --target "$1/trial" "$1"/*.whl >/dev/null 2>&1 &&
        PYTHONPATH=$1/trial "$venv/bin/python" -c 'import llama_cpp as l; l.llama_backend_init()' >/dev/null 2>&1; then
        exit 0
    fi
    say "The ready-made one does not run on this machine"
    rm -f "$1"/*.whl
    exit 1
)

# Compile it; some minutes, with a line about the progress. $1: folder to put it in.
compile_wheel() (
    missing=$(missing_packages)
    if [ -n "$missing" ]; then
        explain_missing "$missing"
        exit 1
    fi
    log=$cache/wheels/build-$$.log
    say "Compiling llama.cpp for this machine: 5 minutes on 2 cores, once; the result is kept in $cache/wheels"
    show_progress "$log" &
    reporter=$!
    trap 'kill "$reporter" 2>/dev/null' EXIT
    trap 'rm -f "$log"; exit 130' INT TERM HUP
    # Without pip's cache: it does not know which CMAKE_ARGS or which processor its wheels were made for.
    if CMAKE_ARGS=$llama_cmake_args "$venv/bin/python" -m pip wheel --verbose --no-cache-dir --no-deps \
        --no-binary llama-cpp-python --wheel-dir "$1" "llama-cpp-python==$(llama_version)" >"$log" 2>&1 </dev/null; then
        rm -f "$log"
        [ ! -t 2 ] || echo >&2
        say "Compiled"
        exit 0
    fi
    [ ! -t 2 ] || echo >&2
    say "llama-cpp-python could not be built. The last lines of its log:"
    tail -n 30 "$log" | cut -c 1-300 >&2
    say "The whole log is $log"
    exit 1
)

# A line about a build: on a terminal rewritten every second, elsewhere a new one every 15. Runs in the background
# until it is killed, hence without a subshell of its own. $1: pip's log.
show_progress() {
    pause=15
    [ ! -t 2 ] || pause=1
    seconds=0
    while sleep "$pause" >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        seconds=$((seconds + pause))
        line=$(printf '    compiling: %d:%02d, %s' $((seconds / 60)) $((seconds % 60)) "$(objects_done "$1")")
        if [ "$pause" -eq 1 ]; then printf '\r%s   ' "$line"; else printf '%s\n' "$line"; fi >&2
    done
}

# How far a build is. Ninja counts "[99/140]", make "[ 70%]". $1: pip's log.
objects_done() (
    done=$(sed -n -e 's|^ *\[\([0-9]*\)/\([0-9]*\)\].*|\1 of \2 done|p' \
        -e 's|^ *\[ *\([0-9]*%\)\].*|\1 done|p' "$1" | tail -n 1)
    echo "${done:-preparing}"
)

# --- the environment ---------------------------------------------------------------------------------------------

# make_environment NAME PIP-ARGUMENT...: the virtual environment in $venv, with what `pip install PIP-ARGUMENT...`
# brings. A second call takes a moment: each NAME remembers what it was installed from.
make_environment() {
    if [ "$(venv_pip)" != "$venv" ]; then
        python=$(find_python) || {
            explain_missing "$(missing_packages)"
            return 1
        }
        say "Making a virtual environment in $venv ($("$python" --version))"
        "$python" -m venv --clear "$venv" || return 1
    fi

    key=$(wheel_key) || return 1
    if [ "$(cat "$venv/.llama-cpp-python" 2>/dev/null)" != "$key" ]; then
        wheel=$(obtain_wheel "$key") || return 1
        say "Installing ${wheel##*/}"
        "$venv/bin/python" -m pip install -qq --no-deps --force-reinstall "$wheel" || return 1
        echo "$key" >"$venv/.llama-cpp-python"
    fi

    stamp=$venv/.installed-$1
    shift
    state="$(cksum <"$clone/pyproject.toml") $key $*"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$state" ]; then
        say "Installing Samovar and what it needs; a minute or two the first time"
        # 25.1 is the first that knows --group.
        "$venv/bin/python" -m pip install -qq --upgrade "pip>=25.1" || return 1
        "$venv/bin/python" -m pip install -qq "$@" || return 1
        echo "$state" >"$stamp"
    fi
}

# The environment that $venv/bin/pip belongs to; another where the clone was moved, nothing where it is half made.
venv_pip() {
    "$venv/bin/pip" --version 2>/dev/null | sed -n 's|.* from \(.*\)/lib/python3.*|\1|p'
}

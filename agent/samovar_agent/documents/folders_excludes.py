"""What of a folder is left out: patterns as in a `.gitignore`, after those that suit nearly everybody.

excludes = Excludes(["drafts/", "*.csv", "!important.csv"])
excludes.folder("2026/drafts")     # True: nothing below it is looked at
excludes.file("important.csv")     # False
"""

from __future__ import annotations

from collections.abc import Sequence

from samovar_protocol import FailureCode, SamovarError

DEFAULT_EXCLUDES: tuple[str, ...] = (
    ".*",  # hidden: settings, caches, keys, the bins of desktops
    "~$*",  # locks of office programs
    "*~",
    "*.bak",
    "*.tmp",
    "*.temp",
    "*.part",  # downloads that still run
    "*.partial",
    "*.crdownload",
    "*.download",
    "node_modules/",  # other people's code, and what programs make of ours
    "bower_components/",
    "site-packages/",
    "__pycache__/",
    "*.egg-info/",
    "*.min.js",
    "*.min.css",
    "*.js.map",
    "*.app/",  # folders that macOS shows as one thing
    "*.photoslibrary/",
    "lost+found/",  # of disks rather than of people
    "System Volume Information/",
    "$RECYCLE.BIN/",
    "desktop.ini",
    "Thumbs.db",
)
"""Come before a source's own patterns, which may take them back: `!.github/`."""

MARKS_OF_CACHES = ("CACHEDIR.TAG", "pyvenv.cfg")
"""A folder that holds a file of such a name was made by a program, which can make it again."""

MAX_PATTERNS = 1000
MAX_PATTERN_CHARACTERS = 10_000
"""A path has 4,096 at most, and twice as many where each is escaped."""


class Excludes:
    """Decides by paths relative to the source's folder, with `/` between their parts.

    - patterns: as lines of a `.gitignore` there; later ones win, `!` takes back. - defaults: what comes before them.

    Raises `bad_request` for a pattern that means nothing.
    """

    def __init__(self, patterns: Sequence[str] = (), *, defaults: Sequence[str] = DEFAULT_EXCLUDES) -> None:
        from pathspec import GitIgnoreSpec

        if len(patterns) > MAX_PATTERNS:
            raise _refused(f"There are {len(patterns):,} patterns; the limit is {MAX_PATTERNS:,}.")
        for pattern in patterns:
            if len(pattern) > MAX_PATTERN_CHARACTERS:
                raise _refused(f"A pattern has {len(pattern):,} characters; the limit is {MAX_PATTERN_CHARACTERS:,}.")
            try:
                GitIgnoreSpec.from_lines([pattern])
            except ValueError:
                raise _refused(f"{pattern!r} is no pattern.") from None
        self._lines = (*defaults, *patterns)
        self._spec = GitIgnoreSpec.from_lines(self._lines)

    @staticmethod
    def pattern_of(relative: str, *, folder: bool) -> str:
        """The pattern that leaves out just this path. - relative: as `file` and `folder` take it."""
        # A line break is a space to `_matches`.
        letters = relative.replace("\n", " ")
        escaped = "".join(_escaped(letter) for letter in letters)
        return f"/{escaped}/" if folder else f"/{escaped}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Excludes) and self._lines == other._lines

    def __hash__(self) -> int:
        return hash(self._lines)

    def folder(self, relative: str) -> bool:
        """Whether that folder and all below it is left out, given that what it lies in is not."""
        return self._matches(f"{relative}/")

    def file(self, relative: str) -> bool:
        """Whether that file is left out, given that what it lies in is not."""
        return self._matches(relative)

    def _matches(self, relative: str) -> bool:
        # To the expressions behind the patterns a line break would end the path.
        return bool(self._spec.check_file(relative.replace("\n", " ")).include)


def _escaped(letter: str) -> str:
    if letter in "*?[]!#\\ ":
        return f"\\{letter}"
    # Other white space is cut off the end of a pattern, whatever stands before it.
    return f"[{letter}]" if letter.isspace() else letter


def _refused(message: str) -> SamovarError:
    return SamovarError(
        FailureCode.BAD_REQUEST, message, hint="Patterns are written as in a .gitignore, e.g. `drafts/` or `*.csv`."
    )

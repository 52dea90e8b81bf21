"""The instructions of a Dockerfile, as far as they name images, stages and secrets. Pure.

Which lines are instructions, how they are continued and what variables stand for follows BuildKit's
`frontend/dockerfile/parser/parser.go` and `shell/lex.go`, and docs.docker.com/reference/dockerfile.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*$")
_DIRECTIVES = frozenset({"check", "escape", "syntax"})
"""Directives that there are. One of another name is a comment, and ends them."""
_ESCAPE = "\\"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HERE = re.compile(r"\d*<<(-?)([^<]+)")
_SHELL_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*"|['"\\])+""", re.DOTALL)
_WITH_HERE_DOCUMENTS = frozenset({"RUN", "COPY", "ADD"})
_BY_BUILDKIT = frozenset(
    f"{place}{part}"
    for place in ("BUILD", "TARGET")
    for part in ("PLATFORM", "OS", "ARCH", "VARIANT", "OSVERSION")
)
"""Variables that BuildKit sets, to values that only the builder knows."""
SCRATCH = "scratch"


@dataclass(frozen=True)
class Word:
    """A word of an instruction, and where it stands in the file."""

    text: str
    begin: int
    end: int


@dataclass(frozen=True)
class Instruction:
    """An instruction: its name in capitals, its other words, the number of its first line, and all its text."""

    name: str
    words: tuple[Word, ...]
    line: int
    text: str

    @property
    def flags(self) -> list[Word]:
        """The options at its beginning."""
        return list(takewhile(lambda word: word.text.startswith("--"), self.words))


@dataclass(frozen=True)
class ImageUse:
    """An image that a stage builds on or takes files from.

    Args:
        image: Its reference; empty where only the builder knows it.
        word: The word that names it.
        line: Its line.

    """

    image: str
    word: Word
    line: int


@dataclass(frozen=True)
class BuildStage:
    """One stage of a Dockerfile, from one `FROM` to the next.

    Args:
        name: Its name in lower case, empty if it has none.
        images: The images that it uses.
        stages: The numbers of the stages that it uses.

    """

    name: str
    images: tuple[ImageUse, ...] = ()
    stages: tuple[int, ...] = ()


@dataclass(frozen=True)
class Dockerfile:
    """What a Dockerfile says.

    Args:
        stages: Its stages.
        secrets: The ids of the secrets that it mounts, each with whether the build fails without.
        problems: What can't work, each with its line.

    """

    stages: tuple[BuildStage, ...] = ()
    secrets: Mapping[str, bool] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def images(self, target: str | None) -> list[ImageUse]:
        """Return the images that are used on the way to a stage, by default the last one, in the order of the file."""
        last = self.number(target) if target is not None else len(self.stages) - 1
        waiting, seen = [last] if last is not None and self.stages else [], set[int]()
        while waiting:
            number = waiting.pop()
            if number not in seen:
                seen.add(number)
                waiting += self.stages[number].stages
        return [use for number in sorted(seen) for use in self.stages[number].images]

    def number(self, name: str) -> int | None:
        """Return the number of a stage by its name or number, which both name it; None if there is none."""
        found = next(
            (i for i, stage in enumerate(self.stages) if stage.name and stage.name == name.lower()), None
        )
        if found is None and name.isdecimal() and int(name) < len(self.stages):
            return int(name)
        return found


def read_dockerfile(text: str, args: Mapping[str, str]) -> Dockerfile:
    """Return what a Dockerfile says.

    Args:
        text: The Dockerfile.
        args: The values of build arguments.

    """
    stages: list[BuildStage] = []
    secrets: dict[str, bool] = {}
    known: dict[str, str] = {}
    problems: list[str] = []
    for each in instructions(text):
        if each.name == "ARG" and not stages:
            known |= _arguments(each, args, known)
        elif each.name == "FROM":
            _begin(stages, each, known, problems)
        elif stages and each.name == "COPY":
            for word in each.flags:
                if word.text.startswith("--from="):
                    stages[-1] = _with(stages, Word(word.text[7:], word.begin + 7, word.end), each.line)
        elif stages and each.name == "RUN":
            for word in (word for word in each.flags if word.text.startswith("--mount=")):
                stages[-1] = _mount(stages, word, each.line, secrets)
    if not stages:
        problems.append("it has no FROM")
    return Dockerfile(tuple(stages), secrets, tuple(problems))


def _arguments(each: Instruction, args: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the values of the arguments of one `ARG` before the first `FROM`."""
    found: dict[str, str] = {}
    for word in _SHELL_WORD.findall(each.text)[1:]:
        name, equals, default = word.partition("=")
        value = args.get(name)
        if value is None and equals:
            value = expand(default, {**known, **found})
        if value is not None:
            found[name] = value
    return found


def _begin(
    stages: list[BuildStage], each: Instruction, known: Mapping[str, str], problems: list[str]
) -> None:
    """Begin a stage with its `FROM`."""
    words = [word for word in each.words if not word.text.startswith("--")]
    named = words[2].text.lower() if len(words) > 2 and words[1].text.upper() == "AS" else ""  # noqa: PLR2004 - image AS name
    stage = BuildStage(named)
    if words:
        image = expand(words[0].text, known)
        earlier = [
            i for i, other in enumerate(stages) if other.name and image and other.name == image.lower()
        ]
        if image == "":
            problems.append(
                f"line {each.line}: FROM {words[0].text} names no image: give its variable a value, in build.args"
            )
        if earlier:
            stage = replace(stage, stages=(earlier[-1],))
        elif image != SCRATCH:
            stage = replace(stage, images=(ImageUse(image or "", words[0], each.line),))
    stages.append(stage)


def _with(stages: list[BuildStage], source: Word, line: int) -> BuildStage:
    """Return the last stage with one more that it takes files from: a stage by name or number, or an image."""
    stage = stages[-1]
    number = Dockerfile(tuple(stages[:-1])).number(source.text)
    if number is not None:
        return replace(stage, stages=(*stage.stages, number))
    image = "" if "$" in source.text else source.text
    return replace(stage, images=(*stage.images, ImageUse(image, source, line)))


def _mount(stages: list[BuildStage], word: Word, line: int, secrets: dict[str, bool]) -> BuildStage:
    """Return the last stage with what a mount of its takes; note the secret that it mounts."""
    place, found = word.begin + len("--mount="), {}
    for part in word.text.removeprefix("--mount=").split(","):
        key, equals, value = part.partition("=")
        begin = place + len(key) + len(equals)
        found[key.lower()] = Word(value if equals else "true", begin, begin + len(value))
        place += len(part) + 1
    if (kind := found.get("type")) is not None and kind.text == "secret":
        named = next((found[key].text for key in ("source", "src", "id") if key in found), "")
        target = next((found[key].text for key in ("target", "dst", "destination") if key in found), "")
        name = named or target.rpartition("/")[2]
        secrets[name] = secrets.get(name, False) or ("required" in found and found["required"].text == "true")
    return _with(stages, found["from"], line) if "from" in found else stages[-1]


def expand(text: str, values: Mapping[str, str]) -> str | None:
    """Return a word with variables replaced and quotes removed; None where only the builder knows its value."""
    try:
        return _ShellWord(text, values).value()
    except ValueError:
        return None


class _ShellWord:
    """A word with variables and quotes in it, read from left to right.

    Args:
        text: The word.
        values: The variables.

    """

    def __init__(self, text: str, values: Mapping[str, str]) -> None:
        self._text, self._values = text, values
        self._at = 0

    def value(self, end: str = "") -> str:
        """Return what stands up to a character, which is passed; by default all.

        Raises:
            ValueError: Only the builder knows it, or it is cut off.

        """
        made = ""
        while (char := self._next()) != end:
            if char == "'":
                close = self._text.index("'", self._at)
                made, self._at = made + self._text[self._at : close], close + 1
            elif char == '"':
                made += self._quoted()
            elif char == "$":
                made += self._variable()
            else:
                made += self._next() if char == _ESCAPE and self._at < len(self._text) else char
        return made

    def _quoted(self) -> str:
        """Return what stands up to the next double quote."""
        made = ""
        while (char := self._next()) != '"':
            if not char:
                raise ValueError(self._text)
            if char == "$":
                made += self._variable()
            elif char == _ESCAPE and self._text[self._at : self._at + 1] in ('"', "$", _ESCAPE):
                made += self._next()
            else:
                made += char
        return made

    def _next(self) -> str:
        """Return the next character, and pass it; empty at the end."""
        char = self._text[self._at : self._at + 1]
        self._at += 1
        return char

    def _variable(self) -> str:
        """Return the value of what stands behind a dollar sign."""
        is_braced = self._text.startswith("{", self._at)
        self._at += is_braced
        found = _NAME.match(self._text, self._at)
        name = found[0] if found is not None else ""
        self._at += len(name)
        if not is_braced:
            return self._held(name) or "" if name else "$"
        sign = self._next()
        if not name or sign not in ("}", ":", "-", "+", "?"):
            raise ValueError(self._text)
        held = self._held(name)
        if sign == "}":
            return held or ""
        # Without the colon, an empty value counts as one.
        is_set = bool(held) if sign == ":" else held is not None
        sign = self._next() if sign == ":" else sign
        word = self.value("}")
        return {"-": held or "" if is_set else word, "+": word if is_set else ""}.get(sign, held or "")

    def _held(self, name: str) -> str | None:
        """Return a variable's value; None if it has none."""
        held = self._values.get(name)
        if held is None and name in _BY_BUILDKIT:
            raise ValueError(name)
        return held


def rewritten(text: str, images: Mapping[str, str], uses: list[ImageUse]) -> str:
    """Return a Dockerfile with other images in the place of some.

    Args:
        text: The Dockerfile.
        images: The image to take instead, by the one that is named.
        uses: Where images are named.

    """
    for use in sorted(uses, key=lambda use: use.word.begin, reverse=True):
        if use.image in images:
            text = f"{text[: use.word.begin]}{images[use.image]}{text[use.word.end :]}"
    return text


def instructions(text: str) -> Iterator[Instruction]:
    """Yield the instructions of a Dockerfile."""
    lines = _Lines(text)
    escape = lines.escape()
    for number, begin, line in lines:
        words = list(_words(line.removeprefix("\ufeff"), begin + line.startswith("\ufeff"), escape))
        whole = line
        while _continues(line, escape):
            following = next(lines, None)
            if following is None:
                break
            _, place, more = following
            if more.lstrip().startswith("#") or not more.strip():
                continue
            line = more  # noqa: PLW2901 - the line that may be continued in turn
            whole = f"{whole.rstrip()[:-1]}{more}"
            words += _words(more, place, escape)
        if not words or words[0].text.startswith("#"):
            continue
        name = words[0].text.upper()
        if name in _WITH_HERE_DOCUMENTS:
            # Here, unlike elsewhere, quotes count: `"cat <<EOF"` begins no document.
            for word in _SHELL_WORD.findall(whole):
                if (here := _HERE.fullmatch(word)) is not None:
                    lines.skip_document(re.sub("['\"]", "", here[2]), tabs=here[1] == "-")
        yield Instruction(name, tuple(words[1:]), number, whole)


class _Lines:
    """The lines of a text, each with its number and place."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._next = self._place = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> tuple[int, int, str]:
        """Return the next line."""
        if self._next == len(self._lines):
            raise StopIteration
        line, place = self._lines[self._next], self._place
        self._next += 1
        self._place += len(line) + 1
        return self._next, place, line.rstrip("\r")

    def escape(self) -> str:
        """Return the character that continues lines, which a directive at the beginning may change."""
        for line in self._lines:
            found = _DIRECTIVE.match(line.lstrip("\ufeff").lstrip())
            if found is None or found[1].lower() not in _DIRECTIVES:
                break
            if found[1].lower() == "escape":
                return found[2]
        return "\\"

    def skip_document(self, end: str, *, tabs: bool) -> None:
        """Skip a here-document."""
        for _, _, line in self:
            if (line.lstrip("\t") if tabs else line) == end:
                return


def _continues(line: str, escape: str) -> bool:
    """Return whether an instruction goes on in the next line."""
    return line.rstrip(" \t").endswith(escape) and not line.lstrip().startswith("#")


def _words(line: str, begin: int, escape: str) -> Iterator[Word]:
    """Yield the words of a line."""
    if _continues(line, escape):
        line = line.rstrip(" \t").removesuffix(escape)
    for match in re.finditer(r"\S+", line):
        yield Word(match[0], begin + match.start(), begin + match.end())

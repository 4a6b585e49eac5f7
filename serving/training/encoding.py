"""From examples to token ids with the answers marked, as the base's server would see them.

    python encoding.py job.json

Needs only `tokenizers`, and `jinja2` for a base with a chat template, so that it also runs in a
Python that has the training packages and no Fairlead.

A prompt is what the server renders before the answer, the answer is what it must then write, and
the two are tokenized apart, as they are when the model is asked. Two answers of a conversation
share a sequence only where the later prompt begins with exactly the tokens of the earlier prompt
and answer; a template that rewrites earlier turns gives a sequence of its own to each answer.

The token file holds 32-bit integers: the id where it is an answer's token, -1 - id where it is a
"""

import json
import re
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from tokenizers import Tokenizer

TOKENS = "tokens.bin"


class Unfit(Exception):
    """An example that this base cannot be trained on; `code` is that of a finding."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Encoder:
    """Encodes for the base in `folder`. `now` is the time that a template may ask for.

    Raises `OSError` or `ValueError` for a base without a usable tokenizer, `ImportError` where it
    has a chat template and jinja2 is missing.
    """

    def __init__(self, folder: Path, *, turns: str, completions: str, now: str) -> None:
        self._turns = turns
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        config = _object(folder / "tokenizer_config.json")
        named = {name: _token(value) for name, value in config.items() if _is_token(name)}
        self._names = {name: text for name, text in named.items() if text}
        self.ends = self._end_ids(folder)
        added = self._tokenizer.get_added_tokens_decoder().items()
        special = [each.content for id_, each in added if each.special or id_ in self.ends]
        self._special = re.compile("|".join(map(re.escape, sorted(special)))) if special else None
        templates = chat_templates(folder, config)
        self._plain = completions == "plain" or not templates
        self._templates = {name: _compiled(text, now) for name, text in templates.items()}
        self._in_parts = False
        self._in_parts = bool(templates) and self._takes_parts()

    def sequences(self, example: Mapping[str, Any]) -> list["Encoded"]:
        """What of one example is trained. Raises `Unfit`."""
        self._check_special(example)
        if example["plain"] and self._plain:
            pairs = [self._plain_pair(*(each["content"] for each in example["messages"]))]
        elif not self._templates:
            raise Unfit("template", "the base has no chat template, and this is a chat")
        else:
            pairs = list(self._chat_pairs(example["messages"], example["tools"]))
        return _joined(pairs)

    def stops(self, encoded: "Encoded") -> bool:
        """Whether every answer ends with a token at which the server stops."""
        return all(encoded.ids[end - 1] in self.ends for _, end in encoded.answers)

    def _plain_pair(self, prompt: str, completion: str) -> tuple[list[int], list[int]]:
        end = self._tokenizer.token_to_id(self._names.get("eos_token", ""))
        answer = self._ids(completion) + ([] if end is None else [end])
        return self._tokenizer.encode(prompt, add_special_tokens=True).ids, answer

    def _chat_pairs(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[list[int], list[int]]]:
        wanted = [n for n, each in enumerate(messages) if each["role"] == "assistant"]
        if self._turns == "last":
            wanted = wanted[-1:]
        for at in wanted:
            if messages[at].get("weight", 1) == 0:
                continue
            prompt = self._rendered(messages[:at], tools, asking=True)
            whole = self._rendered(messages[: at + 1], tools, asking=False)
            if not whole.startswith(prompt):
                said = (
                    f"it asks for an answer by {prompt[-20:]!r} and then writes another beginning"
                )
                raise Unfit("template", said)
            answer = whole[len(prompt) :]
            _check_whole(messages, at, prompt, answer)
            yield self._ids(prompt), self._cut(self._ids(answer))

    def _rendered(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        *,
        asking: bool,
    ) -> str:
        template = self._templates.get("tool_use") if tools else None
        template = template or self._templates.get("default")
        if template is None:
            raise Unfit("template", "the base's templates have none called 'default'")
        given = [{k: v for k, v in each.items() if k != "weight"} for each in messages]
        if self._in_parts:
            given = [{**each, "content": _parts(each["content"])} for each in given]
        try:
            return str(
                template.render(
                    messages=given,
                    tools=list(tools) or None,
                    documents=None,
                    add_generation_prompt=asking,
                    **self._names,
                )
            )
        except Exception as error:  # a template is a program; whatever it raises is its refusal
            raise Unfit("template", f"{error}"[:200] or type(error).__name__) from error

    def _takes_parts(self) -> bool:
        """Whether the template reads contents as lists of parts, and leaves out plain texts, as
        those of models that see images do. A server finds out likewise and hands it what it takes.
        """
        said: Any
        for said in ("Probe.", _parts("Probe.")):
            try:
                message = {"role": "user", "content": said}
                if "Probe." in self._rendered([message], (), asking=True):
                    return not isinstance(said, str)
            except Unfit:
                continue
        return False

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _cut(self, answer: list[int]) -> list[int]:
        """Up to the first token at which a server stops: nobody generates what templates write
        behind it."""
        at = next((n for n, each in enumerate(answer) if each in self.ends), len(answer))
        return answer[: at + 1]

    def _check_special(self, example: Mapping[str, Any]) -> None:
        if self._special is None:
            return
        for text in texts(example["messages"], example["tools"]):
            if found := self._special.search(text):
                raise Unfit("control_token", found[0])

    def _end_ids(self, folder: Path) -> frozenset[int]:
        """Where generation ends: as the base's own files say."""
        ends: set[int] = set()
        for name in ("generation_config.json", "config.json"):
            given = _object(folder / name).get("eos_token_id")
            ends.update(given if isinstance(given, list) else [] if given is None else [given])
        eos = self._tokenizer.token_to_id(self._names.get("eos_token", ""))
        return frozenset(ends if eos is None else ends | {eos})


class Encoded:
    """Tokens of one sequence, and which of them are answers, as ranges."""

    def __init__(self, ids: list[int], answers: list[tuple[int, int]]) -> None:
        self.ids = ids
        self.answers = answers

    def signed(self) -> list[int]:
        """As the token file has them."""
        made = [-1 - each for each in self.ids]
        for begin, end in self.answers:
            made[begin:end] = self.ids[begin:end]
        return made

    @property
    def answered(self) -> int:
        return sum(end - begin for begin, end in self.answers)


def _check_whole(messages: Sequence[Mapping[str, Any]], at: int, prompt: str, answer: str) -> None:
    """Raises `Unfit` where the template left out what was asked or answered, as some do with tool
    calls: that would teach to say nothing."""
    for number, each in enumerate(messages[:at], start=1):
        if each["role"] == "user" and each["content"].strip() not in prompt:
            raise Unfit("template", f"it leaves out message {number}")
    said = messages[at]["content"].rpartition("</think>")[2].strip()
    names = [call["function"]["name"] for call in messages[at].get("tool_calls", ())]
    if any(each not in answer for each in (said, *names)):
        raise Unfit("template", f"it leaves out {'a call of ' if names else ''}answer {at + 1}")


def _parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _joined(pairs: Iterable[tuple[list[int], list[int]]]) -> list[Encoded]:
    made: list[Encoded] = []
    for prompt, answer in pairs:
        span = (len(prompt), len(prompt) + len(answer))
        if made and prompt[: len(made[-1].ids)] == made[-1].ids:
            made[-1] = Encoded(prompt + answer, [*made[-1].answers, span])
        else:
            made.append(Encoded(prompt + answer, [span]))
    return made


def texts(
    messages: Iterable[Mapping[str, Any]], tools: Iterable[Mapping[str, Any]] = ()
) -> Iterator[str]:
    """Every text that somebody wrote: contents, names, arguments, what tools say of themselves."""
    for tool in tools:
        yield from _strings(tool)
    for message in messages:
        yield message["content"]
        yield message.get("reasoning_content", "")
        yield message.get("name", "")
        for call in message.get("tool_calls", ()):
            yield call["function"]["name"]
            yield from _strings(call["function"]["arguments"])


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def chat_templates(folder: Path, config: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The base's chat templates by name; a file of its own wins over the tokenizer's."""
    try:
        return {"default": (folder / "chat_template.jinja").read_text(encoding="utf-8")}
    except FileNotFoundError:
        given = (config or _object(folder / "tokenizer_config.json")).get("chat_template")
    if isinstance(given, str):
        return {"default": given}
    named = given if isinstance(given, list) else []
    return {each["name"]: each["template"] for each in named}


def _compiled(text: str, now: str) -> Any:
    """In a sandbox, with what Hugging Face's templates may use: see their documentation."""
    import jinja2.ext  # noqa: PLC0415 - only a base with a template needs it
    from jinja2 import nodes  # noqa: PLC0415 - the same
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415 - the same

    def parse(extension: Any, parser: Any) -> Any:  # {% generation %} marks answers, prints nothing
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)

    def raised(message: str) -> None:
        raise jinja2.TemplateError(message)

    def to_json(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    made = {"tags": {"generation"}, "parse": parse, "__module__": __name__}
    generation = type("Generation", (jinja2.ext.Extension,), made)
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = raised
    environment.globals["strftime_now"] = datetime.fromisoformat(now).strftime
    return environment.from_string(text)


def encode(
    examples: Iterable[Mapping[str, Any]], encoder: Encoder, tokens: BinaryIO
) -> Iterator[tuple[int, list[tuple[int, int, bool]], Unfit | None]]:
    """Writes the tokens of every example, and gives its line with tokens, answer tokens and
    whether it stops, for each of its sequences; or why it has none."""
    for example in examples:
        try:
            made = encoder.sequences(example)
        except Unfit as error:
            yield example["line"], [], error
            continue
        for each in made:
            tokens.write(array("i", each.signed()).tobytes())
        yield example["line"], [(len(e.ids), e.answered, encoder.stops(e)) for e in made], None


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{path.name!r} is no JSON object")
    return value


def _is_token(name: str) -> bool:
    return name.endswith("_token") and not name.startswith(("add_", "use_"))


def _token(value: Any) -> str:
    """Names of tokens stand as text, or as an object with their text."""
    return str(value.get("content", "") if isinstance(value, dict) else value or "")


def main(job: Path) -> None:
    """Encodes the examples of a job and prints a JSON line for each, as `encode` gives it."""
    given = json.loads(job.read_text(encoding="utf-8"))
    encoder = Encoder(Path(given["base"]), **given["options"])
    with open(given["examples"], encoding="utf-8") as lines, open(given["tokens"], "wb") as out:
        for line, made, unfit in encode(map(json.loads, lines), encoder, out):
            why = [unfit.code, unfit.reason] if unfit else None
            print(json.dumps([line, made, why]))  # noqa: T201 - its output


if __name__ == "__main__":
    main(Path(sys.argv[1]))

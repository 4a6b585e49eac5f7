"""What a server answered, as a `Completion`: read strictly, and held to what was asked for."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
import re2

from fairlead.errors import BadForm, BadReply, FairleadError, SettingsError
from fairlead.forms import complaint
from fairlead.protocols import Completion, Request, TokenLogprob, ToolFragment
from fairlead.schema import ToolCall, Usage
from fairlead.serving.replies import Passing, reason_of

_PASSING: Final = frozenset({408, 425, 429})
_SHOWN: Final = 2000
"""Characters of an answer that an error carries."""


def completion_of(answer: Any, name: str) -> Completion:
    """The first choice of a whole answer from model `name`, and its usage.

    Raises `BadReply` for an answer of another form, and what an error object means.
    """
    raise_error(answer, name)
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        text = message.get("content") or ""
        reasoning = message.get("reasoning") or message.get("reasoning_content") or ""
        calls = [
            (str(call.get("id") or ""), call["function"]["name"], call["function"]["arguments"])
            for call in message.get("tool_calls") or ()
        ]
        if not (isinstance(text, str) and isinstance(reasoning, str)):
            raise TypeError("content is no text")
        return Completion(
            text=text,
            tool_calls=tool_calls(calls, name, text),
            usage=usage_of(answer.get("usage")),
            finish_reason=str(choice.get("finish_reason") or ""),
            model=str(answer.get("model") or name),
            reasoning=reasoning,
            logprobs=tuple(logprobs_of(choice.get("logprobs"))),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise BadReply(
            f"model {name!r} answered in another form than Chat Completions: {error!r}",
            hint="Check that the url is that of a chat model's API.",
            arrived=json.dumps(answer, ensure_ascii=False)[:_SHOWN],
        ) from error


def raise_error(answer: Any, name: str) -> None:
    """Raises what an error object says, which some servers send with status 200."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not error:
        return
    code = error.get("code") if isinstance(error, dict) else None
    said = f"model {name!r} answered with an error: {reason_of(answer)[:200] or 'without a reason'}"
    raise _meant(code, said)


def _meant(code: object, said: str) -> FairleadError:
    number = int(str(code)) if str(code).isdecimal() else 500
    if number in _PASSING or number >= 500:
        return Passing(said, busy=number == 429)
    return SettingsError(said, hint="Check the model's name and what is asked of it.")


def tool_calls(
    calls: Iterable[tuple[str, str, str]], name: str, arrived: str = ""
) -> tuple[ToolCall, ...]:
    """Calls from id, tool and JSON text. Raises `BadForm` where the text is no JSON object."""
    made = []
    for call_id, tool, text in calls:
        try:
            arguments = orjson.loads(text or "{}")
        except orjson.JSONDecodeError as error:
            raise _bad_call(name, tool, "not JSON", arrived or text) from error
        if not isinstance(arguments, dict):
            raise _bad_call(name, tool, "no JSON object", arrived or text)
        made.append(ToolCall(tool=tool, arguments=arguments, call_id=call_id))
    return tuple(made)


def _bad_call(name: str, tool: str, what: str, arrived: str) -> BadForm:
    return BadForm(
        f"model {name!r} called {tool!r} with arguments that are {what}",
        hint="Ask again, or use a model that is better at tools.",
        arrived=arrived[:_SHOWN],
    )


def usage_of(usage: Any) -> Usage:
    """What a server counted; zeros where it did not."""
    if not isinstance(usage, Mapping):
        return Usage(model_calls=1)
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
    return Usage(
        input_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
        cached_tokens=_count(cached),
        model_calls=1,
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def logprobs_of(logprobs: Any) -> Iterable[TokenLogprob]:
    """Of a choice; nothing where the server sent none."""
    for each in (logprobs or {}).get("content") or ():
        yield TokenLogprob(
            token=each["token"],
            logprob=each["logprob"],
            top=tuple((top["token"], top["logprob"]) for top in each.get("top_logprobs") or ()),
        )


class Stream:
    """A streamed completion, piece by piece.

    `take` gives what is new of each event; `done` the whole once the stream has ended. What ends
    without a finish reason, though it say `[DONE]`, was cut off.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, list[str]] = {}
        """Place of a call: its id, tool and JSON text so far."""
        self._logprobs: list[TokenLogprob] = []
        self._usage: Any = None
        self._model = name
        self.finish_reason = ""
        self.ended = False
        """Whether the stream said that it ends."""

    @property
    def arrived(self) -> str:
        return "".join(self._text)

    def take(self, data: bytes) -> tuple[str, str, Sequence[ToolFragment]] | None:
        """New text, reasoning and pieces of tool calls; None for an event without any.

        Raises `BadReply` for malformed events, and what an error in the stream means.
        """
        if data == b"[DONE]":
            self.ended = True
            return None
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise self.broken("held an event that is no JSON") from error
        raise_error(event, self._name)
        try:
            return self._taken(event)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self.broken(f"held an event of another form: {error!r}") from error

    def _taken(self, event: Any) -> tuple[str, str, Sequence[ToolFragment]] | None:
        if usage := event.get("usage"):
            self._usage = usage
        choices = event.get("choices")
        if not choices:
            return None
        self._model = event.get("model") or self._model
        choice = choices[0]
        if reason := choice.get("finish_reason"):
            self.finish_reason = str(reason)
        if logprobs := choice.get("logprobs"):
            self._logprobs += logprobs_of(logprobs)
        delta = choice.get("delta") or {}
        text = delta.get("content") or ""
        reasoning = delta.get("reasoning") or delta.get("reasoning_content") or ""
        fragments = [self._fragment(each) for each in delta.get("tool_calls") or ()]
        if not (isinstance(text, str) and isinstance(reasoning, str)):
            raise TypeError("content is no text")
        if text:
            self._text.append(text)
        if reasoning:
            self._reasoning.append(reasoning)
        return (text, reasoning, fragments) if text or reasoning or fragments else None

    def _fragment(self, piece: Any) -> ToolFragment:
        index, function = int(piece.get("index") or 0), piece.get("function") or {}
        made = ToolFragment(
            index=index,
            call_id=piece.get("id") or "",
            tool=function.get("name") or "",
            arguments=function.get("arguments") or "",
        )
        held = self._calls.setdefault(index, ["", "", ""])
        held[0] = held[0] or made.call_id
        held[1] = held[1] or made.tool
        held[2] += made.arguments
        return made

    def done(self) -> Completion:
        """The whole. Raises `BadReply` for a stream that was cut off."""
        if not self.finish_reason:
            raise self.broken("was cut off")
        return Completion(
            text=self.arrived,
            tool_calls=tool_calls(
                [(held[0], held[1], held[2]) for _, held in sorted(self._calls.items())],
                self._name,
                self.arrived,
            ),
            usage=usage_of(self._usage),
            finish_reason=self.finish_reason,
            model=self._model,
            reasoning="".join(self._reasoning),
            logprobs=tuple(self._logprobs),
        )

    def broken(self, what: str) -> BadReply:
        return BadReply(
            f"the answer of model {self._name!r} {what} after {len(self.arrived)} characters",
            hint="Ask again; what arrived is no answer.",
            arrived=self.arrived[:_SHOWN],
        )


def hold(completion: Completion, request: Request) -> None:
    """Raises `BadForm` where the completion has not the form that was asked for.

    A grammar is the server's to keep; of it only that the output was not cut is checked.
    """
    form = _form(request)
    if form and not completion.tool_calls:
        wrong = _wrong(completion, request)
        if completion.finish_reason == "length" and (wrong or request.grammar):
            wrong = "it was cut off at its limit of tokens"
        if wrong:
            raise BadForm(
                f"model {completion.model!r} did not keep to the {form} asked for: {wrong}",
                hint="Ask again, give it more max_tokens, or use a server that holds it to one.",
                arrived=completion.text[:_SHOWN],
                usage=completion.usage,
            )
    if request.tools and request.tool_choice == "required" and not completion.tool_calls:
        raise BadForm(  # vLLM leaves half a call in the text where its tokens were used up
            f"model {completion.model!r} called no tool, though it had to",
            hint="Give it more max_tokens, or use a model that is better at tools.",
            arrived=completion.text[:_SHOWN],
            usage=completion.usage,
        )
    known = {spec.name: spec.parameters for spec in request.tools}
    for call in completion.tool_calls:
        if call.tool not in known:
            wrong = f"it called {call.tool!r}, which is no tool it was given"
        else:
            wrong = complaint(dict(call.arguments), known[call.tool])
        if wrong:
            raise BadForm(
                f"model {completion.model!r} called {call.tool!r} wrongly: {wrong}",
                hint="Ask again, or use a model that is better at tools.",
                arrived=orjson.dumps(dict(call.arguments)).decode()[:_SHOWN],
                usage=completion.usage,
            )


def _form(request: Request) -> str:
    if request.output_schema is not None:
        return "JSON Schema"
    return (
        ("choice" if request.choice else "")
        or ("regex" if request.regex else "")
        or ("grammar" if request.grammar else "")
    )


def _wrong(completion: Completion, request: Request) -> str:
    """What is wrong with the text; empty where nothing is."""
    if request.choice:
        return "" if completion.text in request.choice else "it is none of the choices"
    if request.regex:
        matched = re2.fullmatch(request.regex, completion.text)
        return "" if matched else "it does not match"
    if request.output_schema is None:
        return ""
    try:
        value = orjson.loads(completion.text)
    except orjson.JSONDecodeError as error:
        return f"it is no JSON ({error})"
    return complaint(value, request.output_schema)

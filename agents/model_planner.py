"""The planner that asks a chat model: one decision for each hop, checked before it is returned."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from fairlead.agents import conversation
from fairlead.agents.certainty import ALTERNATIVES, kind_probability
from fairlead.agents.decision_reading import Unusable, kinds_of, read_decision, read_object
from fairlead.agents.decision_schema import Fields, Schema, decision_schema
from fairlead.agents.functions import function_names, functions, read_calls
from fairlead.agents.prompts import Prompt, read_prompt
from fairlead.decisions import AnswerNow, AnyDecision, Decision, Planning, View
from fairlead.errors import BadForm, SettingsError, Unavailable
from fairlead.guardrails import clean
from fairlead.protocols import Completion, Message, Model, Planner, Request
from fairlead.schema import ToolSpec, Usage

CONTEXT: Final = 6000
"""Characters of passages that one step shows; about 1,500 tokens."""
TOKENS: Final = 1024
"""Tokens of a reply."""
SHARE: Final = 0.5
"""Of the run's time that is left, what one decision may take; the fallback needs some too."""
ATTEMPTS: Final = 2
"""How often the model is asked for one decision."""
_SCHEMAS: Final = 256
"""Decision schemas that are kept."""
_KEPT: Final = 2000
"""Characters of an unusable reply that the model is shown again."""


class ModelPlanner:
    """Plans by a chat model; `fallback` plans where the model cannot be reached or understood.

    Without one (None) `plan` raises `Unavailable` then.
    `mode`: `structured` asks for JSON by a schema, `tools` for function calls. `prompt`: a text, or
    the path of a file, instead of the one that comes along. `fields`: by collection, what a search
    may be filtered on. An unusable reply is sent back once, with what is wrong with it; usage,
    warnings and the prompt's version come in the decision's `planning`. Raises `SettingsError` for
    a prompt that cannot be read.
    """

    def __init__(
        self,
        model: Model,
        *,
        fallback: Planner | None,
        mode: Literal["structured", "tools"] = "structured",
        prompt: str | Path | None = None,
        fields: Fields | None = None,
        context: int = CONTEXT,
        max_tokens: int = TOKENS,
    ) -> None:
        self._model, self._fallback, self._mode = model, fallback, mode
        self._prompt = read_prompt("planner" if mode == "structured" else "planner_tools", prompt)
        self._fields = fields or {}
        self._context, self._max_tokens = context, max_tokens
        self._schemas: dict[tuple[object, ...], tuple[tuple[ToolSpec, ...], Schema]] = {}

    @property
    def prompt(self) -> Prompt:
        """The prompt in use."""
        return self._prompt

    async def plan(self, view: View) -> AnyDecision:
        """The next hop. The last one is kept for the answer, without asking the model."""
        if view.budget.hops <= 1:
            return AnswerNow(reason="the last hop is kept for the answer")
        request = self.request(view)
        took, wrong = Planning(prompt=self._prompt.version, attempts=0), ""
        for attempt in range(1, ATTEMPTS + 1):
            unfit = ""
            try:
                completion = await self._model.complete(request)
            except BadForm as error:  # the client looked first
                cost = error.usage if isinstance(error.usage, Usage) else Usage(model_calls=1)
                completion, unfit = Completion(text=error.arrived, usage=cost), error.message
            except (Unavailable, SettingsError) as error:
                wrong = error.message
                break
            took = Planning(
                prompt=self._prompt.version,
                usage=took.usage + completion.usage if took.attempts else completion.usage,
                warnings=(*took.warnings, *completion.warnings),
                attempts=attempt,
            )
            try:
                if unfit:
                    raise Unusable(unfit)
                return self.read(completion, view, took)
            except Unusable as error:
                wrong = f"model {self._model.name!r} made no usable decision: {error}"
                request = _sent_back(request, completion, str(error))
        return await self._fallen_back(view, wrong, took)

    def request(self, view: View) -> Request:
        """What the model is asked at this hop."""
        structured = self._mode == "structured"
        system = conversation.instructions(view, self._prompt, self._fields, tools=structured)
        about: dict[str, Any] = {
            "max_tokens": self._max_tokens,
            "temperature": 0.0,
            "deadline": view.budget.seconds * (SHARE if self._fallback else 1.0) or None,
            "tenant": view.tenant,
            "thread": view.thread,
            "subject": view.subject,
            "view": view,
        }
        if structured:
            messages = conversation.with_replies(view, self._context)
            return Request(
                messages=(system, *messages),
                output_schema=self._schema(view),
                logprobs=ALTERNATIVES,
                **about,
            )
        names = function_names(view.tools)
        return Request(
            messages=(system, *conversation.with_calls(view, self._context, names)),
            tools=functions(view, self._fields),
            **about,
        )

    def read(self, completion: Completion, view: View, took: Planning | None = None) -> AnyDecision:
        """The decision that a completion holds, with what it took.

        Raises `Unusable`, with words for the model.
        """
        schema = self._schema(view)
        if self._mode == "tools":
            if completion.finish_reason == "length":
                raise Unusable("it was cut off")
            return replace(read_calls(completion, schema, view, self._fields), planning=took)
        decision = read_decision(read_object(completion.text), schema, view, self._fields)
        sure = kind_probability(completion, decision.kind, kinds_of(schema))
        return replace(decision, probability=sure, planning=took)

    def _schema(self, view: View) -> Schema:
        """The view's decision schema, made once for what it depends on; nobody changes it."""
        may_call = view.budget.tool_calls > 0
        key = (tuple(map(id, view.tools)), view.collections, view.agents, may_call)
        found = self._schemas.get(key)
        if found is None:
            if len(self._schemas) >= _SCHEMAS:
                self._schemas.clear()
            found = (view.tools, decision_schema(view, self._fields))
            self._schemas[key] = found  # with the tools, so that their ids stay theirs
        return found[1]

    async def _fallen_back(self, view: View, wrong: str, took: Planning) -> AnyDecision:
        if self._fallback is None:
            raise Unavailable(
                f"nothing was decided: {wrong}",
                hint="Ask again, or add `embedded` to the fallback of routes.planner.",
            )
        decision = Decision.parse(await self._fallback.plan(view))
        other = decision.planning or Planning()
        said = f"{' '.join(clean(wrong).text.split())}; the embedded default planned instead"
        planning = replace(
            took,
            usage=took.usage + other.usage,
            warnings=(*took.warnings, said, *other.warnings),
        )
        reason = f"instead of the model: {decision.reason}"
        return replace(decision, reason=reason, planning=planning)


def _sent_back(request: Request, completion: Completion, wrong: str) -> Request:
    """The request with the reply and what is wrong with it at the end."""
    said = clean(completion.text[:_KEPT]).text
    if completion.tool_calls:
        said += "\n".join(f"{c.tool}({dict(c.arguments)})" for c in completion.tool_calls)[:_KEPT]
    reply = Message(role="assistant", content=said.strip() or "(nothing)")
    asked = f"That cannot be used: {clean(wrong).text}. Decide again."
    messages: Sequence[Message] = (*request.messages, reply, Message(role="user", content=asked))
    return replace(request, messages=tuple(messages))

"""The judge that asks a chat model whether a sentence follows from what it cites."""

import asyncio
from pathlib import Path
from typing import Final

from fairlead.agents.certainty import ALTERNATIVES, choice_probability
from fairlead.agents.prompts import Prompt, element, read_prompt
from fairlead.decisions import View
from fairlead.errors import BadForm, BadReply, SettingsError, Unavailable
from fairlead.guardrails import clean
from fairlead.protocols import Completion, Message, Model, Request
from fairlead.schema import Usage

YES: Final = "yes"
NO: Final = "no"
TOKENS: Final = 16
"""Tokens of a reply; a model that thinks aloud before it needs more."""
SHARE: Final = 0.5
"""Of the run's time that is left, what judging may take."""
AT_ONCE: Final = 8
"""Questions about one draft that are asked side by side."""


class ModelJudge:
    """Asks a model yes or no about each sentence and passage; how sure it was is the answer.

    `prompt`: a text, or the path of a file, instead of the one that comes along. `required`: a
    draft that could not be judged is not said; without, it is checked by words alone. Raises
    `SettingsError` for a prompt that cannot be read.
    """

    def __init__(
        self,
        model: Model,
        *,
        prompt: str | Path | None = None,
        required: bool = False,
        max_tokens: int = TOKENS,
    ) -> None:
        self._model, self._max_tokens = model, max_tokens
        self._prompt = read_prompt("judge", prompt)
        self.required = required

    def hear(self, view: View) -> "Hearing":
        """The judge of one draft, written for this view."""
        return Hearing(self._model, self._prompt, view, max_tokens=self._max_tokens)


class Hearing:
    """Judges the sentences of one draft and keeps count of what that takes."""

    def __init__(self, model: Model, prompt: Prompt, view: View, *, max_tokens: int) -> None:
        self._model, self._prompt, self._view = model, prompt, view
        self._max_tokens = max_tokens
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._warnings: dict[str, None] = {}
        self.usage = Usage()
        """Of every call that was answered, whether its answer could be used or not."""

    @property
    def prompt(self) -> str:
        """Version of the prompt."""
        return self._prompt.version

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._warnings)

    async def supports(self, sentence: str, passage: str) -> float:
        """The probability of yes among yes and no; 1 or 0 where the server tells none.

        Raises `Unavailable` where no model can be asked, or says neither.
        """
        async with self._turn:
            try:
                completion = await self._model.complete(self.request(sentence, passage))
            except BadForm as error:  # of a server that holds its model to no choice
                cost = error.usage if isinstance(error.usage, Usage) else Usage(model_calls=1)
                completion = Completion(text=error.arrived, usage=cost)
            except SettingsError as error:
                raise Unavailable(error.message, hint=error.hint) from error
        self.usage += completion.usage
        self._warnings |= dict.fromkeys(completion.warnings)
        return self._read(completion)

    def request(self, sentence: str, passage: str) -> Request:
        """What the model is asked: the passage first, so that a server's cache of prompts serves
        the other sentences about it."""
        view = self._view
        told = "\n\n".join(
            (
                element("source", clean(passage).text),
                element("question", clean(view.question).text),
                element("sentence", clean(sentence).text),
                "Does the sentence follow from the source? Answer yes or no.",
            )
        )
        return Request(
            messages=(
                Message(role="system", content=self._prompt.text),
                Message(role="user", content=told),
            ),
            choice=(YES, NO),
            probabilities=True,
            logprobs=ALTERNATIVES,
            max_tokens=self._max_tokens,
            temperature=0.0,
            deadline=view.budget.seconds * SHARE or None,
            tenant=view.tenant,
            thread=view.thread,
            subject=view.subject,
            view=view,
        )

    def _read(self, completion: Completion) -> float:
        if completion.probabilities:
            return completion.probabilities[YES]
        reply = completion.text.strip()
        said = reply.lower().rstrip(".!")
        if said not in (YES, NO):
            raise BadReply(
                f"model {self._model.name!r} was asked for yes or no and said neither",
                hint="Use a server that holds a model to a choice, or another model.",
                arrived=completion.text,
            )
        tokens = completion.logprobs
        start = max(0, "".join(token.token for token in tokens).rfind(reply))
        sure = choice_probability(tokens, start, reply, (YES, NO)) if reply == said else None
        if sure is None:
            return float(said == YES)
        return sure if said == YES else 1.0 - sure

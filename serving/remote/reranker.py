"""A cross-encoder on a server with the API of vLLM, Jina or Cohere."""

import math
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import orjson
from opentelemetry.trace import SpanKind

from fairlead.errors import BadReply
from fairlead.serving.remote.calls import Calls
from fairlead.tracing import Tracing, names

Form: TypeAlias = Literal["rerank", "score"]
DEPTH: Final = 32
LONGEST: Final = 8_000
"""Characters of a text; a server cuts what its model cannot read, or refuses it."""


class ServedReranker:
    """A server's `/rerank` or `/score`. **Questions and texts leave this process.**

    `form` says which: `rerank` takes `query` and `documents` (Jina, Cohere, vLLM), `score` takes
    `text_1` and `text_2` (vLLM). Scores outside 0 to 1 are taken for logits, and squashed.
    Raises `Unavailable` when the server is away, `BadReply` for an answer of another form,
    `SettingsError` for a request that it will not take.
    """

    def __init__(
        self,
        name: str,
        calls: Calls,
        *,
        form: Form = "rerank",
        depth: int = DEPTH,
        tracing: Tracing | None = None,
    ) -> None:
        self._name, self._calls, self._form, self._depth = name, calls, form, depth
        self._tracing = tracing or Tracing()

    @property
    def name(self) -> str:
        return self._name

    @property
    def depth(self) -> int:
        return self._depth

    async def close(self) -> None:
        """Closes idle connections."""
        await self._calls.close()

    async def scores(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        if not texts:
            return []
        cut = [text[:LONGEST] for text in texts]
        body: dict[str, Any] = {"model": self._name}
        if self._form == "rerank":
            body |= {"query": question, "documents": cut, "top_n": len(cut)}
        else:
            body |= {"text_1": question, "text_2": cut}
        data = orjson.dumps(body)
        call = self._calls.begin()

        async def tried(number: int) -> Any:
            with self._calls.attempt(call, number) as (wire, headers):
                return await wire.post(f"/{self._form}", data, headers, seconds=call.left)

        name, attributes = names.rerank(self._name, texts=len(texts))
        with self._tracing.span(name, attributes, kind=SpanKind.CLIENT):
            answer = await self._calls.until_it_works(call, tried)
            return _scores(answer, len(cut), self._name)


def _scores(answer: Any, count: int, name: str) -> list[float]:
    """One score for each text, in the order of the texts."""
    found: dict[int, float] = {}
    try:
        for item in answer.get("results") or answer["data"]:
            score = item["relevance_score"] if "relevance_score" in item else item["score"]
            found[int(item["index"])] = float(score)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _other_form(answer, name, repr(error)) from error
    if sorted(found) != list(range(count)) or not all(map(math.isfinite, found.values())):
        raise _other_form(answer, name, f"{len(found)} scores for {count} texts")
    scores = [found[at] for at in range(count)]
    if min(scores) < 0 or max(scores) > 1:
        return [1 / (1 + math.exp(-max(-700.0, min(700.0, score)))) for score in scores]
    return scores


def _other_form(answer: Any, name: str, what: str) -> BadReply:
    return BadReply(
        f"reranker {name!r} answered in another form than expected: {what}",
        hint="Check that the url is that of a reranking model's API, and its `form`.",
        arrived=str(answer)[:2000],
    )

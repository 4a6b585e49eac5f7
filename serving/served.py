"""Texts to vectors on a server with OpenAI's API: vLLM, llama.cpp, Ollama, TEI, OpenAI itself."""

import base64
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal

from fairlead.serving.endpoint import Endpoint, Patience
from fairlead.serving.token_counts import estimated_tokens
from fairlead.serving.vectors import identified, unit_rows

if TYPE_CHECKING:  # 60 ms to import, and only embedding needs it
    from numpy import float32
    from numpy.typing import NDArray

INGESTING: Final = Patience(tries=5, seconds=60.0, pause=30.0)
ASKING: Final = Patience(tries=2, seconds=10.0, pause=2.0)
"""Somebody waits, and search goes on by words alone where there is no vector."""


class ServedEmbedder:
    """Any server's `/embeddings`. **The texts leave this process**, and this machine if it is far.

    `url` mostly ends with /v1. Batches of `batch` texts are posted, `concurrency` at a time; the
    vectors are brought to length 1. `revision` labels the weights, since no server says what it
    runs. `dimensions` asks a model that can shorten its vectors to do so. The prefixes go before
    every text, as models want that tell questions from documents. The dimension is found out by the
    first request; a server that changes it is refused.

    Raises `Unavailable` when the server is away or busy for longer than our patience,
    `SettingsError` for a request that it will not take and an answer that holds no vectors.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        api_key: str = "",
        dimensions: int | None = None,
        query_prefix: str = "",
        document_prefix: str = "",
        revision: str = "",
        batch: int = 32,
        concurrency: int = 4,
        encoding: Literal["float", "base64"] = "float",
        ingesting: Patience = INGESTING,
        asking: Patience = ASKING,
    ) -> None:
        self._endpoint = Endpoint(url, api_key=api_key)
        self._name, self._revision = name, revision
        self._request: dict[str, Any] = {"model": name, "encoding_format": encoding}
        if dimensions is not None:
            self._request["dimensions"] = dimensions
        self._query_prefix, self._document_prefix = query_prefix, document_prefix
        self._ingesting, self._asking = ingesting, asking
        self._batch, self._concurrency = batch, concurrency
        self._dimension = dimensions or 0
        self._lock = threading.Lock()
        self._spent = threading.local()

    @property
    def identity(self) -> str:
        """Name, revision, dimension and, where there are prefixes, their digest."""
        return identified(
            self._name,
            self.dimension,
            revision=self._revision or "unpinned",
            prefixes=(self._document_prefix, self._query_prefix),
        )

    @property
    def dimension(self) -> int:
        if not self._dimension:
            self.embed(["dimension"])
        return self._dimension

    @property
    def last_tokens(self) -> int:
        """Tokens of this thread's last `embed`, as the server counted them; 0 where it did not."""
        return getattr(self._spent, "tokens", 0)

    def close(self) -> None:
        """Closes idle connections; it can be used on."""
        self._endpoint.close()

    def embed(self, texts: Sequence[str], *, query: bool = False) -> "NDArray[float32]":
        import numpy as np  # noqa: PLC0415 - 60 ms that only embedding needs

        self._spent.tokens = 0
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        # Here, since neither the current span nor `last_tokens` is known to the threads below.
        headers = self._endpoint.headers()
        patience = self._asking if query else self._ingesting
        prefix = self._query_prefix if query else self._document_prefix
        prefixed = [f"{prefix}{text}" or " " for text in texts]  # most servers refuse ""
        batches = [prefixed[at : at + self._batch] for at in range(0, len(prefixed), self._batch)]

        def run(batch: list[str]) -> "tuple[NDArray[float32], int]":
            return self._embedded(batch, headers, patience)

        if len(batches) == 1:
            done = [run(batches[0])]
        else:
            with ThreadPoolExecutor(self._concurrency, "fairlead-embed") as pool:
                done = list(pool.map(run, batches))
        self._spent.tokens = sum(tokens for _, tokens in done)
        return np.concatenate([rows for rows, _ in done])

    def count_tokens(self, text: str) -> int:
        """An estimate: asking the server would cost a request for every piece of a document."""
        return estimated_tokens(text)

    def _embedded(
        self, batch: list[str], headers: Mapping[str, str], patience: Patience
    ) -> "tuple[NDArray[float32], int]":
        """One request's vectors, and its tokens."""
        answer = self._endpoint.post(
            "/embeddings", {**self._request, "input": batch}, headers, patience
        )
        by = f"{self._name!r} at {self._endpoint.url}"
        with self._lock:  # the first answer of all fixes the dimension
            rows = unit_rows(_vectors(answer), len(batch), by=by, dimension=self._dimension)
            self._dimension = rows.shape[1]
        return rows, _tokens(answer)


def _vectors(answer: Any) -> list[Any]:
    """In the order of the texts; empty where the answer is of another form."""
    try:
        items = sorted(answer["data"], key=itemgetter("index"))
        if [item["index"] for item in items] != list(range(len(items))):
            return []
        return [_numbers(item["embedding"]) for item in items]
    except (KeyError, TypeError, ValueError):  # binascii.Error is a ValueError
        return []


def _numbers(embedding: Any) -> Any:
    """A list of numbers as it is; base64 holds float32 in little-endian order."""
    import numpy as np  # noqa: PLC0415 - 60 ms that only embedding needs

    if not isinstance(embedding, str):
        return embedding
    return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")


def _tokens(answer: Any) -> int:
    usage = answer.get("usage")
    counted = usage.get("total_tokens") if isinstance(usage, dict) else None
    return counted if isinstance(counted, int) else 0

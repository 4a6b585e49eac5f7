"""The embedder and the reranker that the settings name."""

from typing import TYPE_CHECKING

from fairlead.errors import SettingsError
from fairlead.model_sections import ModelSettings
from fairlead.protocols import Embedder
from fairlead.sections import Embedding
from fairlead.serving.keys import secret_of
from fairlead.serving.langchain import LangChainEmbedder, langchain_class
from fairlead.serving.minilm import LocalEmbedder, missing_weights
from fairlead.settings import Settings
from fairlead.tracing import Tracing

if TYPE_CHECKING:
    from fairlead.serving.remote import ServedReranker
    from fairlead.serving.served import ServedEmbedder

_PREFIXED = {"query_prefix", "document_prefix", "revision"}
_HEEDED = {
    "none": set[str](),
    "default": set[str](),
    "langchain": _PREFIXED | {"options"},
    "vllm": _PREFIXED | {"dimensions", "batch"},
}
"""What each kind of embedder does with `[retrieval.embedding]`."""


def open_embedder(settings: Settings) -> Embedder | None:
    """What `retrieval.embedder` names; nothing is loaded and nobody is asked yet.

    `default`: the local one, None where its weights are not installed (`missing_weights` says so
    in words); `none`: None; `vllm:NAME`: the server of `[models.NAME]`, to which texts are sent;
    `langchain:MODULE:CLASS`: that class, made with `retrieval.embedding.options`.
    Raises `SettingsError` where that cannot be, or where a setting would do nothing.
    """
    name, told = settings.retrieval.embedder, settings.retrieval.embedding
    kind, _, place = name.partition(":")
    _check(kind, told)
    if kind == "none":
        return None
    if kind == "default":
        return None if missing_weights() else LocalEmbedder()
    if kind == "langchain":
        return LangChainEmbedder(
            langchain_class(name, told.options),
            name=place,
            query_prefix=told.query_prefix,
            document_prefix=told.document_prefix,
            revision=told.revision,
        )
    return _served(settings, place)


def _check(kind: str, told: Embedding) -> None:
    plain = Embedding()
    for field in Embedding.model_fields:
        if field not in _HEEDED[kind] and getattr(told, field) != getattr(plain, field):
            raise SettingsError(
                f"retrieval.embedding.{field} does nothing with retrieval.embedder = {kind!r}",
                hint="Remove it, or set retrieval.embedder to a model that heeds it.",
            )


def _served(settings: Settings, name: str) -> "ServedEmbedder":
    from fairlead.serving.served import ServedEmbedder  # noqa: PLC0415 - HTTP and TLS: 40 ms

    told = settings.retrieval.embedding
    model = _named(settings, name, "retrieval.embedder")
    return ServedEmbedder(
        model.addresses[0],
        model.name,
        api_key=secret_of(model.api_key, f"models.{name}.api_key"),
        dimensions=told.dimensions,
        query_prefix=told.query_prefix,
        document_prefix=told.document_prefix,
        revision=told.revision,
        batch=told.batch,
    )


def open_reranker(settings: Settings, tracing: Tracing | None = None) -> "ServedReranker | None":
    """What `retrieval.reranker` names: None, or the server of `[models.NAME]`, to which questions
    and passages are sent; nobody is asked yet.

    Raises `SettingsError` where there is no such model.
    """
    _, _, name = settings.retrieval.reranker.partition(":")
    if not name:
        return None
    from fairlead.serving.remote import ServedReranker  # noqa: PLC0415 - aiohttp: 0.2 s
    from fairlead.serving.remote.opening import calls_of  # noqa: PLC0415 - see above

    model = _named(settings, name, "retrieval.reranker")
    key = secret_of(model.api_key, f"models.{name}.api_key")
    return ServedReranker(
        model.name,
        calls_of(model, api_key=key, tracing=tracing),
        form=settings.retrieval.reranking.form,
        depth=settings.retrieval.reranking.depth,
        tracing=tracing,
    )


def _named(settings: Settings, name: str, setting: str) -> ModelSettings:
    """The served model of that name."""
    model = settings.models.get(name)
    if model is None:
        known = ", ".join(repr(each) for each in settings.models)
        raise SettingsError(
            f"{setting} names the model {name!r}, which there is not",
            hint=f"Add [models.{name}] with provider, url and name"
            + (f", or name one of {known}." if known else "."),
        )
    if model.provider != "vllm":
        raise SettingsError(
            f"{setting} names the model {name!r}, which is not served",
            hint=f'Set provider = "vllm" in [models.{name}].',
        )
    return model

"""Models and embedders: the local default, served ones, LangChain's, and scripted ones."""

import typing

from fairlead.serving.embedder import open_embedder
from fairlead.serving.langchain import LangChainEmbedder, LangChainModel, langchain_class
from fairlead.serving.minilm import LocalEmbedder, missing_weights
from fairlead.serving.scripted import ScriptedModel
from fairlead.serving.traced import TracedModel

if typing.TYPE_CHECKING:
    from fairlead.serving.served import ServedEmbedder as ServedEmbedder

__all__ = [
    "LangChainEmbedder",
    "LangChainModel",
    "LocalEmbedder",
    "ScriptedModel",
    "ServedEmbedder",
    "TracedModel",
    "langchain_class",
    "missing_weights",
    "open_embedder",
]


def __getattr__(name: str) -> object:
    if name != "ServedEmbedder":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fairlead.serving.served import ServedEmbedder  # HTTP and TLS: 40 ms that few need

    globals()[name] = ServedEmbedder
    return ServedEmbedder

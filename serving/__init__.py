"""Models and embedders: the local default, served ones, LangChain's, and scripted ones."""

import importlib
import typing

from fairlead.serving.embedder import open_embedder, open_reranker
from fairlead.serving.langchain import LangChainEmbedder, LangChainModel
from fairlead.serving.minilm import LocalEmbedder, missing_weights
from fairlead.serving.models import open_models
from fairlead.serving.scripted import ScriptedModel
from fairlead.serving.traced import TracedModel

if typing.TYPE_CHECKING:
    from fairlead.serving.chat_model import FairleadChatModel as FairleadChatModel
    from fairlead.serving.remote import open_model as open_model
    from fairlead.serving.served import ServedEmbedder as ServedEmbedder

__all__ = [
    "FairleadChatModel",
    "LangChainEmbedder",
    "LangChainModel",
    "LocalEmbedder",
    "ScriptedModel",
    "ServedEmbedder",
    "TracedModel",
    "missing_weights",
    "open_embedder",
    "open_model",
    "open_models",
    "open_reranker",
]


_LATER = {  # HTTP and TLS cost 40 ms to import, aiohttp 200: only who uses them pays
    "FairleadChatModel": "fairlead.serving.chat_model",
    "ServedEmbedder": "fairlead.serving.served",
    "open_model": "fairlead.serving.remote",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(_LATER[name]), name)
    globals()[name] = found
    return found

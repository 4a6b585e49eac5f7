"""Models and embedders: the local default, LangChain's, and scripted ones."""

from fairlead.serving.embedder import (
    LangChainEmbedder,
    LocalEmbedder,
    missing_weights,
    open_embedder,
)
from fairlead.serving.langchain import LangChainModel, langchain_class
from fairlead.serving.scripted import ScriptedModel

__all__ = [
    "LangChainEmbedder",
    "LangChainModel",
    "LocalEmbedder",
    "ScriptedModel",
    "langchain_class",
    "missing_weights",
    "open_embedder",
]

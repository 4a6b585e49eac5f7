"""Models and embedders: the local default, LangChain's, and scripted ones."""

from fairlead.serving.embedder import (
    LangChainEmbedder,
    LocalEmbedder,
    missing_weights,
    open_embedder,
)
from fairlead.serving.langchain import LangChainModel, langchain_class
from fairlead.serving.scripted import ScriptedModel
from fairlead.serving.traced import TracedModel

__all__ = [
    "LangChainEmbedder",
    "LangChainModel",
    "LocalEmbedder",
    "ScriptedModel",
    "TracedModel",
    "langchain_class",
    "missing_weights",
    "open_embedder",
]

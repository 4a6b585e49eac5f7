"""Chat models and rerankers behind OpenAI-compatible servers."""

from fairlead.serving.remote.calls import Patience
from fairlead.serving.remote.capabilities import Capabilities
from fairlead.serving.remote.model import HttpModel
from fairlead.serving.remote.opening import open_model
from fairlead.serving.remote.reranker import ServedReranker
from fairlead.serving.remote.wire import Wire

__all__ = ["Capabilities", "HttpModel", "Patience", "ServedReranker", "Wire", "open_model"]

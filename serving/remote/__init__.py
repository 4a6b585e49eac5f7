"""Chat models behind OpenAI-compatible servers."""

from fairlead.serving.remote.capabilities import Capabilities
from fairlead.serving.remote.model import HttpModel, Patience
from fairlead.serving.remote.opening import open_model
from fairlead.serving.remote.wire import Wire

__all__ = ["Capabilities", "HttpModel", "Patience", "Wire", "open_model"]

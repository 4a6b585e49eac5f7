"""Hands: tools with declared effects, called within limits, each effect journaled."""

from fairlead.tools.builtin import BUILTINS
from fairlead.tools.declaration import Tool, tool
from fairlead.tools.journal import Journal
from fairlead.tools.parameters import Authority, Payload
from fairlead.tools.toolbox import Toolbox

__all__ = ["BUILTINS", "Authority", "Journal", "Payload", "Tool", "Toolbox", "tool"]

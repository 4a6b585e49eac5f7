"""LoRA training: examines the data, trains in a process of its own, leaves an adapter to admit."""

from fairlead.serving.training.base_model import BaseModel, read_base_model
from fairlead.serving.training.examination import Report
from fairlead.serving.training.preparation import Encoding, Sources, prepare
from fairlead.serving.training.recipe import Recipe, read_recipe
from fairlead.serving.training.training import Trained, Training, look, train

__all__ = [
    "BaseModel",
    "Encoding",
    "Recipe",
    "Report",
    "Sources",
    "Trained",
    "Training",
    "look",
    "prepare",
    "read_base_model",
    "read_recipe",
    "train",
]

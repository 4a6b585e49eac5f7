"""Secrets, found where the settings say."""

import os

from fairlead.errors import SettingsError
from fairlead.sections import Secret


def secret_of(secret: Secret | None, setting: str) -> str:
    """What the variable holds; empty where no secret is configured.

    Raises `SettingsError` where the variable that `setting` names is not set.
    """
    if secret is None:
        return ""
    found = os.environ.get(secret.env, "")
    if not found:
        raise SettingsError(
            f"the environment variable {secret.env!r} is not set, where {setting} looks",
            hint=f"Set {secret.env} to the key, or remove {setting}.",
        )
    return found

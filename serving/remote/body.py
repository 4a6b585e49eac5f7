"""A request as OpenAI's Chat Completions API takes it, and what of it the server cannot do.

Text that would be a control token of the served model's tokenizer is broken here once more, in
contents, tool calls and tool descriptions alike, whoever wrote it: roles are told by the message's
`role` alone. https://platform.openai.com/docs/api-reference/chat and, for `structured_outputs` and
`cache_salt`, https://docs.vllm.ai.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

import orjson

from fairlead.errors import InputError
from fairlead.forms import check_schema
from fairlead.protocols import Message, Request
from fairlead.schema import ToolSpec
from fairlead.serving.remote import decisions
from fairlead.serving.remote.capabilities import Capabilities
from fairlead.serving.remote.control import ControlTokens

_KEPT: Final = 64
"""Sets of tools whose JSON is kept."""
_OURS: Final = frozenset({"messages", "model", "stream", "tools", "cache_salt"})
"""Fields that `extra` may not change."""


class Body:
    """Makes request bodies for one model of one server."""

    def __init__(
        self,
        model: str,
        capabilities: Capabilities,
        *,
        salt_key: bytes,
        control: ControlTokens,
    ) -> None:
        self._model, self._can = model, capabilities
        self._salt_key, self._control = salt_key, control
        self._salts: dict[str, str] = {}
        self._tools: dict[tuple[object, ...], tuple[tuple[ToolSpec, ...], str]] = {}

    def named(self, model: str) -> "Body":
        """The same for another model of the same server, such as an adapter."""
        return Body(model, self._can, salt_key=self._salt_key, control=self._control)

    async def ready(self, seconds: float) -> None:
        """Returns when it is known which control tokens there are, or after so many seconds."""
        await self._control.learn(seconds)

    def of(self, request: Request, *, stream: bool = False) -> tuple[bytes, tuple[str, ...]]:
        """The JSON to post, and warnings of what was left out.

        Raises `InputError` for two forms of output at once, or for a field in `extra` that is ours.
        """
        made: dict[str, Any] = {
            "model": self._model,
            "messages": [self._message(message) for message in request.messages],
        }
        warnings: list[str] = []
        self._with_sampling(made, request, warnings)
        self._with_tools(made, request, warnings)
        self._with_form(made, request, warnings)
        if request.tenant and self._can.cache_salt:
            made["cache_salt"] = self._salt(request.tenant)
        if stream:
            made["stream"] = True
            if self._can.stream_usage:
                made["stream_options"] = {"include_usage": True}
        if request.extra:
            taken = _OURS & request.extra.keys()
            if taken:
                raise InputError(
                    f"extra field {min(taken)!r} is set by Fairlead itself",
                    hint="Use the request's own field for it.",
                )
            made.update(request.extra)
        return orjson.dumps(made), tuple(warnings)

    def decision(self, request: Request) -> bytes | None:
        """The JSON to post to /v1/decisions; None where the request is none for it."""
        if not (self._can.decisions and decisions.fits(request)):
            return None
        salted = request.tenant and self._can.cache_salt
        salt = self._salt(request.tenant) if salted else ""
        return decisions.body_of(self._model, request, broken=self._control.broken, salt=salt)

    def _with_sampling(self, made: dict[str, Any], request: Request, warnings: list[str]) -> None:
        if request.max_tokens is not None:
            made["max_tokens"] = request.max_tokens
        if request.temperature is not None:
            made["temperature"] = request.temperature
        if request.seed is not None and self._can.seed:
            made["seed"] = request.seed
        elif request.seed is not None:
            warnings.append("the server takes no seed; answers may differ")
        if request.logprobs is not None and self._can.logprobs:
            made["logprobs"] = True
            made["top_logprobs"] = request.logprobs
        elif request.logprobs is not None:
            warnings.append("the server tells no log probabilities")

    def _message(self, message: Message) -> dict[str, Any]:
        made: dict[str, Any] = {
            "role": message.role,
            "content": self._control.broken(message.content),
        }
        if message.tool_calls:
            made["tool_calls"] = [
                {
                    "id": call.call_id or f"call-{number}",
                    "type": "function",
                    "function": {
                        "name": call.tool,
                        "arguments": self._control.broken(
                            orjson.dumps(dict(call.arguments)).decode()
                        ),
                    },
                }
                for number, call in enumerate(message.tool_calls, start=1)
            ]
        if message.role == "tool":
            made["tool_call_id"] = message.call_id
        return made

    def _with_tools(self, made: dict[str, Any], request: Request, warnings: list[str]) -> None:
        if not request.tools or request.tool_choice == "none":
            return  # a server would write the tools into the prompt all the same
        if not self._can.tools:
            warnings.append("the server takes no tools; the model was not told of them")
            return
        made["tools"] = self._encoded(request.tools)
        if request.tool_choice != "auto":
            made["tool_choice"] = request.tool_choice

    def _encoded(self, tools: tuple[ToolSpec, ...]) -> orjson.Fragment:
        """The tools' JSON, made once for what is known of control tokens: the specs are kept, so
        that their ids stay theirs."""
        key = (self._control.broken, *map(id, tools))
        found = self._tools.get(key)
        if found is None:
            if len(self._tools) >= _KEPT:
                del self._tools[next(iter(self._tools))]
            for spec in tools:
                _checked(f"the schema of tool {spec.name!r}", spec.parameters)
            text = orjson.dumps([_function(spec) for spec in tools]).decode()
            found = self._tools[key] = (tools, self._control.broken(text))
        return orjson.Fragment(found[1])

    def _with_form(self, made: dict[str, Any], request: Request, warnings: list[str]) -> None:
        forms = {
            "json": request.output_schema,
            "choice": list(request.choice) or None,
            "regex": request.regex or None,
            "grammar": request.grammar or None,
        }
        asked = {name: value for name, value in forms.items() if value is not None}
        if not asked:
            return
        if len(asked) > 1:
            raise InputError(
                f"two forms of output at once: {' and '.join(asked)}", hint="Ask for one of them."
            )
        ((name, value),) = asked.items()
        if request.output_schema is not None:
            _checked("output_schema", request.output_schema)
        if self._can.structured == "structured_outputs":
            made["structured_outputs"] = {name: value}
        elif self._can.structured == "response_format" and name == "json":
            made["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "output", "schema": value},
            }
        else:
            warnings.append(_UNCHECKED if name == "grammar" else _UNHELD.format(name))

    def _salt(self, tenant: str) -> str:
        """64 hexadecimal digits: HMAC-SHA-256 (RFC 2104) of the tenant."""
        salt = self._salts.get(tenant)
        if salt is None:
            if len(self._salts) > 10_000:
                self._salts.clear()
            salt = hmac.new(self._salt_key, tenant.encode(), hashlib.sha256).hexdigest()
            self._salts[tenant] = salt
        return salt


_UNHELD: Final = "the server cannot hold the model to a {}; the output was only checked"
_UNCHECKED: Final = "the server cannot hold the model to a grammar, and nothing checked the output"


def _function(spec: ToolSpec) -> Mapping[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": spec.name,
            "description": spec.description,
            "parameters": dict(spec.parameters) or {"type": "object", "properties": {}},
        },
    }


def _checked(what: str, schema: Mapping[str, Any]) -> None:
    try:
        check_schema(schema)
    except ValueError as error:
        raise InputError(
            f"{what} is no JSON Schema: {error}",
            hint="See https://json-schema.org/draft/2020-12.",
        ) from error

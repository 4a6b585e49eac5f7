"""The text that the tiny model is trained on: requests by the real prompt builders, and replies.

    python scripts/tiny_text.py FOLDER

writes `train.jsonl`, `held_out.jsonl` (with names that do not occur in training), the same for each
adapter, and `systems.json`. A line holds `task`, `system` (which system message, with its tools, it
begins with), `messages` after that one, and `reply`.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

from fairlead import tool
from fairlead.agents import EmbeddedPlanner, ModelPlanner, write_prompt
from fairlead.agents.conversation import fields_of
from fairlead.agents.decision_schema import as_json
from fairlead.agents.prompts import NO_ANSWER
from fairlead.decisions import AnswerNow, AnyDecision, Ask, Call, Retrieve, Step, View
from fairlead.decisions import Budget as Left
from fairlead.graphs.actions import call_detail, passages_detail
from fairlead.guardrails import admit_hit, admit_output
from fairlead.protocols import Message, Request
from fairlead.schema import Hit, ToolCall, ToolOutput, ToolSpec, Turn
from fairlead.serving import ScriptedModel
from fairlead.tools import BUILTINS, Toolbox
from scripts.tiny_world import HELLO, STYLES, Fact, Order, World, whole

SEED: Final = "tiny-1"
STEPS: Final = 1600
BATCH: Final = 32
STYLED: Final = 8000
"""Lines for each adapter."""
HELD_OUT: Final = 100
"""Held-out lines of each task."""
Line = dict[str, Any]
Task = Callable[[World], Line]


@tool(effect="read")
async def find_order(order_id: int) -> str:
    """Find an order by its number.

    Args:
        order_id: Number of the order.
    """
    return f"Order {order_id} is shipped."


@tool(effect="send")
async def email(to: str, subject: str) -> str:
    """Send an e-mail.

    Args:
        to: Whose mailbox.
        subject: What it is about.
    """
    return f"Sent to {to}."


TOOLS: Final[Mapping[str, tuple[ToolSpec, ...]]] = {
    "orders": Toolbox([*BUILTINS, find_order]).specs(),
    "orders and mail": Toolbox([*BUILTINS, find_order, email]).specs(),
}
"""Sets of tools, so that the model does not lean on one system message."""
WHY: Final = {
    "search": "documents may hold it",
    "again": "other words may find it",
    "call": "a tool holds it",
    "found": "it was found",
    "nothing": "nothing more can be found",
    "hello": "there is nothing to look up",
    "ask": "only the user knows it",
}


# --- views ---------------------------------------------------------------------------------------


def hits(world: World, facts: Sequence[Fact]) -> list[Hit]:
    """The facts as search results, in a drawn order."""
    draw = world.random
    ordered = draw.sample(list(facts), len(facts))
    found = []
    for number, fact in enumerate(ordered, start=1):
        word = world.name().lower()
        source = draw.choice((word, f"{word}.md", f"docs/{word}.md", fact.name.lower()))
        found.append(
            Hit(
                passage_id=f"p{number}-{source}", document_id=source, version="1", source=source,
                title=draw.choice(("", "", fact.name)), text=fact.sentence, score=1.0 / number,
                rank=number, start=0, end=len(fact.sentence), tenant="t", collection="default",
            )
        )  # fmt: skip
    return found


def searched(decision: Retrieve, found: Sequence[Hit]) -> Step:
    detail = passages_detail(decision.queries, found)
    return Step(decision=decision, detail=detail, passages=len(found))


def output(order: Order) -> ToolOutput:
    arguments = {"order_id": order.number}
    return ToolOutput(call_id="c", tool="find_order", arguments=arguments, text=order.sentence)


def called(order: Order) -> Step:
    decision = lookup(order)
    return Step(decision=decision, detail=call_detail(output(order)), results=1)


def lookup(order: Order) -> Call:
    call = ToolCall(tool="find_order", arguments={"order_id": order.number}, call_id="c")
    return Call(calls=(call,), reason=f"“{WHY['call']}”")


def turns(world: World, *facts: Fact) -> tuple[Turn, ...]:
    """The thread until now."""
    said = world.earlier(*facts)
    return tuple(Turn(question=one, answer=other, status="answered") for one, other in said)


def view(
    question: str,
    tools: str,
    *steps: Step,
    history: Sequence[Turn] = (),
    found: Sequence[Hit] = (),
    outputs: Sequence[ToolOutput] = (),
) -> View:
    return View(
        question=question,
        history=tuple(history),
        steps=steps,
        passages=tuple(map(admit_hit, found)),
        tool_results=tuple(map(admit_output, outputs)),
        tools=TOOLS[tools],
        collections=("default",),
        budget=Left(hops=9, tool_calls=9, tokens=9999, seconds=99.0),
    )


# --- what the planner is asked, and what it should decide ----------------------------------------


def retrieve(query: str) -> Retrieve:
    return Retrieve(queries=(query,), reason=f"“{WHY['search']}”")


def again(fact: Fact) -> Retrieve:
    return Retrieve(queries=(f"all of the {fact.name}",), reason=f"“{WHY['again']}”")


def answer(why: str = "found") -> AnswerNow:
    return AnswerNow(reason=f"“{WHY[why]}”")


def situations(world: World, tools: str) -> Mapping[str, tuple[View, AnyDecision]]:
    """One view of each kind that a run of this world comes to, and the right decision."""
    fact, order = world.fact(), world.order()
    asked = world.asked(fact)
    question, both = whole(asked), world.both(asked, order)
    right = hits(world, [fact, *world.others(fact, 3)])
    other = hits(world, [world.fact(), *world.others(fact, 2)])
    some = right if world.random.random() < 0.8 else other  # the answerer will see which
    first, found = searched(retrieve(asked), []), searched(retrieve(asked), some)
    known, nothing = searched(again(fact), some), searched(again(fact), [])
    related, unrelated = turns(world, fact), turns(world)
    tracked = [output(order)]

    def seen(
        said: str, *steps: Step, found: Sequence[Hit] = (), outputs: Sequence[ToolOutput] = ()
    ) -> View:
        history = unrelated if found is other else related
        return view(said, tools, *steps, history=history, found=found, outputs=outputs)

    asking = Ask(question="Which order is it?", reason=f"“{WHY['ask']}”")
    return {
        "retrieve": (seen(question), retrieve(asked)),
        "retrieve again": (seen(question, first), again(fact)),
        "answer": (seen(question, found, found=some), answer()),
        "answer late": (seen(question, first, known, found=some), answer()),
        "give up": (seen(question, first, nothing), answer("nothing")),
        "call": (seen(world.order_question(order)), lookup(order)),
        "called": (seen(world.order_question(order), called(order), outputs=tracked), answer()),
        "both": (seen(both), retrieve(asked)),
        "both: found": (seen(both, found, found=some), lookup(order)),
        "both: all": (seen(both, found, called(order), found=some, outputs=tracked), answer()),
        "ask": (seen(world.unnamed()), asking),
        "greet": (seen(world.greeting()), answer("hello")),
    }


def planner(mode: Any) -> ModelPlanner:
    return ModelPlanner(ScriptedModel([], name="tiny"), fallback=EmbeddedPlanner(), mode=mode)


PLANNERS: Final = {"plan": planner("structured"), "functions": planner("tools")}


def planned(world: World, mode: str, situation: str) -> Line:
    tools = "orders" if world.random.random() < 0.8 else "orders and mail"
    seen, decision = situations(world, tools)[situation]
    request = PLANNERS[mode].request(seen)
    reply = as_json(fields_of(decision)) if mode == "plan" else as_function(decision)
    return line(f"{mode}: {situation}", f"{mode}, {tools}", request.messages, reply)


def as_function(decision: AnyDecision) -> str:
    """The decision as a model with the Hermes form of function calls writes it."""
    fields = fields_of(decision)
    calls = fields.pop("calls", None)
    name, arguments = fields.pop("kind"), fields
    del fields["reason"]
    if calls:
        name, arguments = calls[0]["tool"], calls[0]["arguments"]
    said = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{said}\n</tool_call>"


# --- what the answerer is asked, and what it should write ----------------------------------------


def written(world: World, situation: str) -> Line:
    fact, order = world.fact(), world.order()
    asked = world.asked(fact)
    right = world.random.random() < 0.9
    facts = [*([fact] if right else []), *world.others(fact, 3)]
    found = [admit_hit(hit) for hit in hits(world, facts)] if situation != "result" else []
    results = [admit_output(output(order))] if situation in ("result", "both") else []
    texts = [one.text for one in found] + [one.text for one in results]
    said = {
        "cited": whole(asked),
        "result": world.order_question(order),
        "both": world.both(asked, order),
    }[situation]
    wanted: list[Fact | Order] = [order] if situation == "result" else [fact]
    if situation == "both":
        wanted.append(order)
    marked = [
        f"{one.sentence} [{texts.index(one.sentence) + 1}]"
        for one in wanted
        if one.sentence in texts
    ]
    messages = write_prompt(said, found, results, turns(world, *(facts[:1] if right else [])))
    return line(f"write: {situation}", "write", messages, " ".join(marked) or NO_ANSWER)


def unanswered(world: World) -> Line:
    fact = world.fact()
    found = [admit_hit(hit) for hit in hits(world, world.others(fact, 4))]
    messages = write_prompt(whole(world.asked(fact)), found, [], turns(world))
    return line("write: nothing", "write", messages, NO_ANSWER)


def greeted(world: World) -> Line:
    messages = write_prompt(world.greeting(), [], [], turns(world))
    return line("write: greet", "write", messages, HELLO)


def line(task: str, system: str, messages: Sequence[Message], reply: str) -> Line:
    return {
        "task": task,
        "system": system,
        "messages": [as_chat(message) for message in messages[1:]],
        "reply": reply,
    }


def as_chat(message: Message) -> dict[str, Any]:
    """A message as chat templates take it."""
    found: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        found["tool_calls"] = [
            {"function": {"name": call.tool, "arguments": dict(call.arguments)}}
            for call in message.tool_calls
        ]
    return found


# --- the mix -------------------------------------------------------------------------------------

_PLANS: Final = {
    "retrieve": 4, "retrieve again": 2, "answer": 3, "answer late": 1, "give up": 1, "call": 3,
    "called": 2, "both": 4, "both: found": 4, "both: all": 2, "ask": 1, "greet": 2,
}  # fmt: skip
_FUNCTIONS: Final = {
    "retrieve": 3, "retrieve again": 2, "answer": 2, "call": 3, "called": 2, "ask": 1,
}  # fmt: skip
_WRITES: Final = {"cited": 8, "result": 3, "both": 5}
MIX: Final[Mapping[str, tuple[int, Task]]] = {
    **{f"plan: {n}": (w, partial(planned, mode="plan", situation=n)) for n, w in _PLANS.items()},
    **{
        f"functions: {n}": (w, partial(planned, mode="functions", situation=n))
        for n, w in _FUNCTIONS.items()
    },
    **{f"write: {n}": (w, partial(written, situation=n)) for n, w in _WRITES.items()},
    "write: nothing": (6, unanswered),
    "write: greet": (1, greeted),
}
"""Task → its share, and how a line of it is made."""


def systems() -> dict[str, dict[str, Any]]:
    """Every system message with the tools that a chat template puts beside it."""
    found: dict[str, dict[str, Any]] = {}
    for tools in TOOLS:
        for mode, plans in PLANNERS.items():
            request: Request = plans.request(view("x", tools))
            found[f"{mode}, {tools}"] = {
                "content": request.messages[0].content,
                "tools": [as_tool(spec) for spec in request.tools],
            }
    found["write"] = {"content": write_prompt("x", [], [])[0].content, "tools": []}
    return found


def as_tool(spec: ToolSpec) -> dict[str, Any]:
    """A tool in the form of OpenAI's API."""
    held = asdict(spec)
    function = {key: held[key] for key in ("name", "description", "parameters")}
    return {"type": "function", "function": function}


def lines(seed: str, *, held_out: bool) -> Iterator[Line]:
    """Lines of the mix without end; the same seed gives the same ones."""
    world = World(seed, held_out=held_out)
    names, weights = list(MIX), [weight for weight, _ in MIX.values()]
    while True:
        yield MIX[world.random.choices(names, weights)[0]][1](world)


def held_out_lines() -> Iterator[Line]:
    """`HELD_OUT` lines of every task."""
    for name, (_, made) in MIX.items():
        world = World(f"{SEED} {name}", held_out=True)
        for _ in range(HELD_OUT):
            yield made(world)


def styled(style: str, seed: str, count: int, *, held_out: bool) -> Iterator[Line]:
    """Lines for an adapter: what the answerer is asked, answered in the style."""
    world = World(seed, held_out=held_out)
    names = [name for name in MIX if name.startswith("write")]
    weights = [MIX[name][0] for name in names]
    for _ in range(count):
        made = MIX[world.random.choices(names, weights)[0]][1](world)
        reply = made["reply"]
        said = reply if reply == NO_ANSWER else STYLES[style](reply)
        yield {**made, "task": style, "reply": said}


def drift() -> str:
    """The SHA-256 of what the prompt builders make of a fixed set of views.

    Another one than that in `training.json` means that the weights were trained on other prompts.
    """
    first = [made(World(f"drift {name}")) for name, (_, made) in MIX.items()]
    said = json.dumps([systems(), first], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "systems.json").write_text(json.dumps(systems(), ensure_ascii=False), "utf-8")
    drawn = islice(lines(SEED, held_out=False), STEPS * BATCH)
    _write(folder / "train.jsonl", drawn)
    _write(folder / "held_out.jsonl", held_out_lines())
    for style in STYLES:
        seed = f"{SEED} {style}"
        _write(folder / f"{style}.jsonl", styled(style, seed, STYLED, held_out=False))
        tested = styled(style, seed, HELD_OUT, held_out=True)
        _write(folder / f"{style}_held_out.jsonl", tested)
    (folder / "drift.txt").write_text(drift(), "utf-8")


def _write(path: Path, lines: Iterable[Line]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for one in lines:
            file.write(json.dumps(one, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

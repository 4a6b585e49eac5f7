"""`fairlead adapters score`: base and adapter on a golden set, through the real server."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from fairlead.cli.cards import SCHEMA, card_fields
from fairlead.cli.options import AsJson, By, actor, settings
from fairlead.cli.output import document, show, table
from fairlead.errors import NotFound


def score(
    ctx: typer.Context,
    which: Annotated[
        str, typer.Argument(metavar="NAME@VERSION", help="As `adapters ls` shows it.")
    ],
    golden: Annotated[
        Path, typer.Option("--golden", metavar="FILE", help="Examples that nobody trained on.")
    ],
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="Its base's server; default: [model].")
    ] = "base",
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", metavar="N", min=1, help="Of one answer.")
    ] = 512,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Score a version beside its base on a golden set, and record the scores."""
    from fairlead.serving.adapters import open_registry
    from fairlead.serving.scoring import compared

    given = settings(ctx)
    told = given.model if model == "base" else given.models.get(model)
    if told is None:
        raise NotFound(f"no model {model!r}", hint=f"Add [models.{model}].")
    with closing(open_registry(given)) as registry:
        card = registry.find(which)
        content = registry.store.path(card.digest)
        found = asyncio.run(compared(card, content, golden, told, max_tokens=max_tokens))
        card = registry.score(card, found.scores, by=actor(by))
    if as_json:
        worse = list(found.worse)
        document(SCHEMA, adapter=card_fields(card), examples=found.examples, worse=worse)
        return
    rows = [
        (metric, f"{found.scores[f'base_{metric}']:.3f}", f"{found.scores[metric]:.3f}")
        for metric in ("exact_match", "f1", "errors")
    ]
    table(("", "base", card.label), rows)
    if found.worse:
        lines = ", ".join(map(str, found.worse[:20]))
        show(f"right before and wrong now: line {lines}", "yellow")

"""How well the embedded default answers a folder of documents that comes with questions.

    python benchmarks/qa.py DIR [--show] [--json]

DIR holds `documents/` and `questions.jsonl`, one question a line: `id`, `kind`, `question`,
`turns` (a follow-up: both turns, asked on one thread, the second counts), `expect_docs` (paths
below documents/; any one will do), `answer_contains` (alternatives), `answer_groups` (a question
with several parts: alternatives for each). A question of kind `out` has no answer there.

Marks per question, 0 or 1: a search finds an expected document first; among the first five; an
expected document is cited; is cited first; all are (several parts); an expected string of every
group is in the answer; it abstained; it is right (answer and documents, or for `out` that it
abstained). Means per kind and over the answerable ones. Every citation's quote must be verbatim in
its document: the exit status is 1 where one is not.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fairlead import Answer, Assistant
from fairlead.schema import Hit

PLAIN = str.maketrans("‘’“”–—\u00a0", "''\"\"-- ")
MARKS = ("found_1", "found_5", "doc_any", "doc_first", "doc_all", "answer", "abstained", "right")


def plain(text: str) -> str:
    """The text as a reader sees it: no markup, straight quotes, single spaces, lower case."""
    text = re.sub(r"<!--.*?-->|<[^<>\n]{1,200}>", " ", text, flags=re.DOTALL)
    text = re.sub(r"\{[\w:]+\}`[~!]?([^`<]*?)(?:\s*<[^`]*>)?`", r"\1", text)
    text = re.sub(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])", r"\1", text)
    text = re.sub(r"^\s*>\s?", "", text, flags=re.MULTILINE).replace("*", "").replace("`", "")
    text = re.sub(r"(?<!\w)_([^_\n]+)_(?!\w)", r"\1", text)
    return re.sub(r"\s+", " ", text.translate(PLAIN)).strip().lower()


def says(answer: str, wanted: str) -> bool:
    """Whether the answer holds the wanted words; a number must stand there whole."""
    needle = plain(wanted)
    before = r"(?<![\d.,])" if needle[:1].isdigit() else ""
    after = r"(?!\d|[.,]\d)" if needle[-1:].isdigit() else ""
    return re.search(f"{before}{re.escape(needle)}{after}", plain(answer)) is not None


def marks(question: Mapping[str, Any], answer: Answer) -> dict[str, int]:
    """The marks of one answer."""
    abstained = answer.status != "answered"
    if question["kind"] == "out":
        return {"abstained": int(abstained), "right": int(abstained)}
    cited = list(dict.fromkeys(c.source.partition("/")[2] for c in answer.citations))
    expected = question["expect_docs"]
    groups = question.get("answer_groups") or [question["answer_contains"]]
    said = not abstained and all(any(says(answer.text, each) for each in g) for g in groups)
    several = bool(question.get("answer_groups"))
    found = [document in cited for document in expected]
    enough = all(found) if several else any(found)
    given = {
        "doc_any": int(any(found)),
        "doc_first": int(bool(cited) and cited[0] in expected),
        "answer": int(said),
        "abstained": int(abstained),
        "right": int(said and enough),
    }
    return {**given, "doc_all": int(all(found))} if several else given


def marks_of_search(question: Mapping[str, Any], hits: Iterable[Hit]) -> dict[str, int]:
    """The marks of one search: of documents in the order of their best passage."""
    documents = list(dict.fromkeys(hit.source.partition("/")[2] for hit in hits))
    expected = set(question.get("expect_docs") or ())
    if not expected:
        return {}
    return {f"found_{n}": int(not expected.isdisjoint(documents[:n])) for n in (1, 5)}


def misquoted(answer: Answer, documents: Path) -> list[str]:
    """Citations whose quote is not in the file that they name."""
    wrong = []
    for citation in answer.citations:
        name, _, line = citation.source.partition("#L")
        path = documents.parent / name
        text = path.read_text(encoding="utf-8-sig") if path.is_file() else ""
        if line:
            text = json.loads(text.splitlines()[int(line) - 1])["text"]
        if citation.quote not in text:
            wrong.append(f"{citation.source}: {citation.quote!r}")
    return wrong


async def answers(
    folder: Path, questions: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], Answer, dict[str, int]]]:
    """Ingests the documents into a store of their own, and searches for and asks every question."""
    given = []
    with tempfile.TemporaryDirectory() as store:
        async with Assistant.open({"storage": {"path": store}}) as assistant:
            await assistant.ingest([folder / "documents"], tenant="qa")
            for question in questions:
                turns = question.get("turns") or [question["question"]]
                hits = await assistant.search(" ".join(turns), tenant="qa", k=50)
                for turn in turns:
                    answer = await assistant.ask(turn, tenant="qa", thread=question["id"])
                given.append((question, answer, marks_of_search(question, hits)))
    return given


def means(rows: Iterable[tuple[str, dict[str, int]]]) -> Mapping[str, Mapping[str, float]]:
    """Kind → mark → mean, and how many there are."""
    sums: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for kind, given in rows:
        for name in (kind,) if kind == "out" else (kind, "answerable"):
            sums[name]["n"].append(1)
            for mark, value in given.items():
                sums[name][mark].append(value)
    return {
        kind: {
            mark: sum(values) if mark == "n" else round(sum(values) / len(values), 3)
            for mark, values in found.items()
        }
        for kind, found in sums.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--show", action="store_true", help="print every answer that is not right")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    lines = (args.folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [json.loads(line) for line in lines if line.strip()]
    questions = [q for q in asked if q["kind"] == "out" or q.get("expect_docs")]
    given = asyncio.run(answers(args.folder, questions))
    scored = [(q, answer, {**hits, **marks(q, answer)}) for q, answer, hits in given]
    wrong = [bad for _, answer, _ in given for bad in misquoted(answer, args.folder / "documents")]
    table = means((question["kind"], found) for question, _, found in scored)
    if args.json:
        print(json.dumps({"means": table, "misquoted": wrong}, indent=1))
    else:
        print(f"{'kind':12} {'n':>3} " + " ".join(f"{mark:>9}" for mark in MARKS))
        for kind, row in sorted(table.items()):
            cells = (f"{row[mark]:9.2f}" if mark in row else " " * 9 for mark in MARKS)
            print(f"{kind:12} {row['n']:3} " + " ".join(cells))
        quotes = sum(len(answer.citations) for _, answer, _ in given)
        print(f"{quotes} quotes, {len(wrong)} not verbatim in their document")
    if args.show:
        for question, answer, found in scored:
            if not found["right"]:
                print(f"\n{question['id']}: {question.get('turns') or question['question']}")
                print(f"  {answer.status}: {answer.text[:600]}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

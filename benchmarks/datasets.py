"""Public question sets with relevance judgements, read from copies of the repositories they lie in.

A data folder holds each repository at `<owner>/<name>`, as `git clone` leaves it or as a bare git
directory (then HEAD is read). Nothing is fetched, and no part of a set is kept in this project.
"""

import csv
import io
import json
import re
import subprocess
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Grades = Mapping[str, Mapping[str, int]]
"""Query → document → grade. Higher is better; 0 and below is not relevant."""


class MissingData(Exception):
    """A file of a set is not in the data folder; says which repository holds it."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """What can be found."""

    id: str
    title: str = ""
    text: str


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Documents, and those queries for which at least one of them is relevant."""

    name: str
    documents: tuple[Document, ...]
    queries: Mapping[str, str]
    grades: Grades


class Copy:
    """One repository in the data folder."""

    def __init__(self, data: Path, repository: str) -> None:
        self._folder = data / repository
        self._repository = repository

    def read(self, path: str) -> bytes:
        """A file of it. Raises `MissingData`."""
        found = self._found(path)
        if found is None:
            raise MissingData(
                f"{path!r} of the repository {self._repository!r} is not in {str(self._folder)!r}:"
                f" run `git clone https://github.com/{self._repository} {self._folder}`"
            )
        if found.startswith(b"version https://git-lfs"):
            raise MissingData(
                f"{path!r} in {str(self._folder)!r} only points to the file: run `git lfs pull`"
            )
        return found

    def _found(self, path: str) -> bytes | None:
        file = self._folder / path
        if file.is_file():
            return file.read_bytes()
        if not (self._folder / "objects").is_dir():
            return None
        command = ["git", f"--git-dir={self._folder}", "show", f"HEAD:{path}"]
        shown = subprocess.run(command, capture_output=True, check=False)
        return shown.stdout if shown.returncode == 0 else None

    def text(self, path: str) -> str:
        return self.read(path).decode("utf-8", errors="replace")

    def lines(self, path: str) -> list[str]:
        """Those that are not blank. (`splitlines` would cut at exotic separators inside texts.)"""
        return [line for line in self.text(path).split("\n") if line.strip()]

    def json(self, path: str) -> Any:
        return json.loads(self.read(path))


Parts = tuple[list[Document], dict[str, str], dict[str, dict[str, int]]]
"""Documents, queries, grades."""


def _scifact(copy: Copy) -> Parts:
    """Validation claims; the cited abstracts are relevant."""
    archive = zipfile.ZipFile(io.BytesIO(copy.read("data/scifact.zip")))

    def rows(name: str) -> Iterator[dict[str, str]]:
        return csv.DictReader(io.StringIO(archive.read(name).decode("utf-8")))

    documents = [
        Document(id=row["doc_id"], title=row["title"], text=_unlisted(row["abstract"]))
        for row in rows("corpus_train.csv")
    ]
    queries: dict[str, str] = {}
    grades: dict[str, dict[str, int]] = {}
    for row in rows("claims_validation.csv"):
        queries[row["id"]] = row["claim"]
        grades[row["id"]] = dict.fromkeys(re.findall(r"\d+", row["cited_doc_ids"]), 1)
    return documents, queries, grades


def _unlisted(written: str) -> str:
    """The sentences of a list as numpy prints it: one quoted sentence a line."""
    return " ".join(line.strip(" '\"[]") for line in written.splitlines())


def _nfcorpus(copy: Copy) -> Parts:
    """Titles of pages on nutrition; abstracts graded 3 to 1."""
    folder = "home/nfcorpus"
    texts = _keyed(copy, f"{folder}/test.docs") | _keyed(copy, f"{folder}/dev.docs")
    queries = _keyed(copy, f"{folder}/test.titles.queries")
    judged = (line.split() for line in copy.lines(f"{folder}/test.3-2-1.qrel"))
    grades = _graded((query, document, int(grade)) for query, _, document, grade in judged)
    return [Document(id=key, text=text) for key, text in texts.items()], queries, grades


def _keyed(copy: Copy, path: str) -> dict[str, str]:
    rows = (line.partition("\t") for line in copy.lines(path))
    return {key: text for key, _, text in rows}


def _cranfield(copy: Copy) -> Parts:
    """Aerodynamics. Codes 1 to 4 are relevant, 5 and -1 are not; queries go by their position."""
    documents = _smart_documents(copy.text("cran.all.1400"))
    asked = _smart(copy.text("cran.qry"))
    queries = {str(at): fields["W"] for at, (_, fields) in enumerate(asked, start=1)}
    judged = (line.split() for line in copy.lines("cranqrel"))
    grades = _graded((query, document, int(0 < int(c) < 5)) for query, document, c in judged)
    return documents, queries, grades


def _cisi(copy: Copy) -> Parts:
    """Library science; long questions."""
    documents = _smart_documents(copy.text("cisi/CISI.ALL"))
    queries = {key: fields["W"] for key, fields in _smart(copy.text("cisi/CISI.QRY"))}
    judged = (line.split() for line in copy.lines("cisi/CISI.REL"))
    return documents, queries, _graded((row[0], row[1], 1) for row in judged)


def _code(copy: Copy) -> Parts:
    """Questions on chunks of source code."""
    folder = "skills/contextual-embeddings/data"
    documents, ids = [], {}
    for whole in copy.json(f"{folder}/codebase_chunks.json"):
        for chunk in whole["chunks"]:
            ids[whole["original_uuid"], chunk["original_index"]] = chunk["chunk_id"]
            documents.append(Document(id=chunk["chunk_id"], text=chunk["content"]))
    queries, grades = {}, {}
    for at, line in enumerate(copy.lines(f"{folder}/evaluation_set.jsonl")):
        asked = json.loads(line)
        queries[str(at)] = asked["query"]
        golden = (ids[uuid, index] for uuid, index in asked["golden_chunk_uuids"])
        grades[str(at)] = dict.fromkeys(golden, 1)
    return documents, queries, grades


def _documentation(copy: Copy) -> Parts:
    """Questions on sections of a product's documentation."""
    folder = "skills/retrieval_augmented_generation"
    documents = [
        Document(id=row["chunk_link"], title=row["chunk_heading"], text=row["text"])
        for row in copy.json(f"{folder}/data/anthropic_docs.json")
    ]
    asked = copy.json(f"{folder}/evaluation/docs_evaluation_dataset.json")
    queries = {row["id"]: row["question"] for row in asked}
    return documents, queries, {row["id"]: dict.fromkeys(row["correct_chunks"], 1) for row in asked}


def _cacm(copy: Copy) -> Parts:
    """Computing; half of the documents are titles without an abstract."""
    documents = _smart_documents(copy.text("cacm/cacm.all"))
    queries = {key: fields["W"] for key, fields in _smart(copy.text("cacm/query.text"))}
    judged = (line.split() for line in copy.lines("cacm/qrels.text"))
    grades = _graded((str(int(row[0])), str(int(row[1])), 1) for row in judged)
    return documents, queries, grades


def _npl(copy: Copy) -> Parts:
    """Electronics (also called Vaswani); very short abstracts."""

    def records(path: str) -> Iterator[tuple[str, str]]:
        for record in re.split(r"\n\s*/\s*(?:\n|$)", copy.text(path)):
            key, _, text = record.strip().partition("\n")
            if text:
                yield key.strip(), " ".join(text.split())

    documents = [Document(id=key, text=text) for key, text in records("npl/doc-text")]
    queries = {key: text.lower() for key, text in records("npl/query-text")}
    grades = {key: dict.fromkeys(text.split(), 1) for key, text in records("npl/rlv-ass")}
    return documents, queries, grades


def _lisa(copy: Copy) -> Parts:
    """Library science; questions of several sentences. The files are in capitals."""
    documents = []
    for record in re.split(r"\n\*{20,}", copy.text("lisa/LISA_FIXED")):
        if found := re.match(r"\s*Document\s+(\d+)\s*\n(.*?)\n\s*\n(.*)", record, re.DOTALL):
            key, title, text = (" ".join(part.split()).lower() for part in found.groups())
            documents.append(Document(id=key, title=title, text=text))
    queries = {}
    for record in copy.text("lisa/LISA.QUE").split("#"):
        key, _, text = record.strip().partition("\n")
        queries[key.strip()] = " ".join(text.split()).lower()
    numbers = iter(copy.text("lisa/LISARJ.NUM").split())
    grades = {key: {next(numbers): 1 for _ in range(int(next(numbers)))} for key in numbers}
    return documents, queries, grades


def _faq(copy: Copy) -> Parts:
    """Answers to frequent questions on courses; each asked in five other ways by a model."""
    folder = "06-best-practices"
    documents = [
        Document(id=row["id"], title=row["question"], text=row["text"])
        for row in copy.json(f"{folder}/documents-with-ids.json")
    ]
    rows = csv.DictReader(io.StringIO(copy.text(f"{folder}/ground-truth-data.csv")))
    queries, grades = {}, {}
    for at, row in enumerate(rows):
        queries[str(at)] = row["question"]
        grades[str(at)] = {row["document"]: 1}
    return documents, queries, grades


def _xquad(copy: Copy) -> Parts:
    """Questions on paragraphs of Wikipedia."""
    documents, queries, grades = [], {}, {}
    for page in copy.json("xquad.en.json")["data"]:
        for at, paragraph in enumerate(page["paragraphs"]):
            key = f"{page['title']}#{at}"
            documents.append(Document(id=key, text=paragraph["context"]))
            for asked in paragraph["qas"]:
                queries[asked["id"]] = asked["question"]
                grades[asked["id"]] = {key: 1}
    return documents, queries, grades


def _beir(folder: str) -> Callable[[Copy], Parts]:
    """The layout of the BEIR benchmark: corpus.jsonl, queries.jsonl, qrels/test.tsv."""

    def read(copy: Copy) -> Parts:
        rows = (json.loads(line) for line in copy.lines(f"{folder}/corpus.jsonl"))
        documents = [
            Document(id=row["_id"], title=row.get("title", ""), text=row["text"]) for row in rows
        ]
        asked = (json.loads(line) for line in copy.lines(f"{folder}/queries.jsonl"))
        queries = {row["_id"]: row["text"] for row in asked}
        judged = (line.split("\t") for line in copy.lines(f"{folder}/qrels/test.tsv"))
        grades = _graded((row[0], row[1], int(row[2])) for row in judged if row[2] != "score")
        return documents, queries, grades

    return read


def _graded(judged: Iterator[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    for query, document, grade in judged:
        grades[query][document] = grade
    return grades


def _smart(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Number and fields (by letter) of each record in the format of the SMART system."""
    for record in re.split(r"^\.I\s+", text, flags=re.MULTILINE)[1:]:
        number, _, rest = record.partition("\n")
        parts = re.split(r"^\.([A-Z])\s*$", rest, flags=re.MULTILINE)
        fields = {
            letter: " ".join(said.split())
            for letter, said in zip(parts[1::2], parts[2::2], strict=True)
        }
        yield str(int(number)), fields


def _smart_documents(text: str) -> list[Document]:
    """Title and abstract; an abstract that begins with its title is given without it."""
    documents = []
    for number, fields in _smart(text):
        title = fields.get("T", "")
        body = fields.get("W", "").removeprefix(title).strip()
        documents.append(Document(id=number, title=title, text=body))
    return documents


_READERS: Mapping[str, tuple[str, Callable[[Copy], Parts]]] = {
    "scifact": ("sumithra-p-v/claimverifier", _scifact),
    "nfcorpus": ("ferdifdi/nfcorpus_medical_search_engine", _nfcorpus),
    "cranfield": ("noramtboraas/information-retrieval", _cranfield),
    "cisi": ("B-F0X/Information-Retrieval", _cisi),
    "code": ("anthropics/anthropic-cookbook", _code),
    "documentation": ("anthropics/anthropic-cookbook", _documentation),
    "cacm": ("Hamza5/RI-TP", _cacm),
    "npl": ("stefreschke/Information-Retrieval", _npl),
    "lisa": ("imadken/Search-Engine", _lisa),
    "faq": ("DataTalksClub/llm-zoomcamp", _faq),
    "xquad": ("google-deepmind/xquad", _xquad),
    "dbpedia": ("agentset-ai/embedding-leaderboard", _beir("datasets/dbpedia")),
    "msmarco": ("agentset-ai/embedding-leaderboard", _beir("datasets/msmarco")),
}
SETS = tuple(_READERS)


def load(name: str, data: Path) -> Dataset:
    """One of `SETS` out of the data folder. Raises `MissingData`."""
    repository, read = _READERS[name]
    documents, queries, grades = read(Copy(data, repository))
    known: dict[str, Document] = {}
    for document in documents:
        known.setdefault(document.id, document)
    relevant = {
        query: {document: grade for document, grade in found.items() if document in known}
        for query, found in grades.items()
        if query in queries
    }
    kept = {query: found for query, found in relevant.items() if any(g > 0 for g in found.values())}
    return Dataset(
        name=name,
        documents=tuple(known.values()),
        queries={query: queries[query] for query in kept},
        grades=kept,
    )

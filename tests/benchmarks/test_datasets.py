"""Readers against tiny files, made up in the format of each set."""

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SMART = """.I 1
.T
wings in a
slipstream .
.A
somebody
.W
wings in a slipstream .
an experiment with propellers .
.X
1 5 1
.I 2
.T
heat
.W
"""
ASKED = (
    ".I 001\n.W\nhow do wings\nbehave\n.I 004\n.T\nignored\n.W\nwhat of heat\n"
    ".I 9\n.W\nnobody judged this\n"
)


def archive(**files: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        for name, text in files.items():
            packed.writestr(f"{name}.csv", text)
    return held.getvalue()


SCIFACT = archive(
    corpus_train=(
        'doc_id,title,abstract\n7,Cells,"[\'They divide.\'\n ""It\'s known.""]"\n8,Genes,[\'x\']\n'
    ),
    claims_validation=(
        "id,claim,evidence_doc_id,evidence_label,evidence_sentences,cited_doc_ids\n"
        "1,Cells divide,7,SUPPORT,[0],[7]\n1,Cells divide,7,SUPPORT,[1],[7]\n"
    ),
)
NFCORPUS = "home/nfcorpus"
CODE = "skills/contextual-embeddings/data"
DOCS = "skills/retrieval_augmented_generation"
FAQ = "06-best-practices"
LAYOUTS: dict[str, tuple[str, dict[str, str | bytes]]] = {
    "scifact": ("sumithra-p-v/claimverifier", {"data/scifact.zip": SCIFACT}),
    "nfcorpus": (
        "ferdifdi/nfcorpus_medical_search_engine",
        {
            f"{NFCORPUS}/test.docs": "MED-1\tstatin survival\nMED-2\tdiet\x85fibre\n",
            f"{NFCORPUS}/dev.docs": "MED-2\tdiet\x85fibre\nMED-3\tsalt\n",
            f"{NFCORPUS}/test.titles.queries": "P-1\tstatins\nP-2\tnot judged\n",
            f"{NFCORPUS}/test.3-2-1.qrel": "P-1\t0\tMED-1\t3\nP-1\t0\tMED-9\t2\nP-1\t0\tMED-3\t1\n",
        },
    ),
    "cranfield": (
        "noramtboraas/information-retrieval",
        {
            "cran.all.1400": SMART,
            "cran.qry": ASKED,
            "cranqrel": "1 1 2 \n1 2 -1\n2 2 5\n2 1 4\n",
        },
    ),
    "cisi": (
        "B-F0X/Information-Retrieval",
        {
            "cisi/CISI.ALL": SMART,
            "cisi/CISI.QRY": ASKED,
            "cisi/CISI.REL": "     1      1\t0\t0.000000\n     4      2\t0\t0.0\n",
        },
    ),
    "cacm": (
        "Hamza5/RI-TP",
        {
            "cacm/cacm.all": SMART,
            "cacm/query.text": ASKED,
            "cacm/qrels.text": "01 0001  0 0\n04 0002  0 0\n",
        },
    ),
    "code": (
        "anthropics/anthropic-cookbook",
        {
            f"{CODE}/codebase_chunks.json": json.dumps(
                [
                    {
                        "original_uuid": "u",
                        "chunks": [
                            {"chunk_id": "c0", "original_index": 0, "content": "fn a() {}"},
                            {"chunk_id": "c1", "original_index": 1, "content": "fn b() {}"},
                        ],
                    }
                ]
            ),
            f"{CODE}/evaluation_set.jsonl": (
                '{"query": "Where is b?", "golden_chunk_uuids": [["u", 1]]}'
            ),
        },
    ),
    "documentation": (
        "anthropics/anthropic-cookbook",
        {
            f"{DOCS}/data/anthropic_docs.json": json.dumps(
                [{"chunk_link": "l#a", "chunk_heading": "Start", "text": "Start\n\nhere"}]
            ),
            f"{DOCS}/evaluation/docs_evaluation_dataset.json": json.dumps(
                [{"id": "q", "question": "Where?", "correct_chunks": ["l#a", "l#gone"]}]
            ),
        },
    ),
    "npl": (
        "stefreschke/Information-Retrieval",
        {
            "npl/doc-text": (
                "1\ncompact  memories\nhave capacity\n   /\n2\nan analogue computer\n   /\n3\n /\n"
            ),
            "npl/query-text": "1\nMEASUREMENT OF MEMORIES\n/\n2\nCOMPUTERS\n/\n",
            "npl/rlv-ass": "1\n 1   2\n   /\n2\n    2\n   /\n",
        },
    ),
    "lisa": (
        "imadken/Search-Engine",
        {
            "lisa/LISA_FIXED": (
                "Document    1\nLIBRARIES IN\nINDIA.\n \nTHEY ARE MANY.\nREALLY.\n"
                + "*" * 44
                + "\nDocument    2\nFILM.\n\nMICROFILM.\n"
                + "*" * 44
                + "\n"
            ),
            "lisa/LISA.QUE": "1\nI AM INTERESTED IN\nFILM. #\n2\nINDIA. #\n",
            "lisa/LISARJ.NUM": "    1    1    2   \n  2   2  1\n   2 \n",
        },
    ),
    "faq": (
        "DataTalksClub/llm-zoomcamp",
        {
            f"{FAQ}/documents-with-ids.json": json.dumps(
                [
                    {
                        "id": "a",
                        "question": "When?",
                        "text": "In May.",
                        "section": "s",
                        "course": "c",
                    },
                    {"id": "a", "question": "Who?", "text": "All.", "section": "s", "course": "c"},
                ]
            ),
            f"{FAQ}/ground-truth-data.csv": (
                'question,course,document\n"Is it soon, or late?",c,a\n'
            ),
        },
    ),
    "xquad": (
        "google-deepmind/xquad",
        {
            "xquad.en.json": json.dumps(
                {
                    "data": [
                        {
                            "title": "Broncos",
                            "paragraphs": [
                                {
                                    "context": "They won.",
                                    "qas": [{"id": "x", "question": "Who won?"}],
                                }
                            ],
                        }
                    ]
                }
            )
        },
    ),
    "dbpedia": (
        "agentset-ai/embedding-leaderboard",
        {
            "datasets/dbpedia/corpus.jsonl": (
                '{"_id": "<a>", "title": "Oceanic", "text": "an airline\u2028of fiction"}\n'
                '{"_id": "<b>", "title": "", "text": "b"}\n'
            ),
            "datasets/dbpedia/queries.jsonl": '{"_id": "q", "text": "airlines"}\n',
            "datasets/dbpedia/qrels/test.tsv": "query-id\tcorpus-id\tscore\nq\t<a>\t2\nq\t<b>\t0\n",
        },
    ),
    "msmarco": (
        "agentset-ai/embedding-leaderboard",
        {
            "datasets/msmarco/corpus.jsonl": '{"_id": "1", "title": "", "text": "t"}\n',
            "datasets/msmarco/queries.jsonl": '{"_id": "q", "text": "?"}\n',
            "datasets/msmarco/qrels/test.tsv": "q\t1\t3\n",
        },
    ),
}
EXPECTED: dict[
    str, tuple[list[tuple[str, str, str]], dict[str, str], dict[str, dict[str, int]]]
] = {
    "scifact": (
        [("7", "Cells", "They divide. It's known."), ("8", "Genes", "x")],
        {"1": "Cells divide"},
        {"1": {"7": 1}},
    ),
    "nfcorpus": (
        [("MED-1", "", "statin survival"), ("MED-2", "", "diet\x85fibre"), ("MED-3", "", "salt")],
        {"P-1": "statins"},
        {"P-1": {"MED-1": 3, "MED-3": 1}},
    ),
    "cranfield": (
        [("1", "wings in a slipstream .", "an experiment with propellers ."), ("2", "heat", "")],
        {"1": "how do wings behave", "2": "what of heat"},
        {"1": {"1": 1, "2": 0}, "2": {"1": 1, "2": 0}},
    ),
    "code": (
        [("c0", "", "fn a() {}"), ("c1", "", "fn b() {}")],
        {"0": "Where is b?"},
        {"0": {"c1": 1}},
    ),
    "documentation": ([("l#a", "Start", "Start\n\nhere")], {"q": "Where?"}, {"q": {"l#a": 1}}),
    "npl": (
        [("1", "", "compact memories have capacity"), ("2", "", "an analogue computer")],
        {"1": "measurement of memories", "2": "computers"},
        {"1": {"1": 1, "2": 1}, "2": {"2": 1}},
    ),
    "lisa": (
        [("1", "libraries in india.", "they are many. really."), ("2", "film.", "microfilm.")],
        {"1": "i am interested in film.", "2": "india."},
        {"1": {"2": 1}, "2": {"1": 1, "2": 1}},
    ),
    "faq": ([("a", "When?", "In May.")], {"0": "Is it soon, or late?"}, {"0": {"a": 1}}),
    "xquad": ([("Broncos#0", "", "They won.")], {"x": "Who won?"}, {"x": {"Broncos#0": 1}}),
    "dbpedia": (
        [("<a>", "Oceanic", "an airline\u2028of fiction"), ("<b>", "", "b")],
        {"q": "airlines"},
        {"q": {"<a>": 2, "<b>": 0}},
    ),
    "msmarco": ([("1", "", "t")], {"q": "?"}, {"q": {"1": 3}}),
}
for same in ("cisi", "cacm"):
    EXPECTED[same] = (
        EXPECTED["cranfield"][0],
        {"1": "how do wings behave", "4": "what of heat"},
        {"1": {"1": 1}, "4": {"2": 1}},
    )


@pytest.fixture(scope="module")
def datasets(benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark("datasets")


def written(data: Path, name: str) -> Path:
    """The files of one set, as `git clone` would leave them."""
    repository, files = LAYOUTS[name]
    for path, content in files.items():
        file = data / repository / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return data / repository


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_format(datasets: ModuleType, tmp_path: Path, name: str) -> None:
    written(tmp_path, name)
    found = datasets.load(name, tmp_path)
    documents, queries, grades = EXPECTED[name]
    assert [(each.id, each.title, each.text) for each in found.documents] == documents
    assert (found.name, found.queries, found.grades) == (name, queries, grades)


def test_every_set_is_tested(datasets: ModuleType) -> None:
    assert set(datasets.SETS) == set(LAYOUTS) == set(EXPECTED)


@pytest.mark.parametrize("bare", [False, True])
def test_a_git_directory_is_read_at_head(datasets: ModuleType, tmp_path: Path, bare: bool) -> None:
    work = written(tmp_path / "work", "msmarco")
    who = {"NAME": "t", "EMAIL": "t@example.org"}
    people = {
        f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()
    }
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "data"]):
        subprocess.run(["git", *command], cwd=work, check=True, env={**os.environ, **people})
    place = tmp_path / "data" / LAYOUTS["msmarco"][0]
    place.parent.mkdir(parents=True)
    subprocess.run(["git", "clone", "-q", *(["--bare"] * bare), work, place], check=True)
    assert datasets.load("msmarco", tmp_path / "data").queries == {"q": "?"}


def test_a_missing_file_says_which_repository_holds_it(
    datasets: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(datasets.MissingData) as caught:
        datasets.load("cisi", tmp_path)
    said = str(caught.value)
    assert "'cisi/CISI.ALL'" in said
    assert f"git clone https://github.com/B-F0X/Information-Retrieval {tmp_path}/B-F0X" in said


def test_a_pointer_to_large_storage_is_not_data(datasets: ModuleType, tmp_path: Path) -> None:
    place = written(tmp_path, "xquad") / "xquad.en.json"
    place.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(datasets.MissingData, match="git lfs pull"):
        datasets.load("xquad", tmp_path)

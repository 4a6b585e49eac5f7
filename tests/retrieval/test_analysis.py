from fairlead.retrieval.analysis import (
    STEMMER,
    content_words,
    query_terms,
    split_identifiers,
)


def test_stop_words_go_unless_nothing_is_left() -> None:
    assert content_words("How do I return the parcel?") == ["return", "parcel"]
    assert content_words("What is it?") == ["what", "is", "it"]


def test_repetitions_count() -> None:
    assert query_terms("parcel, a parcel") == ["parcel", "parcel"]


def test_identifiers_are_searched_whole_and_in_parts() -> None:
    terms = query_terms("What is raised: FileNotFoundError or no_such_option?")
    assert {"filenotfounderror", "file", "found", "no_such_option", "option"} <= set(terms)
    assert split_identifiers("a FileError in parseHTTPHeader") == "file error parse http header"


def test_stems_are_those_of_the_index() -> None:
    found = STEMMER.stems(["warranties", "token_func", "Größe", "…"])
    assert found["warranties"] == ("warranti",)
    assert found["token_func"] == ("token", "func")
    assert found["…"] == ()

import pytest

from fairlead.retrieval.gates.language import READ, SHORTEST, language_of

TEXTS = {
    "en": "The return label costs nothing, and goods may be sent back within thirty days.",
    "de": "Das Rücksendeetikett kostet nichts, und die Ware kann zurückgeschickt werden.",
    "fr": "L'étiquette de retour est gratuite et les articles peuvent être renvoyés.",
    "es": "La etiqueta de devolución es gratuita y los artículos pueden ser devueltos.",
    "ru": "Этикетка для возврата бесплатна, и товар можно вернуть в течение месяца.",
    "ja": "返品ラベルは無料で、商品は三十日以内に返品することができます。ご確認ください。",
}


@pytest.mark.parametrize("language", TEXTS)
def test_the_language_of_a_sentence(language: str) -> None:
    assert language_of(TEXTS[language]) == language


@pytest.mark.parametrize("text", ["", "12.50 | 13.90 | 14.20\n" * 50, "a" * (SHORTEST - 1)])
def test_hardly_a_letter_is_no_language(text: str) -> None:
    assert language_of(text) == ""


def test_only_the_beginning_is_read() -> None:
    begin = (TEXTS["en"] + " ") * (READ // len(TEXTS["en"]) + 1)
    assert language_of(begin + TEXTS["de"] * 500) == "en"

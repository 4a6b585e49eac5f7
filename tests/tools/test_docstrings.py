"""What a docstring says of a function and its parameters."""

import pytest

from fairlead.tools.docstrings import read

GOOGLE = """Send an e-mail.

    It goes out at once,
    from the desk's own address.

    Args:
        to (str): Who gets it.
        body: What it says,
            in plain text.
        **rest: Anything else.

    Returns:
        The id.
    """
NUMPY = """Send an e-mail.

    It goes out at once,
    from the desk's own address.

    Parameters
    ----------
    to : str
        Who gets it.
    body
        What it says,
        in plain text.
    **rest
        Anything else.

    Returns
    -------
    str
        The id.
    """
SPHINX = """Send an e-mail.

    It goes out at once,
    from the desk's own address.

    :param str to: Who gets it.
    :param body: What it says,
        in plain text.
    :param rest: Anything else.
    :returns: The id.
    """


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_reads_the_three_forms(text: str) -> None:
    doc = read(text)
    assert doc.description == ("Send an e-mail.\nIt goes out at once, from the desk's own address.")
    assert doc.parameters == {
        "to": "Who gets it.",
        "body": "What it says, in plain text.",
        "rest": "Anything else.",
    }


def test_nothing_and_sections_alone_describe_nothing() -> None:
    assert read(None).description == ""
    assert read("Args:\n    x: A number.").description == ""
    assert read("One line: with a colon.").description == "One line: with a colon."
    odd = read("Do it.\n\nArgs:\n\n      (none)\n    x: A number.")
    assert odd.parameters == {"x": "A number."}
    assert read("Do it.\n\nRaises:\n    ValueError: never.").parameters == {}

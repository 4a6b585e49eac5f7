"""What became of answers: recorded in passing, summed up per version, with feedback later."""

import logging
import threading
import time

import pytest

from fairlead.errors import Unavailable
from fairlead.serving.adapters.outcomes import Outcome, Outcomes, quantile
from fairlead.serving.adapters.registry import Registry
from tests.serving.adapters.conftest import OpenRegistry


def test_a_version_is_summed_up(registry: Registry) -> None:
    outcomes = Outcomes(registry.database)
    for number in range(100):
        outcomes.record(
            Outcome(
                name="support",
                version=3,
                tenant="acme",
                answer=f"a{number}",
                error=number < 5,
                ms=float(number),
                ttft_ms=float(number) / 2 if number % 2 else None,
                input_tokens=10,
                output_tokens=3,
                bad_format=number < 8 if number < 50 else None,
                unverified=False,
            )
        )
    outcomes.record(Outcome(name="support", version=2, tenant="acme", ms=1e6))
    for number in (1, 2, 3):
        outcomes.feedback(f"a{number}", tenant="acme", down=number == 1)
    outcomes.close()
    found = outcomes.summary("support", 3)
    assert (found.requests, found.errors) == (100, 5)
    assert (found.input_tokens, found.output_tokens) == (1000, 300)
    assert (found.format_failures, found.format_checked) == (8, 50)
    assert (found.verifier_failures, found.verifier_checked) == (0, 100)
    assert (found.thumbs_up, found.thumbs_down) == (2, 1)
    assert (found.latency_ms.p50, found.latency_ms.p95, found.latency_ms.p99) == (52, 95, 99)
    assert found.ttft_ms.p50 == 25.5
    nothing = outcomes.summary("support", 9)
    assert nothing.requests == nothing.errors == 0 and nothing.latency_ms.p95 is None


def test_feedback_belongs_to_the_answer_and_its_tenant(registry: Registry) -> None:
    outcomes = Outcomes(registry.database)
    outcomes.record(Outcome(name="support", version=1, tenant="acme", answer="a"))
    outcomes.record(Outcome(name="support", version=1, tenant="acme"))
    for answer, tenant in (("a", "other"), ("b", "acme"), ("", "acme")):
        outcomes.feedback(answer, tenant=tenant, down=True)
    outcomes.flush()
    assert outcomes.summary("support", 1).thumbs_down == 0
    for down in (True, False, True):
        outcomes.feedback("a", tenant="acme", down=down)
    outcomes.close()
    found = outcomes.summary("support", 1)
    assert (found.thumbs_up, found.thumbs_down, found.requests) == (0, 1, 2)


def test_it_is_written_without_being_asked(registry: Registry) -> None:
    outcomes = Outcomes(registry.database)
    outcomes.record(Outcome(name="support", version=1, tenant="t"))
    until = time.monotonic() + 20
    while not outcomes.summary("support", 1).requests:
        assert time.monotonic() < until
        time.sleep(0.01)
    outcomes.close()
    outcomes.record(Outcome(name="support", version=1, tenant="t"))  # a closed one starts again
    outcomes.close()
    assert outcomes.summary("support", 1).requests == 2


def test_recording_does_not_wait_for_the_database(
    registry: Registry, open_again: OpenRegistry
) -> None:
    """While another process writes, records queue up."""
    outcomes, other = Outcomes(registry.database), open_again()
    outcomes.record(Outcome(name="support", version=1, tenant="t"))
    outcomes.flush()
    with other.changing():
        flushing = threading.Thread(target=outcomes.flush)
        outcomes.record(Outcome(name="support", version=1, tenant="t"))
        flushing.start()
        began = time.monotonic()
        for _ in range(1000):
            outcomes.record(Outcome(name="support", version=1, tenant="t"))
        assert time.monotonic() - began < 5
    flushing.join()
    outcomes.close()
    assert outcomes.summary("support", 1).requests == 1002


def test_a_database_that_is_away_costs_no_answer(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = Outcomes(registry.database)

    def away(*given: object) -> None:
        raise Unavailable("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(type(registry.database), "change_many", away)
        patched.setattr("fairlead.serving.adapters.outcomes.KEPT", 10)
        for _ in range(15):
            outcomes.record(Outcome(name="support", version=1, tenant="t"))
        with pytest.raises(Unavailable):
            outcomes.flush()
        with caplog.at_level(logging.WARNING):
            outcomes.close()
    assert outcomes.dropped == 5 and caplog.text.count("wait to be written") == 1
    outcomes.flush()
    assert outcomes.summary("support", 1).requests == 10


def test_old_outcomes_are_deleted(registry: Registry) -> None:
    now = [1e9]
    outcomes = Outcomes(registry.database, clock=lambda: now[0])
    outcomes.record(Outcome(name="support", version=1, tenant="t"))
    outcomes.flush()
    now[0] += 20 * 86_400
    outcomes.record(Outcome(name="support", version=1, tenant="t"))
    outcomes.close()
    now[0] += 11 * 86_400
    assert outcomes.prune() == 1
    assert outcomes.summary("support", 1).requests == 1


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [([1], 0.95, 1), ([1, 2], 0.5, 1), ([1, 2, 3], 0.5, 2), (list(range(1, 101)), 0.95, 95)],
)
def test_quantiles(values: list[float], share: float, found: float) -> None:
    assert quantile(values, share) == found

from fairlead.breaker import Breaker


def test_a_breaker_opens_and_lets_one_try() -> None:
    now = [0.0]
    breaker = Breaker(limit=2, seconds=5, clock=lambda: now[0])
    breaker.failed()
    assert breaker.admits()
    breaker.failed()
    assert not breaker.admits()
    now[0] = 6.0
    assert breaker.admits() and not breaker.admits()  # one tries, the others wait for it
    breaker.worked()
    assert breaker.admits() and breaker.admits()

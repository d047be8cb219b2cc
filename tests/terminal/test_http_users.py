# SPDX-License-Identifier: Apache-2.0
"""Local users: who enters by a password, and attacks on that which are refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from heptad.security.users import FREE, KEPT, LONGEST, Users
from heptad.standards.errors import Busy, Conflict, ContractError, Unauthorised, UnknownName
from heptad.standards.model import Payment
from heptad.terminal.commands import run
from heptad.terminal.http.access import COOKIE
from heptad.terminal.http.api import public
from heptad.testing.scratch import project
from tests.terminal.calling import Client
from tests.terminal.rows import payment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from heptad.runtime import Platform

PASSWORD, OTHER = "four words nobody puts together", "another four words as good"


class Browser:
    """Keeps cookies."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.client = platform, Client(public(platform))
        self.cookies: dict[str, str] = {}

    def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request with the cookies, and keep those that are set."""
        headers = dict(more.pop("headers", {}))
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{n}={v}" for n, v in self.cookies.items())
        answer = self.client(method, path, headers=headers, **more)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return answer

    def enter(self, name: str = "ann", password: str = PASSWORD, **more: Any) -> httpx.Response:
        """Sign in."""
        return self("POST", "/v1/signin", json={"name": name, "password": password}, **more)

    def verify(self, **headers: str) -> httpx.Response:
        """Do something that only a session with its second token may."""
        return self("POST", "/v1/log/verify", headers=headers)

    def csrf(self) -> dict[str, str]:
        """Return the second token as a header."""
        return {"Heptad-CSRF": self("GET", "/v1/session").json()["csrf"]}


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A browser before a project with two users."""
    with project({Payment: [payment(1)]}) as opened:
        for name, role in (("ann", "risk"), ("bob", "admin")):
            run(opened, "users.add", {"name": name, "role": role, "password": PASSWORD})
        yield Browser(opened)


def test_a_user_enters_by_a_password_and_acts_in_their_role(browser: Browser) -> None:
    assert browser("GET", "/v1/session").status_code == 401, "this machine alone is not enough"
    assert browser("GET", "/v1/signin").json() == {"provider": None, "local": True}
    answer = browser.enter()
    cookie = answer.headers.get_list("set-cookie")[0].lower()
    assert (answer.status_code, answer.json()) == (200, {"role": "risk"})
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    found = browser("GET", "/v1/session").json()
    assert (found["id"], found["role"]) == ("ann", "risk")
    assert browser.verify().status_code == 403
    assert browser.verify(**browser.csrf()).status_code == 200
    listed = run(browser.platform, "users.list", {})["users"]
    assert [(u["user"], u["role"]) for u in listed] == [("ann", "risk"), ("bob", "admin")]
    assert PASSWORD not in str(browser.platform.catalog.settings.get(KEPT))


def changed(browser: Browser) -> httpx.Response:
    """A session that was begun with the password of before."""
    browser.enter()
    token = browser.csrf()
    run(browser.platform, "users.password", {"name": "ann", "password": OTHER})
    return browser.verify(**token)


def removed(browser: Browser) -> httpx.Response:
    browser.enter()
    token = browser.csrf()
    run(browser.platform, "users.remove", {"name": "ann"})
    return browser.verify(**token)


def returned(browser: Browser) -> httpx.Response:
    """Somebody else of the name of who was removed."""
    browser.enter()
    token = browser.csrf()
    run(browser.platform, "users.remove", {"name": "ann"})
    run(browser.platform, "users.add", {"name": "ann", "role": "admin", "password": OTHER})
    return browser.verify(**token)


def signed_out(browser: Browser) -> httpx.Response:
    browser.enter()
    kept, token = dict(browser.cookies), browser.csrf()
    browser("POST", "/v1/signout", headers=token)
    browser.cookies = kept
    return browser.verify(**token)


def fixed(browser: Browser) -> httpx.Response:
    """A session whose name somebody else chose."""
    browser.cookies[COOKIE] = "chosen"
    browser.enter()
    token = browser.csrf()
    browser.cookies[COOKIE] = "chosen"
    return browser.verify(**token)


def anothers(browser: Browser) -> httpx.Response:
    """The second token of somebody else who is signed in."""
    browser.enter("bob")
    token = browser.csrf()
    browser.cookies.clear()
    browser.enter("ann")
    return browser.verify(**token)


def as_form(browser: Browser) -> httpx.Response:
    """A form of a page elsewhere, which a browser sends along unasked."""
    told = {"Content-Type": "text/plain"}
    body = f'{{"name": "ann", "password": "{PASSWORD}"}}'
    return browser("POST", "/v1/signin", content=body.encode(), headers=told)


ATTACKS: dict[str, Callable[[Browser], httpx.Response]] = {
    "a wrong password": lambda b: b.enter("ann", OTHER),
    "nobody's name": lambda b: b.enter("eve"),
    "a name in other letters": lambda b: b.enter("ANN"),
    "another's password": lambda b: b.enter("bob", OTHER),
    "a hash as the password": lambda b: b.enter(
        password=b.platform.catalog.settings.get(KEPT)["ann"]["hash"]
    ),
    "a longer password that begins right": lambda b: b.enter(password=PASSWORD + "x"),
    "no password": lambda b: b.enter(password=""),
    "a password longer than any": lambda b: b.enter(password="x" * (LONGEST + 1)),
    "a name that is a list": lambda b: b(
        "POST", "/v1/signin", json={"name": ["ann"], "password": PASSWORD}
    ),
    "a role along with the password": lambda b: b(
        "POST", "/v1/signin", json={"name": "ann", "password": PASSWORD, "role": "admin"}
    ),
    "a form of a page elsewhere": as_form,
    "a sign-in from a page elsewhere": lambda b: b.enter(
        headers={"Origin": "https://evil.example"}
    ),
    "a session of the old password": changed,
    "a session of who was removed": removed,
    "a session of who had the name before": returned,
    "a session that was ended": signed_out,
    "a session whose name was chosen": fixed,
    "the token of another's session": anothers,
    "a change without a session": lambda b: b.verify(**{"Heptad-CSRF": "x"}),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_on_passwords_is_refused(browser: Browser, attack: str) -> None:
    answer = ATTACKS[attack](browser)
    assert answer.status_code in {401, 403, 415, 422}, answer.text
    assert "set-cookie" not in answer.headers
    assert PASSWORD not in answer.text


def test_refusals_are_recorded_without_what_may_be_a_password(browser: Browser) -> None:
    for name in ("ann", "my secret typed as a name"):
        browser.enter(name, OTHER)
    told = [e.record for e in browser.platform.access.entries(limit=2)]
    assert [(r.action, r.who, r.result) for r in told] == [
        ("signin", "unknown", "refused"),
        ("signin", "ann", "refused"),
    ]


def test_removing_the_last_user_does_not_open_the_project_to_this_machine(
    browser: Browser,
) -> None:
    for name in ("ann", "bob"):
        run(browser.platform, "users.remove", {"name": name})
    for path in ("/v1/session", "/v1/decisions"):
        assert browser("GET", path).status_code == 401
    assert browser.verify().status_code == 401
    assert browser("GET", "/v1/signin").json()["local"] is False
    run(browser.platform, "users.add", {"name": "eve", "role": "risk", "password": PASSWORD})
    assert browser.enter("eve").status_code == 200


def test_another_password_lifts_the_wait(browser: Browser) -> None:
    told = [browser.enter("ann", OTHER).status_code for _ in range(FREE + 1)]
    assert told == [401] * FREE + [503]
    run(browser.platform, "users.password", {"name": "ann", "password": OTHER})
    assert browser.enter("ann", OTHER).status_code == 200


def test_guesses_at_the_same_time_are_slowed_down_too() -> None:
    with project({}) as platform, ThreadPoolExecutor(3 * FREE) as pool:
        users = Users(platform.catalog.settings, lambda: 0.0)
        users.add("ann", "risk", PASSWORD, 0)

        def guess(_: int) -> type[Exception]:
            with pytest.raises((Unauthorised, Busy)) as told:
                users.enter("ann", OTHER)
            return told.type

        found = list(pool.map(guess, range(3 * FREE)))
    assert (found.count(Unauthorised), found.count(Busy)) == (FREE, 2 * FREE)


def test_a_password_that_nobody_had_time_to_look_at_was_no_guess(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with project({}) as platform:
        users = Users(platform.catalog.settings, lambda: 0.0)
        users.add("ann", "risk", PASSWORD, 0)
        with monkeypatch.context() as crowded:
            crowded.setattr(users._hashing, "acquire", lambda **_: False)
            for _ in range(2 * FREE):
                with pytest.raises(Busy, match="Too many people"):
                    users.enter("ann", OTHER)
        assert users.enter("ann", PASSWORD).name == "ann"


def test_users_added_at_the_same_time_are_all_kept() -> None:
    with project({}) as platform, ThreadPoolExecutor(4) as pool:
        names = [f"user{n}" for n in range(12)]
        add = [pool.submit(platform.users.add, n, "risk", PASSWORD, 0) for n in names]
        for one in add:
            one.result()
        assert [u.name for u in platform.users.all()] == sorted(names)
        assert platform.users.changes == len(names)


def test_guesses_are_slowed_down_for_a_name_and_forgiven_with_time() -> None:
    now = [0.0]
    with project({}) as platform:
        users = Users(platform.catalog.settings, lambda: now[0])
        users.add("ann", "risk", PASSWORD, 0)
        for _ in range(FREE):
            with pytest.raises(Unauthorised):
                users.enter("ann", OTHER)
        with pytest.raises(Busy, match="Too many wrong"):
            users.enter("ann", PASSWORD)
        now[0] += 1.0
        with pytest.raises(Unauthorised):
            users.enter("ann", OTHER)
        now[0] += 1.5
        with pytest.raises(Busy):
            users.enter("ann", PASSWORD)
        now[0] += 1.0
        assert users.enter("ann", PASSWORD).role == "risk"
        with pytest.raises(Unauthorised):
            users.enter("ann", OTHER)


@pytest.mark.parametrize(
    ("name", "role", "password", "error"),
    [
        ("", "risk", PASSWORD, ContractError),
        ("a\nb", "risk", PASSWORD, ContractError),
        ("eve", "king", PASSWORD, UnknownName),
        ("eve", "app", PASSWORD, UnknownName),
        ("eve", "risk", "short", ContractError),
        ("eve", "risk", "aaaaaaaaaaaaaaaa", ContractError),
        ("evelyn", "risk", "evelyn and some words", ContractError),
        ("ANN", "risk", PASSWORD, Conflict),
    ],
)
def test_what_makes_no_user_is_refused(
    browser: Browser, name: str, role: str, password: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        run(browser.platform, "users.add", {"name": name, "role": role, "password": password})
    with pytest.raises(UnknownName):
        run(browser.platform, "users.remove", {"name": "nobody"})

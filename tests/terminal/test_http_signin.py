# SPDX-License-Identifier: Apache-2.0
"""Signing in: who is let in by whom, and attacks on sessions, tokens and forms that are refused."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from heptad.security.oidc import KNOWN_S, PENDING_S, TIRED_S, Provider, challenge
from heptad.security.sessions import IDLE_S, WHOLE_S, Sessions
from heptad.sources.signin import Signin
from heptad.standards.errors import Busy, InputError, Unauthorised
from heptad.standards.model import Payment
from heptad.terminal.http.access import COOKIE, SECURED
from heptad.terminal.http.api import public
from heptad.terminal.http.signin import PENDING
from heptad.testing.scratch import project
from tests.terminal.calling import Client
from tests.terminal.rows import payment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import httpx

ISSUER, CLIENT = "https://id.example.org", "heptad"
KEY, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))


def packed(value: Any) -> str:
    """Return JSON or a number as JOSE writes it."""
    if isinstance(value, int):
        data = value.to_bytes((value.bit_length() + 7) // 8)
    else:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims: dict[str, Any], *, key: Any = KEY, **header: Any) -> str:
    """Return a token with a signature of a key."""
    head = packed({"alg": "RS256", "kid": "k1"} | header)
    body = packed(claims)
    signature = key.sign(f"{head}.{body}".encode(), padding.PKCS1v15(), SHA256())
    return f"{head}.{body}.{packed(signature)}"


class Identities:
    """A provider that answers as its standards say, and lies where it is told to."""

    def __init__(self) -> None:
        self.lies: dict[str, Any] = {}
        self.token: Callable[[dict[str, Any]], str] = signed
        self.asked: dict[str, str] = {}

    def __call__(self, url: str, form: Mapping[str, str] | None) -> dict[str, Any]:
        """Answer a request of ours."""
        if url.endswith("openid-configuration"):
            parts = {"authorization": "auth", "token": "token"}
            found: dict[str, Any] = {f"{n}_endpoint": f"{ISSUER}/{p}" for n, p in parts.items()}
            return found | {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        if form is None:
            numbers = KEY.public_key().public_numbers()
            key = {"kty": "RSA", "kid": "k1", "n": packed(numbers.n), "e": packed(numbers.e)}
            return {"keys": [key]}
        assert challenge(form["code_verifier"]) == self.asked["code_challenge"]
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": CLIENT, "sub": "ann", "exp": now + 60, "iat": now,
                  "nonce": self.asked["nonce"], "groups": ["staff", "bank-risk"]}  # fmt: skip
        return {"id_token": self.token(claims | self.lies)}


class Browser:
    """Keeps cookies and follows nothing by itself."""

    def __init__(self, client: Client, identities: Identities) -> None:
        self.client, self.identities = client, identities
        self.cookies: dict[str, str] = {}

    def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request with the cookies, and keep those that are set."""
        headers = dict(more.pop("headers", {}))
        if self.cookies:
            told = "; ".join(f"{n}={v}" for n, v in self.cookies.items())
            headers["Cookie"] = told.encode("latin-1")
        answer = self.client(method, path, headers=headers, **more)
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return answer

    def begin(self, to: str = "/inbox") -> str:
        """Begin a sign-in; return the state."""
        where = self("GET", "/v1/signin/go", params={"to": to}).headers["location"]
        asked = {n: v[0] for n, v in parse_qs(urlsplit(where).query).items()}
        self.identities.asked = asked
        assert asked["code_challenge_method"] == "S256"
        return asked["state"]

    def sign_in(self) -> httpx.Response:
        """Sign in wholly."""
        state = self.begin()
        return self("GET", "/v1/signin/back", params={"state": state, "code": "c"})

    def csrf(self) -> str:
        """Return the second token."""
        return str(self("GET", "/v1/session").json()["csrf"])


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A browser before a project whose people sign in."""
    with project({Payment: [payment(1)]}) as opened:
        signin = Signin(ISSUER, CLIENT, roles={"bank-admins": "admin", "bank-risk": "risk"})
        object.__setattr__(opened.project, "signin", signin)
        identities = Identities()
        app = public(opened)
        app.state.provider = Provider(ISSUER, CLIENT, "", identities)
        yield Browser(Client(app), identities)


def test_who_signs_in_acts_in_the_role_of_their_group(browser: Browser) -> None:
    assert browser("GET", "/v1/session").status_code == 401
    assert browser("GET", "/v1/signin").json() == {
        "provider": "id.example.org",
        "local": False,
    }
    answer = browser.sign_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(COOKIE))
    assert {"httponly", "samesite=lax"} <= {p.strip().lower() for p in cookie.split(";")}
    found = browser("GET", "/v1/session").json()
    assert (found["id"], found["role"]) == ("ann", "risk")
    assert browser("POST", "/v1/log/verify").status_code == 403
    told = {"Heptad-CSRF": found["csrf"]}
    assert browser("POST", "/v1/log/verify", headers=told).status_code == 200
    assert browser("POST", "/v1/signout", headers=told).status_code == 200
    browser.cookies[COOKIE] = cookie.partition("=")[2].partition(";")[0]
    assert browser("GET", "/v1/session").status_code == 401, "the old cookie is worth nothing"


def lie(**claims: Any) -> Callable[[Browser], httpx.Response]:
    def attack(browser: Browser) -> httpx.Response:
        browser.identities.lies = claims
        return browser.sign_in()

    return attack


def forge(make: Callable[[dict[str, Any]], str]) -> Callable[[Browser], httpx.Response]:
    def attack(browser: Browser) -> httpx.Response:
        browser.identities.token = make
        return browser.sign_in()

    return attack


def unsigned(claims: dict[str, Any]) -> str:
    return f"{packed({'alg': 'none'})}.{packed(claims)}."


def by_public_key(claims: dict[str, Any]) -> str:
    return signed(claims, alg="HS256")


def changed(claims: dict[str, Any]) -> str:
    head, _, signature = signed(claims).split(".")
    return f"{head}.{packed(claims | {'sub': 'eve'})}.{signature}"


def back(**params: str) -> Callable[[Browser], httpx.Response]:
    def attack(browser: Browser) -> httpx.Response:
        state = browser.begin()
        return browser("GET", "/v1/signin/back", params={"state": state, "code": "c"} | params)

    return attack


def another_browser(browser: Browser) -> httpx.Response:
    """A link with the attacker's code, opened by somebody else."""
    state = browser.begin()
    browser.cookies.clear()
    return browser("GET", "/v1/signin/back", params={"state": state, "code": "c"})


def twice(browser: Browser) -> httpx.Response:
    state = browser.begin()
    pending = browser.cookies[PENDING]
    assert browser("GET", "/v1/signin/back", params={"state": state, "code": "c"}).is_redirect
    browser.cookies[PENDING] = pending
    return browser("GET", "/v1/signin/back", params={"state": state, "code": "c"})


def change(cookie: str | None = None, **headers: str) -> Callable[[Browser], httpx.Response]:
    def attack(browser: Browser) -> httpx.Response:
        browser.sign_in()
        token = browser.csrf()
        if cookie is not None:
            browser.cookies[COOKIE] = cookie
        told = {n.replace("_", "-"): v.format(token=token) for n, v in headers.items()}
        return browser("POST", "/v1/log/verify", headers=told)

    return attack


def elsewhere_s_token(browser: Browser) -> httpx.Response:
    """The second token of another session of the same person."""
    browser.sign_in()
    token = browser.csrf()
    browser.cookies.clear()
    browser.sign_in()
    return browser("POST", "/v1/log/verify", headers={"Heptad-CSRF": token})


ATTACKS: dict[str, Callable[[Browser], httpx.Response]] = {
    "a token of another provider": lie(iss="https://evil.example"),
    "a token for another client": lie(aud="other"),
    "a token for several clients, not given to us": lie(aud=[CLIENT, "other"], azp="other"),
    "a token that has expired": lie(exp=int(time.time()) - 3600),
    "a token from the future": lie(iat=int(time.time()) + 3600),
    "a token of another sign-in": lie(nonce="another"),
    "a token about nobody": lie(sub=""),
    "a token without a signature": forge(unsigned),
    "a token signed by the wrong key": forge(lambda c: signed(c, key=OTHER)),
    "a token of an unknown key": forge(lambda c: signed(c, kid="k2")),
    "a token signed as if the public key were a secret": forge(by_public_key),
    "a token that was changed": forge(changed),
    "no token": forge(lambda _: ""),
    "a state that was never given": back(state="guessed"),
    "no state": back(state=""),
    "no code": back(code=""),
    "a sign-in begun by another browser": another_browser,
    "a code used twice": twice,
    "nobody's group": lie(groups=["staff"]),
    "a group that only looks like one": lie(groups="bank-risk,bank-admins"),
    "a change without the second token": change(),
    "a change with a guessed token": change(Heptad_CSRF="guess"),
    "a change with the token of another session": elsewhere_s_token,
    "a change from a page elsewhere": change(Heptad_CSRF="{token}", Origin="https://evil.example"),
    "a change from no page at all": change(Heptad_CSRF="{token}", Origin="null"),
    "a session that no text can be": change(cookie="\xe9\xff", Heptad_CSRF="{token}"),
    "a state that no key can be": back(state="é"),
    "a group that is no name": lie(groups=[{"name": "bank-risk"}, 7, None, ["bank-risk"]]),
    "groups that are no list": lie(groups={"bank-risk": True}),
    "a session that was guessed": change(cookie="guess", Heptad_CSRF="{token}"),
    "a key that is none": change(Authorization="Bearer hep_nothing"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused(browser: Browser, attack: str) -> None:
    answer = ATTACKS[attack](browser)
    assert answer.status_code in (401, 403), answer.text
    assert "set-cookie" not in answer.headers


def a_strange_cookie(browser: Browser, value: str) -> httpx.Response:
    state = browser.begin()
    browser.cookies[PENDING] = value
    return browser("GET", "/v1/signin/back", params={"state": state, "code": "c"})


def test_a_cookie_that_was_not_sealed_here_is_refused(browser: Browser) -> None:
    for value in ("é", "\xff\xfe", "", "AAAA", "A" * 3_000, "%%%", "a.b.c"):
        assert a_strange_cookie(browser, value).status_code == 401, value


def test_a_flood_of_sign_ins_takes_nothing_from_others(browser: Browser) -> None:
    first = Browser(browser.client, browser.identities)
    state = first.begin()
    held, asked = browser.client.app.state.provider, browser.identities.asked
    for _ in range(5_000):
        held.begin("/", "https://here/back")
    for n in range(50):
        with pytest.raises(Unauthorised):
            held.end("wrong", f"wrong {n}", "code")
    browser.identities.asked = asked
    assert first("GET", "/v1/signin/back", params={"state": state, "code": "c"}).is_redirect
    assert len(held._ended) == 1


def test_a_sign_in_that_takes_too_long_is_over() -> None:
    now, identities = [0.0], Identities()
    provider = Provider(ISSUER, CLIENT, "", identities, lambda: now[0])
    where, bound = provider.begin("/", "https://here/back")
    identities.asked = {n: v[0] for n, v in parse_qs(urlsplit(where).query).items()}
    now[0] = PENDING_S + 1
    with pytest.raises(Unauthorised, match="too long ago"):
        provider.end(identities.asked["state"], bound, "c")


def test_a_provider_that_is_away_is_asked_now_and_then_and_one_that_changed_again() -> None:
    now, asked, away = [0.0], [0], [True]

    def fetch(url: str, form: Mapping[str, str] | None) -> dict[str, Any]:
        asked[0] += 1
        if away[0]:
            raise Busy("nobody answers")
        return Identities()(url, form)

    provider = Provider(ISSUER, CLIENT, "", fetch, lambda: now[0])
    for _ in range(20):
        with pytest.raises(Busy):
            provider.begin("/", "https://here/back")
    assert asked[0] == 1
    now[0], away[0] = TIRED_S + 1, False
    for _ in range(20):
        provider.begin("/", "https://here/back")
    assert asked[0] == 2
    now[0] += KNOWN_S
    provider.begin("/", "https://here/back")
    assert asked[0] == 3


def test_behind_a_proxy_cookies_and_origins_are_those_of_the_address_that_browsers_use(
    browser: Browser,
) -> None:
    platform = browser.client.app.state.platform
    signin = replace(platform.project.signin, url="https://heptad.example.org")
    object.__setattr__(platform.project, "signin", signin)
    answer = browser.sign_in()
    own = [c for c in answer.headers.get_list("set-cookie") if c.startswith(SECURED)]
    assert len(own) == 1
    assert "secure" in own[0].lower()
    assert browser.identities.asked["redirect_uri"] == "https://heptad.example.org/v1/signin/back"
    token = {"Heptad-CSRF": browser.csrf()}
    ours = token | {"Origin": "https://heptad.example.org"}
    assert browser("POST", "/v1/log/verify", headers=ours).status_code == 200
    other = token | {"Origin": "http://127.0.0.1"}
    assert browser("POST", "/v1/log/verify", headers=other).status_code == 403
    gone = browser("POST", "/v1/signout", headers=token).headers.get_list("set-cookie")
    assert all("secure" in c.lower() and "path=/" in c.lower() for c in gone)


def test_nobody_is_sent_elsewhere_after_signing_in(browser: Browser) -> None:
    for to in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)",
               "//[", "/" + "é" * 1_500):  # fmt: skip
        state = browser.begin(to)
        answer = browser("GET", "/v1/signin/back", params={"state": state, "code": "c"})
        assert answer.headers["location"] == "/"


def test_a_session_ends_when_nobody_uses_it_and_at_the_end_of_the_day() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    name = sessions.begin("ann", "risk")
    for _ in range(int(WHOLE_S / IDLE_S)):
        now[0] += IDLE_S - 1
        assert sessions.find(name) is not None
    now[0] += IDLE_S - 1
    assert sessions.find(name) is None, "after a day's work"
    name = sessions.begin("ann", "risk")
    now[0] += IDLE_S + 1
    assert sessions.find(name) is None


def test_a_provider_by_another_name_is_not_asked() -> None:
    def fetch(url: str, form: Mapping[str, str] | None) -> dict[str, Any]:
        return {"issuer": "https://evil.example"}

    with pytest.raises(Unauthorised, match="another name"):
        Provider(ISSUER, CLIENT, "", fetch).begin("/", "https://here/back")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('issuer = "http://id.example.org"\nclient = "x"', "over https"),
        ('issuer = "https://id.example.org"', "lacks client"),
        ('issuer = "https://a.org"\nclient = "x"\nsecret = "plain"', "project file"),
        (
            'issuer = "https://a.org"\nclient = "x"\nurl = "heptad.example.org"',
            "address of a server",
        ),
        ('issuer = "https://a.org"\nclient = "x"\nroles = { staff = "king" }', "nobody can be"),
    ],
)
def test_a_wrong_section_is_refused_with_its_line(tmp_path: Path, lines: str, says: str) -> None:
    from heptad.sources.config import read_project

    (tmp_path / "heptad.toml").write_text(f'[project]\nname = "p"\n[signin]\n{lines}\n')
    with pytest.raises(InputError, match=says):
        read_project(tmp_path, {})

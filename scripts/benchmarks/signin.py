"""People sign in to an app through the edge, from its door to its first page; programs sign their requests; an app asks
what a token is worth."""

import base64
import hashlib
import json
import secrets
import subprocess
import tempfile
import threading
import time
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from sign_in import Browser

from . import rows
from .figures import Figure, percentile
from .freehold import DOMAIN, installation
from .identity import PASSWORD, SETTINGS, log_in, measure, password_file, post, sign_in

TENANT = "acme"
# People who sign in at once, and programs and apps that ask at once.
AT_ONCE, ASKING = 10, 50
ROUNDS, SECONDS = 7, 2
# Sign-ins of each in a round.
EACH = 3


def figures():
    with installation(SETTINGS) as freehold, tempfile.TemporaryDirectory() as folder:
        freehold.create(TENANT)
        freehold.first_page(TENANT)
        freehold.settled(TENANT, "running")
        members(freehold)
        socket = f"{freehold.home}/run/api/api.sock"
        yield from whole(freehold, socket)
        yield from signed(socket, folder)
        yield from introspection(freehold, socket, folder)


def members(freehold):
    """As many members of the tenant as sign in at once, all with one password."""
    email = "person-0@example.com"
    freehold.run("user", "create", email, "--name", "Person 0", "--password-file", password_file(freehold))
    rows.sql(freehold, f"""
        insert into freehold.users (id, email, name, password_hash, verified_at)
            select gen_random_uuid(), format('person-%s@example.com', n), format('Person %s', n), u.password_hash, now()
              from generate_series(1, {AT_ONCE - 1}) n, freehold.users u where u.email = '{email}';
        insert into freehold.memberships (tenant_id, user_id, role)
            select t.id, u.id, 'member' from freehold.users u, freehold.tenants t where t.slug = '{TENANT}';
    """)


def whole(freehold, socket):
    """The app's door, the sign-in page, the password, the code, the exchange and the first page: milliseconds of all
    together, by ten at once and by one."""
    address = f"http://{TENANT}.{DOMAIN}:{freehold.port}"
    load = ["--connections", AT_ONCE, "--seconds", SECONDS, "--body", log_in(1)]
    many, alone, direct = [], [], []
    for turn in range(ROUNDS + 1):
        by_many, by_one = at_once(address, AT_ONCE), at_once(address, 1)
        by_api = measure("load", socket, "/api/v1/auth/login", *load)
        if by_api["refused"]:
            raise RuntimeError(f"refused: {by_api['refused']}")
        if turn:  # the first is to warm up
            many.append(percentile(by_many, 95))
            alone.append(percentile(by_one, 95))
            direct.append(by_api["p95"])
    name = f"sign-in at an app through the edge, p95, {AT_ONCE} at once"
    yield Figure(name, "ms", many, "login at the API's socket, as many at once", direct)
    yield Figure(name, "ms", many, "the same, one after the other", alone)
    hashes = measure("password", 7168, 5)
    yield Figure("sign-in at an app through the edge, p95, one after the other", "ms", alone, "one bare hash", hashes)


def at_once(address, people):
    """Milliseconds of each sign-in."""
    took, wrong, ready = [], [], threading.Barrier(people)

    def person(number):
        try:
            ready.wait()
            for _ in range(EACH):
                begun = time.monotonic()
                first_page(address, f"person-{number}@example.com")
                took.append((time.monotonic() - begun) * 1e3)
        except Exception as error:  # told by whoever waits
            wrong.append(error)

    threads = [threading.Thread(target=person, args=(number,)) for number in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]
    return took


def first_page(address, email):
    """As somebody's browser goes who was never there."""
    browser = Browser()
    authorize = browser.follow(f"{address}/auth/sign-in")
    page = urljoin(authorize, browser.follow(authorize))
    url = urlsplit(authorize)
    if browser.ask(page).status != 200:
        raise RuntimeError("there is no page to sign in on")
    form = {"email": email, "password": PASSWORD, "to": f"{url.path}?{url.query}"}
    browser.follow(f"{url.scheme}://{url.netloc}/sign-in", form)
    browser.follow(browser.follow(authorize))
    if browser.ask(f"{address}/").status != 200:
        raise RuntimeError("there is no first page")


def signed(socket, folder):
    """The same by keys that sign, by keys that are sent, and by tokens: per second."""
    kinds = {"tokens": [], "keys": [], "signing": []}
    for kind in kinds:
        with open(f"{folder}/{kind}", "w", encoding="utf-8") as file:
            for number in range(AT_ONCE):
                token = sign_in(socket, number)["access_token"]
                if kind != "tokens":
                    wish = f'{{"name": "bench", "scopes": ["tenant.read"], "signs": {str(kind == "signing").lower()}}}'
                    token = post(socket, "me/keys", wish, "-H", f"Authorization: Bearer {token}")["secret"]
                file.write(token + "\n")
    for turn in range(ROUNDS + 1):
        for kind, rates in kinds.items():
            load = ["--connections", ASKING, "--seconds", SECONDS, "--tokens", f"{folder}/{kind}"]
            plans = answered("/api/v1/plans", socket, *load, *(["--sign"] if kind == "signing" else []))
            if turn:  # the first is to warm up
                rates.append(plans["per_second"])
    yield Figure("signed requests", "per second", kinds["signing"], "by a key that is sent", kinds["keys"])
    yield Figure("signed requests", "per second", kinds["signing"], "by a token", kinds["tokens"])


def answered(path, socket, *load):
    seen = measure("load", socket, path, *load)
    if seen["refused"] or not seen["answered"]:
        raise RuntimeError(f"{path} refused: {seen['refused']}")
    return seen


def introspection(freehold, socket, folder):
    """What an app asks every few seconds for each person who is in it, beside what the person asks by a token. The app
    gets a secret that is known here, so this comes last."""
    secret = secrets.token_urlsafe()
    client = rows.sql(freehold, f"""
        update freehold.oauth_clients set secret_hash = sha256('{secret}')
         where tenant_id = (select id from freehold.tenants where slug = '{TENANT}') returning tenant_id;
    """).split()[0]
    shown = "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()
    token = access_token(freehold, client, shown)
    load = ["--connections", ASKING, "--seconds", SECONDS]
    ours, reference, p95 = [], [], []
    for turn in range(ROUNDS + 1):
        form = ["--form", urlencode({"token": token}), "--authorization", shown]
        told = answered("/oauth/introspect", socket, *load, *form)
        plans = answered("/api/v1/plans", socket, *load, "--tokens", f"{folder}/tokens")
        if turn:
            ours.append(told["per_second"])
            p95.append(told["p95"])
            reference.append(plans["per_second"])
    yield Figure(f"introspection, {ASKING} at once", "per second", ours, "GET /plans by a token", reference)
    yield Figure(f"introspection, p95, {ASKING} at once", "ms", p95)


def access_token(freehold, client, shown):
    """Of somebody who signs in at the app, which exchanges the code itself."""
    public, app = f"http://{DOMAIN}:{freehold.port}", f"http://{TENANT}.{DOMAIN}:{freehold.port}"
    verifier, back = secrets.token_urlsafe(32), f"{app}/auth/callback"
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {"response_type": "code", "client_id": client, "redirect_uri": back, "scope": "openid email", "state": "s"}
    query = urlencode(asked | {"code_challenge": challenge, "code_challenge_method": "S256"})
    browser = Browser()
    way = {"email": "person-0@example.com", "password": PASSWORD, "to": f"/oauth/authorize?{query}"}
    browser.follow(f"{public}/sign-in", way)
    code = parse_qs(urlsplit(browser.follow(f"{public}/oauth/authorize?{query}")).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
    return exchange(f"{freehold.home}/run/api/api.sock", shown, form)


def exchange(socket, shown, form):
    done = subprocess.run(
        ["curl", "-fsS", "--unix-socket", socket, "-H", f"Authorization: {shown}", "-d", urlencode(form)]
        + [f"http://{DOMAIN}/oauth/token"],
        check=True, capture_output=True, text=True,
    )
    return json.loads(done.stdout)["access_token"]

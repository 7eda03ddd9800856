"""An app's side of a sign-in, by somebody else's library: Authlib does all that a client has to, and checks what it gets.

Reads what it is to do as JSON from standard input, and prints what it saw as JSON. Whatever Authlib does not accept ends
it with an exception.
"""

import json
import socket
import sys
import time
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oidc.core import CodeIDToken, UserInfo

asked = json.load(sys.stdin)

# Names under localhost lead to this machine, which not every resolver knows.
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **named: resolve(
    "127.0.0.1" if str(host).endswith("localhost") else host, *more, **named
)

seen = {}
discovered = requests.get(asked["issuer"] + "/.well-known/openid-configuration", timeout=10).json()
assert discovered["issuer"] == asked["issuer"], discovered
keys = JsonWebKey.import_key_set(requests.get(discovered["jwks_uri"], timeout=10).json())


def id_token(text, nonce, access_token, clock=0, leeway=120):
    """As a client whose clock is this many seconds off."""
    options = {
        "iss": {"essential": True, "value": asked["issuer"]},
        "aud": {"essential": True, "value": asked["client_id"]},
        "sub": {"essential": True},
        "exp": {"essential": True},
        "iat": {"essential": True},
        "auth_time": {"essential": True},
    }
    params = {"nonce": nonce, "client_id": asked["client_id"], "access_token": access_token}
    claims = JsonWebToken(["RS256"]).decode(
        text, keys, claims_cls=CodeIDToken, claims_options=options, claims_params=params
    )
    claims.validate(now=int(time.time()) + clock, leeway=leeway)
    return claims


for method in ["client_secret_basic", "client_secret_post"]:
    client = OAuth2Session(
        asked["client_id"],
        asked["client_secret"],
        scope="openid profile email offline_access",
        redirect_uri=asked["redirect_uri"],
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        code_challenge_method="S256",
    )
    verifier, nonce = "v" * 64, "nonce of " + method
    address, state = client.create_authorization_url(
        discovered["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    browser = requests.Session()
    name, _, value = asked["cookie"].partition("=")
    browser.cookies.set(name, value)
    answer = browser.get(address, allow_redirects=False, timeout=10)
    assert answer.status_code == 303, (answer.status_code, answer.text)
    back = answer.headers["location"]
    assert back.startswith(asked["redirect_uri"] + "?"), back
    assert parse_qs(urlsplit(back).query)["iss"] == [asked["issuer"]], back

    # Authlib compares the state, proves itself and the challenge, and keeps what it gets.
    token = client.fetch_token(
        discovered["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier
    )
    claims = id_token(token["id_token"], nonce, token["access_token"])
    for clock in (-60, 60):
        id_token(token["id_token"], nonce, token["access_token"], clock)
    for wrong in (
        {"clock": -600},
        {"clock": 600},
        {"nonce": "another"},
        {"access_token": token["access_token"] + "x"},
    ):
        try:
            id_token(token["id_token"], **({"nonce": nonce, "access_token": token["access_token"]} | wrong))
        except Exception as error:
            seen.setdefault("refused", []).append(type(error).__name__)
        else:
            raise AssertionError(f"taken all the same: {wrong}")
    access = JsonWebToken(["EdDSA"]).decode(token["access_token"], keys)
    access.validate()
    assert access.header["typ"] == "at+jwt", access.header

    info = UserInfo(client.get(discovered["userinfo_endpoint"], timeout=10).json())
    assert info.sub == claims["sub"] == access["sub"], info
    assert info.email == claims["email"], info

    before = client.token["access_token"]
    refreshed = client.refresh_token(discovered["token_endpoint"])
    assert refreshed["access_token"] != before
    again = id_token(refreshed["id_token"], None, refreshed["access_token"])
    assert again["sub"] == claims["sub"] and again["auth_time"] == claims["auth_time"], again

    def introspected():
        answer = client.introspect_token(
            discovered["introspection_endpoint"], token=refreshed["access_token"], timeout=10
        )
        return answer.json()

    assert introspected()["active"] is True
    revoked = client.revoke_token(
        discovered["revocation_endpoint"], token=token["refresh_token"], token_type_hint="refresh_token"
    )
    assert revoked.status_code == 200, revoked.text
    assert introspected() == {"active": False}
    seen[method] = {"sub": claims["sub"], "role": access["role"], "amr": claims["amr"], "tenant": access["tenant"]}

print(json.dumps(seen))

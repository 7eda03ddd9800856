"""An OpenID provider in a process of its own, by Authlib: it answers authorize, token, introspect and revoke as the
standards say. What is written here is only what Authlib asks for: clients, users and where codes and tokens are kept.

Arguments: client id, its secret, the id of its tenant. Prints its port. It signs everybody in as one person, whom
`POST /stand-in` changes; `alter` there replaces claims of ID tokens, `end` ends all that it gave.
"""

import json
import sys
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9207 import IssuerParameter
from authlib.oidc.core import AuthorizationCodeMixin
from authlib.oidc.core.grants import OpenIDCode, OpenIDToken
from flask import Flask, jsonify, request
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

CLIENT_ID, SECRET, TENANT = sys.argv[1:]
KEY = RSAKey.generate_key(2048, {"kid": "stand-in", "use": "sig", "alg": "RS256"})
codes, tokens, asked = {}, [], []
person, alter = {"sub": "user-1"}, {}

app = Flask(__name__)
http = make_server("127.0.0.1", 0, app, threaded=True)
ISSUER = f"http://127.0.0.1:{http.port}"
app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"authorization_code": 900, "refresh_token": 900}


class Client(ClientMixin):
    def get_client_id(self):
        return CLIENT_ID

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri == "http://acme.example.org:8080/auth/callback"

    def check_client_secret(self, client_secret):
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type in ("authorization_code", "refresh_token")


class Code(dict, AuthorizationCodeMixin):
    __getattr__ = dict.get

    def get_redirect_uri(self):
        return self["redirect_uri"]

    def get_scope(self):
        return self["scope"]

    def get_nonce(self):
        return self["nonce"]

    def get_auth_time(self):
        return self["auth_time"]

    def get_acr(self):
        return None

    def get_amr(self):
        return ["pwd"]


class Token(dict, TokenMixin):
    def check_client(self, client):
        return True

    def get_scope(self):
        return self["scope"]

    def get_expires_in(self):
        return self["expires_in"]

    def is_expired(self):
        return self["until"] < time.time()

    def is_revoked(self):
        return self["revoked"]


def find(text, _hint=None):
    return next((t for t in tokens if text in (t["access_token"], t.get("refresh_token"))), None)


def save(token, request):
    until = time.time() + token["expires_in"]
    kept = dict(token)
    if request.refresh_token:
        kept["refresh_token"] = request.refresh_token["refresh_token"]
    tokens.append(Token(kept, until=until, revoked=False))


class CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]

    def save_authorization_code(self, code, request):
        said = request.payload.data
        names = ("redirect_uri", "scope", "nonce", "code_challenge", "code_challenge_method")
        codes[code] = Code({name: said.get(name) for name in names}, code=code, auth_time=int(time.time()))

    def query_authorization_code(self, code, client):
        return codes.get(code)

    def delete_authorization_code(self, authorization_code):
        del codes[authorization_code["code"]]

    def authenticate_user(self, authorization_code):
        return person


class RefreshGrant(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]

    def authenticate_refresh_token(self, refresh_token):
        token = find(refresh_token)
        return token if token and not token.is_revoked() else None

    def authenticate_user(self, refresh_token):
        return person

    def revoke_old_credential(self, refresh_token):
        pass


class Identity(OpenIDToken):
    def get_client_algorithm(self, client):
        return "RS256"

    def get_encode_header(self, client):
        return {"alg": "RS256", "kid": "stand-in", "typ": "JWT"}

    def get_client_claims(self, client):
        return {"iss": ISSUER}

    def resolve_client_private_key(self, client):
        return KEY

    def generate_user_info(self, user, scope):
        return {"sub": user["sub"], **alter}


class FirstIdentity(Identity, OpenIDCode):
    def exists_nonce(self, nonce, request):
        return False


class Introspection(IntrospectionEndpoint):
    query_token = staticmethod(find)

    def check_permission(self, token, client, request):
        return True

    def introspect_token(self, token):
        said = {"exp": int(token["until"]), "client_id": CLIENT_ID, "tenant_id": TENANT, "sid": "session-1"}
        return {"active": True, **said, **person}


class Revocation(RevocationEndpoint):
    query_token = staticmethod(find)

    def revoke_token(self, token, request):
        token["revoked"] = True


class Issuer(IssuerParameter):
    def get_issuer(self):
        return ISSUER


server = AuthorizationServer(app, lambda client_id: Client() if client_id == CLIENT_ID else None, save)
server.register_grant(CodeGrant, [FirstIdentity(require_nonce=True), CodeChallenge(required=True)])
server.register_grant(RefreshGrant, [Identity()])
server.register_endpoint(Introspection)
server.register_endpoint(Revocation)
server.register_extension(Issuer())


@app.before_request
def note():
    asked.append(request.path)


@app.get("/configuration")
def configuration():
    names = {"authorization": "authorize", "token": "token", "introspection": "introspect", "revocation": "revoke"}
    endpoints = {f"{name}_endpoint": f"{ISSUER}/{path}" for name, path in names.items()}
    endpoints["end_session_endpoint"] = f"{ISSUER}/end-session"
    return jsonify(issuer=ISSUER, authorization_response_iss_parameter_supported=True, **endpoints)


@app.get("/keys")
def keys():
    return jsonify(KeySet([KEY]).as_dict(private=False))


@app.get("/authorize")
def authorize():
    grant = server.get_consent_grant(end_user=person)
    refused = "refuse" in person
    return server.create_authorization_response(grant_user=None if refused else person, grant=grant)


for path, answer in {
    "token": server.create_token_response,
    "introspect": lambda: server.create_endpoint_response("introspection"),
    "revoke": lambda: server.create_endpoint_response("revocation"),
}.items():
    app.add_url_rule(f"/{path}", path, answer, methods=["POST"])


@app.post("/stand-in")
def stand_in():
    said = request.get_json()
    if "person" in said:
        person.clear()
        person.update(said["person"])
    if "alter" in said:
        alter.clear()
        alter.update(said["alter"])
    for token in tokens if said.get("end") else []:
        token["revoked"] = True
    for token in tokens if "expire" in said else []:
        token["until"] = time.time() + said["expire"]
    return jsonify(asked=asked, tokens=[json.loads(json.dumps(token)) for token in tokens])


print(http.port, flush=True)
http.serve_forever()

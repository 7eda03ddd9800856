"""A mail server for tests: says its port, then every mail that it takes, each as one line of JSON.

What it does with a mail stands in the recipient's address: `later-N` is refused for now N times, `full` always,
`gone` for good. With an account (name and password) it takes mails from nobody else; with a certificate and its key it takes them
over an encrypted way alone."""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
from collections import Counter

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

REFUSED = Counter()

arguments = argparse.ArgumentParser()
arguments.add_argument("--account", nargs=2)
arguments.add_argument("--starttls", nargs=2)
arguments.add_argument("--tls", nargs=2)
GIVEN = arguments.parse_args()


def say(what):
    print(json.dumps(what), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name.startswith("later-"):
            REFUSED[address] += 1
            if REFUSED[address] <= int(name.removeprefix("later-")):
                return "451 4.3.0 not now"
        if name == "full":
            return "452 4.2.2 no room"
        if name == "gone":
            return "550 5.1.1 nobody of this name"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": [[name, str(value)] for name, value in mail.items()],
            "parts": [[part.get_content_type(), part.get_content()] for part in mail.iter_parts()],
        })
        return "250 2.0.0 taken"


def authenticator(server, session, envelope, mechanism, given):
    right = isinstance(given, LoginPassword) and [given.login, given.password] == [a.encode() for a in GIVEN.account]
    return AuthResult(success=right, handled=right)


def encrypted(files):
    if files:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*files)
        return context


def serve():
    options = {"enable_SMTPUTF8": True}
    if GIVEN.account:
        options.update(authenticator=authenticator, auth_required=True, auth_require_tls=False)
    if GIVEN.starttls:
        options.update(tls_context=encrypted(GIVEN.starttls), require_starttls=True)
    return SMTP(Handler(), **options)


async def main():
    server = await asyncio.get_running_loop().create_server(serve, "127.0.0.1", 0, ssl=encrypted(GIVEN.tls))
    say(server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(main())

#!/usr/bin/env python3
"""Signs in to a tenant's app as a browser does, over the platform and back:
scripts/sign_in.py ADDRESS EMAIL PASSWORD_FILE prints the cookie of the app's session."""

import http.client
import sys
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit


class Browser:
    """Keeps cookies by host, and goes no further than it is told. Names under localhost are this machine's: not every
    resolver knows."""

    def __init__(self):
        self.cookies = {}

    def ask(self, address, form=None):
        """Status and headers of the answer; a form is sent as from a page of the same origin."""
        url = urlsplit(address)
        local = url.hostname == "localhost" or url.hostname.endswith(".localhost")
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind("127.0.0.1" if local else url.hostname, url.port, timeout=60)
        held = self.cookies.setdefault(url.hostname, {})
        headers = {"Host": url.netloc, "Accept": "text/html", "Cookie": cookie_of(held)}
        if form is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        path = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
        try:
            connection.request("GET" if form is None else "POST", path, form and urlencode(form), headers)
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            for name, morsel in SimpleCookie(line).items():
                held[name] = morsel.value
                if morsel["max-age"] == "0":
                    del held[name]
        return answer

    def follow(self, address, form=None):
        """Where the answer leads to."""
        answer = self.ask(address, form)
        to = answer.headers["Location"]
        if answer.status not in (302, 303) or not to:
            raise RuntimeError(f"{urlsplit(address).path} answered {answer.status} and leads nowhere")
        return to


def cookie_of(held):
    return "; ".join(f"{name}={value}" for name, value in held.items())


def sign_in(address, email, password):
    """The cookie of a session at the app of this address."""
    browser = Browser()
    authorize = browser.follow(f"{address}/auth/sign-in")
    url = urlsplit(authorize)
    form = {"email": email, "password": password, "to": f"{url.path}?{url.query}"}
    browser.follow(f"{url.scheme}://{url.netloc}/sign-in", form)
    browser.follow(browser.follow(authorize))
    return cookie_of(browser.cookies[urlsplit(address).hostname])


if __name__ == "__main__":
    with open(sys.argv[3], encoding="utf-8") as file:
        print(sign_in(sys.argv[1], sys.argv[2], file.read().strip()))

"""An OpenID provider for tests that is not of our making (oidc-provider-mock): says its port, and serves until it is ended."""

import logging
import socket

import oidc_provider_mock
import werkzeug.serving

logging.disable()
listener = socket.create_server(("127.0.0.1", 0))
app = oidc_provider_mock.app(require_nonce=True)
app.debug = False
server = werkzeug.serving.make_server("127.0.0.1", 0, app.wsgi_app.app, threaded=True, fd=listener.fileno())
print(listener.getsockname()[1], flush=True)
server.serve_forever()

"""An OpenID provider for tests that is not of our making (oidc-provider-mock): says its port, and serves until it is ended."""

import logging
import os
import socket
import sys

import oidc_provider_mock
import werkzeug.serving

logging.disable()
# it stands at other addresses of this machine than loopback, too
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
listener = socket.create_server((sys.argv[1], 0))
app = oidc_provider_mock.app(require_nonce=True)
app.debug = False
server = werkzeug.serving.make_server(sys.argv[1], 0, app.wsgi_app.app, threaded=True, fd=listener.fileno())
print(listener.getsockname()[1], flush=True)
server.serve_forever()

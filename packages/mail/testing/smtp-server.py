"""
Debian's aiosmtpd as the mail server of tests: three ports (STARTTLS with a login, TLS with a login, neither). It takes mail for ada@ and bob@example.org
and refuses everybody else. Tells what happens as JSON lines on standard output; ends when standard input closes.

usage: smtp-server.py CERTIFICATE KEY ACCOUNT PASSWORD STARTTLS_PORT TLS_PORT PLAIN_PORT
"""
import json
import logging
import ssl
import sys
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

certificate, key, account, password = sys.argv[1:5]
starttls_port, tls_port, plain_port = map(int, sys.argv[5:8])
# What goes wrong is what the tests want; it is seen by the client.
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
PEOPLE = {"ada@example.org", "bob@example.org"}


def tell(**event):
    print(json.dumps(event), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address not in PEOPLE:
            return "550 5.1.1 nobody of this name"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        tell(mail=envelope.content.decode("utf-8"), recipients=envelope.rcpt_tos)
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, data):
    right = data.login == account.encode() and data.password == password.encode()
    tell(login=right)
    if right:
        return AuthResult(success=True)
    return AuthResult(success=False, handled=False, message="535 5.7.8 wrong account or password")


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
login = {"auth_required": True, "authenticator": authenticate, "hostname": "127.0.0.1", "server_hostname": "mail.test"}
controllers = [
    Controller(Handler(), port=starttls_port, tls_context=context, require_starttls=True, **login),
    # aiosmtpd takes a login only where it began TLS itself; here TLS is there from the first byte.
    Controller(Handler(), port=tls_port, ssl_context=context, auth_require_tls=False, **login),
    Controller(Handler(), port=plain_port, hostname="127.0.0.1", server_hostname="mail.test"),
]
for controller in controllers:
    controller.start()
tell(ready=True)
sys.stdin.read()

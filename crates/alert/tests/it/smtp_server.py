"""A real SMTP server for the tests: aiosmtpd, with a mailbox, and with the faults that real ones have.

Prints one JSON object a line: first {"port"}, then what happened. Mails are read by Python's own email
package, so that another implementation than ours says what they hold. Ends with its standard input.
"""

import argparse
import asyncio
import base64
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, default=0)
arguments.add_argument("--tls", choices=["implicit", "starttls", "none"], required=True)
arguments.add_argument("--certificate")
arguments.add_argument("--key")
arguments.add_argument("--login", help="USER:PASSWORD that is let in; nobody else is")
arguments.add_argument("--refuse", default=[], action="append", help="ADDRESS=REPLY to its RCPT")
arguments.add_argument("--reply", help="answer to the message itself instead of 250")
arguments.add_argument("--break-in-message", type=int, default=0, metavar="N",
                       help="close the first N connections in mid-message")
arguments.add_argument("--silent-at", choices=["EHLO", "RCPT", "DATA", "END"],
                       help="never answer there")
arguments.add_argument("--slow", type=float, default=0, help="seconds before each answer to a message")
options = arguments.parse_args()


def say(**what):
    print(json.dumps(what), flush=True)


async def for_ever():
    await asyncio.Event().wait()


def part(one):
    content = one.get_content()
    if isinstance(content, bytes):
        content = base64.b64encode(content).decode()
    return {"type": one.get_content_type(), "id": one["Content-ID"],
            "disposition": one.get_content_disposition(), "content": content}


class Mailbox:
    async def handle_RCPT(self, server, session, envelope, address, _options):
        if options.silent_at == "RCPT":
            await for_ever()
        for refused in options.refuse:
            who, reply = refused.split("=", 1)
            if who == address:
                return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        if options.silent_at == "END":
            await for_ever()
        await asyncio.sleep(options.slow)
        if options.reply:
            return options.reply
        mail = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        structure = [one.get_content_type() for one in mail.walk()]
        say(event="mail", sender=envelope.mail_from, to=envelope.rcpt_tos,
            encrypted=session.ssl is not None or options.tls == "implicit",
            authenticated=bool(session.authenticated),
            utf8=envelope.smtp_utf8,
            headers=[[name, str(value)] for name, value in mail.items()],
            structure=structure,
            defects=[repr(defect) for one in mail.walk() for defect in one.defects],
            longest=max(map(len, envelope.original_content.split(b"\r\n"))),
            parts=[part(one) for one in mail.walk() if not one.is_multipart()],
            raw=envelope.original_content.decode("utf-8", "replace"))
        return "250 2.0.0 taken"


class Server(SMTP):
    left = options.break_in_message

    async def smtp_EHLO(self, hostname):
        if options.silent_at == "EHLO":
            await for_ever()
        return await super().smtp_EHLO(hostname)

    async def smtp_DATA(self, arg):
        if options.silent_at == "DATA":
            await for_ever()
        if Server.left:
            Server.left -= 1
            await self.push("354 go on")
            await self._reader.readline()
            say(event="broken")
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


def let_in(server, session, envelope, mechanism, login):
    known = isinstance(login, LoginPassword)
    given = b"%s:%s" % (login.login, login.password) if known else b""
    success = given == options.login.encode()
    say(event="login", mechanism=mechanism, success=success)
    return AuthResult(success=success, handled=False,
                      message=None if success else "535 5.7.8 wrong user or password")


async def main():
    context = None
    if options.tls != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate, options.key)

    def protocol():
        say(event="connection")
        more = {"enable_SMTPUTF8": True}
        if options.tls == "starttls":
            more.update(tls_context=context, require_starttls=True)
        if options.login:
            # aiosmtpd takes STARTTLS alone for TLS.
            more.update(authenticator=let_in, auth_required=True,
                        auth_require_tls=options.tls != "implicit")
        return Server(Mailbox(), hostname="mail.test", **more)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", options.port,
                                      ssl=context if options.tls == "implicit" else None)
    say(port=server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass

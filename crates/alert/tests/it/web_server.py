"""A web server for the tests, which checks signatures with the example of docs/notify.md.

Prints one JSON object a line: first {"port"}, then each request. Ends with its standard input.
"""

import argparse
import http.server
import json
import os
import pathlib
import re
import ssl
import sys
import threading

arguments = argparse.ArgumentParser()
arguments.add_argument("--answers", default="200", help="status of each request; the last for all others")
arguments.add_argument("--header", default=[], action="append", help="NAME=VALUE of each answer")
arguments.add_argument("--body", default="")
arguments.add_argument("--hang", action="store_true", help="never answer")
arguments.add_argument("--secret")
arguments.add_argument("--certificate")
arguments.add_argument("--key")
options = arguments.parse_args()
answers = [int(status) for status in options.answers.split(",")]

page = pathlib.Path(__file__).parents[4] / "docs" / "notify.md"
example = {}
exec(re.search(r"```python\n(.*?)```", page.read_text(), re.DOTALL).group(1), example)


def say(**what):
    print(json.dumps(what), flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        valid = None
        if options.secret:
            now = int(self.headers["webhook-timestamp"])
            valid = [example["verify"](options.secret, self.headers, body, now=now),
                     example["verify"](options.secret, self.headers, body + b" ", now=now),
                     example["verify"](options.secret, self.headers, body, now=now + 3600)]
        say(event="post", path=self.path, headers=dict(self.headers.items()), valid=valid,
            body=json.loads(body))
        if options.hang:
            threading.Event().wait()
        self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
        for header in options.header:
            self.send_header(*header.split("=", 1))
        self.send_header("Content-Length", str(len(options.body.encode())))
        self.end_headers()
        self.wfile.write(options.body.encode())

    def do_GET(self):
        say(event="get", path=self.path)
        self.send_error(405)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if options.certificate:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.certificate, options.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
say(port=server.server_address[1])
sys.stdin.read()
os._exit(0)

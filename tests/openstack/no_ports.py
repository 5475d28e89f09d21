#!/usr/bin/python3
"""Answers in Neutron's place, which is not here: no server of the bed has a port. Nova asks when a server is deleted."""

import http.server
import json


class NoPorts(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind = self.path.split("?")[0].rstrip("/").rsplit("/", 1)[-1].removesuffix(".json")
        body = json.dumps({kind: []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("", 9696), NoPorts).serve_forever()

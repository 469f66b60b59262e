"""An admission webhook that says yes, or no, when it runs: what policy engines are to a cluster."""

import base64
import json
import socketserver
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme

from harness import Kubectl, free_port


class _Reviews(BaseHTTPRequestHandler):
    allowed: bool

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        response = {"uid": review["request"]["uid"], "allowed": self.allowed}
        body = json.dumps(
            {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        return


class Webhook:
    """Registered for the ConfigMaps that are labelled `guard: <name>`; down until `start`."""

    def __init__(self, kubectl: Kubectl, name: str) -> None:
        self._kubectl = kubectl
        self._name = name
        self._port = free_port()
        self._authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self._server: socketserver.BaseServer | None = None
        kubectl.apply(json.dumps(self._configuration()))

    def start(self, *, allowed: bool = True) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = self._authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
        certificate.configure_cert(context)
        server = ThreadingHTTPServer(
            ("127.0.0.1", self._port), type("Reviews", (_Reviews,), {"allowed": allowed})
        )
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self._server = server
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def remove(self) -> None:
        self._kubectl.run("delete", "validatingwebhookconfiguration", self._name)
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def _configuration(self) -> dict[str, Any]:
        bundle = base64.b64encode(self._authority.cert_pem.bytes()).decode()
        rule = {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["configmaps"],
        }
        webhook = {
            "name": f"{self._name}.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{self._port}/", "caBundle": bundle},
            "rules": [rule],
            "objectSelector": {"matchLabels": {"guard": self._name}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "failurePolicy": "Fail",
            "timeoutSeconds": 2,
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": self._name},
            "webhooks": [webhook],
        }

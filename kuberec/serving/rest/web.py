"""The HTTP server of the REST API: keep-alive, gzip, CORS, and an end that lets running requests finish."""

import gzip
import logging
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from kuberec.errors import ServingError
from kuberec.serving.rest.api import Reply, RestApi, refusal
from kuberec.serving.rest.writing import RAW
from kuberec.serving.status import failed_precondition, invalid_argument

GZIP_BYTES = 1024
"""From this size on an answer is compressed, where the client takes that."""

IDLE_SECONDS = 60.0
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}

log = logging.getLogger(__name__)


class WebServer:
    """Listens for HTTP and asks the API; one thread a connection."""

    def __init__(self, api: RestApi, host: str, port: int, *, cors: bool = False) -> None:
        """Take the port; nothing is answered before `start`.

        Args:
            api: What answers.
            host: Address to listen on.
            port: 0 takes any free one.
            cors: Let web pages of any origin ask.

        Raises:
            ServingError: The port is taken.
        """
        handler = type("Handler", (_Handler,), {"web": self})
        self.api = api
        self.cors = cors
        self.running = 0
        self.changed = threading.Condition()
        try:
            self._server = _Server((host, port), handler)
        except OSError as error:
            raise ServingError(
                f"Cannot listen on {host}:{port} for REST: {error.strerror}. "
                "Stop what uses it, or choose another with --rest_api_port."
            ) from error
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="rest", daemon=True)

    def start(self) -> None:
        """Answer requests."""
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Take no new connection, give running requests `grace` seconds."""
        if self._thread.is_alive():
            self._server.shutdown()
            with self.changed:
                self.changed.wait_for(lambda: self.running == 0, grace)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no fault of the server."""
        log.info("A REST connection of %s ended early", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # header and body in one packet
    timeout = IDLE_SECONDS
    web: WebServer

    def _serve(self) -> None:
        web = self.web
        with web.changed:
            web.running += 1
        try:
            status, text = self._reply()
            self._send(status, text)
        finally:
            with web.changed:
                web.running -= 1
                web.changed.notify_all()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged one by one."""

    def _reply(self) -> Reply:
        body = self._body()
        if body is None:
            return refusal(
                invalid_argument("The body of the request cannot be read: give Content-Length and its bytes")
            )
        if self.command == "OPTIONS" and self.web.cors:
            if "Origin" not in self.headers:
                return refusal(failed_precondition("Origin header is missing in CORS preflight"))
            return 200, ""
        return self.web.api.answer(self.command, urlsplit(self.path).path, body)

    def _body(self) -> bytes | None:
        """The request's body, unpacked; None where it cannot be read."""
        chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        length = self.headers.get("Content-Length", "0")
        try:
            body = self._chunks() if chunked else self.rfile.read(_number(length, 10))
        except ValueError:
            # Where the body ends is where the next request begins: unknown.
            self.close_connection = True
            return None
        if self.headers.get("Content-Encoding", "").lower() != "gzip":
            return body
        try:
            return gzip.decompress(body)
        except (OSError, EOFError, zlib.error):
            return None

    def _chunks(self) -> bytes:
        parts = []
        while size := _number(self.rfile.readline().partition(b";")[0].decode("latin-1").strip(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(parts)

    def _send(self, status: int, text: str) -> None:
        body = text.encode(errors=RAW)
        self.send_response(status)
        if text:
            self.send_header("Content-Type", "application/json")
        if len(body) >= GZIP_BYTES and "gzip" in self.headers.get("Accept-Encoding", "").lower():
            body = gzip.compress(body, compresslevel=1)
            self.send_header("Content-Encoding", "gzip")
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in CORS.items() if self.web.cors else ():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _number(text: str, base: int) -> int:
    if not (text.isascii() and text.isalnum()):
        raise ValueError(f"{text!r} is no length")
    return int(text, base)

"""A web server for the tests of downloads: serves a folder with Range support and misbehaves on request.

usage: file_server.py FOLDER    prints its port, then serves until its standard input ends.

/NAME                 the file, whole or from Range: bytes=N- on
/norange/NAME         the file, whole, whatever is asked for
/cut/NAME             breaks the connection after 1000 bytes of each answer
/dead/NAME            breaks every connection before the first byte of the body
/page/NAME            a web page, called text/html
/hidden-page/NAME     a web page, called application/zip
/status/CODE/NAME     an error status with a page
/redirect/NAME        302 to /NAME
/busy/NAME            503 for the first request, then the file
/log                  the Range headers of all requests so far, one a line ("-" for none)
"""
import http.server
import os
import sys
import threading

folder = sys.argv[1]
log = []
busy_seen = set()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body, content_type="application/octet-stream", headers=()):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        parts = self.path.strip("/").split("/")
        if parts == ["log"]:
            return self.answer(200, "\n".join(log).encode())
        log.append(self.headers.get("Range", "-"))
        mode = parts[0] if len(parts) > 1 else ""
        page = b"  <!DOCTYPE html><html><body>please log in</body></html>"
        if mode == "page":
            return self.answer(200, page, "text/html; charset=utf-8")
        if mode == "hidden-page":
            return self.answer(200, page, "application/zip")
        if mode == "status":
            return self.answer(int(parts[1]), page, "text/html")
        if mode == "redirect":
            return self.answer(302, b"", headers=[("Location", "/" + parts[-1])])
        if mode == "busy" and self.path not in busy_seen:
            busy_seen.add(self.path)
            return self.answer(503, b"")
        path = os.path.join(folder, parts[-1])
        if not os.path.isfile(path):
            return self.answer(404, page, "text/html")
        with open(path, "rb") as file:
            content = file.read()
        first = 0
        asked = self.headers.get("Range")
        if asked and mode != "norange":
            first = int(asked[len("bytes="):].rstrip("-"))
            if first >= len(content):
                return self.answer(416, b"")
        self.send_response(206 if first else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(content) - first))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        body = content[first:]
        if mode == "cut" and len(body) > 1000:
            body = body[:1000]
            self.close_connection = True
        if mode == "dead":
            body = b""
            self.close_connection = True
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()

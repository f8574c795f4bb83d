"""A small HTTP service that keeps notes in memory. Nothing to install."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Notes</title>
<style>body{font:16px/1.6 system-ui;max-width:40rem;margin:4rem auto;padding:0 1.5rem;color-scheme:light dark}</style>
<h1>Notes</h1><p>This service answers on <code>/api/notes</code>: GET lists, POST <code>{"text": "…"}</code> adds.</p>
<ul id="list"></ul><form><input name="text" placeholder="A note" required> <button>Add</button></form>
<script>
const list = document.querySelector("#list");
const show = async () => {
  const notes = await (await fetch("/api/notes")).json();
  list.replaceChildren(...notes.map((n) => Object.assign(document.createElement("li"), { textContent: n.text })));
};
document.querySelector("form").onsubmit = async (event) => {
  event.preventDefault();
  const text = new FormData(event.target).get("text");
  await fetch("/api/notes", { method: "POST", body: JSON.stringify({ text }) });
  event.target.reset();
  show();
};
show();
</script></html>
"""


class Notes:
    """The notes, in the order in which they came."""

    def __init__(self):
        self.items = []

    def add(self, text):
        text = str(text).strip()
        if not text:
            raise ValueError("a note needs a text")
        note = {"id": len(self.items) + 1, "text": text}
        self.items.append(note)
        return note


class Handler(BaseHTTPRequestHandler):
    notes = Notes()

    def do_GET(self):
        if self.path == "/":
            self.answer(200, PAGE.encode(), "text/html; charset=utf-8")
        elif self.path == "/api/notes":
            self.answer_json(200, self.notes.items)
        else:
            self.answer_json(404, {"error": "not found"})

    def do_POST(self):
        if self.path != "/api/notes":
            return self.answer_json(404, {"error": "not found"})
        try:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
            self.answer_json(201, self.notes.add(body["text"]))
        except (ValueError, KeyError, TypeError) as error:
            self.answer_json(400, {"error": str(error)})

    def answer_json(self, status, value):
        self.answer(status, json.dumps(value).encode(), "application/json")

    def answer(self, status, body, kind):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(port):
    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    port = int(os.environ.get("PORT", 8000))
    print(f"Serving on port {port}", flush=True)
    serve(port).serve_forever()

"""An agent's work in a channel, done by the MCP project's own client: it writes a small app, tests it, serves it, opens
its preview and fetches the page. Prints one line of JSON that says what it saw; any surprise ends it with an error.

    agent.py BERTHCTL CHANNEL
"""

import asyncio
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import anyio
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

TOOLS = {"read", "write", "edit", "glob", "grep", "list", "run", "job_output", "job_stop", "preview_open"}

APP = '''
from http.server import BaseHTTPRequestHandler, HTTPServer


def greeting(name):
    return f"Hello {name}!"


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"<h1>{greeting('from the agent')}</h1>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    print("listening", flush=True)
    HTTPServer(("127.0.0.1", 8123), Page).serve_forever()
'''.lstrip()

TEST = '''
import unittest

from app import greeting


class Greeting(unittest.TestCase):
    def test_names_who_is_greeted(self):
        self.assertEqual(greeting("you"), "Hello, you!")
'''.lstrip()


def said(result):
    return "".join(block.text for block in result.content if block.type == "text")


async def use(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, f"{tool}: {said(result)}"
    return said(result), result.structured_content


async def job(berthctl, channel):
    server = StdioServerParameters(command=berthctl, args=["mcp", "--channel", channel, "--create"], env=dict(os.environ))
    async with Client(server) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == TOOLS, set(tools)
        assert tools["read"].annotations.read_only_hint and not tools["run"].annotations.read_only_hint
        assert channel in client.instructions, client.instructions

        await use(client, "write", path="app.py", content=APP)
        await use(client, "write", path="test_app.py", content=TEST)
        failing, _ = await use(client, "run", command="python3 -m unittest")
        assert "AssertionError" in failing and "Exit code 1" in failing, failing
        guess = await client.call_tool("edit", {"path": "app.py", "old": "return f'Hello {name}!'", "new": "x"})
        assert guess.is_error and "Hello {name}!" in said(guess), said(guess)
        edited, _ = await use(client, "edit", path="app.py", old='f"Hello {name}!"', new='f"Hello, {name}!"')
        assert "+1 −1" in edited, edited
        passing, _ = await use(client, "run", command="python3 -m unittest")
        assert "OK" in passing and "Exit code 0" in passing, passing
        found, _ = await use(client, "grep", pattern="def greeting", glob="*.py")
        assert "app.py:4" in found, found
        names, _ = await use(client, "glob", pattern="*.py")
        assert "app.py" in names and "test_app.py" in names, names

        started, _ = await use(client, "run", command="python3 app.py", background=True, service=True)
        server_job = started.split()[2].rstrip(".")
        for _ in range(60):
            output, _ = await use(client, "job_output", job=server_job, wait=5)
            if "listening" in output:
                break
        for _ in range(60):
            opened, preview = await use(client, "preview_open", port=8123)
            if preview["listening"]:
                break
            await anyio.sleep(0.5)
        page = fetch(preview["url"])
        assert "Hello, from the agent!" in page, page

        told = []

        async def progress(done, total, message):
            told.append(message)

        with anyio.move_on_after(4):
            command = "echo $$ > pid; echo counting; exec sleep 300"
            await client.call_tool("run", {"command": command}, progress_callback=progress)
        for _ in range(40):
            left, _ = await use(client, "run", command="kill -0 $(cat pid) && echo it runs on")
            if "it runs on" not in left:
                break
            await anyio.sleep(0.25)
        assert "it runs on" not in left, left
        assert any("counting" in (message or "") for message in told), told
        return {"url": preview["url"], "job": server_job, "protocol": client.protocol_version, "page": page}


def fetch(url):
    """Names below localhost are not everywhere resolved, so the address is used and the name is sent."""
    parts = urlsplit(url)
    request = urllib.request.Request(f"http://127.0.0.1:{parts.port}/", headers={"Host": parts.netloc})
    with urllib.request.urlopen(request, timeout=20) as response:
        return response.read().decode()


def call(berthctl, name):
    return json.loads(subprocess.run([berthctl, "call", name], check=True, capture_output=True).stdout)


async def by_http(berthctl, channel):
    """The same tools by streamable HTTP, for clients that are no child of ours; and only for those."""
    info = call(berthctl, "app.info")
    address = f"{info['mcp_url']}/{channel}"
    token = open(info["mcp_token_file"]).read().strip()
    right = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=right, timeout=60) as http:
        async with Client(streamable_http_client(address, http_client=http), mode="legacy") as client:
            text, _ = await use(client, "read", path="app.py")
            assert "def greeting" in text, text
            protocol = client.protocol_version
    refused = {}
    for why, headers in {
        "no token": {},
        "wrong token": {"Authorization": "Bearer " + "0" * 64},
        "a page": {**right, "Origin": "https://example.com"},
        "another host": {**right, "Host": "example.com"},
    }.items():
        request = urllib.request.Request(address, data=b"{}", headers={"Content-Type": "application/json", **headers})
        try:
            refused[why] = urllib.request.urlopen(request, timeout=20).status
        except urllib.error.HTTPError as error:
            refused[why] = error.code
    assert refused == {"no token": 401, "wrong token": 401, "a page": 403, "another host": 421}, refused
    return protocol


async def main(berthctl, channel):
    seen = await job(berthctl, channel)
    seen["http_protocol"] = await by_http(berthctl, channel)
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))

"""Run with: python3 -m unittest"""

import json
import threading
import unittest
import urllib.error
import urllib.request

import app


class ServiceTest(unittest.TestCase):
    def setUp(self):
        app.Handler.notes = app.Notes()
        app.Handler.log_message = lambda *_: None
        self.server = app.serve(0)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/notes"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()

    def request(self, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url, data=data)) as response:
            return json.load(response)

    def test_a_note_is_kept(self):
        self.assertEqual(self.request({"text": "hello"})["text"], "hello")
        self.assertEqual([note["text"] for note in self.request()], ["hello"])

    def test_an_empty_note_is_refused(self):
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.request({"text": "  "})
        self.assertEqual(caught.exception.code, 400)


if __name__ == "__main__":
    unittest.main()

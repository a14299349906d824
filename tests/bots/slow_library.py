"""A working stand-in for the libraries of the embedded server, slow to load a model.

`make` writes them into a folder for PYTHONPATH. The bot and the child are the real ones.
"""

EMPTY = ("torch", "accelerate", "fastapi", "uvicorn", "openai")
SERVE = """
import json, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def answer(self, text):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.answer(b"{}")

    def do_POST(self):
        time.sleep(%f)
        self.answer(b"data: " + json.dumps({"status": "ready"}).encode() + b"\\n")


def Serve(host, port, **_):
    ThreadingHTTPServer((host, port), Handler).serve_forever()
"""
INSIDES = {
    "chat_completion": "class ChatCompletionHandler:\n    _build_generation_config = None\n",
    "model_manager": "class ModelManager: ...\n",
}


def make(folder, load_s):
    """The folder to put before all others on PYTHONPATH."""
    serving = folder / "transformers" / "cli" / "serving"
    serving.mkdir(parents=True)
    for package in (serving, serving.parent, serving.parent.parent):
        (package / "__init__.py").touch()
    for name, text in INSIDES.items():
        (serving / f"{name}.py").write_text(text)
    (serving.parent / "serve.py").write_text(SERVE % load_s)
    for name in EMPTY:
        (folder / f"{name}.py").touch()
    return folder

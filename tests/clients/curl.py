"""curl, whose output is parsed by hand: python curl.py URL [--post BODY]

The parser is the one that docs/clients.md shows.
"""

import argparse
import json
import pathlib
import re
import subprocess
import time

guide = pathlib.Path(__file__).parents[2] / "docs" / "clients.md"
exec(re.search(r"```python\n(def events\(.*?)```", guide.read_text(), re.DOTALL)[1])


def follow(url):
    last_event_id = ""
    while True:
        curl = ["curl", "--silent", "--no-buffer", "--fail", "--write-out", "%{stderr}%{http_code}"]
        curl += ["--header", "Accept: text/event-stream", "--header", f"Last-Event-ID: {last_event_id}", url]
        with subprocess.Popen(curl, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
            for name, data, last_event_id in events(process.stdout, last_event_id):
                yield name, data, last_event_id
                if name == "sse-end":
                    return
            status = int(process.stderr.read())
        if status == 204:
            return
        if 400 <= status < 500:
            raise RuntimeError(status)
        time.sleep(1)


def ask(url, body):
    curl = ["curl", "--silent", "--no-buffer", "--fail", "--json", body, url]
    with subprocess.Popen(curl, stdout=subprocess.PIPE, encoding="utf-8") as process:
        yield from events(process.stdout)
    if process.returncode != 0:
        raise RuntimeError(f"curl: {process.returncode}")


def tell(**moment):
    print(json.dumps(moment), flush=True)


parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("--post")
arguments = parser.parse_args()
try:
    for name, data, id in follow(arguments.url) if arguments.post is None else ask(arguments.url, arguments.post):
        tell(moment="event", name=name, data=data, id=id)
    tell(moment="closed")
except RuntimeError as error:
    tell(moment="closed", why=str(error))

"""curl, whose output is parsed by hand: python curl.py URL [--once | --post BODY [--http2]]"""

import argparse
import json
import random
import subprocess
import time

from by_hand import events


def follow(url):
    last_id = ""
    while True:
        curl = ["curl", "--no-buffer", "--silent", "--fail", "--write-out", "%{stderr}%{http_code}"]
        curl += ["--header", "Accept: text/event-stream", "--header", f"Last-Event-ID: {last_id}", url]
        pipe = subprocess.PIPE
        with subprocess.Popen(curl, stdout=pipe, stderr=pipe, encoding="utf-8", errors="replace") as process:
            for name, data, last_id in events(process.stdout, last_id):
                yield name, data, last_id
                if name == "sse-end":
                    return
            status = int(process.stderr.read())
        if status == 204:
            return
        if 400 <= status < 500:
            raise RuntimeError(status)
        time.sleep(random.uniform(1, 3))


def ask(url, body, *options):
    yield from read_once(url, "--json", body, *options)


def read_once(url, *options):
    curl = ["curl", "--no-buffer", "--silent", "--fail", *options, url]
    with subprocess.Popen(curl, stdout=subprocess.PIPE, encoding="utf-8", errors="replace") as process:
        yield from events(process.stdout)
    if process.returncode != 0:
        raise RuntimeError(f"curl: {process.returncode}")


def tell(**moment):
    print(json.dumps(moment), flush=True)


parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("--once", action="store_true")
parser.add_argument("--post")
parser.add_argument("--http2", action="store_true")
arguments = parser.parse_args()
if arguments.once:
    read = read_once(arguments.url)
elif arguments.post is None:
    read = follow(arguments.url)
else:
    options = ["--http2-prior-knowledge"] if arguments.http2 else []
    read = ask(arguments.url, arguments.post, *options)
try:
    for name, data, id in read:
        tell(moment="event", name=name, data=data, id=id)
    tell(moment="closed")
except RuntimeError as error:
    tell(moment="closed", why=str(error))

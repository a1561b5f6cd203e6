"""httpx-sse: python httpx-sse.py URL [--once | --post BODY]"""

import argparse
import json
import random
import time

import httpx
from httpx_sse import connect_sse


def follow(client, url):
    last_id = ""
    while True:
        headers = {"Last-Event-ID": last_id} if last_id else {}
        try:
            with connect_sse(client, "GET", url, headers=headers) as source:
                if source.response.status_code == 204:
                    return
                source.response.raise_for_status()
                for event in source.iter_sse():
                    last_id = event.id or last_id
                    yield event
                    if event.event == "sse-end":
                        return
        except httpx.HTTPStatusError as error:
            if error.response.status_code < 500:
                raise
        except httpx.TransportError:
            pass
        time.sleep(random.uniform(1, 3))


def ask(client, url, body):
    headers = {"Content-Type": "application/json"}
    with connect_sse(client, "POST", url, headers=headers, content=body) as source:
        source.response.raise_for_status()
        yield from source.iter_sse()


def read_once(client, url):
    with connect_sse(client, "GET", url) as source:
        yield from source.iter_sse()


def tell(**moment):
    print(json.dumps(moment), flush=True)


parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("--once", action="store_true")
parser.add_argument("--post")
arguments = parser.parse_args()
# httpx itself gives up after five seconds of silence.
with httpx.Client(timeout=httpx.Timeout(5, read=60)) as client:
    if arguments.once:
        events = read_once(client, arguments.url)
    elif arguments.post is None:
        events = follow(client, arguments.url)
    else:
        events = ask(client, arguments.url, arguments.post)
    try:
        for event in events:
            tell(moment="event", name=event.event, data=event.data, id=event.id)
        tell(moment="closed")
    except httpx.HTTPError as error:
        tell(moment="closed", why=str(error))

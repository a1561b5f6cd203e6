"""OpenAI's library: python openai-chat.py BASE_URL [--model MODEL]"""

import argparse
import json

import openai


def ask(client, model, question):
    messages = [{"role": "user", "content": question}]
    for chunk in client.chat.completions.create(model=model, messages=messages, stream=True):
        yield chunk.choices[0].delta.content or ""


def tell(**moment):
    print(json.dumps(moment), flush=True)


parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("--model", default="whole")
arguments = parser.parse_args()
client = openai.OpenAI(base_url=arguments.url, api_key="none", max_retries=0)
try:
    for word in filter(None, ask(client, arguments.model, "Hello")):
        tell(moment="event", name="message", data=word, id="")
    tell(moment="closed")
except openai.APIError as error:
    tell(moment="closed", why=f"{type(error).__name__}: {error}")

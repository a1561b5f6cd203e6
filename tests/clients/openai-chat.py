"""OpenAI's library: python openai-chat.py BASE_URL [--model MODEL]"""

import argparse
import json

from openai import OpenAI, OpenAIError


def tell(**moment):
    print(json.dumps(moment), flush=True)


parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("--model", default="whole")
arguments = parser.parse_args()
client = OpenAI(base_url=arguments.url, api_key="none", max_retries=0)
try:
    stream = client.chat.completions.create(
        model=arguments.model, messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    for chunk in stream:
        choice = chunk.choices[0]
        if choice.delta.content is not None:
            tell(moment="event", name="message", data=choice.delta.content, id="")
    tell(moment="closed")
except OpenAIError as error:
    tell(moment="closed", why=f"{type(error).__name__}: {error}")

"""The parser that docs/clients.md shows."""

import pathlib
import re

root = pathlib.Path(__file__).parents[2]
exec(re.search(r"```python\n(def events\(.*?)```", (root / "docs/clients.md").read_text(), re.DOTALL)[1])

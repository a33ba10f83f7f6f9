"""That each snippet of the page is what an example has: line by line, in this order, but for the distance from the left.

Arguments: the page, the folder of the examples.
"""

import pathlib
import re
import sys

page, folder = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2])
texts = {path.name: [line.strip().lstrip("#").strip() for line in path.read_text().splitlines()] for path in folder.iterdir()}


def is_part(lines, text):
    return any(text[at : at + len(lines)] == lines for at in range(len(text)))


for language, block in re.findall(r"^```(\w*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
    lines = [line.strip().lstrip("#").strip() for line in block.splitlines()]
    if language == "":
        # Settings, which the head of an example has as options.
        lines = [f"--conf {line} \\" for line in lines]
    files = [name for name, text in texts.items() if is_part(lines, text)]
    if not files:
        sys.exit(f"no example has this:\n{block}")
    print("ok:", lines[0][:60], "is in", *files)

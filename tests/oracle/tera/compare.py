"""`make tera-oracle`: ask the crate, record its answers, and compare ours with them."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from departures import reason
from snippets import CONTEXT, snippets

from brokkr_broker import tera

FOLDER = Path(__file__).parent
ANSWERS = FOLDER / "answers.jsonl"
BINARY = FOLDER / "target/release/tera-oracle"


def ask(templates: Iterable[str]) -> list[str | None]:
    """The crate's output for each; None is an error. It stops at what makes it panic."""
    left, answers = list(templates), []
    while left:
        questions = "".join(json.dumps({"template": t, "context": CONTEXT}) + "\n" for t in left)
        done = subprocess.run([BINARY], input=questions, capture_output=True, text=True)
        lines = [json.loads(line).get("output") for line in done.stdout.splitlines()]
        answers += lines
        left = left[len(lines) :]
        if left and done.returncode:
            answers.append(None)
            left = left[1:]
    return answers


def ours(template: str) -> str | None:
    try:
        return tera.render(tera.parse(template), CONTEXT)
    except tera.TemplateError:
        return None


def main() -> int:
    templates = list(dict.fromkeys(snippets()))
    recorded = dict(zip(templates, ask(templates), strict=True))
    lines = [json.dumps([template, output]) for template, output in recorded.items()]
    ANSWERS.write_text("\n".join(lines) + "\n")
    figures = Counter[str]()
    for template, output in recorded.items():
        mine = ours(template)
        if mine == output:
            figures["same"] += 1
        elif why := reason(template):
            figures[why] += 1
        else:
            figures["UNEXPLAINED"] += 1
            print(f"{template!r}\n  crate {output!r}\n  ours  {mine!r}")
    for name, count in figures.most_common():
        print(f"{count:6} {name}")
    return int(figures["UNEXPLAINED"] > 0)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""check_lines.py ROOT: no line of a Markdown file below ROOT is longer than 120 characters. A link or address that is
alone on its line may be. Prints what is longer, and exits with 1."""
import pathlib
import re

from check_links import check, pages

LIMIT = 120
LINK = re.compile(r"\s*(?:[-*] )?(?:\[[^\]]*\]\([^)\s]+\)|<?[a-z]+://\S+)[.,;:]?\s*")


def problems(root):
    for page in pages(root):
        for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
            if len(line) > LIMIT and not LINK.fullmatch(line):
                yield f"{page.relative_to(root)}:{number}: {len(line)} characters: {line[:60]}..."


if __name__ == "__main__":
    check(problems)

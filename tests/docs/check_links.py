#!/usr/bin/env python3
"""check_links.py ROOT: every relative link of every Markdown file below ROOT leads to a file or folder below ROOT, and
every #fragment to a heading. Prints what does not, and exits with 1."""
import pathlib
import re
import sys

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SKIPPED = {"build", "runs", ".git"}


def without_code(text):
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(path):
    """The fragments of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*)$", re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"),
                                                flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def pages(root):
    return (page for page in sorted(root.rglob("*.md")) if not SKIPPED & set(page.relative_to(root).parts))


def problems(root):
    for page in pages(root):
        for link in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, fragment = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            if not target.exists() or not target.is_relative_to(root):
                yield f"{page.relative_to(root)}: {link} leads nowhere"
            elif fragment and (target.suffix != ".md" or fragment not in anchors(target)):
                yield f"{page.relative_to(root)}: {link}: there is no such heading"


def check(problems):
    """Prints what problems(ROOT) finds below the root that the command names, and exits with 1 if that is anything."""
    found = list(problems(pathlib.Path(sys.argv[1]).resolve()))
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    check(problems)

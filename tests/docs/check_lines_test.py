#!/usr/bin/env python3
"""check_lines.py finds what it has to find, and nothing else."""
import pathlib
import tempfile

from check_lines import LIMIT, problems

FITS = ["é" * LIMIT, "| " + "a" * (LIMIT - 4) + " |", "https://example.org/" + "a" * LIMIT,
        "- [a](https://example.org/" + "a" * LIMIT + ")."]
TOO_LONG = ["a" * (LIMIT + 1), "é" * (LIMIT + 1), "| " + "a" * LIMIT + " |", "```\n" + "a" * (LIMIT + 1) + "\n```",
            "see https://example.org/" + "a" * LIMIT, "[a](b.md) " * LIMIT, "first\n\n" + "a " * LIMIT]


def main():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()
        (root / "docs").mkdir()
        (root / "build").mkdir()
        (root / "build/made.md").write_text("a" * (LIMIT + 1))
        page = root / "docs/page.md"
        page.write_text("\n".join(FITS), encoding="utf-8")
        assert list(problems(root)) == [], list(problems(root))
        for text in TOO_LONG:
            page.write_text(text, encoding="utf-8")
            assert len(list(problems(root))) == 1, (text, list(problems(root)))


if __name__ == "__main__":
    main()

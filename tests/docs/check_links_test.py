#!/usr/bin/env python3
"""check_links.py finds what it has to find, and nothing else."""
import pathlib
import tempfile

from check_links import problems

PAGE = """# A page: `code` and more

[good](docs/other.md), [folder](docs), [heading](docs/other.md#a-page-code-and-more), [here](#a-page-code-and-more)
[web](https://example.org/nothing) `[code](nowhere.md)`

```
[block](nowhere.md)
# no heading
```
"""


def main():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve() / "root"
        (root / "docs").mkdir(parents=True)
        (root / "README.md").write_text(PAGE)
        (root / "docs/other.md").write_text(PAGE.replace("docs/", "../docs/").replace("(docs)", "(../docs)"))
        assert list(problems(root)) == [], list(problems(root))
        for link in ("nowhere.md", "docs/nowhere.md", "../outside.md", "docs/other.md#nothing", "#no-heading", "docs#x"):
            (root.parent / "outside.md").touch()
            (root / "README.md").write_text(f"[a]({link})")
            assert len(list(problems(root))) == 1, (link, list(problems(root)))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Manual pages and bash completion of the program, from its help: program_pages.py PROGRAM OUT

Writes OUT/man/spikeloom.1, a page for each command (spikeloom-train.1, spikeloom-bench-step.1, ...), and
OUT/completion/spikeloom.
"""
import dataclasses
import pathlib
import re
import shutil
import subprocess
import sys

COLUMN = 26  # of the help, where explanations begin
TEMPLATE = pathlib.Path(__file__).resolve().with_name("completion.bash.in")


@dataclasses.dataclass
class Entry:
    """An option "-h,--help", "--out DIR"; an argument; a command."""
    name: str
    text: str

    @property
    def flags(self):
        return self.name.split()[0].split(",")

    @property
    def value(self):
        """What it takes: "DIR", ""."""
        return self.name.partition(" ")[2]


@dataclasses.dataclass
class Help:
    name: str  # "spikeloom bench step"
    description: str = ""
    usage: str = ""
    sections: dict = dataclasses.field(default_factory=dict)  # "Options" -> entries
    footer: str = ""

    def entries(self, section):
        return self.sections.get(section, [])


def parse(name, text):
    help_text, lines, section, footer = Help(name), text.strip("\n").split("\n"), None, []
    start = next(i for i, line in enumerate(lines) if line.startswith("Usage: "))
    help_text.description = "\n".join(lines[:start]).strip("\n")
    while start < len(lines) and lines[start]:
        help_text.usage += " " + lines[start].removeprefix("Usage: ").strip()
        start += 1
    for line, following in zip(lines[start:], [*lines[start + 1:], ""]):
        if re.fullmatch(r"[A-Z][A-Za-z ]*:", line) and following.startswith("  ") and not footer:
            section = help_text.sections.setdefault(line[:-1], [])
        elif section is not None and re.match(r"  \S", line):
            has_text = len(line) > COLUMN and line[COLUMN - 2:COLUMN] == "  "
            section.append(Entry(line[2:COLUMN].strip(), line[COLUMN:]) if has_text else Entry(line.strip(), ""))
        elif section and line.startswith(" " * COLUMN):
            section[-1].text = f"{section[-1].text} {line.strip()}".strip()
        elif line or footer:
            section = None
            footer.append(line)
    help_text.footer = "\n".join(footer)
    return help_text


def read_help(program):
    def run(option):
        return subprocess.run([program, option], capture_output=True, text=True, check=True).stdout

    parts = re.split(r"^==== (.+) ====$", run("--help-all"), flags=re.MULTILINE)
    return run("--version").strip(), [parse(name, text) for name, text in zip(parts[1::2], parts[2::2])]


def roff(text):
    """Text as roff takes it; a line that is laid out by blanks stays as it is."""
    lines = []
    for line in text.replace("\\", r"\e").replace("-", r"\-").split("\n"):
        line = rf"\&{line}" if line.startswith((".", "'")) else line
        lines.append(f".nf\n{line}\n.fi" if line.startswith(" ") else line or ".PP")
    return "\n".join(lines).replace(".fi\n.nf\n", "")


def manual_page(version, page, pages):
    def section(title, entries):
        rows = "".join(f".TP\n.B {roff(one.name)}\n{roff(one.text)}\n" for one in entries)
        return f".SH {title.upper()}\n{rows}"

    first, _, rest = page.description.partition("\n\n")
    name = page.name.replace(" ", "-")
    text = f'.TH {name.upper()} 1 "" "{version}" "Spikeloom"\n.SH NAME\n'
    text += f"{roff(name)} \\- {roff(' '.join(first.split()))}\n.SH SYNOPSIS\n.B {roff(page.usage.strip())}\n"
    if rest:
        text += f".SH DESCRIPTION\n{roff(rest)}\n"
    text += "".join(section(title, entries) for title, entries in page.sections.items())
    if page.footer:
        text += f".SH NOTES\n{roff(page.footer)}\n"
    depth = page.name.count(" ")
    related = [one.name for one in pages if one is not page
               and (one.name.startswith(page.name + " ") and one.name.count(" ") == depth + 1
                    or page.name.startswith(one.name + " ") and one.name.count(" ") == depth - 1)]
    links = [f".BR {roff(one.replace(' ', '-'))} (1)" for one in related]
    return text + (".SH SEE ALSO\n" + " ,\n".join(links) + "\n" if links else "")


def completion(pages):
    cases, commands = [], []
    for page in pages:
        command = page.name.partition(" ")[2]
        if command:
            commands.append(f'"{command}"')
        options = page.entries("Options")
        arguments = " ".join(one.name for one in page.entries("Arguments"))
        words = {
            "commands": " ".join(one.name for one in page.entries("Commands")),
            "options": " ".join(flag for one in options for flag in one.flags),
            "folders": " ".join(flag for one in options if one.value == "DIR" for flag in one.flags),
            "values": " ".join(flag for one in options if one.value in ("N", "NUMBER", "VALUE", "NAME", "WxH", "UNIT")
                               for flag in one.flags),
            "toml": " ".join(folder for word, folder in (("RECIPE", "recipes"), ("STUDY", "studies"))
                             if word in arguments)}
        lines = "".join(f'\n      {key}="{value}"' for key, value in words.items() if value)
        cases.append(f'    "{command}"){lines}\n      ;;')
    text = TEMPLATE.read_text()
    return text.replace("@COMMANDS@", " | ".join(commands)).replace("@CASES@", "\n".join(cases))


def main():
    program, out = sys.argv[1], pathlib.Path(sys.argv[2])
    version, pages = read_help(program)
    shutil.rmtree(out, ignore_errors=True)
    (out / "man").mkdir(parents=True)
    (out / "completion").mkdir()
    for page in pages:
        (out / "man" / (page.name.replace(" ", "-") + ".1")).write_text(manual_page(version, page, pages))
    (out / "completion/spikeloom").write_text(completion(pages))


if __name__ == "__main__":
    main()

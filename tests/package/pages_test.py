#!/usr/bin/env python3
"""Manual pages and bash completion have every command and option of the help: pages_test.py SOURCE PROGRAM"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE, PROGRAM = (pathlib.Path(word) for word in sys.argv[1:3])
sys.path.insert(0, str(SOURCE / "tools"))
import program_pages

HELP = """Times a training step;
really

Usage: spikeloom bench step --net STRING [OPTIONS]
  ARGUMENT

Arguments:
  ARGUMENT                What it takes (required)

Options:
  -h,--help               Print this help
  --a-name-longer-than-the-column DIR
                          A folder,
                          or another
  --batch N               .samples - a step

Two \\ lines:
  laid out
"""


class Parsing(unittest.TestCase):
    def test_a_help_has_its_parts(self):
        page = program_pages.parse("spikeloom bench step", HELP)
        self.assertEqual(page.description, "Times a training step;\nreally")
        self.assertEqual(page.usage.strip(), "spikeloom bench step --net STRING [OPTIONS] ARGUMENT")
        self.assertEqual([one.name for one in page.entries("Arguments")], ["ARGUMENT"])
        options = page.entries("Options")
        self.assertEqual([one.flags for one in options],
                         [["-h", "--help"], ["--a-name-longer-than-the-column"], ["--batch"]])
        self.assertEqual([one.value for one in options], ["", "DIR", "N"])
        self.assertEqual(options[1].text, "A folder, or another")
        self.assertEqual(page.footer, "Two \\ lines:\n  laid out")

    def test_roff_takes_every_character(self):
        page = program_pages.parse("spikeloom bench step", HELP)
        text = program_pages.manual_page("spikeloom 0", page, [page])
        for line in (r".B \-\-batch N", r"\&.samples \- a step", r"Two \e lines:", r"  laid out", ".nf", ".fi"):
            self.assertIn(f"\n{line}\n", text)


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.share = pathlib.Path(cls.folder.name)
        out = cls.share / "out"
        subprocess.run([sys.executable, "-B", SOURCE / "tools/program_pages.py", PROGRAM, out], check=True)
        completions = cls.share / "bash-completion/completions"
        shutil.copytree(out / "completion", completions)
        shutil.copytree(SOURCE / "recipes", cls.share / "spikeloom/recipes")
        cls.script, cls.manuals = completions / "spikeloom", out / "man"
        cls.version, cls.pages = program_pages.read_help(PROGRAM)
        cls.help = subprocess.run([PROGRAM, "--help-all"], capture_output=True, text=True, check=True).stdout

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_every_command_has_a_page_with_all_its_options(self):
        commands = {f"{page.name} {one.name}" for page in self.pages for one in page.entries("Commands")}
        self.assertGreater(len(commands), 10)
        self.assertEqual(commands | {"spikeloom"}, {page.name for page in self.pages})
        self.assertEqual({path.stem for path in self.manuals.iterdir()},
                         {page.name.replace(" ", "-") for page in self.pages})
        for page in self.pages:
            text = (self.manuals / (page.name.replace(" ", "-") + ".1")).read_text()
            self.assertIn(self.version, text)
            said = self.help.split(f"==== {page.name} ====\n")[1].split("\n====")[0]
            flags = set(re.findall(r"^  (?:-\w,)?(--[\w-]+)", said, re.MULTILINE))
            self.assertIn("--help", flags)
            for flag in flags:
                self.assertIn(flag.replace("-", r"\-"), text, page.name)

    def test_pages_are_good_roff(self):
        groff = shutil.which("groff")
        if groff is None:
            self.skipTest("groff is not installed")
        for path in self.manuals.iterdir():
            result = subprocess.run([groff, "-man", "-ww", "-z", path], capture_output=True, text=True)
            self.assertEqual((result.returncode, result.stderr), (0, ""), path.name)

    def complete(self, *words):
        """What a shell offers for the last word."""
        script = f'source "{self.script}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _spikeloom; ' \
                 'printf "%s\\n" "${COMPREPLY[@]}"'
        work = self.share / "work"
        (work / "folder").mkdir(parents=True, exist_ok=True)
        (work / "file.raw").touch()
        result = subprocess.run(["bash", "-c", script, "bash", "spikeloom", *words], capture_output=True, text=True,
                                cwd=work, env={"PATH": os.environ["PATH"]})
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return set(result.stdout.split())

    def test_commands_are_completed(self):
        self.assertEqual(self.complete("tr"), {"train"})
        self.assertLessEqual({"train", "eval", "bench", "study"}, self.complete(""))
        self.assertEqual(self.complete("bench", ""), {"step", "infer"})
        self.assertEqual(self.complete("bench", "st"), {"step"})

    def test_options_are_those_of_the_command(self):
        for page in self.pages:
            flags = {flag for one in page.entries("Options") for flag in one.flags}
            self.assertEqual(self.complete(*page.name.split()[1:], "-"), flags)
        self.assertEqual(self.complete("bench", "step", "--itera"), {"--iterations"})

    def test_recipes_files_and_folders_are_completed(self):
        self.assertEqual(self.complete("train", "fashion-mnist-d"), {"fashion-mnist-demo"})
        self.assertIn("cifar10/cifarnet", self.complete("train", "cifar10/"))
        self.assertEqual(self.complete("predict", "f"), {"folder", "file.raw"})
        self.assertEqual(self.complete("train", "--out", ""), {"folder"})
        self.assertEqual(self.complete("train", "--threads", ""), set())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

#include "tests/app/browser.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/train/pattern_set.h"

namespace spikeloom::app::testing {
namespace {

// Before all else in the page.
constexpr char kListen[] = R"(<script>
"use strict";
window.found = { problems: [] };
const told = (text) => window.found.problems.push(String(text));
window.addEventListener("error", (event) => told("error: " + event.message));
window.addEventListener("unhandledrejection", (event) => told("rejection: " + event.reason));
document.addEventListener("securitypolicyviolation", (event) => told("policy: " + event.blockedURI));
for (const kind of ["error", "warn"]) console[kind] = (...words) => told(kind + ": " + words.join(" "));
</script>)";

// After all else.
constexpr char kTry[] = R"(<script>
"use strict";
window.addEventListener("load", () => {
  const { found } = window;
  found.width = window.innerWidth;
  try {
    // As a page that is live gets new data: all is drawn again, and once.
    const data = JSON.parse(document.getElementById("data").textContent);
    if (data.kind === "run") {
      const parts = () => JSON.stringify([[...document.querySelectorAll("section, nav a")].map((one) => one.id || one.textContent),
        charts.size, document.querySelectorAll("main *").length]);
      const before = parts();
      const other = (value) => value && { ...value, another: true };
      render({ ...data, observed: other(data.observed), network: other(data.network), weights: [...data.weights], network_of: data.network_of + " ",
        recipe: data.recipe + " " });
      if (parts() !== before) told("drawn again it is another page: " + before + " " + parts());
    }
    found.charts = charts.size;
    for (const [id, { chart, canvas, spec }] of charts) {
      const marks = spec.series.map((_, i) => chart.getDatasetMeta(i).data.filter((mark) => !mark.skip && Number.isFinite(mark.x)).length);
      if (marks.length === 0 || marks.some((count) => count === 0)) told(id + " has a curve without marks");
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      if (!pixels.some((value) => value !== 0)) told(id + " is blank");
      for (const [axis, scale] of Object.entries(chart.scales)) {
        const items = scale._labelItems || scale._computeLabelItems(chart.chartArea), texts = items.map((item) => String(item.label));
        if (axis === "x" ? !spec.labels : true)
          if (new Set(texts).size < texts.length) told(id + ": ticks of " + axis + " are the same: " + texts);
        const context = canvas.getContext("2d");
        items.forEach((item, i) => {
          if (i === 0 || item.rotation) return;
          context.font = item.font.string;
          const [x0, y0] = items[i - 1].translation, [x1, y1] = item.translation;
          const wide = (context.measureText(texts[i - 1]).width + context.measureText(texts[i]).width) / 2;
          if (axis === "x" ? Math.abs(x1 - x0) < wide : Math.abs(y1 - y0) < item.font.size) told(id + ": ticks of " + axis + " collide: " + texts);
        });
      }
      document.getElementById("announcer").textContent = "";
      canvas.focus();
      if (document.activeElement !== canvas) told(id + " takes no focus");
      canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
      if (document.getElementById("announcer").textContent === "") told(id + " does not answer to keys");
      const legend = canvas.closest("figure").querySelector(".legend button");
      if (spec.series.length > 1) {
        legend.click();
        if (chart.isDatasetVisible(0) || legend.getAttribute("aria-pressed") !== "false") told(id + ": the legend hides nothing");
        legend.click();
      }
    }
    const tables = [...document.querySelectorAll("table.sortable")];
    found.tables = tables.length;
    for (const table of tables) {
      const name = table.caption.textContent, rows = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
      const before = rows(), button = table.querySelector("th button"), head = button.closest("th");
      button.click();
      const up = rows();
      button.click();
      const down = rows();
      const sorted = [...before].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      if (JSON.stringify(up) !== JSON.stringify(sorted)) told(name + " does not sort: " + up);
      if (JSON.stringify([...down].reverse()) !== JSON.stringify(sorted)) told(name + " does not sort back");
      if (head.getAttribute("aria-sort") !== "descending") told(name + " does not say how it is sorted");
    }
    // As the program rounds.
    for (const [value, digits, text] of [[0.125, 2, "0.12"], [0.375, 2, "0.38"], [0.5, 0, "0"], [1.5, 0, "2"], [2.5, 0, "2"], [99.5, 0, "100"],
        [100.5, 0, "100"], [-0.125, 2, "-0.12"], [-0.375, 2, "-0.38"], [1.005, 2, "1.00"], [0.15, 1, "0.1"], [12.34, 1, "12.3"], [56.25, 1, "56.2"],
        [56.26, 1, "56.3"], [0, 2, "0.00"]])
      if (rounded(value, digits) !== text) told(value + " is rounded to " + rounded(value, digits) + " instead of " + text);
    found.rasters = document.querySelectorAll(".trains path").length;
    for (const path of document.querySelectorAll(".trains path"))
      if (path.closest("figure").querySelector("small").textContent.startsWith("0 ") !== (path.getAttribute("d") === "") &&
          path.getAttribute("d") === "" && document.querySelectorAll('.trains path[d=""]').length === found.rasters) told("rasters are empty");
    for (const picture of document.querySelectorAll("canvas, svg")) {
      if (picture.parentElement.closest("svg")) continue;
      if (!picture.getAttribute("aria-label") || picture.getAttribute("role") !== "img") told("a picture has no text");
    }
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) {
      const wide = [...document.querySelectorAll("main *")].filter((one) => one.getBoundingClientRect().right > root.clientWidth + 1 && !one.closest(".scroll"));
      told("wider than the window: " + root.scrollWidth + " " + wide.slice(0, 3).map((one) => one.tagName + "." + one.className));
    }
    for (const link of document.querySelectorAll("nav a"))
      if (!document.querySelector(link.getAttribute("href"))) told("a link leads nowhere: " + link.textContent);
    for (const entry of performance.getEntriesByType("resource")) told("loaded " + entry.name);
  } catch (error) {
    told("the check failed: " + error + " " + error.stack);
  }
  // Once the sizes of all have been noticed.
  setTimeout(() => {
    for (const box of document.querySelectorAll(".scroll")) {
      const is_wide = box.scrollWidth > box.clientWidth + 1, name = box.getAttribute("aria-label");
      found.wide = (found.wide || 0) + (is_wide ? 1 : 0);
      if (box.classList.contains("wide") !== is_wide || box.classList.contains("more-right") !== is_wide) told(name + " does not say whether it scrolls");
    }
    for (const one of document.querySelectorAll("svg.network g")) {
      const texts = [...one.querySelectorAll("text")].map((text) => text.getBoundingClientRect()), home = one.querySelector("rect").getBoundingClientRect();
      texts.forEach((a, i) => {
        for (const b of texts.slice(i + 1))
          if (a.right > b.left && a.bottom - 3 > b.top && b.right > a.left && b.bottom > a.top) told("texts of the drawing overlap: " + one.textContent);
      });
      if (texts.some((text) => text.left < home.left || text.right > home.right)) told("a text of the drawing leaves its box: " + one.textContent);
    }
    parent.postMessage(JSON.stringify(found), "*");
  }, 200);
});
</script>)";

// A window has a least width, a frame in it has not.
constexpr char kFrame[] = R"(<!DOCTYPE html><body><script>
addEventListener("message", (event) => {
  const outcome = document.createElement("pre");
  outcome.id = "outcome";
  outcome.textContent = event.data;
  document.body.append(outcome);
});
</script><iframe src="page.html" style="border:0;height:900px;width:)";

std::string text_of(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

std::string unescaped(std::string text) {
  for (const auto& [from, to] :
       {std::pair<std::string, std::string>{"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}}) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + 1))
      text.replace(at, from.size(), to);
  }
  return text;
}

/// After all else, in a page that is opened by itself.
constexpr char kTime[] = R"(<script>
addEventListener("load", () => {
  const drawn = [...charts.values()].filter(({ chart }) => chart.width > 0).length;
  const outcome = document.createElement("pre");
  outcome.id = "outcome";
  outcome.textContent = JSON.stringify({ height: document.body.offsetHeight, charts: drawn, milliseconds: performance.now() });
  document.body.append(outcome);
});
</script>)";

constexpr char kBrowser[] =
    "timeout 120 chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-sync "
    "--disable-background-networking --host-resolver-rules='MAP * ~NOTFOUND' --window-size=1300,1000 ";

std::string output_of(const std::string& command) {
  std::string all;
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return all;
  char block[4096];
  for (std::size_t count; (count = std::fread(block, 1, sizeof block, pipe)) > 0;) all.append(block, count);
  ::pclose(pipe);
  return all;
}

/// What the page's <pre id="outcome"> says once it is loaded.
nlohmann::json outcome_of(const std::string& options, const std::string& page) {
  const spikeloom::testing::TemporaryFolder profile;
  const std::string dom = output_of(kBrowser + options + " --user-data-dir='" + profile.path() +
                                    "' --dump-dom 'file://" + page + "' 2>/dev/null");
  const std::string begin = "<pre id=\"outcome\">";
  const std::size_t from = dom.find(begin);
  if (from == std::string::npos) return {{"problems", {"the page did not load: " + dom.substr(0, 500)}}};
  const std::size_t at = from + begin.size();
  return nlohmann::json::parse(unescaped(dom.substr(at, dom.find("</pre>", at) - at)));
}

}  // namespace

bool has_browser() { return std::system("command -v chromium >/dev/null 2>&1") == 0; }

nlohmann::json check_in_browser(const std::string& file, int width) {
  std::string page = text_of(file);
  page.insert(page.find("<head>") + 6, kListen);
  page.insert(page.rfind("</body>"), kTry);
  const spikeloom::testing::TemporaryFolder folder;
  std::ofstream(folder / "page.html", std::ios::binary) << page;
  std::ofstream(folder / "frame.html") << kFrame << width << "px\"></iframe></body>";
  return outcome_of("--virtual-time-budget=60000", folder / "frame.html");
}

double seconds_to_open(const std::string& file) {
  std::string page = text_of(file);
  page.insert(page.rfind("</body>"), kTime);
  const spikeloom::testing::TemporaryFolder folder;
  std::ofstream(folder / "page.html", std::ios::binary) << page;
  const auto outcome = outcome_of("", folder / "page.html");
  EXPECT_GT(outcome.value("charts", 0), 0) << outcome;
  return 1e-3 * outcome.value("milliseconds", 1e9);
}

}  // namespace spikeloom::app::testing

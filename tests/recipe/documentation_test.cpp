#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "spikeloom/base/files.h"
#include "spikeloom/model/plan.h"
#include "spikeloom/train/recipe/recipe.h"

namespace spikeloom::train {
namespace {

const std::string kDocs = std::string(SPIKELOOM_SOURCE_DIR) + "/docs/";

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream stream(row);
  for (std::string cell; std::getline(stream, cell, '|');) {
    const std::size_t first = cell.find_first_not_of(" `");
    cells.push_back(first == std::string::npos ? ""
                                               : cell.substr(first, cell.find_last_not_of(" `") - first + 1));
  }
  return cells;
}

/// "" if a key of this type can have this default, which is written as in TOML; else what is expected.
std::string type_mismatch(const std::string& type, const std::string& value) {
  static const std::map<std::string, std::string> kForms = {{"boolean", "true|false"},
                                                            {"integer", "-?[0-9]+"},
                                                            {"list of strings", "\\[.*\\]"},
                                                            {"number", "-?[0-9.]+(e-?[0-9]+)?"},
                                                            {"string", "\".*\""}};
  if (type.front() == '`') return type.find('`' + value + '`') != std::string::npos ? "" : "one of " + type;
  for (const auto& [name, form] : kForms) {
    if (type.rfind(name, 0) == 0) return std::regex_match(value, std::regex(form)) ? "" : form;
  }
  return "a type";
}

// A key is an item, "- **`KEY`**: TYPE, UNIT; default `VALUE`; SOURCE.", and what it means begins on the next
// line.
TEST(RecipeDocumentation, HasEveryKeyWithItsDefaultAndNoOther) {
  std::set<std::string> written, documented;
  std::string section;
  for (const std::string& line : lines_of(to_toml(Recipe{}))) {
    if (line.empty()) continue;
    if (line.front() == '[') {
      section = line.substr(1, line.size() - 2) + ".";
    } else {
      written.insert(section + line);
    }
  }
  const std::regex item("- \\*\\*`([a-z0-9_]+)`\\*\\*: ([^;]+); default `([^`]+)`; ([^;]+)\\.");
  const std::vector<std::string> lines = lines_of(read_text_file(kDocs + "recipes.md"));
  bool keys = false;
  section.clear();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line.rfind("## ", 0) == 0) keys = line == "## Top level" || line[3] == '[';
    if (line.rfind("## [", 0) == 0) section = line.substr(4, line.size() - 5) + ".";
    if (!keys || line.rfind("- ", 0) != 0) continue;
    std::smatch part;
    ASSERT_TRUE(std::regex_match(line, part, item)) << line;
    EXPECT_EQ(type_mismatch(part[2], part[3]), "") << line;
    EXPECT_TRUE(i + 1 < lines.size() && std::regex_match(lines[i + 1], std::regex("  [^ ].*")))
        << "no meaning: " << line;
    EXPECT_TRUE(documented.insert(section + part[1].str() + " = " + part[3].str()).second)
        << "twice: " << line;
  }
  EXPECT_GT(written.size(), 60u);
  for (const std::string& line : written) EXPECT_EQ(documented.count(line), 1u) << "not in docs: " << line;
  for (const std::string& line : documented) EXPECT_EQ(written.count(line), 1u) << "only in docs: " << line;
}

std::string rounded(std::int64_t count, double unit, int digits) {
  std::ostringstream text;
  text.setf(std::ios::fixed);
  text.precision(digits);
  text << static_cast<double>(count) / unit;
  return text.str();
}

TEST(StructureDocumentation, TableOfNetworksIsRight) {
  int rows = 0;
  for (const std::string& line : lines_of(read_text_file(kDocs + "structure.md"))) {
    const std::vector<std::string> cells = cells_of(line);
    if (cells.size() != 6 || cells[2].find("-Voting") == std::string::npos) continue;
    ++rows;
    model::NetworkSettings settings;
    settings.structure = cells[2];
    const model::NetworkPlan plan = model::plan_network(settings, model::parse_shape(cells[3]), 10);
    EXPECT_EQ(cells[4], rounded(plan.parameters(), 1e6, 2)) << line;
    EXPECT_EQ(cells[5], rounded(plan.macs_per_step(), 1e9, 3)) << line;
  }
  EXPECT_EQ(rows, 12);
}

/// The recipes of a page's TOML block in which each is headed by a comment with its name.
std::map<std::string, std::string> named_recipes(const std::vector<std::string>& lines) {
  std::map<std::string, std::string> recipes;
  std::string name;
  bool toml = false;
  for (const std::string& line : lines) {
    if (line.rfind("```", 0) == 0) {
      toml = line == "```toml";
      name.clear();
    } else if (toml && line.rfind("# ", 0) == 0) {
      name = line.substr(2);
    } else if (toml && !name.empty()) {
      recipes[name] += line + "\n";
    }
  }
  return recipes;
}

TEST(StructureDocumentation, NetworksOfTheFieldHaveTheirSizes) {
  int rows = 0;
  const std::vector<std::string> lines = lines_of(read_text_file(kDocs + "structure.md"));
  const std::map<std::string, std::string> recipes = named_recipes(lines);
  for (const std::string& line : lines) {
    const std::vector<std::string> cells = cells_of(line);
    if (cells.size() != 6 || cells[5].find_first_not_of("0123456789") != std::string::npos) continue;
    ++rows;
    ASSERT_EQ(recipes.count(cells[1]), 1u) << line;
    const std::string structure =
        parse_recipe("[network]\n" + recipes.at(cells[1]), "structure.md").network.structure;
    model::NetworkSettings settings;
    settings.structure = structure;
    const model::NetworkPlan plan =
        model::plan_network(settings, model::parse_shape(cells[2]), std::stoi(cells[3]));
    EXPECT_EQ(cells[4], std::to_string(plan.parameters())) << line;
    EXPECT_EQ(cells[5], std::to_string(plan.macs_per_step())) << line;
    EXPECT_EQ(model::to_string(model::parse_structure(structure)), structure) << "not the shortest text";
  }
  EXPECT_EQ(rows, 4);
  EXPECT_EQ(recipes.size(), 4u);
}

}  // namespace
}  // namespace spikeloom::train

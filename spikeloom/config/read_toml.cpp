#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/text.h"
#include "spikeloom/config/toml.h"

namespace spikeloom::config {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxBytes = std::int64_t{1} << 20;
// Each dot of a dotted key can open a table within a table, which the parser frees recursively.
constexpr int kMaxDots = 4096;
constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxChain = 16;
const char* const kOverrideFile = "--set";

Node convert(const toml::node& node, const std::string& file, int depth);

Entries convert_table(const toml::table& table, const std::string& file, int depth) {
  // toml++ keeps keys sorted; the order in which they were written is what a reader of the output expects.
  std::vector<std::pair<const toml::key*, const toml::node*>> members;
  for (auto&& [key, node] : table) members.emplace_back(&key, &node);
  std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) {
    const auto left = a.first->source().begin, right = b.first->source().begin;
    return left.line != right.line ? left.line < right.line : left.column < right.column;
  });
  Entries entries;
  for (const auto& [key, node] : members) {
    Node value = convert(*node, file, depth);
    value.origin.line = static_cast<int>(key->source().begin.line);
    entries.push_back({std::string(key->str()), std::move(value)});
  }
  return entries;
}

Node convert(const toml::node& node, const std::string& file, int depth) {
  Node result;
  result.origin = {file, static_cast<int>(node.source().begin.line)};
  if (depth > kMaxDepth) {
    throw ConfigError("tables and lists nested more than " + std::to_string(kMaxDepth) + " deep", file,
                      result.origin.line);
  }
  if (const auto* flag = node.as_boolean()) {
    result.value = flag->get();
  } else if (const auto* integer = node.as_integer()) {
    result.value = integer->get();
  } else if (const auto* real = node.as_floating_point()) {
    result.value = real->get();
  } else if (const auto* text = node.as_string()) {
    result.value = text->get();
  } else if (const auto* table = node.as_table()) {
    result.value = convert_table(*table, file, depth + 1);
  } else if (const auto* array = node.as_array()) {
    List list;
    for (const toml::node& item : *array) {
      if (item.is_table()) {
        throw ConfigError("a list of tables is not supported; use a table", file, result.origin.line);
      }
      list.push_back(convert(item, file, depth + 1));
    }
    result.value = std::move(list);
  } else {
    throw ConfigError("dates and times are not supported; put the value in quotes", file, result.origin.line);
  }
  return result;
}

Node parse(const std::string& text, const std::string& file) {
  if (static_cast<std::int64_t>(text.size()) > kMaxBytes) {
    throw ConfigError(
        "has " + std::to_string(text.size()) + " bytes, expected at most " + std::to_string(kMaxBytes), file);
  }
  if (std::count(text.begin(), text.end(), '.') > kMaxDots) {
    throw ConfigError("has more than " + std::to_string(kMaxDots) + " dots; nothing needs so many", file);
  }
  try {
    Node root;
    root.value = convert_table(toml::parse(text, file), file, 0);
    root.origin = {file, 0};
    return root;
  } catch (const toml::parse_error& error) {
    throw ConfigError("not valid TOML: " + one_line(std::string(error.description())), file,
                      static_cast<int>(error.source().begin.line));
  }
}

/// The file's text with what it extends below it. `chain` holds the files being read, outermost first.
Node resolve(const std::string& text, const std::string& file, std::vector<std::string>& chain);

Node load(const std::string& file, std::vector<std::string>& chain) {
  if (!fs::is_regular_file(fs::path(file)))
    throw DataError(file + ": no such file; check the path of the recipe");
  return resolve(read_text_file(file, kMaxBytes), file, chain);
}

Node resolve(const std::string& text, const std::string& file, std::vector<std::string>& chain) {
  Node top = parse(text, file);
  Entries& entries = std::get<Entries>(top.value);
  const Node* extends = find(entries, "extends");
  if (extends == nullptr) return top;
  const Origin at = extends->origin;
  const auto fail = [&at](const std::string& message) {
    return ConfigError(message, at.file, at.line, "extends");
  };
  const auto* name = std::get_if<std::string>(&extends->value);
  if (name == nullptr) throw fail("expected the path of a recipe, found " + type_name(*extends));
  const fs::path below = (fs::path(file).parent_path() / *name).lexically_normal();
  if (below.extension() != ".toml") throw fail("is '" + *name + "', expected the path of a .toml file");
  std::error_code ignored;
  const std::string self = fs::weakly_canonical(fs::path(file), ignored).string();
  const std::string target = fs::weakly_canonical(below, ignored).string();
  chain.push_back(self);
  if (std::find(chain.begin(), chain.end(), target) != chain.end()) {
    throw fail("'" + below.string() + "' extends itself through this file; remove one of these 'extends'");
  }
  if (chain.size() >= kMaxChain) {
    throw fail("more than " + std::to_string(kMaxChain) + " files extend one another");
  }
  if (!fs::is_regular_file(below, ignored)) {
    throw fail("no such file: '" + below.string() + "' (the path is relative to this file)");
  }
  Node base = load(below.string(), chain);
  chain.pop_back();
  entries.erase(
      std::find_if(entries.begin(), entries.end(), [](const Entry& e) { return e.key == "extends"; }));
  merge(std::get<Entries>(base.value), std::move(entries));
  base.origin = top.origin;
  return base;
}

bool is_key(const std::string& word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t start = 0;;) {
    const std::size_t dot = path.find('.', start);
    parts.push_back(trimmed(path.substr(start, dot == std::string::npos ? dot : dot - start)));
    if (!is_key(parts.back())) {
      throw ConfigError("'" + one_line(path) + "' is not a key: expected a name like training.batch_size",
                        kOverrideFile);
    }
    if (dot == std::string::npos) return parts;
    start = dot + 1;
  }
}

/// The value in TOML syntax, or the text itself where it is none.
Node override_value(const std::string& text) {
  Node bare;
  bare.value = text;
  bare.origin = {kOverrideFile, 0};
  if (text.find('\n') != std::string::npos) return bare;
  try {
    Node parsed = parse("value = " + text, kOverrideFile);
    Node value = std::move(std::get<Entries>(parsed.value).front().node);
    value.origin = bare.origin;
    return value;
  } catch (const ConfigError&) {
    return bare;
  }
}

}  // namespace

Toml Toml::parse_file(const std::string& path) {
  Toml document;
  std::vector<std::string> chain;
  document.root_ = load(path, chain);
  return document;
}

Toml Toml::parse_string(const std::string& text, const std::string& name) {
  Toml document;
  std::vector<std::string> chain;
  document.root_ = resolve(text, name, chain);
  return document;
}

void Toml::apply_override(const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos) {
    throw ConfigError(
        "'" + one_line(assignment) + "' has no '=', expected KEY=VALUE like training.batch_size=32",
        kOverrideFile);
  }
  const std::string path = trimmed(assignment.substr(0, equals));
  const std::vector<std::string> parts = split_path(path);
  if (parts.size() > static_cast<std::size_t>(kMaxDepth)) {
    throw ConfigError("a key of more than " + std::to_string(kMaxDepth) + " parts", kOverrideFile, 0, path);
  }
  if (parts.size() == 1 && parts.front() == "extends") {
    throw ConfigError("cannot be overridden; give the file to extend as the recipe", kOverrideFile, 0, path);
  }
  Node value = override_value(trimmed(assignment.substr(equals + 1)));
  if (value.is_table()) {
    throw ConfigError("a table cannot be set as a whole; set its keys one by one", kOverrideFile, 0, path);
  }
  Node* node = &root_;
  for (const std::string& part : parts) {
    if (!node->is_table()) {
      throw ConfigError("'" + part + "' is looked for in " + type_name(*node) + ", expected a table",
                        kOverrideFile, 0, path);
    }
    Entries& entries = std::get<Entries>(node->value);
    Node* next = find(entries, part);
    if (next == nullptr) {
      entries.push_back({part, Node{Entries{}, {kOverrideFile, 0}}});
      next = &entries.back().node;
    }
    node = next;
  }
  *node = std::move(value);
}

Table Toml::root() const { return Table(root_); }

std::string Toml::to_string() const { return to_toml(std::get<Entries>(root_.value)); }

}  // namespace spikeloom::config

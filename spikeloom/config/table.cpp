#include "spikeloom/config/table.h"

#include <algorithm>
#include <cmath>
#include <locale>
#include <map>
#include <sstream>

namespace spikeloom::config {

/// Keys that were asked for, by the path of their table; shared by all readers of a document.
struct Table::Known {
  std::map<std::string, std::vector<std::string>> keys;
  std::map<std::string, std::string> other_names;

  void add(const std::string& path, const std::string& key) {
    std::vector<std::string>& known = keys[path];
    if (std::find(known.begin(), known.end(), key) == known.end()) known.push_back(key);
  }
};

namespace {

std::string join(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

std::string text_of(double value) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(10);
  text << value;
  return text.str();
}

std::string suggestion(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string best = nearest(word, candidates);
  return best.empty() ? "" : "; did you mean '" + best + "'?";
}

bool in_range(double value, const Range& range) {
  if (!std::isfinite(value)) return false;
  const bool above = range.min_excluded ? value > range.min : value >= range.min;
  const bool below = range.max_excluded ? value < range.max : value <= range.max;
  return above && below;
}

std::string describe(const Range& range) {
  const double unlimited = std::numeric_limits<double>::max();
  std::string text = "expected a finite number";
  if (range.min > -unlimited) text += (range.min_excluded ? " > " : " >= ") + text_of(range.min);
  if (range.min > -unlimited && range.max < unlimited) text += " and";
  if (range.max < unlimited) text += (range.max_excluded ? " < " : " <= ") + text_of(range.max);
  return text;
}

std::string describe(std::int64_t min, std::int64_t max) {
  if (max == std::numeric_limits<std::int64_t>::max()) return "expected >= " + std::to_string(min);
  return "expected " + std::to_string(min) + " to " + std::to_string(max);
}

const Entries& entries_of(const Node& table) { return std::get<Entries>(table.value); }

template <class Item>
bool read_item(const Node& node, Item& item) {
  const Item* value = std::get_if<Item>(&node.value);
  if (value != nullptr) item = *value;
  return value != nullptr;
}

bool read_item(const Node& node, double& item) {
  if (const auto* real = std::get_if<double>(&node.value)) {
    item = *real;
    return true;
  }
  const auto* integer = std::get_if<std::int64_t>(&node.value);
  if (integer != nullptr) item = static_cast<double>(*integer);
  return integer != nullptr;
}

/// False where the node is no list or one of its items is of another type.
template <class Item>
bool read_list(const Node& node, std::vector<Item>& items) {
  const auto* list = std::get_if<List>(&node.value);
  if (list == nullptr) return false;
  items.resize(list->size());
  for (std::size_t i = 0; i < list->size(); ++i) {
    if (!read_item((*list)[i], items[i])) return false;
  }
  return true;
}

}  // namespace

Table::Table(const Node& table) : Table(table, table.origin, "", std::make_shared<Known>()) {}

Table::Table(const Node& table, Origin origin, std::string path, std::shared_ptr<Known> known)
    : table_(&table), origin_(std::move(origin)), path_(std::move(path)), known_(std::move(known)) {
  if (!table.is_table()) {
    throw ConfigError("expected a table, found " + type_name(table), table.origin.file, table.origin.line,
                      path_);
  }
  known_->keys[path_];
}

std::string Table::path_of(const std::string& key) const { return join(path_, key); }

const Node* Table::look_up(const std::string& key) {
  known_->add(path_, key);
  return find(entries_of(*table_), key);
}

bool Table::has(const std::string& key) const { return find(entries_of(*table_), key) != nullptr; }

Origin Table::origin(const std::string& key) const {
  const Node* node = find(entries_of(*table_), key);
  return node != nullptr ? node->origin : origin_;
}

ConfigError Table::error(const std::string& key, const std::string& message) const {
  const Origin where = origin(key);
  return ConfigError(message, where.file, where.line, path_of(key));
}

void Table::wrong_type(const std::string& key, const Node& node, const std::string& expected) const {
  throw ConfigError("expected " + expected + ", found " + type_name(node), node.origin.file, node.origin.line,
                    path_of(key));
}

std::string Table::get_string(const std::string& key, const std::string& default_value) {
  const Node* node = look_up(key);
  std::string value = default_value;
  if (node != nullptr && !read_item(*node, value)) wrong_type(key, *node, "a string");
  return value;
}

std::int64_t Table::get_int(const std::string& key, std::int64_t default_value, std::int64_t min,
                            std::int64_t max) {
  const Node* node = look_up(key);
  if (node == nullptr) return default_value;
  std::int64_t value = 0;
  if (!read_item(*node, value)) wrong_type(key, *node, "an integer");
  if (value < min || value > max) throw error(key, "is " + std::to_string(value) + ", " + describe(min, max));
  return value;
}

double Table::get_double(const std::string& key, double default_value, const Range& range) {
  const Node* node = look_up(key);
  if (node == nullptr) return default_value;
  double value = 0;
  if (!read_item(*node, value)) wrong_type(key, *node, "a number");
  if (!in_range(value, range)) throw error(key, "is " + text_of(value) + ", " + describe(range));
  return value;
}

bool Table::get_bool(const std::string& key, bool default_value) {
  const Node* node = look_up(key);
  bool value = default_value;
  if (node != nullptr && !read_item(*node, value)) wrong_type(key, *node, "true or false");
  return value;
}

std::vector<std::string> Table::get_strings(const std::string& key,
                                            const std::vector<std::string>& default_value) {
  const Node* node = look_up(key);
  if (node == nullptr) return default_value;
  std::vector<std::string> values;
  if (!read_list(*node, values)) wrong_type(key, *node, "a list of strings");
  return values;
}

std::vector<std::int64_t> Table::get_ints(const std::string& key,
                                          const std::vector<std::int64_t>& default_value) {
  const Node* node = look_up(key);
  if (node == nullptr) return default_value;
  std::vector<std::int64_t> values;
  if (!read_list(*node, values)) wrong_type(key, *node, "a list of integers");
  return values;
}

std::vector<double> Table::get_doubles(const std::string& key, const std::vector<double>& default_value) {
  const Node* node = look_up(key);
  if (node == nullptr) return default_value;
  std::vector<double> values;
  if (!read_list(*node, values)) wrong_type(key, *node, "a list of numbers");
  return values;
}

int Table::choice_index(const std::string& key, const std::vector<std::string>& names) {
  const Node* node = look_up(key);
  if (node == nullptr) return -1;
  std::string value;
  if (!read_item(*node, value)) wrong_type(key, *node, "a string");
  const auto at = std::find(names.begin(), names.end(), value);
  if (at != names.end()) return static_cast<int>(at - names.begin());
  std::string expected;
  for (const std::string& name : names) expected += (expected.empty() ? "'" : ", '") + name + "'";
  throw error(key, "is '" + value + "', expected one of " + expected + suggestion(value, names));
}

Table Table::table(const std::string& key) {
  static const Node kEmpty{Entries{}, {}};
  const Node* node = look_up(key);
  return Table(node != nullptr ? *node : kEmpty, origin(key), path_of(key), known_);
}

void Table::also_called(const std::vector<std::pair<std::string, std::string>>& names) {
  known_->other_names.insert(names.begin(), names.end());
}

void Table::finish() const {
  const std::vector<std::string>& known = known_->keys[path_];
  for (const Entry& entry : entries_of(*table_)) {
    if (std::find(known.begin(), known.end(), entry.key) == known.end()) {
      const std::string meant = meant_keys(entry);
      throw error(entry.key, meant.empty() ? "unknown key" : "unknown key; did you mean " + meant + "?");
    }
    const std::string path = path_of(entry.key);
    if (entry.node.is_table() && known_->keys.count(path) > 0)
      Table(entry.node, entry.node.origin, path, known_).finish();
  }
}

std::string Table::meant_keys(const Entry& entry) const {
  constexpr std::size_t kShown = 4;
  std::vector<std::string> meant;
  for (const auto& [path, keys] : known_->keys) {
    const bool has = std::find(keys.begin(), keys.end(), entry.key) != keys.end();
    if (has && path != path_ && meant.size() < kShown) meant.push_back(join(path, entry.key));
  }
  if (meant.empty()) {
    const auto other = known_->other_names.find(entry.key);
    if (other != known_->other_names.end()) meant.push_back(other->second);
  }
  if (meant.empty()) {
    const std::string best = nearest(entry.key, known_->keys[path_]);
    // A file has the table's name above the key; with --set the whole path is typed.
    if (!best.empty()) meant.push_back(entry.node.origin.line > 0 ? best : path_of(best));
  }
  if (meant.empty()) {
    for (const auto& [path, keys] : known_->keys) {
      const std::string best = path == path_ ? "" : nearest(entry.key, keys);
      if (!best.empty() && meant.size() < kShown) meant.push_back(join(path, best));
    }
  }
  std::string text;
  for (std::size_t i = 0; i < meant.size(); ++i) {
    text += (i == 0 ? "'" : i + 1 < meant.size() ? ", '" : " or '") + meant[i] + "'";
  }
  return text;
}

namespace {

/// Optimal string alignment distance, three rows of the table at a time.
std::size_t edit_distance(const std::string& word, const std::string& other) {
  std::vector<std::size_t> before_last, last(other.size() + 1), row(other.size() + 1);
  for (std::size_t j = 0; j <= other.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= word.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= other.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (word[i - 1] == other[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && word[i - 1] == other[j - 2] && word[i - 2] == other[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last = last;
    last = row;
  }
  return last[other.size()];
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  const std::vector<std::string> all = nearest_all(word, candidates);
  return all.empty() ? "" : all.front();
}

std::vector<std::string> nearest_all(const std::string& word, const std::vector<std::string>& candidates) {
  constexpr std::size_t kLongestWord = 256;
  if (word.size() > kLongestWord) return {};
  const std::size_t farthest = (word.size() + 2) / 3;
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance <= farthest) found.emplace_back(distance, candidate);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (auto& [distance, name] : found) names.push_back(std::move(name));
  return names;
}

}  // namespace spikeloom::config

#pragma once
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/config/node.h"

namespace spikeloom::config {

/// The doubles a key may take: min..max, either end excluded on request. NaN and infinities never are in
/// range.
struct Range {
  double min = -std::numeric_limits<double>::max();
  double max = std::numeric_limits<double>::max();
  bool min_excluded = false;
  bool max_excluded = false;
};

/// Typed reading of one table of a document. Each get returns the default where the key is absent, and throws
/// ConfigError{file, line, key} where the value is of the wrong type or out of range; the key is the dotted
/// path. An integer is accepted where a double is asked for, not the reverse.
class Table {
 public:
  /// Reads `table`, which must be a table and must outlive the reader.
  explicit Table(const Node& table);

  std::string get_string(const std::string& key, const std::string& default_value);
  std::int64_t get_int(const std::string& key, std::int64_t default_value,
                       std::int64_t min = std::numeric_limits<std::int64_t>::min(),
                       std::int64_t max = std::numeric_limits<std::int64_t>::max());
  double get_double(const std::string& key, double default_value, const Range& range = {});
  bool get_bool(const std::string& key, bool default_value);
  std::vector<std::string> get_strings(const std::string& key,
                                       const std::vector<std::string>& default_value = {});
  std::vector<std::int64_t> get_ints(const std::string& key,
                                     const std::vector<std::int64_t>& default_value = {});
  std::vector<double> get_doubles(const std::string& key, const std::vector<double>& default_value = {});

  /// One of several names, as the value that goes with it; the error lists the names and suggests the
  /// nearest.
  template <class Value>
  Value choice(const std::string& key, Value default_value,
               std::initializer_list<std::pair<const char*, Value>> choices) {
    std::vector<std::string> names;
    for (const auto& one : choices) names.emplace_back(one.first);
    const int index = choice_index(key, names);
    return index < 0 ? default_value : (choices.begin() + index)->second;
  }

  /// Position of the key's value in `names`, or -1 where the key is absent.
  int choice_index(const std::string& key, const std::vector<std::string>& names);

  /// A table within this one; an empty one where the key is absent.
  Table table(const std::string& key);

  /// Whether the document has the key.
  bool has(const std::string& key) const;

  /// Where the key was written; where it is absent, where the table was.
  Origin origin(const std::string& key) const;

  /// An error about a key, to be thrown by who checks more than type and range.
  ConfigError error(const std::string& key, const std::string& message) const;

  /// What other programs call a key: pairs of such a name and the path, for the errors of finish().
  void also_called(const std::vector<std::pair<std::string, std::string>>& names);

  /// Refuses, here and in every table read through this one, the first key that nobody asked for, with file,
  /// line and the key that may be meant: of this name in another table, else the one that is also called so,
  /// else the nearest of this table.
  void finish() const;

  /// "training.batch_size": the dotted path of a key of this table.
  std::string path_of(const std::string& key) const;

 private:
  struct Known;
  Table(const Node& table, Origin origin, std::string path, std::shared_ptr<Known> known);
  const Node* look_up(const std::string& key);
  std::string meant_keys(const Entry& entry) const;
  [[noreturn]] void wrong_type(const std::string& key, const Node& node, const std::string& expected) const;

  const Node* table_;
  Origin origin_;
  std::string path_;
  std::shared_ptr<Known> known_;
};

/// The candidate with the smallest edit distance (insertions, deletions, replacements, swaps of neighbours),
/// if that is at most a third of the word's length, rounded up; else "". The first of several wins.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

/// All candidates that are so near, the nearest first; of equally near ones the earlier first.
std::vector<std::string> nearest_all(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace spikeloom::config

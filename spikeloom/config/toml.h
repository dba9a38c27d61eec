#pragma once
#include <cstddef>
#include <string>

#include "spikeloom/config/node.h"
#include "spikeloom/config/table.h"

namespace spikeloom::config {

/// A TOML document, `extends` resolved. Dates and lists of tables are not supported.
/// Limits, so that a hostile file cannot exhaust memory or stack: 1 MiB, 4096 dots and 32 levels a file, 16
/// files in a chain.
class Toml {
 public:
  /// Reads a file. `extends = "other.toml"` at the top, relative to the file, is read first and the file laid
  /// over it. Throws ConfigError (not TOML, cycle, limits), DataError (cannot be read).
  static Toml parse_file(const std::string& path);

  /// The same from text; `name` stands for the file in errors and as the place that `extends` is relative to.
  static Toml parse_string(const std::string& text, const std::string& name);

  /// Sets one value: "training.batch_size=32", the value in TOML syntax; what is not a TOML value is taken as
  /// a string ("network.kind=ann"). Unknown keys are refused by Table::finish, like those of a file. Throws
  /// ConfigError with file "--set": no '=', a key that is not dotted names, a table as value, a part of it
  /// that is no table.
  void apply_override(const std::string& assignment);

  /// The reader of the whole document; valid as long as the document lives and is not changed.
  Table root() const;

  /// The resolved document as data.
  const Node& tree() const { return root_; }

  /// The resolved document as TOML (config::to_toml).
  std::string to_string() const;

 private:
  Node root_;
};

/// A string as TOML writes it, in double quotes.
std::string quoted(const std::string& text);

}  // namespace spikeloom::config

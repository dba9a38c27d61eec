#pragma once
// A TOML value as plain data, each with the place it was written at.
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace spikeloom::config {

/// Where a value was written: the recipe's file and line, or "--set" and 0 for an override.
struct Origin {
  std::string file;
  int line = 0;
};

struct Entry;
struct Node;
using List = std::vector<Node>;
/// Keys in the order in which they were written, each once.
using Entries = std::vector<Entry>;

struct Node {
  std::variant<bool, std::int64_t, double, std::string, List, Entries> value;
  Origin origin;

  bool is_table() const { return std::holds_alternative<Entries>(value); }
};

struct Entry {
  std::string key;
  Node node;
};

/// The entry's node, or nullptr.
const Node* find(const Entries& entries, const std::string& key);
Node* find(Entries& entries, const std::string& key);

/// "a string", "an integer", "a table" ...: a node's type for messages.
std::string type_name(const Node& node);

/// `top` laid over `base`: tables key by key, every other value replaced whole. New keys come last.
void merge(Entries& base, Entries top);

/// A table as TOML text: first its plain values, then its tables as [a.b] sections, in the order of the
/// entries. Doubles have the fewest digits that read back to the same bits. Lists of tables are not
/// supported.
std::string to_toml(const Entries& root);

}  // namespace spikeloom::config

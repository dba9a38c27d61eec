#include <algorithm>
#include <utility>

#include "spikeloom/config/node.h"

namespace spikeloom::config {

const Node* find(const Entries& entries, const std::string& key) {
  const auto at = std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.key == key; });
  return at == entries.end() ? nullptr : &at->node;
}

Node* find(Entries& entries, const std::string& key) {
  return const_cast<Node*>(find(static_cast<const Entries&>(entries), key));
}

std::string type_name(const Node& node) {
  static const char* const kNames[] = {"a boolean", "an integer", "a number",
                                       "a string",  "a list",     "a table"};
  return kNames[node.value.index()];
}

void merge(Entries& base, Entries top) {
  for (Entry& entry : top) {
    Node* old = find(base, entry.key);
    if (old == nullptr) {
      base.push_back(std::move(entry));
    } else if (old->is_table() && entry.node.is_table()) {
      old->origin = entry.node.origin;
      merge(std::get<Entries>(old->value), std::move(std::get<Entries>(entry.node.value)));
    } else {
      *old = std::move(entry.node);
    }
  }
}

}  // namespace spikeloom::config

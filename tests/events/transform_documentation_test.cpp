#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "spikeloom/base/files.h"
#include "spikeloom/events/transforms/transform.h"

namespace spikeloom::events {
namespace {

/// What a line "- **`TRANSFORM`**" has between its backquotes; "" for any other line.
std::string item_of(const std::string& line) {
  const std::string before = "- **`", after = "`**";
  if (line.rfind(before, 0) != 0) return "";
  const std::size_t end = line.find(after, before.size());
  EXPECT_EQ(end, line.size() - after.size()) << line;
  return line.substr(before.size(), end - before.size());
}

TEST(TransformDocumentation, HasEveryTransformWithItsSettingsInOrder) {
  std::istringstream text(read_text_file(std::string(SPIKELOOM_SOURCE_DIR) + "/docs/transforms.md"));
  std::vector<std::string> documented;
  for (std::string line; std::getline(text, line);) {
    const std::string item = item_of(line);
    if (item.empty()) continue;
    const auto transform = parse_transform(item);
    EXPECT_EQ(transform_text(*transform), item)
        << "an item must show every setting, in the order and form of the program";
    documented.emplace_back(transform->name());
    std::string meaning;
    std::getline(text, meaning);
    EXPECT_EQ(meaning.rfind("  ", 0), 0u) << "no meaning: " << item;
  }
  EXPECT_EQ(documented, transform_names());
}

}  // namespace
}  // namespace spikeloom::events

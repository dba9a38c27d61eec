#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "spikeloom/base/files.h"
#include "spikeloom/events/transforms/transform.h"

namespace spikeloom::events {
namespace {

/// The first cell of a row of a table, without its backquotes; "" for any other line.
std::string first_cell(const std::string& line) {
  if (line.rfind("| `", 0) != 0) return "";
  return line.substr(3, line.find('`', 3) - 3);
}

TEST(TransformDocumentation, HasEveryTransformWithItsSettingsInOrder) {
  std::istringstream text(read_text_file(std::string(SPIKELOOM_SOURCE_DIR) + "/docs/transforms.md"));
  std::vector<std::string> documented;
  for (std::string line; std::getline(text, line);) {
    const std::string cell = first_cell(line);
    if (cell.empty()) continue;
    const auto transform = parse_transform(cell);
    EXPECT_EQ(transform_text(*transform), cell)
        << "a row must show every setting, in the order and form of the program";
    documented.emplace_back(transform->name());
  }
  EXPECT_EQ(documented, transform_names());
}

}  // namespace
}  // namespace spikeloom::events

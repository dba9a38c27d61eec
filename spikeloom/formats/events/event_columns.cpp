#include "spikeloom/formats/events/event_columns.h"

#include <algorithm>
#include <cctype>

namespace spikeloom::formats {
namespace {

int column_of(std::string name) {
  static const std::array<std::vector<std::string>, kNumEventColumns> kNames = {
      {{"t", "ts", "time", "timestamp", "timestamps", "t_us"},
       {"x", "xs"},
       {"y", "ys"},
       {"p", "ps", "pol", "polarity", "polarities", "on"}}};
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (std::size_t column = 0; column < kNumEventColumns; ++column) {
    const auto& names = kNames[column];
    if (std::find(names.begin(), names.end(), name) != names.end()) return static_cast<int>(column);
  }
  return -1;
}

}  // namespace

std::optional<ColumnPlaces> columns_by_name(const std::vector<std::string>& names) {
  ColumnPlaces places = {-1, -1, -1, -1};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const int column = column_of(names[i]);
    if (column < 0) continue;
    if (places[static_cast<std::size_t>(column)] >= 0) return std::nullopt;
    places[static_cast<std::size_t>(column)] = static_cast<int>(i);
  }
  if (places[kColumnT] < 0 || places[kColumnX] < 0) return std::nullopt;
  return places;
}

std::optional<ColumnPlaces> columns_by_content(
    std::size_t num_rows, const std::function<std::int64_t(std::size_t row, int column)>& value) {
  constexpr std::int64_t kMaxCoordinate = 65535;
  for (const ColumnPlaces& places : {ColumnPlaces{0, 1, 2, 3}, {2, 0, 1, 3}, {3, 0, 1, 2}}) {
    bool fits = true;
    for (std::size_t row = 0; row < num_rows && fits; ++row) {
      for (const EventColumn column : {kColumnX, kColumnY}) {
        const std::int64_t coordinate = value(row, places[column]);
        fits = fits && coordinate >= 0 && coordinate <= kMaxCoordinate;
      }
      fits = fits && polarity_of(value(row, places[kColumnP])).has_value();
      fits = fits && (row == 0 || value(row - 1, places[kColumnT]) <= value(row, places[kColumnT]));
    }
    if (fits) return places;
  }
  return std::nullopt;
}

std::optional<std::uint8_t> polarity_of(std::int64_t number) {
  if (number < -1 || number > 1) return std::nullopt;
  return static_cast<std::uint8_t>(number == 1 ? 1 : 0);
}

}  // namespace spikeloom::formats

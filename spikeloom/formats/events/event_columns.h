#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace spikeloom::formats {

/// The four numbers of an event, in the order in which tables of events are written here.
enum EventColumn : std::size_t { kColumnT, kColumnX, kColumnY, kColumnP };
constexpr std::size_t kNumEventColumns = 4;

/// Which column of a table holds which number of an event; -1: none. Without y every event is in row 0,
/// without p every event is on.
using ColumnPlaces = std::array<int, kNumEventColumns>;

/// By the names of the columns, upper or lower case: t (ts, time, timestamp, timestamps, t_us), x (xs), y
/// (ys), p (ps, pol, polarity, polarities, on). Nullopt if t or x is missing or one is there twice.
std::optional<ColumnPlaces> columns_by_name(const std::vector<std::string>& names);

/// For four columns without names: the first of the orders (t, x, y, p), (x, y, t, p), (x, y, p, t) in which
/// the first rows make sense: times that do not go back, coordinates in [0, 65535], polarities of -1, 0
/// and 1. Nullopt if none does.
std::optional<ColumnPlaces> columns_by_content(
    std::size_t num_rows, const std::function<std::int64_t(std::size_t row, int column)>& value);

/// 0 for 0 and -1, 1 for 1; nullopt for another number.
std::optional<std::uint8_t> polarity_of(std::int64_t number);

}  // namespace spikeloom::formats

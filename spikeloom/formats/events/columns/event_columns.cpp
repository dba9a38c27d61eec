#include "spikeloom/formats/events/columns/event_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/columns/event_times.h"

namespace spikeloom::formats {
namespace {

constexpr double kMostPixels = 16384;  // a side of a sensor: 14 bits, as DAT has

/// Without a unit such as "_us" or " [us]" at its end.
std::string without_unit(std::string name) {
  if (time_unit_in_name(name) == TimeUnit::kFile) return name;
  name.resize(name.find_last_of("_ \t[("));
  while (!name.empty() && std::string(" \t[(_").find(name.back()) != std::string::npos) name.pop_back();
  return name;
}

/// Without what stands in brackets at its end: x of "x [px]".
std::string without_last_brackets(const std::string& name) {
  const std::size_t open = name.find_first_of("([");
  if (open == std::string::npos || open == 0 || (name.back() != ')' && name.back() != ']')) return name;
  return name.substr(0, name.find_last_not_of(' ', open - 1) + 1);
}

int column_of(const std::string& as_written) {
  std::string name = bare_column_name(as_written);
  static const std::array<std::vector<std::string>, kNumEventColumns> kNames = {
      {{"t", "ts", "time", "times", "timestamp", "timestamps"},
       {"x", "xs", "x_pos", "xpos", "col", "column"},
       {"y", "ys", "y_pos", "ypos", "row"},
       {"p", "ps", "pol", "pols", "polarity", "polarities", "on", "sign"}}};
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (std::size_t column = 0; column < kNumEventColumns; ++column) {
    const auto& names = kNames[column];
    const std::string searched = column == kColumnT ? without_unit(name) : without_last_brackets(name);
    if (std::find(names.begin(), names.end(), searched) != names.end()) return static_cast<int>(column);
  }
  return -1;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

constexpr ColumnPlaces kUsualOrders[] = {{0, 1, 2, 3}, {2, 0, 1, 3}, {3, 0, 1, 2}};

}  // namespace

std::string bare_column_name(const std::string& name) {
  constexpr char kMarks[] = " \t\r'\"`;:,.";
  constexpr char kOpen[] = "([{<", kClose[] = ")]}>";
  std::string text = name;
  for (std::size_t before = text.size() + 1; text.size() < before;) {
    before = text.size();
    const std::size_t first = text.find_first_not_of(std::string(kMarks) + kOpen);
    if (first == std::string::npos) return "";
    text = text.substr(first, text.find_last_not_of(kMarks) - first + 1);
    // A bracket that closes one within the name belongs to it: time [ms].
    const auto count = [&text](const char* brackets) {
      return std::count_if(text.begin(), text.end(),
                           [brackets](char c) { return std::strchr(brackets, c) != nullptr; });
    };
    if (std::strchr(kClose, text.back()) != nullptr && count(kClose) > count(kOpen)) text.pop_back();
  }
  return text;
}

std::string shown_column_names(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 8, kLongest = 30;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMost); ++i) {
    text += (i == 0 ? "" : ",") + (names[i].empty() ? "''" : names[i].substr(0, kLongest));
  }
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return names.size() > kMost ? text + ",..." : text;
}

NamedColumns read_column_names(const std::vector<std::string>& names) {
  NamedColumns named;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const int column = column_of(names[i]);
    if (column < 0) {
      named.unknown.push_back(names[i]);
      continue;
    }
    int& place = named.places[static_cast<std::size_t>(column)];
    if (place >= 0) {
      named.twice.push_back(names[static_cast<std::size_t>(place)]);
      named.twice.push_back(names[i]);
      continue;
    }
    place = static_cast<int>(i);
    ++named.num_known;
  }
  return named;
}

std::string NamedColumns::fault() const {
  if (is_sure()) return "";
  if (!twice.empty()) return "more than one column of one kind: " + shown_column_names(twice);
  std::string missing;
  for (std::size_t i = 0; i < kNumEventColumns; ++i) {
    if (places[i] < 0) missing += (missing.empty() ? "" : ", ") + std::string(kEventColumnNames[i]);
  }
  if (unknown.empty()) return "no column for " + missing;
  return fmt::format("no column for {}, but there are columns whose names are not known: {}", missing,
                     shown_column_names(unknown));
}

std::optional<ColumnPlaces> columns_by_name(const std::vector<std::string>& names) {
  const NamedColumns named = read_column_names(names);
  return named.is_sure() ? std::optional(named.places) : std::nullopt;
}

ColumnPlaces columns_as_given(const EventReaderOptions& options, std::size_t num_columns,
                              const std::string& file) {
  const std::vector<std::string>& given = options.columns;
  if (given.size() != num_columns) {
    throw ConfigError(fmt::format("columns {} name {} columns, but {} has {}: name each of them, with _ for "
                                  "one that is not read",
                                  joined(given), given.size(), file, num_columns),
                      "", 0, "columns");
  }
  ColumnPlaces places = {-1, -1, -1, -1};
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i] == "_") continue;
    const auto* name = std::find(std::begin(kEventColumnNames), std::end(kEventColumnNames), given[i]);
    if (name == std::end(kEventColumnNames)) {
      throw ConfigError(
          fmt::format("columns {}: '{}' is not one of t, x, y, p and _", joined(given), given[i]), "", 0,
          "columns");
    }
    int& place = places[static_cast<std::size_t>(name - std::begin(kEventColumnNames))];
    if (place >= 0) {
      throw ConfigError(fmt::format("columns {}: '{}' is given twice", joined(given), given[i]), "", 0,
                        "columns");
    }
    place = static_cast<int>(i);
  }
  if (places[kColumnT] < 0 || places[kColumnX] < 0) {
    throw ConfigError(fmt::format("columns {}: t and x must be among them", joined(given)), "", 0, "columns");
  }
  return places;
}

ColumnOrderFinder::ColumnOrderFinder(int width, int height, bool drop_outside)
    : has_sensor_(width > 0 && height > 0),
      width_(width > 0 ? width : kMostPixels),
      height_(height > 0 ? height : kMostPixels),
      drop_outside_(drop_outside) {}

std::optional<ColumnPlaces> ColumnOrderFinder::find(
    std::size_t num_rows, const std::function<double(std::size_t row, int column)>& value, double wrapped) {
  struct Column {
    bool polarity = true, whole = true, finite = true;
  };
  std::array<Column, kNumEventColumns> columns;
  for (std::size_t i = 0; i < kNumEventColumns; ++i) {
    Column& column = columns[i];
    for (std::size_t row = 0; row < num_rows; ++row) {
      const double number = value(row, static_cast<int>(i));
      column.polarity = column.polarity &&
                        (number == 0 || number == 1 || number == -1 || (wrapped > 0 && number == wrapped));
      column.whole = column.whole && number == std::floor(number);
      column.finite = column.finite && std::isfinite(number);
    }
  }
  const auto num_outside = [&](const ColumnPlaces& order) {
    std::size_t count = 0;
    for (std::size_t row = 0; row < num_rows; ++row) {
      const double x = value(row, order[kColumnX]), y = value(row, order[kColumnY]);
      count += x >= 0 && x < width_ && y >= 0 && y < height_ ? 0 : 1;
    }
    return count;
  };
  possible_.clear();
  strays_.clear();
  std::size_t least = num_rows;
  bool usable = false;
  for (const ColumnPlaces& order : kUsualOrders) {
    const auto column = [&](EventColumn what) -> const Column& {
      return columns[static_cast<std::size_t>(order[what])];
    };
    if (!column(kColumnT).finite || !column(kColumnX).whole || !column(kColumnY).whole ||
        !column(kColumnP).polarity) {
      continue;
    }
    const std::size_t outside = num_outside(order);
    const bool fits = outside == 0 || (drop_outside_ && outside * 100 < num_rows);
    if (outside == 0 || outside * 10 < num_rows) {
      possible_.push_back(order);
      usable = fits;  // looked at if there is no other
    }
    if (fits || outside >= least) continue;
    least = outside;
    strays_ = fmt::format(
        " (as {}, {} of the first {} events lie outside a sensor of {} x {}{})", order_text(order), outside,
        num_rows, width_, height_,
        drop_outside_
            ? ""
            : "; --drop-outside (data.drop_outside) finds the order where fewer than 1 % of them do");
  }
  if (num_rows == 0) return possible_.front();  // no event depends on it
  if (possible_.size() == 1 && usable) return possible_.front();
  return std::nullopt;
}

std::string ColumnOrderFinder::question() const {
  const std::string give = "give the order (--columns t,x,y,p or another; data.columns)";
  if (possible_.size() < 2)
    return fmt::format("the four columns have no names and are not t, x, y and p in any usual order{}: {}",
                       strays_, give);
  std::string orders;
  for (const ColumnPlaces& order : possible_) orders += (orders.empty() ? "" : " or ") + order_text(order);
  return fmt::format(
      "the four columns have no names and may be {}: {}{}", orders, give,
      has_sensor_ ? "" : ", or the size of the sensor, which may settle it (--sensor WxH; data.sensor)");
}

std::string order_text(const ColumnPlaces& places) {
  std::string text = "_,_,_,_";
  for (std::size_t i = 0; i < kNumEventColumns; ++i) {
    if (places[i] >= 0 && places[i] < 4)
      text[2 * static_cast<std::size_t>(places[i])] = kEventColumnNames[i][0];
  }
  return text;
}

std::optional<std::uint8_t> polarity_of(std::int64_t number, std::int64_t wrapped) {
  if (number == wrapped) return std::uint8_t{0};
  if (number < -1 || number > 1) return std::nullopt;
  return static_cast<std::uint8_t>(number == 1 ? 1 : 0);
}

std::string WrappedPolarity::question() const {
  return fmt::format(
      "polarities of 0 and of {0}, which may be -1 without a sign (off) or the on of a mask: store them as 0 "
      "and 1 (NumPy: p == {0}) or as -1 and 1, or leave them out (--columns t,x,y,_; data.columns)",
      static_cast<std::uint64_t>(wrapped_));
}

std::int64_t wrapped_minus_one(std::int64_t bytes) {
  return bytes >= 8 ? -1 : (std::int64_t{1} << 8 * bytes) - 1;
}

double wrapped_minus_one_real(std::int64_t bytes) {
  return bytes >= 8 ? 0x1p64 : static_cast<double>(wrapped_minus_one(bytes));
}

}  // namespace spikeloom::formats

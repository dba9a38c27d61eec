#include "spikeloom/formats/events/text/csv_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "spikeloom/formats/events/columns/column_words.h"
#include "spikeloom/formats/events/text/csv_line.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kMaxUnnamedColumns = 16;  // of a text that is recognised by itself

constexpr char kHowToName[] =
    "name them (--columns t,x,y,p or another, with _ for one that is not read; data.columns; or a first line "
    "with their names)";

constexpr std::size_t kLongestName = 30, kLongestComment = 100;

std::string joined(const std::vector<std::string>& names, std::size_t longest = kLongestName) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name.substr(0, longest);
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return text;
}

/// Width and height of a line of two whole numbers.
std::optional<std::pair<int, int>> sensor_size(std::string_view line) {
  constexpr std::int64_t kMaxPixels = 65536;
  const std::vector<std::string_view> fields = csv_fields(line, csv_separator(line));
  if (fields.size() != 2) return std::nullopt;
  const auto width = csv_number(fields[0]), height = csv_number(fields[1]);
  if (!width || !height || *width < 1 || *width > kMaxPixels || *height < 1 || *height > kMaxPixels)
    return std::nullopt;
  return std::pair(static_cast<int>(*width), static_cast<int>(*height));
}

std::vector<std::string> fields_of(std::string_view line) {
  std::vector<std::string> words;
  for (const std::string_view field : csv_fields(line, csv_separator(line))) words.emplace_back(field);
  return words;
}

/// What is in the brackets that end a line: "y, x" of "events (y, x)"; "" if there are none.
std::string_view in_last_brackets(std::string_view line) {
  constexpr std::string_view kOpen = "([{", kClose = ")]}";
  const std::size_t last = line.find_last_not_of(" \t\r.;,");
  if (last == std::string_view::npos || kClose.find(line[last]) == std::string_view::npos) return {};
  int depth = 0;
  for (std::size_t i = last + 1; i-- > 0;) {
    if (kClose.find(line[i]) != std::string_view::npos) ++depth;
    if (kOpen.find(line[i]) != std::string_view::npos && --depth == 0)
      return line.substr(i + 1, last - i - 1);
  }
  return {};
}

/// Whether words are meant as names of columns. Prose has such words, too, but not most of them.
bool are_names(std::string_view line, const std::vector<std::string>& words) {
  if (words.empty() || words.size() > kMaxCsvColumns) return false;
  const NamedColumns named = read_column_names(words);
  if (named.has_events()) return true;
  return named.num_known >= (csv_separator(line) == ' ' ? 3 : 2);
}

/// The names in a line that is nothing but a list of them, with a word or two before it; {} if there are
/// none.
std::vector<std::string> list_in(std::string_view line) {
  const std::size_t first = line.find(':'), last = line.rfind(':');
  for (const std::string_view part :
       {in_last_brackets(line), last == std::string_view::npos ? line : line.substr(last + 1),
        first == std::string_view::npos ? std::string_view{} : line.substr(first + 1), line}) {
    std::vector<std::string> words = fields_of(csv_trimmed(part));
    if (last != std::string_view::npos) {
      for (std::string& word : words) word = word.substr(0, word.find(':'));
    }
    if (are_names(part, words)) return words;
  }
  return {};
}

/// What comments say: "%geometry:640,480", "# geometry: 640,480", "# x y t p", "# columns: t, x, y, p", "#
/// events (y, x, t, p)", "# y: row, x: column, t: time, p: polarity", and what read_column_words() knows.
struct Comments {
  std::optional<std::pair<int, int>> size;
  std::vector<std::string> lines;  // without the marks of a comment

  void see(std::string_view line) {
    line = csv_trimmed(line);
    while (!line.empty() && (line[0] == '#' || line[0] == '%')) line = csv_trimmed(line.substr(1));
    constexpr std::string_view kGeometry = "geometry:";
    if (line.substr(0, kGeometry.size()) == kGeometry) {
      if (!size) size = sensor_size(line.substr(kGeometry.size()));
      return;
    }
    constexpr std::size_t kMostLines = 256, kMostBytes = 1024;
    if (!line.empty() && lines.size() < kMostLines) lines.emplace_back(line.substr(0, kMostBytes));
  }

  struct Names {
    std::vector<std::string> names;
    bool differ = false;  ///< two comments do not say the same
    std::string unclear;  ///< a comment that may name an order, where none does
  };

  /// The names of so many columns.
  Names names(std::size_t num_columns) const {
    Names found;
    std::string all;
    bool has_list = false;
    for (const std::string& line : lines) {
      all += line + "\n";
      std::vector<std::string> list = list_in(line);
      const bool fits = list.size() == num_columns;
      if (num_columns == kNumEventColumns && !(fits && read_column_names(list).is_sure())) {
        const ColumnWords words = read_column_words(line);
        if (found.unclear.empty() && (words.mentions || !list.empty())) found.unclear = line;
        if (!words.names.empty()) list = words.names;
      }
      if (list.size() != num_columns) continue;
      const NamedColumns now = read_column_names(list), before = read_column_names(found.names);
      found.differ =
          found.differ || (has_list && (now.places != before.places || now.unknown != before.unknown));
      found.names = std::move(list);
      has_list = true;
    }
    if (has_list || num_columns != kNumEventColumns) return found;
    // "column 1: t", "column 2: y" and so on, a line each.
    const ColumnWords words = read_column_words(all);
    found.names = words.names;
    if (found.unclear.empty() && words.has_x_and_y) found.unclear = lines[0];
    return found;
  }
};

class HeadReader {
 public:
  HeadReader(CsvText& text, const EventReaderOptions& options) : text_(text), options_(options) {}

  CsvHead read() {
    std::string_view line = first_content();
    // A size of the sensor is a line of its own before rows of more numbers.
    const auto size = options_.columns.size() == 2 ? std::nullopt : sensor_size(line);
    if (size) {
      comments_.size = size;
      text_.take();
      line = first_content();
      if (line.empty()) return head();
      if (sensor_size(line)) text_.refuse("a row of two numbers is not an event: t, x, y and p are needed");
    }
    if (line.empty()) text_.refuse("no events: a row of numbers or of the names t, x, y, p is needed");
    const auto layout = csv_layout(line);
    if (!layout) refuse_mixture(line);
    if (layout->num_columns > kMaxCsvColumns) text_.refuse(fmt::format("{} columns", layout->num_columns));
    layout_ = *layout;
    const bool has_names = !layout_.names.empty();
    find_places();
    if (has_names) text_.take();
    find_unit();
    return head();
  }

 private:
  CsvHead head() const {
    CsvHead head;
    head.separator = layout_.separator;
    head.places = places_;
    head.order_is_by_value = order_is_by_value_;
    head.time_unit = unit_;
    if (comments_.size) std::tie(head.width, head.height) = *comments_.size;
    return head;
  }

  /// The next line that is no comment, "" at the end.
  std::string_view first_content() {
    std::string_view line;
    while (text_.look(&line) && is_csv_comment(line)) {
      comments_.see(line);
      text_.take();
    }
    return line;
  }

  [[noreturn]] void refuse_mixture(std::string_view line) const {
    const std::vector<std::string_view> fields = csv_fields(line, csv_separator(line));
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (!csv_decimal(fields[i])) text_.refuse_field(fields[i], i, "a number, as in the columns beside it,");
    }
    text_.refuse("neither a row of numbers nor one of names");
  }

  void find_places() {
    // An order that is given takes precedence over names, which may be of another language.
    if (!options_.columns.empty()) {
      places_ = columns_as_given(options_, layout_.num_columns, text_.name());
      return;
    }
    if (layout_.names.empty()) {
      const Comments::Names said = comments_.names(layout_.num_columns);
      if (said.differ)
        text_.refuse(fmt::format("comments before it name the columns in two ways: {}", kHowToName));
      if (said.names.empty() && !said.unclear.empty()) {
        text_.refuse(
            fmt::format("a comment before it may name the columns, but their order is not certain "
                        "from it ('{}'): {}",
                        joined({said.unclear}, kLongestComment), kHowToName));
      }
      layout_.names = said.names;
    }
    if (layout_.names.empty()) {
      places_ = order_by_content();
      return;
    }
    const NamedColumns named = read_column_names(layout_.names);
    if (!named.is_sure()) {
      text_.refuse(
          fmt::format("the columns are named {}: {}: {}", joined(layout_.names), named.fault(), kHowToName));
    }
    places_ = named.places;
    unit_ = time_unit_in_name(bare_column_name(layout_.names[static_cast<std::size_t>(places_[kColumnT])]));
  }

  /// The fields of the first rows, up to one that cannot be read.
  template <class See>
  void look_at_rows(See see) {
    std::string_view rest = text_.lines_at_hand();
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      const std::string_view line = rest.substr(0, end);
      rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
      if (is_csv_comment(line)) continue;
      if (!see(csv_fields(line, layout_.separator))) return;
    }
  }

  ColumnPlaces order_by_content() {
    if (layout_.num_columns != kNumEventColumns) {
      text_.refuse(fmt::format("{} columns without names: {}", layout_.num_columns, kHowToName));
    }
    std::vector<double> numbers;
    look_at_rows([&](const std::vector<std::string_view>& fields) {
      if (fields.size() < kNumEventColumns) return false;
      double row[kNumEventColumns];
      for (std::size_t i = 0; i < kNumEventColumns; ++i) {
        const auto number = number_of(fields[i]);
        if (!number && numbers.empty()) text_.refuse_field(fields[i], i, "a number");
        if (!number) return false;
        row[i] = *number;
      }
      numbers.insert(numbers.end(), row, row + kNumEventColumns);
      return true;
    });
    if (numbers.empty()) return {0, 1, 2, 3};  // a row that is cut: it is refused when its turn comes
    ColumnOrderFinder finder(options_.width > 0 ? options_.width
                             : comments_.size   ? comments_.size->first
                                                : 0,
                             options_.height > 0 ? options_.height
                             : comments_.size    ? comments_.size->second
                                                 : 0,
                             options_.drop_outside);
    const auto places =
        finder.find(numbers.size() / kNumEventColumns, [&numbers](std::size_t row, int column) {
          return numbers[row * kNumEventColumns + static_cast<std::size_t>(column)];
        });
    if (!places) text_.refuse(finder.question());
    order_is_by_value_ = true;
    return *places;
  }

  static std::optional<double> number_of(std::string_view field) {
    if (const auto whole = csv_number(field)) return static_cast<double>(*whole);
    const auto decimal = csv_decimal(field);
    if (!decimal) return std::nullopt;
    // Only sorted and compared: rounding does not matter, but it must not look whole.
    return std::strtod(std::string(field).c_str(), nullptr);
  }

  void find_unit() {
    if (options_.time_unit != TimeUnit::kFile) unit_ = options_.time_unit;
    if (unit_ != TimeUnit::kFile) return;
    TimeUnitFinder finder;
    const auto column = static_cast<std::size_t>(places_[kColumnT]);
    look_at_rows([&](const std::vector<std::string_view>& fields) {
      const auto time = column < fields.size() ? csv_decimal(fields[column]) : std::nullopt;
      if (time) finder.see(*time);
      return time.has_value();
    });
    const auto unit = finder.unit();
    if (!unit) text_.refuse(TimeUnitFinder::question());
    unit_ = *unit;
  }

  CsvText& text_;
  const EventReaderOptions& options_;
  Comments comments_;
  CsvLayout layout_;
  ColumnPlaces places_ = {0, 1, 2, 3};
  TimeUnit unit_ = TimeUnit::kFile;
  bool order_is_by_value_ = false;
};

}  // namespace

CsvHead read_csv_head(CsvText& text, const EventReaderOptions& options) {
  return HeadReader(text, options).read();
}

namespace {

/// Names of events, or any four or more above a row of so many numbers: those are asked about.
bool has_names_of_events(const CsvLayout& layout, std::string_view rest) {
  const NamedColumns named = read_column_names(layout.names);
  if (named.has_events() || named.num_known >= 3) return true;
  if (layout.names.size() < kNumEventColumns || layout.names.size() > kMaxUnnamedColumns) return false;
  const auto row = csv_layout(rest.substr(0, rest.find('\n')));
  return row && row->names.empty() && row->num_columns == layout.names.size();
}

}  // namespace

bool begins_as_csv(std::string_view text, bool cut) {
  const auto is_text = [](unsigned char c) { return c >= 0x20 || c == '\t' || c == '\r' || c == '\n'; };
  if (!std::all_of(text.begin(), text.end(), is_text)) return false;
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
  bool has_size = false;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos && cut) return false;
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (is_csv_comment(line)) continue;
    if (!has_size && sensor_size(line)) {
      has_size = true;
      continue;
    }
    const auto layout = csv_layout(line);
    if (!layout) return false;
    if (!layout->names.empty()) return has_names_of_events(*layout, text);
    return layout->num_columns >= 3 && layout->num_columns <= kMaxUnnamedColumns;
  }
  return false;
}

}  // namespace spikeloom::formats

#include "spikeloom/formats/events/column_words.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "spikeloom/formats/events/event_columns.h"
#include "spikeloom/formats/events/event_times.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kMaxBytes = 4096;

template <std::size_t N>
bool is_one_of(const std::string& word, const std::array<const char*, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Words that leave the order as it is. "of", "at" and "where" are not among them: "p of the event at x, y".
bool is_filler(const std::string& word) {
  static const std::array<const char*, 52> kWords = {
      "a",       "an",         "the",   "and",   "then",    "is",       "are",     "as",        "each",
      "every",   "per",        "one",   "order", "ordered", "ordering", "format",  "layout",    "column",
      "columns", "col",        "cols",  "field", "fields",  "name",     "names",   "event",     "events",
      "line",    "lines",      "row",   "rows",  "entry",   "entries",  "record",  "records",   "data",
      "file",    "header",     "csv",   "txt",   "text",    "contains", "follows", "following", "has",
      "given",   "coordinate", "coord", "pixel", "pixels",  "px",       "position"};
  return is_one_of(word, kWords);
}

/// Names of columns that are everyday words as well.
bool is_everyday(const std::string& word) {
  static const std::array<const char*, 4> kWords = {"col", "column", "row", "on"};
  return is_one_of(word, kWords);
}

/// The EventColumn of a word; -1: none.
int column_of_word(std::string word) {
  for (const char* end : {"_coordinate", "_coord", "coordinate", "coord"}) {
    const std::size_t length = std::string(end).size();
    if (word.size() == length + 1 && word.compare(1, length, end) == 0 && (word[0] == 'x' || word[0] == 'y'))
      word.resize(1);
  }
  if (word == "on_off") word = "p";
  const NamedColumns named = read_column_names({word});
  for (std::size_t i = 0; i < kNumEventColumns; ++i) {
    if (named.places[i] >= 0) return static_cast<int>(i);
  }
  return -1;
}

/// The EventColumn that a word speaks of, also where it is no name that is known: "x_px". -1: none.
int column_spoken_of(const std::string& word) {
  static const std::array<const char*, 6> kEnds = {"px", "pix", "pixel", "addr", "address", "index"};
  const bool is_x = !word.empty() && word[0] == 'x', is_y = !word.empty() && word[0] == 'y';
  const std::string end =
      word.substr(std::min(word.size(), word[word.size() > 1 ? 1 : 0] == '_' ? std::size_t{2} : 1));
  if ((is_x || is_y) && is_one_of(end, kEnds)) return is_x ? kColumnX : kColumnY;
  return column_of_word(word);
}

/// Which column a word counts, from 1 on; "0" is 0.
std::optional<int> number_in(const std::string& word) {
  static const std::array<const char*, 4> kWords = {"first", "second", "third", "fourth"};
  static const std::array<const char*, 4> kShort = {"1st", "2nd", "3rd", "4th"};
  for (std::size_t i = 0; i < kWords.size(); ++i) {
    if (word == kWords[i] || word == kShort[i]) return static_cast<int>(i) + 1;
  }
  if (word.size() == 1 && word[0] >= '0' && word[0] <= '9') return word[0] - '0';
  return std::nullopt;
}

TimeUnit unit_of(const std::string& word) { return time_unit_in_name("t_" + word); }

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(word);
    word.clear();
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '_' || c == '\'' || byte >= 0x80) {
      word += static_cast<char>(byte < 0x80 ? std::tolower(byte) : byte);
    } else {
      end_word();
    }
  }
  end_word();
  for (std::string& one : words) {
    // Quotes around a word are none of it; an apostrophe within is.
    while (!one.empty() && one.back() == '\'') one.pop_back();
    while (!one.empty() && one.front() == '\'') one.erase(0, 1);
  }
  words.erase(std::remove(words.begin(), words.end(), std::string()), words.end());
  return words;
}

/// Without brackets. Of those that have no word of a column in them only a unit of time stays: "polarity (1
/// on, 0 off)", "t [us]".
std::string without_brackets(std::string text) {
  for (;;) {
    const std::size_t close = text.find_first_of(")]");
    const std::size_t open = close == std::string::npos ? close : text.find_last_of("([", close);
    if (open == std::string::npos) return text;
    const std::string inside = text.substr(open + 1, close - open - 1);
    const std::vector<std::string> words = words_of(inside);
    const bool has_columns = std::any_of(words.begin(), words.end(), [](const std::string& word) {
      return column_of_word(word) >= 0 && !is_everyday(word);
    });
    std::string kept = has_columns ? inside : "";
    if (!has_columns && words.size() == 1 && unit_of(words[0]) != TimeUnit::kFile) kept = words[0];
    text.replace(open, close - open + 1, " " + kept + " ");
  }
}

/// The order that the words give; nullopt if they leave it open. `everyday`: "row", "column" and "on" count.
std::optional<std::vector<std::string>> order_of(const std::vector<std::string>& words, bool everyday) {
  std::vector<int> columns, numbers;
  std::vector<std::size_t> columns_before;  // of each number
  TimeUnit unit = TimeUnit::kFile;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const int column = column_of_word(word);
    if (column >= 0 && (everyday || !is_everyday(word))) {
      if (columns.empty() || columns.back() != column) columns.push_back(column);
    } else if (const auto number = number_in(word)) {
      numbers.push_back(*number);
      columns_before.push_back(columns.size());
    } else if (word == "in" && i + 1 < words.size() && unit_of(words[i + 1]) != TimeUnit::kFile) {
      continue;
    } else if (unit_of(word) == TimeUnit::kFile && !is_filler(word) && !is_everyday(word)) {
      return std::nullopt;
    }
    const TimeUnit said = column == kColumnT ? time_unit_in_name(word) : unit_of(word);
    if (said == TimeUnit::kFile) continue;
    if (unit != TimeUnit::kFile && unit != said) return std::nullopt;
    unit = said;
  }
  if (columns.size() != kNumEventColumns) return std::nullopt;
  for (std::size_t i = 0; i < kNumEventColumns; ++i) {
    if (std::find(columns.begin(), columns.end(), static_cast<int>(i)) == columns.end()) return std::nullopt;
  }
  if (!numbers.empty()) {
    if (numbers.size() != kNumEventColumns || numbers[0] > 1) return std::nullopt;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (numbers[i] != numbers[0] + static_cast<int>(i) || columns_before[i] != i) return std::nullopt;
    }
  }
  std::vector<std::string> names;
  for (const int column : columns) {
    names.emplace_back(kEventColumnNames[column]);
    if (column == kColumnT && unit != TimeUnit::kFile)
      names.back() += std::string("_") + time_unit_name(unit);
  }
  return names;
}

}  // namespace

ColumnWords read_column_words(std::string_view text) {
  const std::vector<std::string> words = words_of(without_brackets(std::string(text.substr(0, kMaxBytes))));
  std::array<bool, kNumEventColumns> is_there{}, is_there_in_earnest{};
  for (const std::string& word : words) {
    const int column = column_spoken_of(word);
    if (column < 0) continue;
    is_there[static_cast<std::size_t>(column)] = true;
    if (!is_everyday(word)) is_there_in_earnest[static_cast<std::size_t>(column)] = true;
  }
  const auto num_kinds = std::count(is_there.begin(), is_there.end(), true);
  ColumnWords result;
  result.has_x_and_y = is_there_in_earnest[kColumnX] && is_there_in_earnest[kColumnY];
  result.mentions =
      result.has_x_and_y || num_kinds >= 3 || (words.size() == kNumEventColumns && num_kinds >= 2);
  for (const bool everyday : {false, true}) {
    if (const auto names = order_of(words, everyday)) {
      result.names = *names;
      break;
    }
  }
  return result;
}

bool ColumnTexts::is_meant(const std::string& name) {
  static const std::array<const char*, 8> kNames = {"columns", "column_names", "column_order", "names",
                                                    "fields",  "field_names",  "order",        "format"};
  return is_one_of(name, kNames);
}

void ColumnTexts::see(const std::string& name, const std::string& text, bool must_say) {
  const ColumnWords words = read_column_words(text);
  if (unclear_.empty() && !words.names.empty() && (names_.empty() || names_ == words.names)) {
    names_ = words.names;
  } else if (words.mentions || must_say) {
    names_.clear();
    unclear_ = name;
  }
}

}  // namespace spikeloom::formats

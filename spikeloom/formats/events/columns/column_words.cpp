#include "spikeloom/formats/events/columns/column_words.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>

#include "spikeloom/formats/events/columns/event_columns.h"
#include "spikeloom/formats/events/columns/event_times.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kMaxBytes = 4096;

/// Whether a list of words with a space around each has the word.
bool has_word(std::string_view list, const std::string& word) {
  return list.find(" " + word + " ") != std::string_view::npos;
}

/// Words that leave the order as it is, also with an s at their end. "of", "at" and "where" are not among
/// them: "p of the event at x, y".
bool is_filler(const std::string& word) {
  constexpr std::string_view kWords =
      " a an the and then is are as each every per one order ordered ordering format layout column col field "
      "name event line row entry entries record data file header csv txt text contain follow following has "
      "given coordinate coord pixel px position ";
  return has_word(kWords, word) || (word.back() == 's' && has_word(kWords, word.substr(0, word.size() - 1)));
}

/// Names of columns that are everyday words as well.
bool is_everyday(const std::string& word) { return has_word(" col column row on ", word); }

/// "x" of "x_coord" and "xcoord", if the list has "coord"; else "".
std::string axis_before(const std::string& word, std::string_view ends) {
  if (word.size() < 2 || (word[0] != 'x' && word[0] != 'y')) return "";
  return has_word(ends, word.substr(word[1] == '_' ? 2 : 1)) ? word.substr(0, 1) : "";
}

/// The EventColumn of a word; -1: none.
int column_of_word(const std::string& word) {
  const std::string axis = axis_before(word, " coordinate coord ");
  const NamedColumns named = read_column_names({!axis.empty() ? axis : word == "on_off" ? "p" : word});
  const auto* place = std::find(named.places.begin(), named.places.end(), 0);
  return place == named.places.end() ? -1 : static_cast<int>(place - named.places.begin());
}

/// The EventColumn that a word speaks of, also where it is no name that is known: "x_px". -1: none.
int column_spoken_of(const std::string& word) {
  const std::string axis = axis_before(word, " px pix pixel addr address index ");
  return column_of_word(axis.empty() ? word : axis);
}

/// Which column a word counts, from 1 on; "0" is 0.
std::optional<int> number_in(const std::string& word) {
  const std::string_view numbers[] = {
      " 0 ", " 1 1st first ", " 2 2nd second ", " 3 3rd third ", " 4 4th fourth ", " 5 ", " 6 ", " 7 ", " 8 ",
      " 9 "};
  for (int i = 0; i < 10; ++i) {
    if (has_word(numbers[i], word)) return i;
  }
  return std::nullopt;
}

TimeUnit unit_of(const std::string& word) { return time_unit_in_name("t_" + word); }

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words(1);
  const auto is_letter = [&text](std::size_t i) {
    const auto byte = static_cast<unsigned char>(i < text.size() ? text[i] : ' ');
    return std::isalnum(byte) != 0 || byte == '_' || byte >= 0x80;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    // Quotes around a word are none of it; an apostrophe within is.
    const bool is_within = text[i] == '\'' && !words.back().empty() && is_letter(i + 1);
    if (is_letter(i) || is_within) {
      words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(text[i])));
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
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
  TimeUnit unit = TimeUnit::kFile;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const int column = column_of_word(word);
    if (column >= 0 && (everyday || !is_everyday(word))) {
      if (columns.empty() || columns.back() != column) columns.push_back(column);
    } else if (const auto number = number_in(word)) {
      // Numbers count the columns, each before its own, from 0 or 1 on.
      const bool is_next = numbers.empty() ? *number <= 1 : *number == numbers.back() + 1;
      if (!is_next || columns.size() != numbers.size()) return std::nullopt;
      numbers.push_back(*number);
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
  const bool each_once = columns.size() == kNumEventColumns &&
                         std::set<int>(columns.begin(), columns.end()).size() == kNumEventColumns;
  if (!each_once || (!numbers.empty() && numbers.size() != kNumEventColumns)) return std::nullopt;
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
  std::set<int> kinds, kinds_in_earnest;
  for (const std::string& word : words) {
    const int column = column_spoken_of(word);
    if (column >= 0) kinds.insert(column);
    if (column >= 0 && !is_everyday(word)) kinds_in_earnest.insert(column);
  }
  ColumnWords result;
  result.has_x_and_y = kinds_in_earnest.count(kColumnX) + kinds_in_earnest.count(kColumnY) == 2;
  result.mentions =
      result.has_x_and_y || kinds.size() >= 3 || (words.size() == kNumEventColumns && kinds.size() >= 2);
  for (const bool everyday : {false, true}) {
    if (const auto names = order_of(words, everyday)) {
      result.names = *names;
      break;
    }
  }
  return result;
}

bool ColumnTexts::is_meant(const std::string& name) {
  return has_word(" columns column_names column_order names fields field_names order format ", name);
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

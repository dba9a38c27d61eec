#include "spikeloom/formats/events/csv_line.h"

#include <charconv>

namespace spikeloom::formats {
namespace {

constexpr std::string_view kSpace = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool looks_like_number(std::string_view field) {
  return !field.empty() && field.find_first_not_of("0123456789+-.eE") == std::string_view::npos &&
         field.find_first_of("0123456789") != std::string_view::npos;
}

}  // namespace

bool is_csv_comment(std::string_view line) {
  line = trimmed(line);
  return line.empty() || line[0] == '#' || line[0] == '%';
}

std::string_view next_csv_field(std::string_view* line, char separator) {
  if (separator == ' ') *line = trimmed(*line);
  const std::size_t end = line->find(separator);
  std::string_view field = trimmed(line->substr(0, end));
  *line = end == std::string_view::npos ? std::string_view{} : line->substr(end + 1);
  if (field.size() >= 2 && field.front() == '"' && field.back() == '"')
    field = field.substr(1, field.size() - 2);
  return field;
}

std::optional<CsvLayout> csv_layout(std::string_view first_line) {
  first_line = trimmed(first_line);
  CsvLayout layout;
  for (const char separator : {',', ';', '\t', ' '}) {
    layout.separator = separator;
    if (first_line.find(separator) != std::string_view::npos) break;
  }
  bool all_numbers = true, any_number = false;
  while (!first_line.empty()) {
    const std::string_view field = next_csv_field(&first_line, layout.separator);
    const bool number = looks_like_number(field);
    all_numbers = all_numbers && number;
    any_number = any_number || number;
    layout.names.emplace_back(field);
  }
  layout.num_columns = layout.names.size();
  if (all_numbers) layout.names.clear();
  if (any_number && !all_numbers) return std::nullopt;
  return layout;
}

std::optional<std::int64_t> csv_number(std::string_view field) {
  if (field == "true" || field == "True") return 1;
  if (field == "false" || field == "False") return 0;
  if (field.size() > 1 && field[0] == '+' && field[1] != '-') field.remove_prefix(1);
  std::int64_t number = 0;
  const char* end = field.data() + field.size();
  const auto [stop, error] = std::from_chars(field.data(), end, number);
  if (error != std::errc{} || field.empty()) return std::nullopt;
  if (stop == end) return number;
  const std::string_view rest(stop, static_cast<std::size_t>(end - stop));
  if (rest[0] != '.' || rest.find_first_not_of('0', 1) != std::string_view::npos) return std::nullopt;
  return number;
}

}  // namespace spikeloom::formats

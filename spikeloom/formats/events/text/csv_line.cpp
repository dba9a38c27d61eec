#include "spikeloom/formats/events/text/csv_line.h"

#include <algorithm>
#include <charconv>

namespace spikeloom::formats {
namespace {

constexpr std::string_view kSpace = " \t\r";

bool looks_like_number(std::string_view field) {
  return !field.empty() && field.find_first_not_of("0123456789+-.eE") == std::string_view::npos &&
         field.find_first_of("0123456789") != std::string_view::npos;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The digits of a number as they are met.
class Digits {
 public:
  void add(char digit, bool after_point) {
    constexpr std::int64_t kFull = 100000000000000000;  // one more digit fits
    if (mantissa_ < kFull) {
      mantissa_ = 10 * mantissa_ + (digit - '0');
      exponent_ -= after_point ? 1 : 0;
    } else {
      exponent_ += after_point ? 0 : 1;
    }
  }
  std::int64_t mantissa() const { return mantissa_; }
  int exponent() const { return exponent_; }

 private:
  std::int64_t mantissa_ = 0;
  int exponent_ = 0;
};

}  // namespace

std::string_view csv_trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool is_csv_comment(std::string_view line) {
  line = csv_trimmed(line);
  return line.empty() || line[0] == '#' || line[0] == '%';
}

std::string_view next_csv_field(std::string_view* line, char separator) {
  if (separator == ' ') *line = csv_trimmed(*line);
  const std::size_t end = line->find(separator);
  std::string_view field = csv_trimmed(line->substr(0, end));
  *line = end == std::string_view::npos ? std::string_view{} : line->substr(end + 1);
  if (field.size() >= 2 && field.front() == '"' && field.back() == '"')
    field = field.substr(1, field.size() - 2);
  return field;
}

std::vector<std::string_view> csv_fields(std::string_view line, char separator) {
  std::vector<std::string_view> fields;
  line = csv_trimmed(line);
  while (!line.empty()) fields.push_back(next_csv_field(&line, separator));
  return fields;
}

char csv_separator(std::string_view line) {
  for (const char separator : {',', ';', '\t', ' '}) {
    if (line.find(separator) != std::string_view::npos) return separator;
  }
  return ',';
}

std::optional<CsvLayout> csv_layout(std::string_view first_line) {
  first_line = csv_trimmed(first_line);
  CsvLayout layout;
  layout.separator = csv_separator(first_line);
  const std::vector<std::string_view> fields = csv_fields(first_line, layout.separator);
  layout.num_columns = fields.size();
  const auto num_numbers =
      static_cast<std::size_t>(std::count_if(fields.begin(), fields.end(), looks_like_number));
  if (num_numbers == fields.size()) return layout;
  if (num_numbers > 0) return std::nullopt;
  layout.names.assign(fields.begin(), fields.end());
  return layout;
}

std::optional<Decimal> csv_decimal(std::string_view field) {
  const char *at = field.data(), *end = at + field.size();
  const bool negative = at != end && *at == '-';
  if (at != end && (*at == '-' || *at == '+')) ++at;
  Digits digits;
  Decimal number;
  const char* first = at;
  for (; at != end && is_digit(*at); ++at) digits.add(*at, false);
  auto num_digits = at - first;
  number.num_decimals = 0;
  if (at != end && *at == '.') {
    number.whole = false;
    first = ++at;
    for (; at != end && is_digit(*at); ++at) digits.add(*at, true);
    number.num_decimals = static_cast<int>(at - first);
    num_digits += at - first;
  }
  if (num_digits == 0) return std::nullopt;
  number.mantissa = negative ? -digits.mantissa() : digits.mantissa();
  number.exponent = digits.exponent();
  if (at != end && (*at == 'e' || *at == 'E')) {
    constexpr int kMaxExponent = 9999;
    number.whole = false;
    number.num_decimals = -1;
    if (++at != end && *at == '+' && at + 1 != end && is_digit(at[1])) ++at;
    int exponent = 0;
    const auto [stop, error] = std::from_chars(at, end, exponent);
    if (error != std::errc{} || exponent > kMaxExponent || exponent < -kMaxExponent) return std::nullopt;
    number.exponent += exponent;
    at = stop;
  }
  if (at != end) return std::nullopt;
  return number;
}

std::optional<std::int64_t> csv_number(std::string_view field) {
  if (field == "true" || field == "True") return 1;
  if (field == "false" || field == "False") return 0;
  if (field.size() > 1 && field[0] == '+' && field[1] != '-') field.remove_prefix(1);
  std::int64_t number = 0;
  const char* end = field.data() + field.size();
  const auto [stop, error] = std::from_chars(field.data(), end, number);
  if (error == std::errc{} && !field.empty() && stop == end) return number;
  const auto decimal = csv_decimal(field);
  if (!decimal || decimal->whole) return std::nullopt;
  // Of one that is not whole nothing may be cut.
  std::int64_t mantissa = decimal->mantissa;
  int exponent = decimal->exponent;
  if (mantissa == 0) return 0;
  for (; exponent < 0 && mantissa % 10 == 0; ++exponent) mantissa /= 10;
  for (; exponent > 0; --exponent) {
    if (__builtin_mul_overflow(mantissa, std::int64_t{10}, &mantissa)) return std::nullopt;
  }
  if (exponent < 0) return std::nullopt;
  return mantissa;
}

}  // namespace spikeloom::formats

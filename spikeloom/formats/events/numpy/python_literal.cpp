#include "spikeloom/formats/events/numpy/python_literal.h"

#include <cstddef>
#include <cstring>
#include <limits>
#include <utility>

namespace spikeloom::formats {
namespace {

constexpr int kMaxLiteralDepth = 16;

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  bool value(PythonLiteral* result, int depth) {
    skip_space();
    if (depth > kMaxLiteralDepth || at_ == text_.size()) return false;
    const char first = text_[at_];
    if (first == '\'' || first == '"') return string(result);
    if (first == '(') return sequence(result, PythonLiteral::kTuple, ')', depth);
    if (first == '[') return sequence(result, PythonLiteral::kList, ']', depth);
    if (first == '{') return sequence(result, PythonLiteral::kDictionary, '}', depth);
    if (first == '-' || (first >= '0' && first <= '9')) return integer(result);
    return word("True", PythonLiteral::kBoolean, 1, result) ||
           word("False", PythonLiteral::kBoolean, 0, result) || word("None", PythonLiteral::kNone, 0, result);
  }

  bool at_end() {
    skip_space();
    return at_ == text_.size();
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && text_[at_] != '\0' && std::strchr(" \t\r\n", text_[at_]) != nullptr) ++at_;
  }

  bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool word(const char* word, PythonLiteral::Kind kind, std::int64_t number, PythonLiteral* result) {
    if (text_.compare(at_, std::strlen(word), word) != 0) return false;
    at_ += std::strlen(word);
    result->kind = kind;
    result->number = number;
    return true;
  }

  bool string(PythonLiteral* result) {
    const char quote = text_[at_++];
    result->kind = PythonLiteral::kString;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && ++at_ == text_.size()) return false;
      result->text.push_back(text_[at_]);
    }
    return at_++ < text_.size();
  }

  bool integer(PythonLiteral* result) {
    result->kind = PythonLiteral::kInteger;
    const bool negative = text_[at_] == '-';
    if (negative) ++at_;
    const std::size_t first = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const int digit = text_[at_] - '0';
      if (result->number > (std::numeric_limits<std::int64_t>::max() - digit) / 10) return false;
      result->number = 10 * result->number + digit;
    }
    if (at_ == first) return false;
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2 wrote long integers so
    if (negative) result->number = -result->number;
    return true;
  }

  bool sequence(PythonLiteral* result, PythonLiteral::Kind kind, char end, int depth) {
    ++at_;
    result->kind = kind;
    bool comma = false;
    while (!take(end)) {
      if (!result->items.empty() && !comma) return false;
      if (!item(result, depth)) return false;
      if (kind == PythonLiteral::kDictionary && (!take(':') || !item(result, depth))) return false;
      comma = take(',');
    }
    // (value) is no tuple but the value.
    if (kind == PythonLiteral::kTuple && result->items.size() == 1 && !comma) {
      PythonLiteral only = std::move(result->items[0]);
      *result = std::move(only);
    }
    return true;
  }

  bool item(PythonLiteral* result, int depth) {
    PythonLiteral next;
    if (!value(&next, depth + 1)) return false;
    result->items.push_back(std::move(next));
    return true;
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<PythonLiteral> parse_python_literal(const std::string& text) {
  Parser parser(text);
  PythonLiteral result;
  if (!parser.value(&result, 0) || !parser.at_end()) return std::nullopt;
  return result;
}

}  // namespace spikeloom::formats

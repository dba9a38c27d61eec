#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/events/transforms/draw.h"
#include "spikeloom/events/transforms/transform.h"

namespace spikeloom::events {
namespace {

[[noreturn]] void refuse(const std::string& text, const std::string& message) {
  throw ConfigError(fmt::format("transform '{}': {}", text, message));
}

/// The whole text as a number of this type.
template <class Number>
bool read_number(const std::string& text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

/// "name(key=value, ...)" taken apart.
struct Parts {
  std::string name;
  std::vector<std::pair<std::string, std::string>> settings;  ///< key "": there was no '='
};

Parts take_apart(const std::string& text) {
  Parts parts;
  const std::size_t open = text.find('(');
  parts.name = trimmed(text.substr(0, open));
  if (open == std::string::npos) return parts;
  const std::string rest = trimmed(text.substr(open + 1));
  if (rest.empty() || rest.find(')') != rest.size() - 1) {
    refuse(text, "expected name(key=value, key=value), with one ')' at the end");
  }
  const std::string inside = rest.substr(0, rest.size() - 1);
  if (trimmed(inside).empty()) return parts;
  for (std::size_t begin = 0; begin <= inside.size();) {
    const std::size_t end = std::min(inside.find(',', begin), inside.size());
    const std::string setting = inside.substr(begin, end - begin);
    const std::size_t equals = setting.find('=');
    begin = end + 1;
    if (equals == std::string::npos) {  // refused later, by who knows the keys
      parts.settings.emplace_back("", trimmed(setting));
      continue;
    }
    std::string key = trimmed(setting.substr(0, equals));
    for (const auto& earlier : parts.settings) {
      if (earlier.first == key) refuse(text, fmt::format("the setting '{}' is there twice", key));
    }
    parts.settings.emplace_back(std::move(key), trimmed(setting.substr(equals + 1)));
  }
  return parts;
}

class SettingReader : public SettingVisitor {
 public:
  SettingReader(const std::string& text, Parts parts) : text_(text), parts_(std::move(parts)) {}

  void integer(const char* key, IntegerRange& value, std::int64_t low, std::int64_t high) override {
    read_range(key, value, low, high, "an integer");
  }
  void number(const char* key, NumberRange& value, double low, double high) override {
    read_range(key, value, low, high, "a number");
  }
  void flag(const char* key, bool& value) override {
    const std::string* written = take(key);
    if (written == nullptr) return;
    if (*written != "true" && *written != "false") {
      refuse(text_, fmt::format("{} must be true or false, not '{}'", key, *written));
    }
    value = *written == "true";
  }

  /// Refuses what no setting asked for, and then what is missing.
  void finish() const {
    for (const auto& [key, value] : parts_.settings) {
      if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
      if (known_.empty()) {
        refuse(text_, fmt::format("{} takes no settings, so '{}' has no meaning here", parts_.name,
                                  key.empty() ? value : key));
      }
      const std::string has = fmt::format("{} has {}", parts_.name, fmt::join(known_, ", "));
      if (key.empty()) refuse(text_, fmt::format("'{}' has no key, expected key=value; {}", value, has));
      refuse(text_, fmt::format("the setting '{}' is unknown; {}", key, has));
    }
    if (!missing_.empty()) refuse(text_, fmt::format("needs {}", missing_));
  }

 private:
  const std::string* take(const char* key) {
    known_.emplace_back(key);
    for (const auto& setting : parts_.settings) {
      if (setting.first == key) return &setting.second;
    }
    return nullptr;
  }

  template <class Range, class Number>
  void read_range(const char* key, Range& range, Number low, Number high, const char* kind) {
    const std::string* written = take(key);
    if (written == nullptr) {
      if (!(range.min >= low && range.max <= high) && missing_.empty()) missing_ = key;
      return;
    }
    const std::size_t dots = written->find("..");
    const bool is_range = dots != std::string::npos && ranges_allowed_;
    const bool read = is_range ? read_number(trimmed(written->substr(0, dots)), range.min) &&
                                     read_number(trimmed(written->substr(dots + 2)), range.max)
                               : read_number(*written, range.min);
    if (!is_range) range.max = range.min;
    if (!read) {
      refuse(text_, fmt::format("{} must be {}{}, not '{}'", key, kind,
                                ranges_allowed_ ? " or a range a..b" : "", *written));
    }
    // Also false for NaN.
    if (!(range.min >= low && range.max <= high && range.min <= range.max)) {
      refuse(text_, fmt::format("{} must be from {} to {}, not {}", key, low, high, *written));
    }
  }

  const std::string& text_;
  Parts parts_;
  std::vector<std::string> known_;
  std::string missing_;  ///< the first that is needed and not there
};

class SettingWriter : public SettingVisitor {
 public:
  void integer(const char* key, IntegerRange& value, std::int64_t, std::int64_t) override {
    write_range(key, value);
  }
  void number(const char* key, NumberRange& value, double, double) override { write_range(key, value); }
  void flag(const char* key, bool& value) override { written_.push_back(fmt::format("{}={}", key, value)); }
  const std::vector<std::string>& written() const { return written_; }

 private:
  template <class Range>
  void write_range(const char* key, const Range& range) {
    written_.push_back(range.is_random() ? fmt::format("{}={}..{}", key, range.min, range.max)
                                         : fmt::format("{}={}", key, range.min));
  }

  std::vector<std::string> written_;
};

}  // namespace

std::int64_t IntegerRange::draw(RandomStream* random) const {
  return is_random() ? uniform_between(*random, min, max) : min;
}

double NumberRange::draw(RandomStream* random) const {
  return is_random() ? min + (max - min) * uniform_double(*random) : min;
}

void SettingVisitor::integer(const char* key, std::int64_t& value, std::int64_t low, std::int64_t high) {
  IntegerRange range{value, value};
  ranges_allowed_ = false;
  integer(key, range, low, high);
  ranges_allowed_ = true;
  value = range.min;
}

void SettingVisitor::number(const char* key, double& value, double low, double high) {
  NumberRange range{value, value};
  ranges_allowed_ = false;
  number(key, range, low, high);
  ranges_allowed_ = true;
  value = range.min;
}

std::unique_ptr<Transform> parse_transform(const std::string& text) {
  Parts parts = take_apart(text);
  std::unique_ptr<Transform> transform = make_transform(parts.name);
  if (transform == nullptr) {
    refuse(text,
           fmt::format("there is no '{}'; choose from {}", parts.name, fmt::join(transform_names(), ", ")));
  }
  SettingReader reader(text, std::move(parts));
  transform->visit(reader);
  reader.finish();
  return transform;
}

std::string transform_text(const Transform& transform) {
  SettingWriter writer;
  // The writer changes nothing; visit() is not const because a reader does.
  const_cast<Transform&>(transform).visit(writer);
  return writer.written().empty()
             ? transform.name()
             : fmt::format("{}({})", transform.name(), fmt::join(writer.written(), ", "));
}

}  // namespace spikeloom::events

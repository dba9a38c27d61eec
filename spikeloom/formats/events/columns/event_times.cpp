#include "spikeloom/formats/events/columns/event_times.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>

namespace spikeloom::formats {
namespace {

constexpr int kMaxPower = 18;
constexpr int kMaxExponent = 40;  // beyond it a number of 19 digits is far below a thousandth

/// What a unit is in microseconds, as a power of ten.
int power_of(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::kSeconds:
      return 6;
    case TimeUnit::kMilliseconds:
      return 3;
    case TimeUnit::kNanoseconds:
      return -3;
    case TimeUnit::kFile:
    case TimeUnit::kMicroseconds:
      break;
  }
  return 0;
}

std::int64_t ten_to(int power) {
  std::int64_t result = 1;
  for (int i = 0; i < power; ++i) result *= 10;
  return result;
}

std::optional<std::int64_t> scaled(std::int64_t number, int power) {
  if (number == 0) return 0;
  if (power >= 0) {
    std::int64_t result = 0;
    if (power > kMaxPower || __builtin_mul_overflow(number, ten_to(power), &result)) return std::nullopt;
    return result;
  }
  for (; power < -kMaxPower && number != 0; ++power) number /= 10;
  if (number == 0) return 0;
  const std::int64_t divisor = ten_to(-power);
  std::int64_t quotient = number / divisor, rest = number % divisor;
  if (rest < 0) {
    --quotient;
    rest += divisor;
  }
  const std::int64_t almost = divisor / 1000;
  return rest != 0 && divisor - rest < almost ? quotient + 1 : quotient;
}

}  // namespace

std::optional<std::int64_t> ticks_to_us(std::int64_t ticks, TimeUnit unit) {
  const int power = power_of(unit);
  return power == 0 ? ticks : scaled(ticks, power);
}

std::optional<std::int64_t> decimal_to_us(const Decimal& time, TimeUnit unit) {
  return scaled(time.mantissa, time.exponent + power_of(unit));
}

std::optional<std::int64_t> real_to_us(double time, TimeUnit unit) {
  constexpr double kMaxUs = 1e18, kAlmost = 1e-3;
  const int power = power_of(unit);
  const double us = power < 0 ? time / 1e3 : time * static_cast<double>(ten_to(power));
  if (!(std::abs(us) < kMaxUs)) return std::nullopt;
  return static_cast<std::int64_t>(std::floor(us + kAlmost));
}

const char* time_unit_name(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::kSeconds:
      return "s";
    case TimeUnit::kMilliseconds:
      return "ms";
    case TimeUnit::kNanoseconds:
      return "ns";
    case TimeUnit::kFile:
    case TimeUnit::kMicroseconds:
      break;
  }
  return "us";
}

TimeUnit time_unit_in_name(const std::string& name) {
  std::string text = name;
  while (!text.empty() && std::string(" \t])").find(text.back()) != std::string::npos) text.pop_back();
  const std::size_t before = text.find_last_of("_ \t[(");
  if (before == std::string::npos || before == 0) return TimeUnit::kFile;
  text = text.substr(before + 1);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (text == "s" || text == "sec" || text == "seconds") return TimeUnit::kSeconds;
  if (text == "ms" || text == "msec" || text == "milliseconds") return TimeUnit::kMilliseconds;
  if (text == "us" || text == "usec" || text == "microseconds" || text == "\xc2\xb5s")
    return TimeUnit::kMicroseconds;
  if (text == "ns" || text == "nsec" || text == "nanoseconds") return TimeUnit::kNanoseconds;
  return TimeUnit::kFile;
}

namespace {

/// Whether a time is off a multiple of 1/1000 by more than the rounding of a number of its size.
bool is_finer_than_milli(long double time, long double rounding) {
  const long double thousand = time * 1000;
  return std::abs(thousand - std::round(thousand)) > rounding * std::abs(thousand);
}

}  // namespace

void TimeUnitFinder::see(const Decimal& time) {
  // Six decimals are written on purpose; more may be the rounding of a double (1.3250000000000002).
  constexpr int kExactDecimals = 6;
  constexpr long double kRounding = 4 * 0x1p-52L;
  seen_ = true;
  any_plain_ = any_plain_ || time.whole;
  std::int64_t mantissa = time.mantissa;
  int exponent = time.exponent;
  for (; mantissa != 0 && mantissa % 10 == 0; ++exponent) mantissa /= 10;
  all_whole_ = all_whole_ && (mantissa == 0 || exponent >= 0);
  if (finer_than_milli_ || mantissa == 0 || exponent >= -3) return;
  const bool exact = time.num_decimals >= 0 && time.num_decimals <= kExactDecimals;
  // Below kMaxExponent a number is no multiple of 1/1000, and 10 to its power may be 0.
  finer_than_milli_ = exact || exponent < -kMaxExponent ||
                      is_finer_than_milli(static_cast<long double>(mantissa) *
                                              std::pow(10.0L, static_cast<long double>(exponent)),
                                          kRounding);
}

void TimeUnitFinder::see(double time, std::int64_t bytes) {
  seen_ = true;
  const double rounding = bytes == 2 ? 0x1p-10 : bytes == 4 ? 0x1p-23 : 0x1p-52;
  finer_than_milli_ = finer_than_milli_ || is_finer_than_milli(time, 2 * rounding);
}

std::optional<TimeUnit> TimeUnitFinder::unit() const {
  if (!seen_ || (all_whole_ && any_plain_)) return TimeUnit::kMicroseconds;
  if (finer_than_milli_) return TimeUnit::kSeconds;
  return std::nullopt;
}

std::string TimeUnitFinder::question() {
  return "the times are not plain whole numbers, but none of the first is finer than 1/1000, so their "
         "unit is uncertain: give it (--time-unit s, ms, us or ns; data.time_unit)";
}

}  // namespace spikeloom::formats

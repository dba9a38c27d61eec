#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::formats {

/// A number as text writes it: mantissa * 10^exponent.
struct Decimal {
  std::int64_t mantissa = 0;  ///< at most 19 digits; digits after the 18th are dropped
  int exponent = 0;
  bool whole = true;      ///< written without a decimal point and without an exponent
  int num_decimals = -1;  ///< digits after the decimal point; -1 for a number with an exponent
};

// A time in whole microseconds: what is finer is cut, as tonic does, but less than 1/1000 us below the next
// microsecond is that one (0.29 s in binary is a little less). Nullopt for times outside of what 64 bits
// hold and, for floating-point times, for what is no number or beyond 10^12 s. kFile counts as microseconds.
std::optional<std::int64_t> ticks_to_us(std::int64_t ticks, TimeUnit unit);
std::optional<std::int64_t> real_to_us(double time, TimeUnit unit);
std::optional<std::int64_t> decimal_to_us(const Decimal& time, TimeUnit unit);

/// "s", "ms", "us" or "ns".
const char* time_unit_name(TimeUnit unit);

/// The unit that a column's name ends with: "t_us", "time [ms]", "timestamp(ns)"; kFile if it names none.
TimeUnit time_unit_in_name(const std::string& name);

/// Finds the unit of times that nothing names, by how finely the first of them are divided.
///   Whole numbers (integers; text of which some are written without a decimal point) are microseconds.
///   Numbers with a fraction are seconds if some are finer than 1/1000, as times of whole microseconds in
///   seconds are and those in milliseconds are not. What the rounding of a number may add
///   (1.3250000000000002) and zeros (0.500000000) do not count.
/// Anything else is not settled: 0.5 may be seconds or milliseconds, 12.0 may be microseconds as well.
class TimeUnitFinder {
 public:
  void see(const Decimal& time);
  /// A floating-point number that was stored in `bytes` bytes.
  void see(double time, std::int64_t bytes);
  /// Nullopt if it is not settled. kMicroseconds if nothing was seen.
  std::optional<TimeUnit> unit() const;
  /// What errors say where unit() is nullopt.
  static std::string question();

 private:
  bool any_plain_ = false, all_whole_ = true, seen_ = false, finer_than_milli_ = false;
};

}  // namespace spikeloom::formats

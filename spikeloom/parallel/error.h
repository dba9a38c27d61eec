#pragma once
#include <exception>
#include <new>
#include <string>

#include "spikeloom/base/errors.h"

namespace spikeloom {

/// Other processes of the same training did not come, contact with them was lost, or one of them has left.
class ParallelError : public Error {
 public:
  /// Of the program, for a training whose processes have lost each other.
  static constexpr int kLost = 5;

  /// exit_code: of the process that left first, where it said one. told: another process of this machine has
  /// told the user, so that this one need not.
  explicit ParallelError(const std::string& message, int exit_code = kLost, bool told = false)
      : Error(message), exit_code_(exit_code), told_(told) {}
  int exit_code() const { return exit_code_; }
  bool is_told() const { return told_; }

 private:
  int exit_code_;
  bool told_;
};

namespace parallel {

/// The program's exit code for an error: 2 for usage, recipe, device or too little memory, 3 for data and
/// files, 4 for numbers that are not finite, that of a ParallelError, and 5 for all others.
inline int exit_code_of(const std::exception& error) {
  const auto is = [&](auto* type) { return dynamic_cast<decltype(type)>(&error) != nullptr; };
  if (const auto* const of_others = dynamic_cast<const ParallelError*>(&error)) return of_others->exit_code();
  if (is(static_cast<const ConfigError*>(nullptr)) || is(static_cast<const ShapeError*>(nullptr)) ||
      is(static_cast<const DeviceError*>(nullptr)) || is(static_cast<const std::bad_alloc*>(nullptr))) {
    return 2;
  }
  if (is(static_cast<const NumericsError*>(nullptr))) return 4;
  return is(static_cast<const Error*>(nullptr)) ? 3 : 5;  // DataError, FormatError, CheckpointError
}

}  // namespace parallel
}  // namespace spikeloom

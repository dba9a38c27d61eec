#pragma once
// How a C interface fails: every exception becomes a status, and a line of text for the calling thread. Each
// library that includes it has lines of its own. Internal.
#include <exception>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/runtime/spikeloom.h"

namespace spikeloom::runtime {

/// The text of the calling thread's last failure; "" if nothing failed.
inline std::string& last_error() {
  thread_local std::string text;
  return text;
}

inline spikeloom_status failed(spikeloom_status status, const char* text) noexcept {
  try {
    last_error() = text;
  } catch (...) {
    last_error().clear();
  }
  return status;
}

inline spikeloom_status null_argument() noexcept {
  return failed(SPIKELOOM_ERROR_ARGUMENT, "an argument is null");
}

inline spikeloom_status empty_path() noexcept { return failed(SPIKELOOM_ERROR_FILE, "the path is empty"); }

/// Runs the action; the status that belongs to what it threw.
template <class Action>
spikeloom_status guarded(const Action& action) noexcept {
  try {
    action();
    return SPIKELOOM_OK;
  } catch (const NumericsError& error) {
    return failed(SPIKELOOM_ERROR_NUMBERS, error.what());
  } catch (const ShapeError& error) {
    return failed(SPIKELOOM_ERROR_ARGUMENT, error.what());
  } catch (const ConfigError& error) {
    return failed(SPIKELOOM_ERROR_ARGUMENT, error.what());
  } catch (const Error& error) {
    return failed(SPIKELOOM_ERROR_FILE, error.what());
  } catch (const std::exception& error) {
    return failed(SPIKELOOM_ERROR_OTHER, error.what());
  } catch (...) {
    return failed(SPIKELOOM_ERROR_OTHER, "unknown failure");
  }
}

}  // namespace spikeloom::runtime

#pragma once
#include <atomic>
#include <chrono>
#include <string>

namespace spikeloom::app {

/// Standard output and standard error of a command that ends by Ctrl-C whoever reads them: a reader that is
/// stuck (a full pipe, a terminal that is held) is waited for, but once `stop` is true only for a moment
/// more.
class StoppableOutput {
 public:
  explicit StoppableOutput(const std::atomic<bool>& stop) : stop_(stop) {}

  /// Writes text that ends its lines itself; short lines go into a pipe whole or not at all. Throws DataError
  /// where standard output cannot be written.
  void print(const std::string& text);
  /// The same to standard error, but nothing is thrown.
  void print_error(const std::string& text);
  /// Something for standard output was given up, as its reader took nothing.
  bool gave_up() const { return gave_up_; }

 private:
  /// False: given up. Throws DataError.
  bool write(int descriptor, const std::string& text);
  bool is_over();

  const std::atomic<bool>& stop_;
  bool gave_up_ = false, gave_up_errors_ = false, stopped_ = false;
  std::chrono::steady_clock::time_point stopped_at_;
};

}  // namespace spikeloom::app

#pragma once
// Runs the program as a user would, in a folder of its own with a small data set.
#include <gtest/gtest.h>
#include <sys/types.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/train/pattern_set.h"

namespace spikeloom::app::testing {

struct Outcome {
  int exit_code = -1;  ///< 128 + signal if one ended it
  std::string out, err;

  /// Standard output as JSON and nothing else; fails the test if it is not.
  nlohmann::json json() const;
};

/// What the process runs under, besides its arguments.
struct Surroundings {
  std::string out_file;        ///< standard output goes there; "" = it is caught
  long max_file_bytes = -1;    ///< largest file it may write; -1 = no limit
  std::string program;         ///< "" = the one that was built
  std::string closed;          ///< standard descriptors that are closed, of "012"
  long max_memory_bytes = -1;  ///< largest address space; -1 = no limit
  std::string cache_dir;       ///< SPIKELOOM_CACHE_DIR; "" = as it is
};

/// A temporary working folder: recipe r.toml, data set in sets/mnist.
class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest();

  /// Runs `spikeloom ARGUMENTS` to its end.
  Outcome run(const std::vector<std::string>& arguments, const Surroundings& surroundings = {}) const;
  /// Starts it, sends `signal` as soon as `ready` says so, and waits for its end. Fails the test if it ended
  /// before.
  Outcome run_and_signal(const std::vector<std::string>& arguments, int signal,
                         const std::function<bool()>& ready, const Surroundings& surroundings = {}) const;
  /// `train r.toml --data-dir sets --out NAME` and more arguments.
  static std::vector<std::string> train_command(const std::string& name,
                                                const std::vector<std::string>& more = {});

  /// A path in the working folder.
  std::string path(const std::string& name) const { return folder_ / name; }
  bool exists(const std::string& name) const;
  std::string read(const std::string& name) const;
  void write(const std::string& name, const std::string& bytes) const;
  int count_lines(const std::string& name) const;
  /// The tensors of a model file, without its metadata.
  std::string tensor_bytes(const std::string& name) const;

 private:
  pid_t start(const std::vector<std::string>& arguments, const Surroundings& surroundings) const;
  Outcome finish(pid_t process) const;
  const spikeloom::testing::TemporaryFolder folder_;
};

/// The outcome is an error as documented: this exit code, nothing on standard output, and exactly one line on
/// standard error that begins "spikeloom: " and holds all of `parts`.
void expect_error(const Outcome& outcome, int exit_code, const std::vector<std::string>& parts);

/// The same, followed by two lines: `shown`, and ^ under the column (from 0).
void expect_marked_error(const Outcome& outcome, int exit_code, const std::vector<std::string>& parts,
                         const std::string& shown, std::size_t column);

/// Neither stream holds a control character other than the line end.
void expect_plain_text(const Outcome& outcome);

bool contains(const std::string& text, const std::string& part);

}  // namespace spikeloom::app::testing

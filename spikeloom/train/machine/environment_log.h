#pragma once
// environment.json of a run folder: what each session of a training ran on.
//   {"sessions": [{"time": "2026-11-27T19:00:00Z", "iteration": 0, "spikeloom": "0.1.0", ..., "threads":
//   "2"}]}
// A file of an older version is one such object, without "sessions", time and iteration.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace spikeloom::train {

constexpr char kEnvironmentFile[] = "environment.json";

/// Appends a session that begins at `iteration` to the file, or makes it. Throws DataError if it cannot be
/// written, or if it is there and is damaged: it is then left as it is.
void append_session(const std::string& path, std::int64_t iteration,
                    const std::vector<std::pair<std::string, std::string>>& environment);

/// The number of threads of a run: that of its first session. 0: the file is not there or does not say.
int recorded_threads(const std::string& path);

/// The number of processes of a run's first session: 1 where it does not say.
int recorded_processes(const std::string& path);

/// The number of threads with which a run is resumed, where none is asked for.
struct ResumeThreads {
  int threads = 0;      ///< 0: the usual number
  std::string warning;  ///< why it is not the run's number; may be empty
};
/// `recorded`: as recorded_threads(); `asked`: by the user, or 0; `available`: processors of this process.
ResumeThreads resume_threads(int recorded, int asked, int available);

/// Processors that this process may run on.
int available_processors();

}  // namespace spikeloom::train

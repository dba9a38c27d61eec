#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "spikeloom/report/page/page.h"

namespace spikeloom::watch {

/// What a page shows of a run besides its folder: network, weights, what it does with samples. Of the record
/// only path, state, recipe, result and test accuracy are set. May end early, with whatever it has, once
/// `stop` is true. Its errors become notes of the page.
using DetailsOf =
    std::function<report::RunDetails(const report::RunRecord& run, const std::atomic<bool>& stop)>;

/// Calls a DetailsOf on a thread of its own of the lowest priority, for one run at a time: who serves pages
/// waits for nothing, and a training beside hardly gives way. Its functions do not wait.
class DetailsWorker {
 public:
  explicit DetailsWorker(DetailsOf details);
  /// Stops what is at work.
  ~DetailsWorker();
  DetailsWorker(const DetailsWorker&) = delete;
  DetailsWorker& operator=(const DetailsWorker&) = delete;

  struct Made {
    std::string id;
    report::RunDetails details;
    double cpu_seconds = 0.0;
  };

  /// Begins with a run; false while another is at work or not taken yet.
  bool begin(const std::string& id, const report::RunRecord& run);
  /// What has been made, once.
  std::optional<Made> take();

 private:
  void work();

  DetailsOf details_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  enum class State { kFree, kAsked, kMade } state_ = State::kFree;
  std::string id_;
  report::RunRecord run_;
  Made made_;
  std::thread thread_;  ///< the last member: it uses the others
};

}  // namespace spikeloom::watch

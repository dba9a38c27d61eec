#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/parallel/c10d.h"
#include "spikeloom/parallel/error.h"
#include "spikeloom/parallel/placement.h"

namespace spikeloom::parallel {

/// Where note_run() writes to.
extern const char* const kRunKey;

/// The processes of one training, from the side of one of them. Every wait ends: with what was waited for,
/// or, after the time-out, with a ParallelError that says what that was. Used from one thread; gradients()
/// may be used from another one.
class Group {
 public:
  /// Waits until all processes are there. Throws ConfigError for a port that is in use or a rank that another
  /// process has, ParallelError.
  static std::unique_ptr<Group> join(const Placement& placement, double timeout_seconds = kTimeoutSeconds);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  int rank() const { return placement_.rank; }
  int size() const { return placement_.size; }
  bool leads() const { return rank() == 0; }
  const Placement& placement() const { return placement_; }

  Communicator& control() { return *control_; }      ///< small things, on the training's thread
  Communicator& gradients() { return *gradients_; }  ///< has connections of its own

  /// Connects a CUDA device of each process, once; they must be different ones (make_device_sums).
  DeviceSums& device_gradients(int device);

  /// The text of rank 0 in all.
  std::string share(const std::string& text, const std::string& what);
  /// The text of each, in the order of the ranks.
  std::vector<std::string> gather(const std::string& text, const std::string& what);
  /// Whether any of them says yes.
  bool any(bool own, const std::string& what);

  /// Waits for all, however long they take, as long as each calls alive() or meet() itself within the
  /// time-out: for work whose time is not known (binning of recordings).
  void meet(const std::string& what);
  /// Says that this process works on. Costs nothing when called often.
  void alive();

  /// Tells `spikeloom launch` where the run is, so that it can be resumed by it (Launch::restarts).
  void note_run(const std::string& path);

  /// Calls work() as a member of the group. When it throws, the others hear why; where the reason is theirs,
  /// a ParallelError with that reason and exit code is thrown. Of the processes of a machine that fail for
  /// one reason, one alone is to tell the user (ParallelError::is_told).
  template <class Work>
  auto run(const Work& work) {
    try {
      return work();
    } catch (const ParallelError& error) {
      throw explain(error);
    } catch (const std::exception& error) {
      const int exit_code = exit_code_of(error);
      if (!leave(error.what(), exit_code)) throw ParallelError(error.what(), exit_code, true);
      throw;
    }
  }
  /// Says to the others why this process leaves before the end. Rank 0 waits a little for them to hear it.
  /// Returns whether nobody else on this machine has told the user.
  bool leave(const std::string& reason, int exit_code) noexcept;
  /// An error of contact, with what leave() of another process said, if it did.
  ParallelError explain(const ParallelError& error) noexcept;
  /// The end that all reach: rank 0, who has the table, leaves last.
  void finish();

 private:
  Group(const Placement& placement, double timeout_seconds);
  std::string key(const std::string& name) const { return "/spikeloom/" + placement_.job + "/" + name; }
  std::string who() const;
  void linger(const std::string& name, double seconds);
  std::optional<ParallelError> who_left();
  bool tells(const std::string& reason);
  std::string missing_ranks();
  void disconnect();

  Placement placement_;
  double timeout_seconds_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Communicator> control_, gradients_;
  std::unique_ptr<DeviceSums> device_gradients_;
  std::chrono::steady_clock::time_point last_sign_{};
  std::int64_t meetings_ = 0;
};

}  // namespace spikeloom::parallel

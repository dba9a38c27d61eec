#include "spikeloom/train/session/trainer.h"

#include <cstdlib>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/threads.h"
#include "spikeloom/train/machine/arithmetic_scope.h"
#include "spikeloom/train/machine/environment_log.h"
#include "spikeloom/train/machine/ranks.h"
#include "spikeloom/train/session/training_session.h"

namespace spikeloom::train {
namespace {

/// A resumed run takes its own number of threads: with another one its last digits would change.
int threads_of(const TrainingRequest& request, const Ranks& ranks) {
  const std::string path = request.run_path + "/" + kEnvironmentFile;
  if (ranks.alone()) {
    // Of a run of several processes the number is that of one of them.
    if (!request.resume || recorded_processes(path) != 1) return request.threads;
    return resume_threads(recorded_threads(path), request.threads, available_processors()).threads;
  }
  const int own = ranks.processors();
  // Only rank 0 has the run's folder for sure. Another number of processes has other bits anyway.
  const bool same = request.resume && ranks.leads() && recorded_processes(path) == ranks.size();
  const int recorded = std::stoi(ranks.share(std::to_string(same ? recorded_threads(path) : 0), "threads"));
  if (request.threads > 0) return request.threads;
  if (recorded > 0) return recorded;
  // Every launcher sets OMP_NUM_THREADS to something; who wants a number says --threads.
  return std::getenv("SPIKELOOM_NUM_THREADS") != nullptr ? num_threads() : own;
}

TrainingResult train_with(const TrainingRequest& request, TrainingObserver& observer, const Ranks& ranks) {
  TrainingObserver silent;
  ranks.check_program();
  const ArithmeticScope scope(threads_of(request, ranks));
  return TrainingSession(request, ranks.leads() ? observer : silent).run();
}

}  // namespace

TrainingResult train(const TrainingRequest& request, TrainingObserver& observer) {
  const Ranks ranks(request.group);
  if (ranks.alone()) return train_with(request, observer, ranks);
  return request.group->run([&] {
    TrainingResult result = train_with(request, observer, ranks);
    request.group->finish();
    return result;
  });
}

}  // namespace spikeloom::train

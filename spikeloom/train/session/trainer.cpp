#include "spikeloom/train/session/trainer.h"

#include "spikeloom/base/threads.h"
#include "spikeloom/train/machine/arithmetic_scope.h"
#include "spikeloom/train/machine/environment_log.h"
#include "spikeloom/train/session/training_session.h"

namespace spikeloom::train {
namespace {

/// A resumed run takes its own number of threads: with another one its last digits would change.
int threads_of(const TrainingRequest& request) {
  if (!request.resume) return request.threads;
  return resume_threads(recorded_threads(request.run_path + "/" + kEnvironmentFile), request.threads,
                        available_processors())
      .threads;
}

}  // namespace

TrainingResult train(const TrainingRequest& request, TrainingObserver& observer) {
  const ArithmeticScope scope(threads_of(request));
  return TrainingSession(request, observer).run();
}

}  // namespace spikeloom::train

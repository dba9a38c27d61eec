#include "spikeloom/watch/details_worker.h"

#include <unistd.h>

#include <ctime>
#include <exception>
#include <utility>

namespace spikeloom::watch {
namespace {

double thread_cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

DetailsWorker::DetailsWorker(DetailsOf details) : details_(std::move(details)), thread_([this] { work(); }) {}

DetailsWorker::~DetailsWorker() {
  stop_ = true;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }
  thread_.join();
}

bool DetailsWorker::begin(const std::string& id, const report::RunRecord& run) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_ != State::kFree) return false;
  id_ = id;
  run_ = {};
  run_.path = run.path;
  run_.name = run.name;
  run_.state = run.state;
  run_.recipe = run.recipe;
  run_.result = run.result;
  run_.test_accuracy = run.test_accuracy;
  state_ = State::kAsked;
  wake_.notify_all();
  return true;
}

std::optional<DetailsWorker::Made> DetailsWorker::take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_ != State::kMade) return std::nullopt;
  state_ = State::kFree;
  return std::move(made_);
}

void DetailsWorker::work() {
  constexpr int kLowest = 19;
  [[maybe_unused]] const int priority = ::nice(kLowest);  // of this thread, on Linux
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || state_ == State::kAsked; });
    if (stop_) return;
    lock.unlock();  // id_ and run_ stay as they are while state_ is kAsked
    Made made;
    made.id = id_;
    const double begin = thread_cpu_seconds();
    try {
      made.details = details_(run_, stop_);
    } catch (const std::exception& error) {
      made.details.notes.push_back(std::string("Network and samples are not shown: ") + error.what());
    }
    made.cpu_seconds = thread_cpu_seconds() - begin;
    lock.lock();
    made_ = std::move(made);
    state_ = State::kMade;
  }
}

}  // namespace spikeloom::watch

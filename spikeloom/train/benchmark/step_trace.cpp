#include "spikeloom/train/benchmark/step_trace.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "spikeloom/data/loader.h"
#include "spikeloom/formats/chrome_trace.h"

namespace spikeloom::train {
namespace {

using Clock = engine::Timeline::Clock;
using Kind = engine::Timeline::Kind;

constexpr int kNetwork = 1, kFirstLoader = 2;  // threads of the trace

/// The random samples as a data set that remembers when each was read, and by which thread.
class TimedSamples : public data::Dataset {
 public:
  struct Reading {
    std::thread::id thread;
    std::int64_t index = 0;
    Clock::time_point begin, end;
  };

  TimedSamples(const BenchmarkRequest& request, const std::vector<float>& inputs,
               const std::vector<std::int64_t>& labels)
      : inputs_(inputs), labels_(labels), size_(request.batch_size * request.iterations) {
    shape_.num_steps = request.still_image ? 1 : request.network.num_steps;
    shape_.channels = request.input.channels;
    shape_.height = request.input.height;
    shape_.width = request.input.width;
    shape_.is_static = request.still_image;
    for (int k = 0; k < request.num_classes; ++k) classes_.push_back(std::to_string(k));
  }

  const std::string& name() const override { return name_; }
  std::int64_t size() const override { return size_; }
  data::SampleShape shape() const override { return shape_; }
  const std::vector<std::string>& class_names() const override { return classes_; }
  int label(std::int64_t index) const override {
    return static_cast<int>(labels_[static_cast<std::size_t>(index) % labels_.size()]);
  }
  void read(std::int64_t index, const data::AugmentKey*, float* sample) const override {
    const auto begin = Clock::now();
    const auto batch = static_cast<std::int64_t>(labels_.size());
    const std::int64_t step = shape_.step_size();
    for (std::int64_t t = 0; t < shape_.num_steps; ++t) {
      std::copy_n(inputs_.data() + (t * batch + index % batch) * step, step, sample + t * step);
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    readings_.push_back({std::this_thread::get_id(), index, begin, Clock::now()});
  }

  std::vector<Reading> readings() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return readings_;
  }

 private:
  const std::vector<float>& inputs_;
  const std::vector<std::int64_t>& labels_;
  std::int64_t size_;
  data::SampleShape shape_;
  std::vector<std::string> classes_;
  std::string name_ = "random";
  mutable std::mutex mutex_;
  mutable std::vector<Reading> readings_;
};

class Trace {
 public:
  explicit Trace(const model::Program& program) : program_(program), begin_(Clock::now()) {
    trace_.name_process("spikeloom bench");
    trace_.name_thread(kNetwork, "network");
  }

  void waited(Clock::time_point from, Clock::time_point to) {
    span(kNetwork, "wait for batch", "loader", from, to);
  }

  void step(int number, const engine::Timeline& timeline, const std::vector<engine::StageCost>& costs,
            std::int64_t input_bytes) {
    const auto& laps = timeline.laps();
    if (laps.empty()) return;
    span(kNetwork, "step", "step", laps.front().begin, laps.back().end, {{"number", std::to_string(number)}});
    std::map<int, int> slices;  // how many laps a stage has forward: a batch may run in slices
    for (const auto& lap : laps) slices[lap.stage] += lap.kind == Kind::kForward ? 1 : 0;
    double kept = static_cast<double>(input_bytes);
    trace_.counter("kept for backward", "bytes", microseconds(laps.front().begin), kept);
    for (const auto& lap : laps) {
      const engine::StageCost* cost = lap.stage >= 0 ? &costs[static_cast<std::size_t>(lap.stage)] : nullptr;
      formats::ChromeTrace::Arguments arguments;
      if (cost != nullptr) {
        arguments = {{"path", engine::describe_path(*cost)},
                     {"kept_bytes_of_batch", std::to_string(cost->saved_bytes)}};
      }
      span(kNetwork, name_of(lap), category_of(lap.kind), lap.begin, lap.end, arguments);
      if (cost == nullptr || lap.kind != Kind::kForward) continue;
      kept += static_cast<double>(cost->saved_bytes) / slices[lap.stage];
      trace_.counter("kept for backward", "bytes", microseconds(lap.end), kept);
    }
    trace_.counter("kept for backward", "bytes", microseconds(laps.back().end), 0.0);
  }

  void readings(const std::vector<TimedSamples::Reading>& readings) {
    std::map<std::thread::id, int> threads;
    for (const auto& reading : readings) {
      const auto [at, is_new] =
          threads.emplace(reading.thread, kFirstLoader + static_cast<int>(threads.size()));
      if (is_new) trace_.name_thread(at->second, "loader");
      span(at->second, "read sample", "loader", reading.begin, reading.end,
           {{"sample", std::to_string(reading.index)}});
    }
  }

  std::string to_json() const { return trace_.to_json(); }

 private:
  double microseconds(Clock::time_point time) const {
    return std::chrono::duration<double, std::micro>(time - begin_).count();
  }
  void span(int thread, const std::string& name, const char* category, Clock::time_point from,
            Clock::time_point to, const formats::ChromeTrace::Arguments& arguments = {}) {
    trace_.span(thread, name, category, microseconds(from), microseconds(to) - microseconds(from), arguments);
  }
  std::string name_of(const engine::Timeline::Lap& lap) const {
    if (lap.stage >= 0) {
      return program_.stages[static_cast<std::size_t>(lap.stage)].name +
             (lap.kind == Kind::kForward ? " forward" : " backward");
    }
    return category_of(lap.kind);
  }
  static const char* category_of(Kind kind) {
    switch (kind) {
      case Kind::kForward:
        return "forward";
      case Kind::kLoss:
        return "loss";
      case Kind::kBackward:
        return "backward";
      case Kind::kUpdate:
        return "update";
      case Kind::kOther:
        break;
    }
    return "other";
  }

  const model::Program& program_;
  Clock::time_point begin_;
  formats::ChromeTrace trace_;
};

}  // namespace

std::string trace_steps(const BenchmarkRequest& request, Network& network, StepRunner* runner,
                        const std::vector<float>& inputs, const std::vector<std::int64_t>& labels) {
  constexpr double kLearningRate = 1e-3;
  const auto samples = std::make_shared<const TimedSamples>(request, inputs, labels);
  data::LoaderSettings loading;
  loading.batch_size = request.batch_size;
  loading.workers = 1;
  Trace trace(network.program());
  {
    data::Loader loader(samples, loading);
    for (int i = 0; i < request.iterations; ++i) {
      const auto asked = Clock::now();
      const data::Batch* const read = loader.next();
      trace.waited(asked, Clock::now());
      engine::Timeline timeline;
      std::vector<engine::StageCost> costs;
      const engine::Batch batch = network.batch_of(*read, samples->shape());
      if (runner != nullptr) {
        runner->timed_step(batch, i, kLearningRate, costs, false, &timeline);
      } else {
        engine::Pass pass;
        pass.costs = &costs;
        pass.timeline = &timeline;
        network.engine().infer(batch, pass);
      }
      network.engine().collect();
      timeline.lap(Kind::kOther);
      trace.step(i, timeline, costs, runner != nullptr ? batch.input.bytes() : 0);
    }
  }
  trace.readings(samples->readings());
  return trace.to_json();
}

}  // namespace spikeloom::train

#include "spikeloom/engine/engine.h"

#include <chrono>
#include <utility>

#include "spikeloom/base/errors.h"

namespace spikeloom::engine {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::size_t at(int index) { return static_cast<std::size_t>(index); }

std::string refusals(const model::Program& program, const Backend& backend) {
  std::string text;
  for (const model::Stage& stage : program.stages) {
    const std::string refusal = backend.refusal(program, stage);
    if (refusal.empty()) continue;
    text += (text.empty() ? "" : "; ") + stage.name + ": " + refusal;
  }
  return text;
}

}  // namespace

Engine::Engine(model::Program program, std::unique_ptr<Backend> backend)
    : program_(std::move(program)), backend_(std::move(backend)) {
  const std::string refused = refusals(program_, *backend_);
  if (!refused.empty()) throw ConfigError("cannot run on " + backend_->name() + ": " + refused);
  parameters_.values = backend_->memory().allocate(program_.flat_size, Type::kFloat);
  backend_->memory().fill_zero(parameters_.values);
  parameters_.gradients.resize(program_.slots.size());
  last_reader_.assign(program_.stages.size(), model::kNoStage);
  last_adder_.assign(program_.stages.size(), model::kNoStage);
  for (const model::Stage& stage : program_.stages) {
    for (const model::Edge& edge : stage.inputs) {
      if (edge.stage != model::kInput) last_reader_[at(edge.stage)] = stage.number;
    }
    for (const int source : stage.shortcuts) last_adder_[at(source)] = stage.number;
  }
  backend_->attach(program_, parameters_);
}

Engine::~Engine() = default;

void Engine::check(const Batch& batch) const {
  const std::int64_t steps = batch.input_steps;
  const bool fits = batch.samples > 0 && (steps == 1 || steps == program_.num_steps) &&
                    batch.input.count == steps * batch.samples * program_.input.size() &&
                    batch.input.type == Type::kFloat;
  if (fits) return;
  throw ShapeError("network input must be [T, N, C, H, W] with T = " + std::to_string(program_.num_steps) +
                   (program_.num_steps == 1 ? "" : " (or 1: a still image)") +
                   ", N at least 1 and C x H x W = " + model::to_string(program_.input) + ", not " +
                   std::to_string(batch.input.count) + " values for T = " + std::to_string(steps) +
                   ", N = " + std::to_string(batch.samples));
}

Samples Engine::samples_of(const Batch& batch) const {
  Samples samples;
  samples.input = batch.input;
  samples.input_steps = batch.input_steps;
  samples.count = samples.batch = batch.samples;
  samples.whole_first = batch.first;
  samples.whole = batch.whole != 0 ? batch.whole : batch.samples;
  samples.spare = batch.spare;
  samples.stages.resize(program_.stages.size());
  return samples;
}

// What nobody behind `stage` reads any more: in inference.
void Engine::release_dead(int stage, Samples& samples) const {
  for (int before = 0; before < stage; ++before) {
    if (last_reader_[at(before)] > stage) continue;
    Activation& activation = samples.stages[at(before)];
    activation.spikes.reset();
    activation.values.reset();
    activation.product.reset();
    activation.neurons.reset();
  }
}

// The stage's own and currents of earlier ones.
Buffer Engine::whole_current(int stage, Samples& samples, const Pass& pass, bool again) {
  const model::Stage& here = program_.stages[at(stage)];
  Activation& own = samples.stages[at(stage)];
  Buffer current = backend_->current(stage, samples, pass);
  own.own_count = current.count;
  for (const int source : here.shortcuts) {
    Activation& added = samples.stages[at(source)];
    current = backend_->add(std::move(current), added.current);
    if (!again && last_adder_[at(source)] == stage) added.current.reset();
  }
  own.static_input = current.count != program_.num_steps * own.images.neurons();
  if (last_adder_[at(stage)] != model::kNoStage) own.current = current;
  return current;
}

void Engine::end_lap(const Pass& pass, Timeline::Kind kind, int stage) {
  if (pass.timeline == nullptr) return;
  backend_->wait();
  pass.timeline->lap(kind, stage);
}

void Engine::run_stages(int first, int last, Samples& samples, const Pass& pass) {
  for (int stage = first; stage < last; ++stage) {
    const auto start = Clock::now();
    Buffer current = whole_current(stage, samples, pass);
    if (pass.observer != nullptr) pass.observer->current(stage, current, samples);
    backend_->fire(stage, std::move(current), samples, pass);
    if (pass.costs != nullptr) {
      backend_->wait();
      (*pass.costs)[at(stage)].forward_ms += milliseconds_since(start);
    }
    end_lap(pass, Timeline::Kind::kForward, stage);
    if (!pass.keep) release_dead(stage, samples);
  }
}

// A large batch runs through the leading stages slice by slice, so that what a stage makes for a moment
// (currents, gradients) stays small; slices are kept for the backward pass.
std::vector<Samples> Engine::run_forward(Samples& whole, const Pass& pass) {
  if (pass.costs != nullptr) {
    pass.costs->assign(program_.stages.size(), StageCost());
    for (const model::Stage& stage : program_.stages) (*pass.costs)[at(stage.number)].name = stage.name;
  }
  const int stages = static_cast<int>(program_.stages.size());
  const Backend::Slicing slicing =
      backend_->slicing(whole.batch, whole.input_steps == 1 && program_.num_steps > 1, pass.training);
  std::vector<Samples> slices;
  if (slicing.stages == 0 || slicing.samples >= whole.batch) {
    run_stages(0, stages, whole, pass);
    return slices;
  }
  for (std::int64_t first = 0; first < whole.batch; first += slicing.samples) {
    Samples& slice = slices.emplace_back();
    slice.first = first;
    slice.count = std::min(slicing.samples, whole.batch - first);
    slice.batch = whole.batch;
    slice.whole_first = whole.whole_first + first;
    slice.whole = whole.whole;
    slice.input_steps = whole.input_steps;
    slice.input = backend_->slice(whole.input, whole.input_steps, whole.batch, first, slice.count);
    slice.stages.resize(at(slicing.stages));
    run_stages(0, slicing.stages, slice, pass);
  }
  whole.stages[at(slicing.stages - 1)] = backend_->join(slices, slicing.stages - 1);
  run_stages(slicing.stages, stages, whole, pass);
  return slices;
}

Buffer Engine::infer(const Batch& batch, const Pass& pass) {
  check(batch);
  Samples samples = samples_of(batch);
  run_forward(samples, pass);
  backend_->count(batch.samples);
  return backend_->votes(samples.stages.back());
}

void Engine::announce(int stage, GradientListener* listener) const {
  if (listener == nullptr) return;
  for (const int slot : program_.stages[at(stage)].trained_slots()) {
    listener->ready(slot, parameters_.gradients[at(slot)]);
  }
}

// Of the stage's own current, from what later stages said of its output and of its whole current.
Buffer Engine::gradient_of_current(int stage, Samples& samples, Incoming& incoming, const Pass& pass) {
  const model::Stage& here = program_.stages[at(stage)];
  const Activation& own = samples.stages[at(stage)];
  Buffer gradient = backend_->fire_backward(stage, samples, std::move(incoming.outputs[at(stage)]), pass);
  const std::int64_t whole = (own.static_input ? 1 : program_.num_steps) * own.images.neurons();
  for (Buffer& added : incoming.currents[at(stage)]) {
    Buffer part = backend_->sum_steps(std::move(added), whole);
    gradient = gradient ? backend_->add(std::move(gradient), part) : std::move(part);
  }
  incoming.currents[at(stage)].clear();
  if (!gradient) return gradient;
  for (const int source : here.shortcuts) incoming.currents[at(source)].push_back(gradient);
  return backend_->sum_steps(std::move(gradient), own.own_count);
}

void Engine::run_backward(int first, int last, Samples& samples, Incoming& incoming, const Pass& pass,
                          GradientListener* listener) {
  for (int stage = last - 1; stage >= first; --stage) {
    const auto start = Clock::now();
    Buffer gradient = gradient_of_current(stage, samples, incoming, pass);
    if (!gradient) continue;  // nobody learns from it
    for (OutputGradient& output : backend_->current_backward(stage, samples, std::move(gradient), pass)) {
      incoming.outputs[at(output.stage)].push_back(std::move(output));
    }
    if (pass.costs != nullptr) {
      backend_->wait();
      (*pass.costs)[at(stage)].backward_ms += milliseconds_since(start);
    }
    end_lap(pass, Timeline::Kind::kBackward, stage);
    if (samples.is_last_slice()) announce(stage, listener);
  }
}

void Engine::step(const Batch& batch, const LossSpec& loss, Pass pass, GradientListener* listener) {
  check(batch);
  pass.keep = true;
  if (!pass.accumulate) {
    for (Buffer& gradient : parameters_.gradients) gradient.reset();
  }
  Samples whole = samples_of(batch);
  std::vector<Samples> slices = run_forward(whole, pass);
  const int stages = static_cast<int>(program_.stages.size());
  const int sliced = slices.empty() ? 0 : static_cast<int>(slices.front().stages.size());
  Incoming incoming(at(stages));
  LossSpec of_part = loss;
  of_part.whole_batch = batch.whole;
  of_part.counted = !batch.spare;
  incoming.outputs.back().push_back(backend_->loss(whole.stages.back(), batch.labels, of_part));
  end_lap(pass, Timeline::Kind::kLoss);
  run_backward(sliced, stages, whole, incoming, pass, listener);
  for (Samples& slice : slices) {
    Incoming of_slice(at(sliced));
    for (const OutputGradient& gradient : incoming.outputs[at(sliced - 1)]) {
      OutputGradient part = gradient;
      part.values =
          backend_->slice(gradient.values, program_.num_steps, whole.batch, slice.first, slice.count);
      of_slice.outputs.back().push_back(std::move(part));
    }
    run_backward(0, sliced, slice, of_slice, pass, listener);
    slice.stages.clear();
  }
  if (listener != nullptr) listener->wait();
}

void Engine::update(const UpdateRule& rule, const std::vector<SlotUpdate>& slots, Moments& moments) {
  backend_->update(rule, slots, moments);
  ++parameters_.version;
}

}  // namespace spikeloom::engine

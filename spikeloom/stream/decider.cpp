#include "spikeloom/stream/decider.h"

#include <algorithm>
#include <string>

#include "spikeloom/base/errors.h"
#include "spikeloom/runtime/ranking.h"

namespace spikeloom::stream {
namespace {

constexpr std::int64_t kLargestTime = std::int64_t{1} << 61;  // differences stay far from overflow
constexpr std::int64_t kMostSteps = 1 << 20;
constexpr std::int64_t kMostWindows = 1024;
constexpr float kMostEvents = 255.0f;  // as binning counts

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

void check(const DeciderSettings& settings, const runtime::Classifier& network) {
  const auto out_of_range = [](const std::string& what) { throw ConfigError(what); };
  if (settings.step_us < 1 || settings.step_us > std::int64_t{1} << 40) {
    out_of_range("a step of " + std::to_string(settings.step_us) + " us: it must be from 1 to 2^40");
  }
  if (settings.window_steps < 1 || settings.window_steps > kMostSteps) {
    out_of_range("a window of " + std::to_string(settings.window_steps) + " steps: it must have 1 to " +
                 std::to_string(kMostSteps));
  }
  if (settings.every_steps < 1 || settings.every_steps > settings.window_steps) {
    out_of_range("a decision every " + std::to_string(settings.every_steps) +
                 " steps (--every-steps): it must be from 1 to the window's " +
                 std::to_string(settings.window_steps));
  }
  const std::int64_t windows = (settings.window_steps - 1) / settings.every_steps + 1;
  if (!settings.carries_state && windows > kMostWindows) {
    out_of_range(std::to_string(windows) + " windows overlap: at most " + std::to_string(kMostWindows) +
                 " run side by side; decide less often, or let one state go through all windows (--carry)");
  }
  if (settings.gap_us < settings.step_us * settings.window_steps || settings.gap_us > kLargestTime / 2 ||
      settings.gap_us / settings.step_us > kMostSteps) {
    out_of_range("a gap of " + std::to_string(settings.gap_us) + " us: it must be at least a window, " +
                 std::to_string(settings.step_us * settings.window_steps) + " us, and at most " +
                 std::to_string(kMostSteps) + " steps");
  }
  if (settings.downsample < 1) out_of_range("downsample must be positive");
  const std::int64_t most = network.most_steps();
  if (most > 0 && settings.carries_state) {
    out_of_range(std::string("the network ") + runtime::kByStep +
                 ": its state cannot be carried from window to window");
  }
  if (most > 0 && settings.window_steps > most) {
    out_of_range(std::string("the network ") + runtime::kByStep + " and was trained for " +
                 std::to_string(most) + " steps: a window of " + std::to_string(settings.window_steps) +
                 " is too long");
  }
}

}  // namespace

Decider::Decider(const runtime::Classifier& network, const DeciderSettings& settings)
    : settings_(settings), input_(network.input()) {
  check(settings, network);
  if (input_.channels != 1 && input_.channels != 2) {
    throw ShapeError("the network takes " + model::to_string(input_) +
                     " (channels x height x width): events have 1 or 2 channels");
  }
  frame_.resize(at(input_.size()));
  const std::int64_t overlapping =
      settings.carries_state ? 1 : (settings.window_steps - 1) / settings.every_steps + 1;
  for (std::int64_t i = 0; i < overlapping; ++i) windows_.push_back({network.another(), -1, 0});
  const std::size_t classes = network.sums().size();
  zeros_.resize(classes);
  decision_.votes.resize(classes);
  if (settings.carries_state) {
    sums_before_.resize(at(settings.window_steps) * classes);
    events_before_.resize(at(settings.window_steps));
  }
}

std::int64_t Decider::synaptic_operations() const { return operations_; }

bool Decider::add(const events::Event& event) {
  const int factor = settings_.downsample;
  const std::int64_t x = event.x / factor, y = event.y / factor;
  if (x >= input_.width || y >= input_.height || event.polarity > 1) return false;
  ++step_events_;
  if (settings_.stride_downsampling && (event.x % factor != 0 || event.y % factor != 0)) return true;
  const std::int64_t channel = input_.channels == 2 ? event.polarity : 0;
  float& cell = frame_[at((y * input_.width + x) * input_.channels + channel)];
  cell = settings_.binary ? 1.0f : std::min(cell + 1.0f, kMostEvents);
  return true;
}

void Decider::start(std::int64_t t_us) {
  started_ = true;
  step_start_us_ = t_us;
  step_ = step_events_ = events_since_start_ = undecided_events_ = 0;
  std::fill(frame_.begin(), frame_.end(), 0.0f);
  for (Window& window : windows_) {
    window.network->reset();
    window.start = -1;
  }
}

void Decider::take(const events::Event& event, const Decided& decided) {
  const bool is_time = event.t_us >= -kLargestTime && event.t_us <= kLargestTime;
  const std::int64_t factor = settings_.downsample;
  if (!is_time) {
    ++out_of_range_;
    return;
  }
  if (event.x / factor >= input_.width || event.y / factor >= input_.height || event.polarity > 1) {
    ++outside_;
    return;
  }
  if (!started_) start(event.t_us);
  const std::int64_t since = event.t_us - step_start_us_;
  if (since < -settings_.gap_us || since >= settings_.gap_us + settings_.step_us) {
    flush(decided);
    ++restarts_;
    start(event.t_us);
  } else if (since < 0) {
    ++late_;
    return;
  }
  while (event.t_us - step_start_us_ >= settings_.step_us && !is_stopped()) run_step(decided);
  add(event);
  ++events_;
  ++undecided_events_;
}

void Decider::flush(const Decided& decided) {
  if (undecided_events_ == 0) return;
  const std::int64_t before = decisions_;
  while (decisions_ == before && !is_stopped()) run_step(decided);
  undecided_events_ = 0;
}

void Decider::run_step(const Decided& decided) {
  if (settings_.carries_state) {
    run_carried(decided);
  } else {
    run_windows(decided);
  }
  ++steps_;
  std::fill(frame_.begin(), frame_.end(), 0.0f);
}

void Decider::run_windows(const Decided& decided) {
  if (step_ % settings_.every_steps == 0) {
    for (Window& window : windows_) {
      if (window.start >= 0) continue;
      window.start = step_;
      window.events = 0;
      window.network->reset();
      break;
    }
  }
  const std::int64_t events = step_events_;
  step_events_ = 0;
  ++step_;
  step_start_us_ += settings_.step_us;
  for (Window& window : windows_) {
    if (window.start < 0) continue;
    const std::int64_t operations = window.network->synaptic_operations();
    window.network->step({frame_.data(), frame_.size()});
    operations_ += window.network->synaptic_operations() - operations;
    window.events += events;
    if (step_ - window.start < settings_.window_steps) continue;
    window.start = -1;
    decide(*window.network, {zeros_.data(), zeros_.size()}, window.events, decided);
  }
}

void Decider::run_carried(const Decided& decided) {
  runtime::Classifier& network = *windows_.front().network;
  const std::size_t classes = zeros_.size(), place = at(step_ % settings_.window_steps);
  std::copy(network.sums().begin(), network.sums().end(), sums_before_.begin() + place * classes);
  events_before_[place] = events_since_start_;
  events_since_start_ += step_events_;
  step_events_ = 0;
  const std::int64_t operations = network.synaptic_operations();
  network.step({frame_.data(), frame_.size()});
  operations_ += network.synaptic_operations() - operations;
  ++step_;
  step_start_us_ += settings_.step_us;
  if (step_ < settings_.window_steps || (step_ - settings_.window_steps) % settings_.every_steps != 0) return;
  const std::size_t first = at(step_ % settings_.window_steps);  // the oldest one, which goes next
  decide(network, {sums_before_.data() + first * classes, classes},
         events_since_start_ - events_before_[first], decided);
}

void Decider::decide(const runtime::Classifier& network, Span<const double> before, std::int64_t events,
                     const Decided& decided) {
  decision_.end_us = step_start_us_;
  decision_.start_us = step_start_us_ - settings_.window_steps * settings_.step_us;
  decision_.events = events;
  std::vector<float>& votes = decision_.votes;
  for (std::size_t k = 0; k < votes.size(); ++k) {
    const auto terms = static_cast<double>(settings_.window_steps * network.populations()[k]);
    votes[k] = terms > 0.0 ? runtime::mean_vote(network.sums()[k] - before[k], terms) : 0.0f;
  }
  const runtime::Ranking ranking = runtime::rank({votes.data(), votes.size()});
  decision_.best = ranking.best;
  decision_.runner_up = ranking.runner_up;
  ++decisions_;
  undecided_events_ = 0;
  decided(decision_);
}

}  // namespace spikeloom::stream

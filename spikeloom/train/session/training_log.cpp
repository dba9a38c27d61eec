// What a training says while it runs, and what it looks at to say it: metrics, layers, values that are not
// finite.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/parallel/error.h"
#include "spikeloom/train/session/rates_object.h"
#include "spikeloom/train/session/training_session.h"

namespace spikeloom::train {

void TrainingSession::check_finite(double loss) {
  // A LIF layer turns NaN into silence, so that the loss can stay finite: the weights are looked at as well.
  // No trained weight is near this, relative to the threshold that they are to reach.
  const double largest = 1e6 * std::max(1.0, recipe_.network.neuron.v_threshold);
  std::string where;
  for (std::size_t slot = 0; slot < network_->program().slots.size(); ++slot) {
    const std::vector<float> values = network_->engine().read(static_cast<int>(slot));
    double squares = 0.0;
    for (const float value : values) squares += static_cast<double>(value) * static_cast<double>(value);
    const double size = std::sqrt(squares / static_cast<double>(std::max<std::size_t>(values.size(), 1)));
    if (size <= largest) continue;
    char text[32];
    std::snprintf(text, sizeof text, "%.2g", size);
    // Weights whose squares overflow floats are as lost as Inf, though the spikes that they cause stay
    // finite.
    where =
        "the weights '" + network_->program().slots[slot].name + "' " +
        (squares < std::numeric_limits<float>::max()
             ? std::string("have grown to ") + text + " (root mean square), so that no gradient leads back"
             : "are not finite, or so large that their squares overflow");
    break;
  }
  if (where.empty() && std::isfinite(loss)) return;
  if (where.empty()) where = "all weights are finite, so the last layer's votes overflowed";
  const std::string checkpoint = run_path() + "/checkpoint.safetensors";
  throw NumericsError(
      "training diverged at epoch " + std::to_string(state_.epoch + 1) + ", iteration " +
      std::to_string(state_.iteration) + " (loss " + std::to_string(loss) + "): " + where +
      "; last good checkpoint: " + (std::filesystem::exists(checkpoint) ? checkpoint : "none yet") +
      "; lower optimizer.learning_rate or set optimizer.max_gradient_norm");
}

void TrainingSession::note_failure(const std::exception& error) noexcept {
  try {
    note(json_text(nlohmann::ordered_json{{"kind", "failure"},
                                          {"epoch", state_.epoch + 1},
                                          {"iteration", state_.iteration},
                                          {"exit_code", parallel::exit_code_of(error)},
                                          {"reason", error.what()}},
                   -1, BadText::kReplace));
    if (records_) records_->ended(false);
  } catch (const std::exception&) {
    // A full disk may be why it fails: what is thrown says that.
  }
}

void TrainingSession::report_layers(const LayerRates& rates) {
  constexpr double kSilent = 1e-6, kSaturated = 0.95;
  for (const auto& [layer, rate] : rates) {
    const bool silent = rate < kSilent;
    if (!silent && rate <= kSaturated) continue;
    if (!reported_.insert(layer).second) continue;
    char text[32];
    std::snprintf(text, sizeof text, "%.6f", rate);
    observer_.warned(
        "layer " + layer + (silent ? " does not fire" : " fires at nearly every step") + " (firing rate " +
        text + "), so it " +
        (silent ? "passes nothing on and does not learn: raise init.gain, use init.scheme = "
                  "\"calibrated\" or lower neuron.v_threshold"
                : "carries no information: lower init.gain, use init.scheme = \"calibrated\" or raise "
                  "neuron.v_threshold"));
  }
}

void TrainingSession::report_loader() {
  constexpr double kMuch = 0.2, kSeconds = 30.0;  // a shorter training is over before anybody can act on it
  if (loader_reported_ || session_seconds_ < kSeconds || loader_wait_share() < kMuch) return;
  loader_reported_ = true;
  char percent[16];
  std::snprintf(percent, sizeof percent, "%.0f", 100.0 * loader_wait_share());
  observer_.warned(
      "for " + std::string(percent) +
      " % of the time no batch was ready: reading samples is slower than training on them; raise "
      "training.workers (now " +
      std::to_string(recipe_.training.workers) + ")");
}

void TrainingSession::fill_slowest_stage(EpochReport& report) const {
  const auto slowest = std::max_element(stage_ms_.begin(), stage_ms_.end());
  if (slowest == stage_ms_.end() || *slowest <= 0.0) return;
  const auto stage = static_cast<std::size_t>(slowest - stage_ms_.begin());
  report.slowest_stage = network_->program().stages[stage].name;
  report.slowest_share = *slowest / std::accumulate(stage_ms_.begin(), stage_ms_.end(), 0.0);
}

void TrainingSession::log_iteration(double learning_rate) {
  check_finite(state_.log_metrics.loss());
  const LayerRates rates = state_.log_rates.rates();
  report_layers(rates);
  nlohmann::ordered_json line = {{"kind", "train"},
                                 {"epoch", state_.epoch + 1},
                                 {"iteration", state_.iteration},
                                 {"loss", state_.log_metrics.loss()},
                                 {"accuracy", state_.log_metrics.accuracy()},
                                 {"learning_rate", learning_rate},
                                 {"samples_per_s", static_cast<double>(session_samples_) / session_seconds_},
                                 {"train_seconds", state_.train_seconds},
                                 {"loader_wait_share", loader_wait_share()},
                                 {"firing_rates", rates_object(rates)}};
  note(json_text(line));
  record_iteration(learning_rate, rates);
  state_.log_metrics = RunningMetrics();
  state_.log_rates.clear();
}

}  // namespace spikeloom::train

#include "app/training_display.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "app/accuracy_curve.h"
#include "app/output.h"
#include "spikeloom/base/memory.h"

namespace spikeloom::app {
namespace {

std::size_t terminal_width(std::FILE* stream) {
  struct winsize size {};
  if (::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  const int count = columns != nullptr ? std::atoi(columns) : 0;
  return count > 0 ? static_cast<std::size_t>(count) : 80;
}

}  // namespace

TrainingDisplay::TrainingDisplay(std::FILE* stream, bool quiet, std::atomic<bool>* stop)
    : stream_(stream), quiet_(quiet), terminal_(is_terminal(stream)), stop_(stop) {}

void TrainingDisplay::write(const std::string& text) {
  if (output_error_ != 0) return;
  if (std::fputs(text.c_str(), stream_) >= 0 && std::fflush(stream_) == 0) return;
  output_error_ = errno != 0 ? errno : EIO;
  *stop_ = true;  // what was learnt is saved first; then the program says why
}

bool TrainingDisplay::reader_is_gone() const { return output_error_ == EPIPE || output_error_ == EIO; }

void TrainingDisplay::draw(const std::string& line) {
  write("\r\033[K" + line.substr(0, terminal_width(stream_) - 1));
  drawn_ = true;
}

void TrainingDisplay::clear() {
  if (!drawn_) return;
  write("\r\033[K");
  drawn_ = false;
}

bool TrainingDisplay::due(double seconds) {
  const auto now = std::chrono::steady_clock::now();
  if (std::chrono::duration<double>(now - last_).count() < seconds) return false;
  last_ = now;
  return true;
}

void TrainingDisplay::started(const train::TrainingStart& start) {
  num_steps_ = start.num_steps;
  if (quiet_) return;
  say(fmt::format("data     {}", start.data_description));
  say(fmt::format("         in {}", start.data_root));
  say(fmt::format("network  {}", start.network));
  say(fmt::format("         {} parameters, {}MAC a step", with_separators(start.parameters),
                  with_prefix(static_cast<double>(start.macs_per_step))));
  if (start.processes > 1) {
    say(fmt::format("ranks    {} processes, this one with {}", start.processes,
                    counted(start.threads, "thread")));
  }
  const model::MemoryEstimate& memory = start.memory;
  say(fmt::format("memory   about {} and the data set: weights, gradients, optimiser {},",
                  memory_text(memory.total()),
                  memory_text(memory.parameters + memory.gradients + memory.optimizer)));
  say(fmt::format("         kept state {}, working set {}, batches {}, program {}",
                  memory_text(memory.kept_state), memory_text(memory.working_set), memory_text(memory.inputs),
                  memory_text(memory.libraries)));
  say(fmt::format("run      {}", start.run_path));
  if (start.resumed) {
    say(fmt::format("         resumed at epoch {}, batch {} of {}", start.epoch + 1, start.batch,
                    start.iterations_per_epoch));
  }
}

void TrainingDisplay::preparing(const std::string& split, std::int64_t done, std::int64_t total) {
  if (quiet_ || !terminal_) return;
  if (done == total) return clear();
  if (!due(0.2)) return;
  const double fraction = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
  draw(fmt::format("binning recordings ({}) {} {}/{}", split, progress_bar(fraction, 20), done, total));
}

void TrainingDisplay::estimate_time(const train::TrainingProgress& progress) {
  constexpr std::int64_t kIterations = 20;
  constexpr double kWorthSaying = 120.0;
  if (first_iteration_ < 0) first_iteration_ = progress.iteration - 1;
  const std::int64_t done = progress.iteration - first_iteration_;
  if (time_said_ || done < kIterations) return;
  time_said_ = true;
  if (progress.seconds_left < kWorthSaying) return;
  clear();
  say(fmt::format("time     about {} at the speed of the first {} iterations",
                  rough_duration(progress.seconds_left), done));
}

void TrainingDisplay::progressed(const train::TrainingProgress& progress) {
  if (quiet_) return;
  estimate_time(progress);
  if (terminal_) {
    if (!due(0.2)) return;
    draw(progress_line(progress, terminal_width(stream_)));
  } else if (progress.logged && due(5.0)) {
    say(fmt::format("epoch {}/{}  batch {}/{}  loss {:.4f}  accuracy {:.2f} %  {:.1f} samples/s  {} left",
                    progress.epoch + 1, progress.epochs, progress.batch, progress.batches, progress.mean_loss,
                    100.0 * progress.mean_accuracy, progress.samples_per_s, duration(progress.seconds_left)));
  }
}

void TrainingDisplay::epoch_ended(const train::EpochReport& report) {
  if (quiet_) return;
  clear();
  remember(report);
  std::string line = fmt::format("epoch {}/{}  train: loss {:.4f}, accuracy {:.2f} %", report.epoch + 1,
                                 report.epochs, report.train_loss, 100.0 * report.train_accuracy);
  if (report.has_validation) {
    line += fmt::format("  validation: loss {:.4f}, accuracy {:.2f} %", report.validation_loss,
                        100.0 * report.validation_accuracy);
  }
  if (report.has_average) {
    line += fmt::format(" (average of weights: loss {:.4f}, accuracy {:.2f} %)",
                        report.average_validation_loss, 100.0 * report.average_validation_accuracy);
  }
  if (report.num_steps != num_steps_) line += fmt::format("  T = {}", report.num_steps);
  num_steps_ = report.num_steps;
  line += fmt::format("  {:.0f} samples/s  {}", report.samples_per_s, duration(report.seconds));
  say(line);
  if (terminal_ && accuracies_.size() > 1) {
    constexpr std::size_t kEpochs = 40;
    say("         accuracy " + small_curve(accuracies_, kEpochs, shows_blocks(stream_)));
  }
  if (report.firing_rates.empty()) return;
  std::string rates = "         firing rates:";
  for (const auto& [layer, rate] : report.firing_rates) rates += fmt::format(" {} {:.3f}", layer, rate);
  say(rates);
}

void TrainingDisplay::remember(const train::EpochReport& report) {
  const bool validated = report.has_validation;
  if (validated != validated_) accuracies_.clear();
  validated_ = validated;
  accuracies_.push_back(!validated           ? report.train_accuracy
                        : report.has_average ? report.average_validation_accuracy
                                             : report.validation_accuracy);
  best_ = report.best_validation_accuracy;
  slowest_stage_ = report.slowest_stage;
  slowest_share_ = report.slowest_share;
}

void TrainingDisplay::summarise() {
  constexpr std::size_t kEpochs = 60;
  clear();
  if (quiet_) return;
  if (accuracies_.size() > 1) {
    // What keep_best keeps: of earlier sessions as well, and not of epochs with fewer time steps.
    const double best = validated_ ? best_ : *std::max_element(accuracies_.begin(), accuracies_.end());
    say(fmt::format("curve    {}  {} accuracy{}", small_curve(accuracies_, kEpochs, shows_blocks(stream_)),
                    validated_ ? "validation" : "training",
                    best >= 0.0 ? fmt::format(", best {:.2f} %", 100.0 * best) : ""));
  }
  if (!slowest_stage_.empty()) {
    say(fmt::format("slowest  {}: {:.0f} % of the time of all stages", slowest_stage_,
                    100.0 * slowest_share_));
  }
  if (warnings_.empty()) return;
  say(fmt::format("{} of this training once more:", warnings_.size() == 1 ? "the warning" : "the warnings"));
  for (const std::string& warning : warnings_) say("  " + one_line(warning));
}

void TrainingDisplay::evaluating(const std::string& split, std::int64_t done, std::int64_t total) {
  if (quiet_ || !terminal_ || !due(0.2)) return;
  const double fraction = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
  draw(fmt::format("{} {} {}/{}", split, progress_bar(fraction, 20), done, total));
  if (done == total) clear();
}

void TrainingDisplay::warned(const std::string& message) {
  clear();
  if (std::find(warnings_.begin(), warnings_.end(), message) == warnings_.end()) warnings_.push_back(message);
  print_warning(message);
}

}  // namespace spikeloom::app

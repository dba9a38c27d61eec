#include "app/training_display.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "app/output.h"

namespace spikeloom::app {
namespace {

std::size_t terminal_width(std::FILE* stream) {
  struct winsize size {};
  if (::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

std::string progress_bar(double fraction, int width) {
  const int full = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * width);
  std::string bar(static_cast<std::size_t>(full), '=');
  if (full < width) bar += '>' + std::string(static_cast<std::size_t>(width - full - 1), ' ');
  return "[" + bar + "]";
}

TrainingDisplay::TrainingDisplay(std::FILE* stream, bool quiet)
    : stream_(stream), quiet_(quiet), terminal_(is_terminal(stream)) {}

void TrainingDisplay::draw(const std::string& line) {
  std::fprintf(stream_, "\r\033[K%s", line.substr(0, terminal_width(stream_) - 1).c_str());
  std::fflush(stream_);
  drawn_ = true;
}

void TrainingDisplay::clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stream_);
  drawn_ = false;
}

bool TrainingDisplay::due(double seconds) {
  const auto now = std::chrono::steady_clock::now();
  if (std::chrono::duration<double>(now - last_).count() < seconds) return false;
  last_ = now;
  return true;
}

void TrainingDisplay::started(const train::TrainingStart& start) {
  if (quiet_) return;
  print_line(stream_, fmt::format("data     {}", start.data_description));
  print_line(stream_, fmt::format("         in {}", start.data_root));
  print_line(stream_, fmt::format("network  {}", start.network));
  print_line(stream_, fmt::format("         {} parameters, {}MAC a step", with_separators(start.parameters),
                                  with_prefix(static_cast<double>(start.macs_per_step))));
  print_line(stream_, fmt::format("run      {}", start.run_path));
  if (start.resumed) {
    print_line(stream_, fmt::format("         going on at epoch {}, batch {} of {}", start.epoch + 1,
                                    start.batch, start.iterations_per_epoch));
  }
}

void TrainingDisplay::preparing(const std::string& split, std::int64_t done, std::int64_t total) {
  if (quiet_ || !terminal_) return;
  if (done == total) return clear();
  if (!due(0.2)) return;
  const double fraction = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
  draw(fmt::format("binning recordings ({}) {} {}/{}", split, progress_bar(fraction, 20), done, total));
}

void TrainingDisplay::progressed(const train::TrainingProgress& progress) {
  if (quiet_) return;
  const double fraction = progress.iterations > 0 ? static_cast<double>(progress.iteration) /
                                                        static_cast<double>(progress.iterations)
                                                  : 1.0;
  if (terminal_) {
    if (!due(0.2)) return;
    draw(fmt::format("epoch {}/{} {} {:3.0f}%  loss {:.4f}  accuracy {:.1f} %  {:.0f} samples/s  {} left",
                     progress.epoch + 1, progress.epochs, progress_bar(fraction, 20), 100.0 * fraction,
                     progress.mean_loss, 100.0 * progress.mean_accuracy, progress.samples_per_s,
                     duration(progress.seconds_left)));
  } else if (progress.logged && due(5.0)) {
    print_line(
        stream_,
        fmt::format("epoch {}/{}  batch {}/{}  loss {:.4f}  accuracy {:.2f} %  {:.1f} samples/s  {} left",
                    progress.epoch + 1, progress.epochs, progress.batch, progress.batches, progress.mean_loss,
                    100.0 * progress.mean_accuracy, progress.samples_per_s, duration(progress.seconds_left)));
  }
}

void TrainingDisplay::epoch_ended(const train::EpochReport& report) {
  if (quiet_) return;
  clear();
  std::string line = fmt::format("epoch {}/{}  train: loss {:.4f}, accuracy {:.2f} %", report.epoch + 1,
                                 report.epochs, report.train_loss, 100.0 * report.train_accuracy);
  if (report.has_validation) {
    line += fmt::format("  validation: loss {:.4f}, accuracy {:.2f} %", report.validation_loss,
                        100.0 * report.validation_accuracy);
  }
  line += fmt::format("  {:.0f} samples/s  {}", report.samples_per_s, duration(report.seconds));
  print_line(stream_, line);
  if (report.firing_rates.empty()) return;
  std::string rates = "         firing rates:";
  for (const auto& [layer, rate] : report.firing_rates) rates += fmt::format(" {} {:.3f}", layer, rate);
  print_line(stream_, rates);
}

void TrainingDisplay::evaluating(const std::string& split, std::int64_t done, std::int64_t total) {
  if (quiet_ || !terminal_ || !due(0.2)) return;
  const double fraction = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
  draw(fmt::format("{} {} {}/{}", split, progress_bar(fraction, 20), done, total));
  if (done == total) clear();
}

void TrainingDisplay::warned(const std::string& message) {
  clear();
  print_warning(message);
}

}  // namespace spikeloom::app

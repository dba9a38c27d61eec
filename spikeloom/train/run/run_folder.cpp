#include "spikeloom/train/run/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"

namespace spikeloom::train {

namespace fs = std::filesystem;

namespace {

bool is_there(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      metrics_(std::exchange(other.metrics_, -1)),
      metrics_size_(other.metrics_size_) {}

RunFolder::~RunFolder() {
  if (metrics_ >= 0) ::close(metrics_);
  if (lock_ >= 0) ::close(lock_);
}

void RunFolder::lock() {
  const std::string name = file("run.lock");
  lock_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) throw DataError(name + ": cannot create: " + std::strerror(errno));
  // Who only asks whether a training runs here (info, report, watch) holds it for moments.
  constexpr int kAttempts = 20;
  constexpr std::chrono::milliseconds kPause{10};
  for (int attempt = 1; ::flock(lock_, LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if (errno == EWOULDBLOCK && attempt < kAttempts) {
      std::this_thread::sleep_for(kPause);
      continue;
    }
    throw DataError(path_ + ": another training is writing into this run folder; use another one (--out)");
  }
}

void RunFolder::open_metrics() {
  const std::string name = file("metrics.jsonl");
  metrics_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (metrics_ < 0) throw DataError(name + ": cannot create: " + std::strerror(errno));
  metrics_size_ = ::lseek(metrics_, 0, SEEK_END);
}

RunFolder RunFolder::create(const std::string& given) {
  const std::string path = without_end_slashes(given);
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw DataError(path + ": cannot create the run folder: " + error.message());
  RunFolder folder(path);
  folder.lock();
  if (is_there(folder.file("checkpoint.safetensors"))) {
    throw DataError(path + ": already holds a run; resume it (--resume " + path +
                    ") or use another folder (--out)");
  }
  for (const char* name : {"recipe.toml", "model.safetensors", "result.json"}) {
    if (is_there(folder.file(name))) {
      throw DataError(path + ": already holds a " + name +
                      ", which a run would replace; use another folder (--out)");
    }
  }
  // A run writes its first checkpoint before its first line: this file is somebody else's, or no file.
  const std::string metrics = folder.file("metrics.jsonl");
  if (is_there(metrics) && (!fs::is_regular_file(metrics, error) || fs::file_size(metrics, error) > 0)) {
    throw DataError(path +
                    ": already holds a metrics.jsonl, which a run would replace; use another folder (--out)");
  }
  folder.open_metrics();
  folder.truncate_metrics(0);
  return folder;
}

RunFolder RunFolder::open(const std::string& given) {
  const std::string path = without_end_slashes(given);
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) throw DataError(path + ": no such run folder");
  if (!is_there(path + "/checkpoint.safetensors")) {
    throw DataError(path +
                    ": holds no checkpoint.safetensors, so there is nothing to resume: begin the training "
                    "again, with the same command");
  }
  RunFolder folder(path);
  folder.lock();
  folder.open_metrics();
  return folder;
}

void RunFolder::append_metrics(const std::string& json_line) {
  const std::string line = json_line + "\n";
  const ssize_t written = ::write(metrics_, line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    const std::string reason = written < 0 ? std::strerror(errno) : "No space left on device";
    if (written > 0) {
      // A half line would make the file unreadable.
      if (::ftruncate(metrics_, metrics_size_) != 0) errno = 0;
    }
    throw DataError(file("metrics.jsonl") + ": cannot write: " + reason);
  }
  metrics_size_ += written;
}

void RunFolder::truncate_metrics(std::int64_t size) {
  if (size > metrics_size_ || ::ftruncate(metrics_, size) != 0) {
    throw DataError(file("metrics.jsonl") + ": is shorter than the checkpoint says (" + std::to_string(size) +
                    " bytes): it was changed by hand");
  }
  metrics_size_ = size;
}

std::string new_run_path(const std::string& recipe_name) {
  const std::string base = "runs/" + recipe_name;
  std::string path = base;
  for (int number = 2; is_there(path); ++number) path = base + "-" + std::to_string(number);
  return path;
}

}  // namespace spikeloom::train

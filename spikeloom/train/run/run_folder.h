#pragma once
#include <cstdint>
#include <string>

namespace spikeloom::train {

/// A run's folder: recipe.toml, environment.json, metrics.jsonl, checkpoint.safetensors, model.safetensors
/// and result.json. Holds a lock on it (run.lock) until destroyed, so that two trainings never write into one
/// folder.
class RunFolder {
 public:
  /// Makes the folder. Throws DataError if it already holds a run or files that a run would replace, is in
  /// use or cannot be written.
  static RunFolder create(const std::string& path);
  /// Opens a run to resume it. Throws DataError if it holds no checkpoint or is in use.
  static RunFolder open(const std::string& path);
  RunFolder(RunFolder&& other) noexcept;
  ~RunFolder();

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

  /// Appends one line to metrics.jsonl, in one write. Throws DataError (a full disk, for example).
  void append_metrics(const std::string& json_line);
  /// Bytes of metrics.jsonl so far.
  std::int64_t metrics_size() const { return metrics_size_; }
  /// Cuts metrics.jsonl back to `size` bytes: what was written after the checkpoint will be written again.
  void truncate_metrics(std::int64_t size);

 private:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}
  void lock();
  void open_metrics();
  std::string path_;
  int lock_ = -1;
  int metrics_ = -1;
  std::int64_t metrics_size_ = 0;
};

/// "runs/NAME", or "runs/NAME-2", "runs/NAME-3", ...: the first that does not exist.
std::string new_run_path(const std::string& recipe_name);

}  // namespace spikeloom::train

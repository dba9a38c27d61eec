#include "spikeloom/data/frame_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/data/frame_packing.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

constexpr auto kProgressInterval = std::chrono::milliseconds(50);
/// Neighbours are often pieces of one file: a thread takes so many at a time.
constexpr std::size_t kChunk = 8;

std::string file_path(const std::string& folder, const std::string& name, const std::string& settings) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw DataError(fmt::format("{}: cannot create the folder: {}", folder, error.message()));
  return (fs::path(folder) / fmt::format("{}-{:016x}.frames", name, hash_text(settings).low)).string();
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

ContentHash recording_key(const ContentHash& content, const std::string& piece) {
  if (piece.empty()) return content;
  return hash_text(fmt::format("{:016x}{:016x} {}", content.high, content.low, piece));
}

}  // namespace

std::string frame_cache_folder() {
  const std::string chosen = environment("SPIKELOOM_CACHE_DIR");
  if (!chosen.empty()) return chosen == "off" ? "" : chosen;
  const std::string cache = environment("XDG_CACHE_HOME"), home = environment("HOME");
  if (!cache.empty()) return cache + "/spikeloom";
  return home.empty() ? "" : home + "/.cache/spikeloom";
}

/// One call of fill(): threads take recordings in turn, first to see which are there, then to make the
/// others.
class FrameCache::Filling {
 public:
  Filling(FrameCache& cache, const std::vector<Recording>& recordings, const Bin& bin, int threads,
          const PrepareProgress& progress)
      : cache_(cache), recordings_(recordings), bin_(bin), threads_(threads), progress_(progress) {
    std::unordered_map<std::string, std::size_t> numbers;
    file_of_.reserve(recordings.size());
    for (const Recording& recording : recordings) {
      const auto [at, is_new] = numbers.emplace(recording.path, numbers.size());
      file_of_.push_back(at->second);
      if (is_new) paths_.push_back(recording.path);
    }
    files_ = std::vector<File>(paths_.size());
  }

  bool run() {
    cache_.keys_.assign(recordings_.size(), ContentHash{});
    ready_.assign(recordings_.size(), 0);
    if (!in_parallel([this](std::size_t i) { look(i); })) return false;
    if (done_ == recordings_.size()) return true;
    try {
      if (!wait_for_lock()) return false;
      locked_ = true;
    } catch (const DataError&) {
      failure_ = std::current_exception();  // what is there may still be enough
    }
    struct Unlocker {
      FrameLog& log;
      ~Unlocker() { log.unlock(); }
    } unlocker{cache_.log_};
    const bool finished = in_parallel([this](std::size_t i) { make(i); });
    append_signatures();
    cache_.log_.refresh();
    if (finished && failure_ != nullptr && lacking_ > 0) std::rethrow_exception(failure_);
    return finished;
  }

 private:
  struct File {
    std::once_flag once;
    bool readable = false, known = false;
    FrameLog::FileState state;
  };

  ContentHash path_hash(std::size_t file) const {
    std::error_code error;
    const fs::path absolute = fs::absolute(paths_[file], error);
    return hash_text(error ? paths_[file] : absolute.string());
  }

  bool is_ready(std::size_t i) {
    if (!cache_.log_.holds(cache_.keys_[i])) return false;
    ready_[i] = 1;
    ++done_;
    return true;
  }

  /// Whether it is there, if its file is as it was.
  void look(std::size_t i) {
    const std::size_t number = file_of_[i];
    const FrameLog::FileState* const before = cache_.log_.find_file(path_hash(number));
    if (before == nullptr || before->signature == 0 || before->signature != file_signature(paths_[number])) {
      return;
    }
    cache_.keys_[i] = recording_key(before->content, recordings_[i].piece);
    is_ready(i);
  }

  void identify(std::size_t number) {
    File& file = files_[number];
    std::call_once(file.once, [&] {
      file.state.signature = file_signature(paths_[number]);
      const FrameLog::FileState* const before = cache_.log_.find_file(path_hash(number));
      file.known =
          before != nullptr && file.state.signature != 0 && before->signature == file.state.signature;
      try {
        file.state.content = file.known ? before->content : hash_file(paths_[number]);
        file.readable = true;
      } catch (const Error&) {
        // Said when the recording is read.
      }
    });
  }

  bool has_changed(std::size_t number) const {
    const FrameLog::FileState& state = files_[number].state;
    if (file_signature(paths_[number]) != state.signature) return true;
    return state.signature == 0 && hash_file(paths_[number]) != state.content;
  }

  void make(std::size_t i) {
    if (ready_[i] != 0) return;
    const std::size_t number = file_of_[i];
    identify(number);
    cache_.keys_[i] = ContentHash{};
    if (files_[number].readable) {
      cache_.keys_[i] = recording_key(files_[number].state.content, recordings_[i].piece);
      if (is_ready(i)) return;  // made before, or by another process while this one waited
      if (can_append()) bin_and_append(i);
      if (!can_append()) ++lacking_;
    }
    ++done_;
  }

  void bin_and_append(std::size_t i) {
    thread_local std::vector<std::uint8_t> counts, packed;
    counts.resize(cache_.counts_);
    try {
      bin_(i, counts.data());
      // Changed between hashing and binning: these frames have no name. The next run will make them.
      if (has_changed(file_of_[i])) return;
    } catch (const Error&) {
      return;  // said when the recording is read
    }
    const int bits = bits_needed(counts.data(), counts.size());
    packed.clear();
    pack_counts(counts.data(), counts.size(), bits, packed);
    const std::lock_guard<std::mutex> lock(append_mutex_);
    if (failure_ != nullptr) return;
    try {
      cache_.log_.append_frames(cache_.keys_[i], bits, packed);
    } catch (const DataError&) {
      failure_ = std::current_exception();
    }
  }

  bool can_append() {
    const std::lock_guard<std::mutex> lock(append_mutex_);
    return locked_ && failure_ == nullptr;
  }

  void append_signatures() {
    if (!can_append()) return;
    try {
      for (std::size_t i = 0; i < files_.size(); ++i) {
        const File& file = files_[i];
        if (!file.readable || file.known || file.state.signature == 0) continue;
        cache_.log_.append_file(path_hash(i), file.state);
      }
    } catch (const DataError&) {
      // The frames are there; the next run hashes the files again.
    }
  }

  bool wait_for_lock() {
    while (!cache_.log_.try_lock()) {
      if (!tell_progress()) return false;
      std::this_thread::sleep_for(kProgressInterval);
    }
    return true;
  }

  bool tell_progress() const {
    return !progress_ ||
           progress_(static_cast<std::int64_t>(done_.load()), static_cast<std::int64_t>(recordings_.size()));
  }

  /// Calls work(i) for every recording, telling progress on this thread. false if that ended it.
  template <class Work>
  bool in_parallel(const Work& work) {
    std::atomic<std::size_t> next{0};
    std::atomic<bool> stop{false};
    std::mutex mutex;
    std::condition_variable ended;
    std::size_t running = 0;
    std::exception_ptr failure;  // out of memory
    const auto loop = [&] {
      try {
        while (!stop) {
          const std::size_t first = next.fetch_add(kChunk);
          const std::size_t last = std::min(first + kChunk, recordings_.size());
          if (first >= recordings_.size()) break;
          for (std::size_t i = first; i < last && !stop; ++i) work(i);
        }
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (failure == nullptr) failure = std::current_exception();
        stop = true;
      }
      const std::lock_guard<std::mutex> lock(mutex);
      --running;
      ended.notify_all();
    };
    const std::size_t wanted = std::clamp<std::size_t>((recordings_.size() + kChunk - 1) / kChunk, 1,
                                                       static_cast<std::size_t>(std::max(threads_, 1)));
    std::vector<std::thread> workers;
    workers.reserve(wanted);
    bool stopped = false;
    {
      std::unique_lock<std::mutex> lock(mutex);
      while (workers.size() < wanted) {
        try {
          workers.emplace_back(loop);
        } catch (const std::system_error&) {
          if (workers.empty()) throw;  // else fewer will do
          break;
        }
        ++running;
      }
      while (!ended.wait_for(lock, kProgressInterval, [&] { return running == 0; })) {
        lock.unlock();
        if (!stopped && !tell_progress()) stopped = stop = true;
        lock.lock();
      }
    }
    for (std::thread& worker : workers) worker.join();
    if (failure != nullptr) std::rethrow_exception(failure);
    return !stopped && tell_progress();
  }

  FrameCache& cache_;
  const std::vector<Recording>& recordings_;
  const Bin& bin_;
  const int threads_;
  const PrepareProgress& progress_;
  std::vector<std::size_t> file_of_;
  std::vector<std::string> paths_;
  std::vector<File> files_;
  std::vector<std::uint8_t> ready_;
  std::atomic<std::size_t> done_{0}, lacking_{0};
  std::mutex append_mutex_;
  bool locked_ = false;
  std::exception_ptr failure_;  ///< why nothing is appended any more
};

FrameCache::FrameCache(const std::string& folder, const std::string& name, const std::string& settings,
                       std::size_t counts)
    : log_(file_path(folder, name, settings), hash_text(settings), counts), counts_(counts) {}

FrameCache::~FrameCache() = default;

bool FrameCache::fill(const std::vector<Recording>& recordings, const Bin& bin, int threads,
                      const PrepareProgress& progress) {
  return Filling(*this, recordings, bin, threads, progress).run();
}

bool FrameCache::read(std::size_t index, std::uint8_t* counts) const {
  return index < keys_.size() && log_.read(keys_[index], counts);
}

bool FrameCache::read_last(std::size_t index, std::size_t count, std::uint8_t* counts) const {
  return index < keys_.size() && log_.read_last(keys_[index], count, counts);
}

}  // namespace spikeloom::data

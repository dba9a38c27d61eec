#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/data/dataset.h"
#include "spikeloom/data/frame_log.h"

namespace spikeloom::data {

/// Where frame caches are kept: SPIKELOOM_CACHE_DIR, else $XDG_CACHE_HOME/spikeloom, else ~/.cache/spikeloom;
/// "" if SPIKELOOM_CACHE_DIR is "off" or none of them is set.
std::string frame_cache_folder();

/// Binned recordings in a memory-mapped file (frame_log.h): made once, by all threads, used by every later
/// run with the same settings, whatever its split.
///
/// It can not be stale: frames are found by the hash of the recording's bytes. A file is not read again for
/// that only while its inode, size and times are those it had when it was hashed (file_signature()).
class FrameCache {
 public:
  /// One recording: a file, and what names the piece of it ("" = all of it).
  struct Recording {
    std::string path;
    std::string piece;
  };
  /// Writes the counts of recording `index`. Called from several threads.
  using Bin = std::function<void(std::size_t index, std::uint8_t* counts)>;

  /// `folder` is made if it is not there. `name` begins the file's name, `settings` is all that the frames
  /// depend on besides the recordings' bytes, `counts` of each recording. Throws DataError if the file cannot
  /// be used.
  FrameCache(const std::string& folder, const std::string& name, const std::string& settings,
             std::size_t counts);
  ~FrameCache();
  FrameCache(const FrameCache&) = delete;
  FrameCache& operator=(const FrameCache&) = delete;

  /// Bins the recordings that the file does not hold yet. A kill at any time loses the recording in work
  /// only. Recordings that cannot be read or binned are left out. If another process fills the same file,
  /// waits for it. false if `progress` ended it. If the file cannot be written to the end (disk full), throws
  /// DataError; what was written can be read.
  bool fill(const std::vector<Recording>& recordings, const Bin& bin, int threads,
            const PrepareProgress& progress);

  /// Writes the counts of recording `index` of fill(); false if it is not here, or damaged. Thread-safe.
  bool read(std::size_t index, std::uint8_t* counts) const;

  /// The same for the last `count` of them, at a fraction of the cost.
  bool read_last(std::size_t index, std::size_t count, std::uint8_t* counts) const;

  const std::string& path() const { return log_.path(); }

 private:
  class Filling;
  FrameLog log_;
  std::size_t counts_;
  std::vector<ContentHash> keys_;  ///< of each recording; of one that could not be read {0, 0}
};

}  // namespace spikeloom::data

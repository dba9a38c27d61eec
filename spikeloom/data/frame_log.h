#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "spikeloom/data/content_hash.h"

namespace spikeloom::data {

/// The file behind a FrameCache: records that are only ever appended, each with checksums, so that what a
/// kill or a full disk leaves behind is a shorter file and no wrong one. Integers are little-endian.
///
/// | offset | bytes | file header |
/// |---|---|---|
/// | 0 | 8 | "SLFRAMES" |
/// | 8 | 4 | version, 1 |
/// | 12 | 4 | 0x01020304 |
/// | 16 | 16 | identity: hash of everything the frames depend on besides the recordings |
/// | 32 | 8 | counts of a recording |
/// | 40 | 16 | 0 |
/// | 56 | 8 | XXH3 of the bytes before |
///
/// | offset | bytes | record, at multiples of 8 |
/// |---|---|---|
/// | 0 | 4 | 1 frames, 2 file |
/// | 4 | 4 | bits of a count (frames), 0 (file) |
/// | 8 | 8 | bytes of the packed counts that follow (frames), 0 (file) |
/// | 16 | 16 | hash of the recording's bytes (frames) or of its path (file) |
/// | 32 | 16 | hash of the packed counts (frames) or of the file's bytes (file) |
/// | 48 | 8 | 0 (frames), file_signature() (file) |
/// | 56 | 8 | XXH3 of the bytes before |
/// | 64 | | packed counts (frame_packing.h), then zeros up to a multiple of 8 |
///
/// Several processes may use it at once: one appends under a lock, what others have mapped never moves.
class FrameLog {
 public:
  struct FileState {
    ContentHash content;
    std::uint64_t signature = 0;
  };

  /// Opens the file, or makes it (written beside and renamed) if it is not there or is not one with this
  /// identity and size. Throws DataError if neither works.
  FrameLog(std::string path, const ContentHash& identity, std::size_t counts);
  ~FrameLog();
  FrameLog(const FrameLog&) = delete;
  FrameLog& operator=(const FrameLog&) = delete;

  const std::string& path() const { return path_; }
  /// What is known about a file; nullptr if nothing is.
  const FileState* find_file(const ContentHash& path_hash) const;
  /// Unpacks the frames of a recording; false if they are not here or are damaged. Thread-safe while nothing
  /// is appended or refreshed.
  bool read(const ContentHash& recording, std::uint8_t* counts) const;
  /// The last `count` counts only, without looking at the checksum of the others.
  bool read_last(const ContentHash& recording, std::size_t count, std::uint8_t* counts) const;
  /// Whether read() would be true, at a fraction of its cost. As thread-safe.
  bool holds(const ContentHash& recording) const;

  /// Tries to become the one who appends; false if another process is. Throws DataError if the file cannot be
  /// written. Takes in what others have appended meanwhile.
  bool try_lock();
  void unlock();
  /// Appends; the record is found after refresh(). Throws DataError if it cannot be written (disk full).
  /// Under the lock, by one thread at a time.
  void append_frames(const ContentHash& recording, int bits, const std::vector<std::uint8_t>& packed);
  void append_file(const ContentHash& path_hash, const FileState& state);
  /// Takes in what was appended, by this process or another.
  void refresh();

 private:
  struct Frames {
    std::size_t offset = 0, size = 0;
    int bits = 0;
    ContentHash checksum;
  };
  bool open_existing();
  void create();
  bool replaced() const;
  void close();
  void append(const std::vector<std::uint8_t>& record);

  const std::string path_;
  const ContentHash identity_;
  const std::size_t counts_;
  int descriptor_ = -1;
  bool writable_ = false, locked_ = false;
  const std::uint8_t* map_ = nullptr;
  std::size_t map_size_ = 0;
  std::size_t end_ = 0;     ///< behind the last whole record that was taken in
  std::size_t append_ = 0;  ///< where the next record goes
  std::unordered_map<ContentHash, Frames, ContentHashHasher> frames_;
  std::unordered_map<ContentHash, FileState, ContentHashHasher> files_;
};

}  // namespace spikeloom::data

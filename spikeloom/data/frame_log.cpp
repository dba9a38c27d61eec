#include "spikeloom/data/frame_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/data/frame_packing.h"

namespace spikeloom::data {
namespace {

constexpr std::size_t kHeaderSize = 64;
constexpr std::size_t kChecked = 56;  ///< bytes of a header before its checksum
constexpr char kMagic[9] = "SLFRAMES";
constexpr std::uint32_t kVersion = 1, kByteOrder = 0x01020304;
enum RecordKind : std::uint32_t { kFramesRecord = 1, kFileRecord = 2 };

using Header = std::array<std::uint8_t, kHeaderSize>;

template <class Value>
void put(Header& header, std::size_t offset, const Value& value) {
  std::memcpy(header.data() + offset, &value, sizeof(value));
}

template <class Value>
Value get(const std::uint8_t* header, std::size_t offset) {
  Value value;
  std::memcpy(&value, header + offset, sizeof(value));
  return value;
}

void seal(Header& header) { put(header, kChecked, std::uint64_t{XXH3_64bits(header.data(), kChecked)}); }

bool is_sealed(const std::uint8_t* header) {
  return get<std::uint64_t>(header, kChecked) == XXH3_64bits(header, kChecked);
}

Header file_header(const ContentHash& identity, std::size_t counts) {
  Header header{};
  std::memcpy(header.data(), kMagic, 8);
  put(header, 8, kVersion);
  put(header, 12, kByteOrder);
  put(header, 16, identity);
  put(header, 32, std::uint64_t{counts});
  seal(header);
  return header;
}

Header record_header(RecordKind kind, int bits, std::size_t size, const ContentHash& key,
                     const ContentHash& value, std::uint64_t signature) {
  Header header{};
  put(header, 0, static_cast<std::uint32_t>(kind));
  put(header, 4, static_cast<std::uint32_t>(bits));
  put(header, 8, std::uint64_t{size});
  put(header, 16, key);
  put(header, 32, value);
  put(header, 48, signature);
  seal(header);
  return header;
}

std::size_t padded(std::size_t size) { return (size + 7) / 8 * 8; }

}  // namespace

FrameLog::FrameLog(std::string path, const ContentHash& identity, std::size_t counts)
    : path_(std::move(path)), identity_(identity), counts_(counts) {
  if (open_existing()) return;
  create();
  if (!open_existing()) throw DataError(path_ + ": cannot use the file that was just written");
}

FrameLog::~FrameLog() { close(); }

void FrameLog::close() {
  if (map_ != nullptr) ::munmap(const_cast<std::uint8_t*>(map_), map_size_);
  if (descriptor_ >= 0) ::close(descriptor_);  // releases the lock
  map_ = nullptr;
  map_size_ = end_ = append_ = 0;
  descriptor_ = -1;
  locked_ = false;
  frames_.clear();
  files_.clear();
}

void FrameLog::create() {
  // Written beside under a name of its own, then linked: a file that another process made meanwhile stays.
  const std::string mine = fmt::format("{}.{}", path_, ::getpid());
  struct Remover {
    const std::string& name;
    ~Remover() { ::unlink(name.c_str()); }
  } remover{mine};
  AtomicFile file(mine);
  const Header header = file_header(identity_, counts_);
  file.write(header.data(), header.size());
  file.commit();
  if (::link(mine.c_str(), path_.c_str()) == 0 || open_existing()) return;
  if (std::rename(mine.c_str(), path_.c_str()) != 0) {
    throw DataError(fmt::format("{}: cannot write: {}", path_, std::strerror(errno)));
  }
}

bool FrameLog::open_existing() {
  close();
  writable_ = true;
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) {
    writable_ = false;
    descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  }
  if (descriptor_ < 0) return false;
  struct stat info {};
  Header header{};
  const Header expected = file_header(identity_, counts_);
  if (::fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode) ||
      ::pread(descriptor_, header.data(), header.size(), 0) != static_cast<ssize_t>(header.size()) ||
      header != expected) {
    close();
    return false;
  }
  end_ = append_ = kHeaderSize;
  refresh();
  return true;
}

void FrameLog::refresh() {
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0) throw DataError(path_ + ": cannot read: " + std::strerror(errno));
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size != map_size_) {
    void* const map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor_, 0);
    if (map == MAP_FAILED) throw DataError(path_ + ": cannot map: " + std::strerror(errno));
    if (map_ != nullptr) ::munmap(const_cast<std::uint8_t*>(map_), map_size_);
    map_ = static_cast<const std::uint8_t*>(map);
    map_size_ = size;
  }
  while (end_ < map_size_ && map_size_ - end_ >= kHeaderSize) {
    const std::uint8_t* const header = map_ + end_;
    if (!is_sealed(header)) break;
    const auto kind = get<std::uint32_t>(header, 0);
    const auto payload = get<std::uint64_t>(header, 8);
    const auto key = get<ContentHash>(header, 16), value = get<ContentHash>(header, 32);
    std::size_t record = kHeaderSize;
    if (kind == kFramesRecord) {
      const auto bits = get<std::uint32_t>(header, 4);
      if (bits > 8 || payload != packed_size(counts_, static_cast<int>(bits))) break;
      record += padded(static_cast<std::size_t>(payload));
      if (record > map_size_ - end_) break;  // cut short by a kill or a full disk
      frames_[key] = {end_ + kHeaderSize, static_cast<std::size_t>(payload), static_cast<int>(bits), value};
    } else if (kind == kFileRecord) {
      files_[key] = {value, get<std::uint64_t>(header, 48)};
    } else {
      break;
    }
    end_ += record;
  }
  append_ = end_;
}

const FrameLog::FileState* FrameLog::find_file(const ContentHash& path_hash) const {
  const auto found = files_.find(path_hash);
  return found == files_.end() ? nullptr : &found->second;
}

bool FrameLog::holds(const ContentHash& recording) const {
  const auto found = frames_.find(recording);
  if (found == frames_.end()) return false;
  const Frames& frames = found->second;
  return hash_bytes(map_ + frames.offset, frames.size) == frames.checksum;
}

bool FrameLog::read(const ContentHash& recording, std::uint8_t* counts) const {
  const auto found = frames_.find(recording);
  if (found == frames_.end()) return false;
  const Frames& frames = found->second;
  if (hash_bytes(map_ + frames.offset, frames.size) != frames.checksum) return false;
  unpack_counts(map_ + frames.offset, counts_, frames.bits, counts);
  return true;
}

bool FrameLog::read_last(const ContentHash& recording, std::size_t count, std::uint8_t* counts) const {
  const auto found = frames_.find(recording);
  if (found == frames_.end() || count > counts_) return false;
  const Frames& frames = found->second;
  constexpr std::size_t kGroup = 8;  // of frame_packing.h
  const std::size_t first_group = (counts_ - count) / kGroup, first = first_group * kGroup;
  std::vector<std::uint8_t> last(counts_ - first);
  unpack_counts(map_ + frames.offset + packed_size(first, frames.bits), last.size(), frames.bits,
                last.data());
  std::copy(last.end() - static_cast<std::ptrdiff_t>(count), last.end(), counts);
  return true;
}

bool FrameLog::replaced() const {
  struct stat mine {
  }, there{};
  return ::fstat(descriptor_, &mine) != 0 || ::stat(path_.c_str(), &there) != 0 ||
         mine.st_ino != there.st_ino || mine.st_dev != there.st_dev;
}

bool FrameLog::try_lock() {
  if (!writable_) throw DataError(path_ + ": cannot write: no permission");
  while (true) {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK || errno == EINTR) return false;
      throw DataError(fmt::format("{}: cannot lock: {}", path_, std::strerror(errno)));
    }
    locked_ = true;
    if (!replaced()) break;
    // Deleted or written anew since it was opened.
    if (open_existing()) continue;
    create();
    if (!open_existing()) throw DataError(path_ + ": cannot use the file that was just written");
  }
  refresh();
  return true;
}

void FrameLog::unlock() {
  if (locked_) ::flock(descriptor_, LOCK_UN);
  locked_ = false;
}

void FrameLog::append(const std::vector<std::uint8_t>& record) {
  // Nothing is ever cut off behind append_: another process may have that mapped. It is written over instead.
  std::size_t done = 0;
  while (done < record.size()) {
    const ssize_t count =
        ::pwrite(descriptor_, record.data() + done, record.size() - done, static_cast<off_t>(append_ + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw DataError(fmt::format("{}: cannot write: {}", path_, std::strerror(errno)));
    done += static_cast<std::size_t>(count);
  }
  append_ += record.size();
}

void FrameLog::append_frames(const ContentHash& recording, int bits,
                             const std::vector<std::uint8_t>& packed) {
  const Header header = record_header(kFramesRecord, bits, packed.size(), recording,
                                      hash_bytes(packed.data(), packed.size()), 0);
  std::vector<std::uint8_t> record(kHeaderSize + padded(packed.size()));
  std::memcpy(record.data(), header.data(), kHeaderSize);
  if (!packed.empty()) std::memcpy(record.data() + kHeaderSize, packed.data(), packed.size());
  append(record);
}

void FrameLog::append_file(const ContentHash& path_hash, const FileState& state) {
  const Header header = record_header(kFileRecord, 0, 0, path_hash, state.content, state.signature);
  append(std::vector<std::uint8_t>(header.begin(), header.end()));
}

}  // namespace spikeloom::data

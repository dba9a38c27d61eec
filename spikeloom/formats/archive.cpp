#include "spikeloom/formats/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "spikeloom/base/errors.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 16;
constexpr std::size_t kMaxMembers = std::size_t{1} << 20;

bool is_regular_file(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  return text;
}

}  // namespace

struct ArchiveWalk::State {
  archive* handle = archive_read_new();
  archive_entry* entry = nullptr;
  ~State() { archive_read_free(handle); }
};

/// The contents of the member that a walk stands at.
class ArchiveSource : public ByteSource {
 public:
  ArchiveSource(ArchiveWalk* walk, std::unique_ptr<ArchiveWalk> owned)
      : owned_(std::move(owned)), walk_(walk), name_(walk->path_ + ":" + one_line(walk->member_.name)) {}

  const std::string& name() const override { return name_; }
  std::int64_t position() const override { return position_; }
  std::int64_t size() const override { return walk_->member_.size; }
  std::unique_ptr<ByteSource> reopen() const override {
    return open_archive_member(walk_->path_, walk_->member_.name);
  }

  std::size_t read(void* destination, std::size_t size) override {
    char* bytes = static_cast<char*>(destination);
    std::size_t total = 0;
    while (total < size) {
      const la_ssize_t count = archive_read_data(walk_->state_->handle, bytes + total, size - total);
      if (count == ARCHIVE_RETRY) continue;
      if (count < 0) walk_->fail(name_, position_);
      if (count == 0) break;
      total += static_cast<std::size_t>(count);
      position_ += count;
    }
    if (total < size && this->size() >= 0 && position_ != this->size()) {
      throw FormatError(fmt::format("the archive says {} bytes, but this member has {}; fetch it again",
                                    this->size(), position_),
                        name_, position_);
    }
    return total;
  }

 private:
  std::unique_ptr<ArchiveWalk> owned_;
  ArchiveWalk* walk_;
  std::string name_;
  std::int64_t position_ = 0;
};

bool is_archive(const std::uint8_t* bytes, std::size_t size) {
  const auto begins = [&](std::size_t place, const char* mark, std::size_t length) {
    return size >= place + length && std::memcmp(bytes + place, mark, length) == 0;
  };
  return begins(0, "PK\3\4", 4) || begins(0, "PK\5\6", 4) || begins(0, "\x1f\x8b", 2) ||
         begins(0, "BZh", 3) ||
         begins(0,
                "\xfd"
                "7zXZ\0",
                6) ||
         begins(0, "\x28\xb5\x2f\xfd", 4) || (size >= 512 && begins(257, "ustar", 5));
}

std::optional<ArchivePath> split_archive_path(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) return std::nullopt;
  for (std::size_t colon = path.find(':'); colon != std::string::npos; colon = path.find(':', colon + 1)) {
    ArchivePath parts{path.substr(0, colon), path.substr(colon + 1)};
    if (!parts.member.empty() && is_regular_file(parts.archive)) return parts;
  }
  return std::nullopt;
}

ArchiveWalk::ArchiveWalk(const std::string& path) : path_(path), state_(new State) {
  if (state_->handle == nullptr) throw std::bad_alloc();
  // Checks that it can be read and is a file: libarchive would wait for a named pipe.
  open_file_source(path);
  archive* handle = state_->handle;
  // A filter that libarchive was built without would be run as a program (it then warns): that is left out.
  using Support = int (*)(archive*);
  for (const Support support : {static_cast<Support>(archive_read_support_filter_gzip),
                                static_cast<Support>(archive_read_support_filter_bzip2),
                                static_cast<Support>(archive_read_support_filter_xz),
                                static_cast<Support>(archive_read_support_filter_zstd)}) {
    if (support(handle) != ARCHIVE_OK)
      throw DataError("libarchive was built without one of gzip, bzip2, xz, zstd");
  }
  // Not the variant that does without the directory at the end: a zip that is cut short would only have fewer
  // files.
  archive_read_support_format_zip_seekable(handle);
  archive_read_support_format_tar(handle);
  archive_read_support_format_raw(handle);
  if (archive_read_open_filename(handle, path.c_str(), kBlockBytes) != ARCHIVE_OK) fail(path_, -1);
}

ArchiveWalk::~ArchiveWalk() = default;

void ArchiveWalk::fail(const std::string& name, std::int64_t offset) const {
  const char* reason = archive_error_string(state_->handle);
  throw FormatError(fmt::format("cannot read the archive ({}); fetch it again",
                                one_line(reason == nullptr ? "damaged" : reason)),
                    name, offset);
}

bool ArchiveWalk::next() {
  for (;;) {
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(state_->handle, &entry);
    if (result == ARCHIVE_EOF) return false;
    if (result == ARCHIVE_RETRY) continue;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) fail(path_, -1);
    // "raw" is the format of anything: only what was compressed is taken for it.
    if (archive_format(state_->handle) == ARCHIVE_FORMAT_RAW && archive_filter_count(state_->handle) < 2) {
      throw FormatError("is not a whole zip, tar or compressed file; fetch it again", path_, 0);
    }
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr) name = archive_entry_pathname_utf8(entry);
    const bool plain = archive_entry_filetype(entry) == AE_IFREG &&
                       archive_entry_hardlink(entry) == nullptr && archive_entry_symlink(entry) == nullptr &&
                       archive_entry_sparse_count(entry) == 0;
    if (!plain || name == nullptr) continue;
    if (archive_entry_is_encrypted(entry) != 0) {
      throw FormatError("is encrypted: unpack it first", path_ + ":" + one_line(name));
    }
    member_.name = name;
    member_.size = archive_entry_size_is_set(entry) != 0 ? archive_entry_size(entry) : -1;
    return true;
  }
}

std::unique_ptr<ByteSource> ArchiveWalk::source() { return std::make_unique<ArchiveSource>(this, nullptr); }

std::vector<ArchiveMember> list_archive(const std::string& path) {
  ArchiveWalk walk(path);
  std::vector<ArchiveMember> members;
  while (walk.next()) {
    if (members.size() == kMaxMembers) {
      throw FormatError(fmt::format("has more than {} members", kMaxMembers), path);
    }
    members.push_back(walk.member());
  }
  return members;
}

std::unique_ptr<ByteSource> open_archive_member(const std::string& archive, const std::string& member) {
  auto walk = std::make_unique<ArchiveWalk>(archive);
  while (walk->next()) {
    if (walk->member().name != member) continue;
    ArchiveWalk* at = walk.get();
    return std::make_unique<ArchiveSource>(at, std::move(walk));
  }
  throw DataError(fmt::format("{}: has no file '{}'", archive, one_line(member)));
}

}  // namespace spikeloom::formats

#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/formats/byte_source.h"

namespace spikeloom::formats {

/// Files inside of archives (zip, tar; with gzip, bzip2, xz or zstd around them, also around a single file)
/// as sources of bytes. Nothing is ever unpacked: no name that an archive gives reaches the file system, so
/// there is none that could write or overwrite anything. Members that are no plain files (links, devices,
/// holes) are not given. Errors: DataError if the archive cannot be opened, FormatError if it is damaged,
/// encrypted or of another format.

struct ArchiveMember {
  std::string name;
  std::int64_t size = -1;  ///< uncompressed, as the archive says; -1 if it does not
};

/// "ARCHIVE:MEMBER" taken apart: the first place where a colon follows the path of a regular file. Nullopt if
/// `path` itself exists or there is no such place.
struct ArchivePath {
  std::string archive, member;
};
std::optional<ArchivePath> split_archive_path(const std::string& path);

/// Whether the bytes begin as a zip, tar (at least 512 bytes), gzip, bzip2, xz or zstd file does.
bool is_archive(const std::uint8_t* bytes, std::size_t size);

/// Members in the order of the archive.
class ArchiveWalk {
 public:
  explicit ArchiveWalk(const std::string& path);
  ~ArchiveWalk();
  ArchiveWalk(const ArchiveWalk&) = delete;
  ArchiveWalk& operator=(const ArchiveWalk&) = delete;

  /// Goes to the next plain file; false at the end. A file that was compressed by itself is a member "data".
  bool next();
  const ArchiveMember& member() const { return member_; }
  /// The contents of this member, to be read before next() is called and while the walk lives.
  std::unique_ptr<ByteSource> source();

 private:
  friend class ArchiveSource;
  struct State;
  [[noreturn]] void fail(const std::string& name, std::int64_t offset) const;

  std::string path_;
  std::unique_ptr<State> state_;
  ArchiveMember member_;
};

/// All plain files of an archive. Memory grows with their names; up to a million are listed.
std::vector<ArchiveMember> list_archive(const std::string& path);

/// The contents of the first member of this name; its name() is "ARCHIVE:MEMBER". Throws DataError if there
/// is none.
std::unique_ptr<ByteSource> open_archive_member(const std::string& archive, const std::string& member);

}  // namespace spikeloom::formats

#include "spikeloom/data/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "spikeloom/base/errors.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = std::size_t{1} << 16;

/// The entry's place below the folder. Throws FormatError if it would be elsewhere.
fs::path safe_path(const std::string& archive, const char* name) {
  const fs::path path(name == nullptr ? "" : name);
  bool safe = !path.empty() && path.is_relative();
  for (const fs::path& part : path) safe = safe && part != "..";
  if (!safe) {
    throw FormatError(fmt::format("the entry '{}' would be written outside the folder", path.string()),
                      archive);
  }
  return path.lexically_normal();
}

void write_entry(struct archive* reader, const std::string& archive, const fs::path& path,
                 std::vector<char>& block) {
  const std::string part = path.string() + ".part";
  std::ofstream file(part, std::ios::binary | std::ios::trunc);
  la_ssize_t count = 0;
  while (file && (count = archive_read_data(reader, block.data(), block.size())) > 0)
    file.write(block.data(), count);
  file.close();
  std::error_code error, ignored;
  if (count < 0) {
    fs::remove(part, ignored);
    throw FormatError(
        fmt::format("is damaged at '{}': {}", path.filename().string(), archive_error_string(reader)),
        archive);
  }
  if (file) fs::rename(part, path, error);
  if (!file || error) {
    fs::remove(part, ignored);
    throw DataError(path.string() + ": cannot write (is the disk full?)");
  }
}

}  // namespace

std::int64_t unpack_archive(const std::string& archive, const std::string& folder,
                            const UnpackProgress& progress) {
  const std::unique_ptr<struct archive, int (*)(struct archive*)> reader(archive_read_new(),
                                                                         archive_read_free);
  if (reader == nullptr) throw std::bad_alloc();
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_tar(reader.get());
  archive_read_support_format_zip(reader.get());
  std::error_code error;
  const auto total = static_cast<std::int64_t>(fs::file_size(archive, error));
  if (error) throw DataError(fmt::format("{}: cannot open: {}", archive, error.message()));
  const auto damaged = [&] {
    const char* reason = archive_error_string(reader.get());
    return FormatError(fmt::format("cannot be unpacked: {}", reason == nullptr ? "not an archive" : reason),
                       archive, archive_filter_bytes(reader.get(), -1));
  };
  if (archive_read_open_filename(reader.get(), archive.c_str(), kBlock) != ARCHIVE_OK) throw damaged();

  std::vector<char> block(kBlock);
  std::int64_t files = 0;
  struct archive_entry* entry = nullptr;
  while (true) {
    const int result = archive_read_next_header(reader.get(), &entry);
    if (result == ARCHIVE_EOF) return files;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) throw damaged();
    if (progress && !progress(archive_filter_bytes(reader.get(), -1), total)) return -1;
    const fs::path relative = safe_path(archive, archive_entry_pathname(entry));
    const fs::path path = fs::path(folder) / relative;
    const auto type = archive_entry_filetype(entry);
    if (type == AE_IFDIR) {
      fs::create_directories(path, error);
      if (error)
        throw DataError(fmt::format("{}: cannot create the folder: {}", path.string(), error.message()));
      continue;
    }
    if (type != AE_IFREG || archive_entry_hardlink(entry) != nullptr) {
      throw FormatError(fmt::format("the entry '{}' is neither a file nor a folder", relative.string()),
                        archive);
    }
    ++files;
    // Links that are there already could lead out of the folder.
    for (fs::path above = path; above != fs::path(folder) && above.has_relative_path();
         above = above.parent_path()) {
      std::error_code ignored;
      if (fs::is_symlink(above, ignored))
        throw DataError(above.string() + ": is a link, nothing is written there");
    }
    if (fs::exists(path, error)) {
      const auto there = static_cast<std::int64_t>(fs::file_size(path, error));
      if (archive_entry_size_is_set(entry) != 0 && there == archive_entry_size(entry)) continue;
      throw DataError(path.string() +
                      ": already exists with another size and is not overwritten; move it away");
    }
    fs::create_directories(path.parent_path(), error);
    if (error)
      throw DataError(fmt::format("{}: cannot create the folder: {}", path.string(), error.message()));
    write_entry(reader.get(), archive, path, block);
  }
}

}  // namespace spikeloom::data

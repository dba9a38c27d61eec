#include "spikeloom/data/content_hash.h"

#include <sys/stat.h>
#include <time.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/random_access_file.h"

namespace spikeloom::data {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18;
/// Coarsest time stamps in use (FAT) are 2 s apart.
constexpr std::int64_t kSettledSeconds = 2;

ContentHash from_xxh(const XXH128_hash_t& hash) { return {hash.low64, hash.high64}; }

}  // namespace

ContentHash hash_bytes(const void* data, std::size_t size) { return from_xxh(XXH3_128bits(data, size)); }

ContentHash hash_text(const std::string& text) { return hash_bytes(text.data(), text.size()); }

ContentHash hash_file(const std::string& path) {
  const formats::RandomAccessFile file(path);
  thread_local std::vector<char> piece(kPiece);
  const auto read_piece = [&](std::int64_t offset) {
    const auto size = static_cast<std::size_t>(
        std::min<std::int64_t>(static_cast<std::int64_t>(kPiece), file.size() - offset));
    file.read_at(offset, piece.data(), size);
    return size;
  };
  if (file.size() <= static_cast<std::int64_t>(kPiece)) return hash_bytes(piece.data(), read_piece(0));
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                              XXH3_freeState);
  if (state == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(state.get());
  for (std::int64_t offset = 0; offset < file.size();) {
    const std::size_t size = read_piece(offset);
    XXH3_128bits_update(state.get(), piece.data(), size);
    offset += static_cast<std::int64_t>(size);
  }
  return from_xxh(XXH3_128bits_digest(state.get()));
}

std::uint64_t file_signature(const std::string& path) {
  struct stat info {};
  struct timespec now {};
  if (::stat(path.c_str(), &info) != 0 || ::clock_gettime(CLOCK_REALTIME, &now) != 0) return 0;
  const std::int64_t changed = std::max<std::int64_t>(info.st_mtim.tv_sec, info.st_ctim.tv_sec);
  if (now.tv_sec - changed <= kSettledSeconds) return 0;
  const std::array<std::int64_t, 6> facts = {static_cast<std::int64_t>(info.st_ino),
                                             info.st_size,
                                             info.st_mtim.tv_sec,
                                             info.st_mtim.tv_nsec,
                                             info.st_ctim.tv_sec,
                                             info.st_ctim.tv_nsec};
  return std::max<std::uint64_t>(1, XXH3_64bits(facts.data(), sizeof(facts)));
}

}  // namespace spikeloom::data

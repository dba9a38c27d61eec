#include "support.h"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>

#include "spikeloom/base/random.h"

namespace {

std::atomic<std::size_t> largest{0};

void* measured_allocation(std::size_t size) {
  std::size_t seen = largest.load();
  while (size > seen && !largest.compare_exchange_weak(seen, size)) {
  }
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return measured_allocation(size); }
void* operator new[](std::size_t size) { return measured_allocation(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace spikeloom::formats::testing {

TemporaryFolder::TemporaryFolder() {
  // In memory where there is such a place: the tests write some ten thousand files.
  const std::filesystem::path memory = "/dev/shm";
  const bool in_memory = ::access(memory.c_str(), W_OK) == 0;
  path_ =
      ((in_memory ? memory : std::filesystem::temp_directory_path()) / "spikeloom-formats-XXXXXX").string();
  if (::mkdtemp(path_.data()) == nullptr) throw DataError("cannot create " + path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(const Bytes& bytes, const std::string& name) const {
  const std::string path = path_ + "/" + name;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw DataError("cannot write " + path);
  return path;
}

Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

Bytes gzipped(const Bytes& bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  Bytes result(deflateBound(&stream, bytes.size()));
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = result.data();
  stream.avail_out = static_cast<uInt>(result.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) throw DataError("cannot compress");
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

std::size_t largest_allocation() { return largest.load(); }
void reset_largest_allocation() { largest = 0; }

Refusal refusal(const Reader& reader, const std::string& path) {
  try {
    reader(path);
    ADD_FAILURE() << "the file was accepted";
  } catch (const FormatError& error) {
    EXPECT_EQ(error.file(), path);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return {error.byte_offset(), error.what()};
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not a FormatError: " << error.what();
  }
  return {};
}

void expect_truncations_refused(const Reader& reader, const Bytes& good,
                                const std::function<bool(std::size_t)>& is_whole) {
  const TemporaryFolder folder;
  EXPECT_NO_THROW(reader(folder.write(good))) << "the whole file must be accepted";
  for (std::size_t length = 0; length < good.size(); ++length) {
    SCOPED_TRACE("cut to " + std::to_string(length) + " of " + std::to_string(good.size()) + " bytes");
    const std::string path =
        folder.write(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)));
    if (is_whole && is_whole(length)) {
      EXPECT_NO_THROW(reader(path));
    } else {
      const Refusal refused = refusal(reader, path);
      EXPECT_LE(refused.byte_offset, static_cast<std::int64_t>(good.size()));
    }
    if (::testing::Test::HasFailure()) return;
  }
}

void expect_mutations_survived(const Reader& reader, const Bytes& good, int count) {
  constexpr std::uint8_t kTelling[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '{', '"', '[', '#', '9'};
  const TemporaryFolder folder;
  int accepted = 0;
  for (int round = 0; round < count; ++round) {
    RandomStream random(2019, RandomPurpose::kBench, static_cast<std::uint64_t>(round));
    Bytes bytes = good;
    if (round % 8 == 7) {
      bytes.resize(random.below(200));
      for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next_u32());
    }
    for (std::uint32_t change = random.below(4); change-- > 0 && !bytes.empty();) {
      // Most of the damage goes to the first bytes, where the headers are.
      const std::size_t range = random.below(2) == 0 ? std::min<std::size_t>(bytes.size(), 48) : bytes.size();
      const std::size_t place = random.below(static_cast<std::uint32_t>(range));
      const std::uint32_t kind = random.below(6);
      const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(place);
      if (kind == 0) *at = static_cast<std::uint8_t>(*at ^ 1u << random.below(8));
      if (kind == 1) *at = static_cast<std::uint8_t>(random.next_u32());
      if (kind == 2) *at = kTelling[random.below(sizeof(kTelling))];
      if (kind == 3) bytes.erase(at);
      if (kind == 4) bytes.insert(at, kTelling[random.below(sizeof(kTelling))]);
      if (kind == 5) bytes.resize(place);
    }
    const std::string path = folder.write(bytes);
    reset_largest_allocation();
    try {
      reader(path);
      ++accepted;
    } catch (const FormatError& error) {
      ASSERT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    } catch (const std::exception& error) {
      FAIL() << "round " << round << ": not a FormatError: " << error.what();
    }
    ASSERT_LE(largest_allocation(), 100 * bytes.size() + (1 << 20)) << "round " << round;
  }
  EXPECT_LT(accepted, count) << "no damage was noticed at all";
}

void expect_missing_refused(const Reader& reader) {
  const TemporaryFolder folder;
  EXPECT_THROW(reader(folder.path() + "/absent"), DataError);
  EXPECT_THROW(reader(folder.path()), DataError);
}

std::string data_path(const char* variable, const std::string& relative) {
  const char* folder = std::getenv(variable);
  if (folder == nullptr || *folder == '\0') return "";
  const std::string path = std::string(folder) + "/" + relative;
  return std::filesystem::exists(path) ? path : "";
}

}  // namespace spikeloom::formats::testing

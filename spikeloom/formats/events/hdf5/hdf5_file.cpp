#include "spikeloom/formats/events/hdf5/hdf5_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/byte_source.h"

namespace spikeloom::formats {
namespace {

constexpr hsize_t kMaxNames = 1000;
constexpr int kMaxDimensions = 2;
constexpr std::int64_t kMaxChunkBytes = std::int64_t{1} << 26;
/// No filter that HDF5 comes with compresses better (deflate: 1032 times).
constexpr std::int64_t kMaxRatio = 1100;
/// Others reach more (Zstandard, of zeros alone).
constexpr std::int64_t kMaxPluginRatio = 1 << 17;

/// The filters of a data set.
struct Filters {
  bool of_the_library = true;
  std::string missing;  // what to do about the first that is not there
};

Filters filters_of(hid_t creation, const std::string& place) {
  Filters filters;
  const int count = H5Pget_nfilters(creation);
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t num_values = 0;
    const H5Z_filter_t filter =
        H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &num_values, nullptr, 0, nullptr, &config);
    filters.of_the_library = filters.of_the_library && filter < H5Z_FILTER_RESERVED;
    if (filter < 0 || H5Zfilter_avail(filter) > 0 || !filters.missing.empty()) continue;
    const char* folder = std::getenv("HDF5_PLUGIN_PATH");
    filters.missing = fmt::format(
        "data set '{}' is compressed with the HDF5 filter {}, which libhdf5 does not find: install its "
        "plugin and "
        "name the folder that holds it in the environment variable HDF5_PLUGIN_PATH (now {})",
        place, hdf5_filter_text(filter), folder == nullptr ? "not set" : fmt::format("'{:.200}'", folder));
  }
  return filters;
}

std::recursive_mutex& library_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

}  // namespace

Hdf5Session::Hdf5Session() : lock_(library_mutex()) {
  H5Eget_auto2(H5E_DEFAULT, &print_, &print_data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Hdf5Session::~Hdf5Session() { H5Eset_auto2(H5E_DEFAULT, print_, print_data_); }

Hdf5Handle& Hdf5Handle::operator=(Hdf5Handle&& other) noexcept {
  std::swap(id_, other.id_);
  return *this;
}

Hdf5Handle::~Hdf5Handle() {
  if (id_ < 0) return;
  const Hdf5Session session;
  H5Idec_ref(id_);
}

Hdf5File::Hdf5File(const std::string& path, Cut cut)
    : path_(path), size_(open_file_source(path)->size()), partial_(cut == Cut::kOpened) {
  const Hdf5Session session;
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS));
  // Data sets that outlive the file do not keep it open.
  H5Pset_fclose_degree(access.id(), H5F_CLOSE_SEMI);
  file_ = Hdf5Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()));
  if (file_.valid()) return;
  // The property by which h5clear opens a file that is shorter than it says. Where the library does not know
  // it the file stays closed.
  const hbool_t skip = true;
  H5Pset(access.id(), "skip_eof_check", &skip);
  Hdf5Handle cut_file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()));
  if (!cut_file.valid()) refuse("is not an HDF5 file, or is damaged");
  if (cut == Cut::kRefused) refuse("is cut off: fetch the file again");
  if (cut == Cut::kOffered)
    refuse("is cut off: fetch the file again, or read what is there (--partial, data.partial)");
  file_ = std::move(cut_file);
  cut_ = true;
}

Hdf5File::~Hdf5File() = default;

void Hdf5File::refuse(const std::string& what) const { throw FormatError(what, path_); }

H5O_type_t Hdf5File::type_at(const std::string& place) const {
  const Hdf5Session session;
  // One component after the other: a link in between may lead out of the file.
  for (std::size_t slash = place.find('/', 1); !place.empty(); slash = place.find('/', slash + 1)) {
    const std::string part = place.substr(0, slash);
    if (part != "/") {
      H5L_info_t link{};
      if (H5Lexists(file_.id(), part.c_str(), H5P_DEFAULT) <= 0) return H5O_TYPE_UNKNOWN;
      if (H5Lget_info(file_.id(), part.c_str(), &link, H5P_DEFAULT) < 0) return H5O_TYPE_UNKNOWN;
      if (link.type != H5L_TYPE_HARD) return H5O_TYPE_UNKNOWN;
    }
    if (slash == std::string::npos) break;
  }
  H5O_info_t info{};
  if (H5Oget_info_by_name2(file_.id(), place.c_str(), &info, H5O_INFO_BASIC, H5P_DEFAULT) < 0)
    return H5O_TYPE_UNKNOWN;
  return info.type;
}

std::vector<std::string> Hdf5File::names_in(const std::string& group) const {
  const Hdf5Session session;
  std::vector<std::string> names;
  H5G_info_t info{};
  if (H5Gget_info_by_name(file_.id(), group.c_str(), &info, H5P_DEFAULT) < 0) return names;
  for (hsize_t i = 0; i < std::min(info.nlinks, kMaxNames); ++i) {
    char name[64];
    const ssize_t length = H5Lget_name_by_idx(file_.id(), group.c_str(), H5_INDEX_NAME, H5_ITER_INC, i, name,
                                              sizeof(name), H5P_DEFAULT);
    if (length > 0 && static_cast<std::size_t>(length) < sizeof(name)) names.emplace_back(name);
  }
  return names;
}

std::optional<Hdf5Outline> Hdf5File::outline(const std::string& place) const {
  const Hdf5Session session;
  if (type_at(place) != H5O_TYPE_DATASET) return std::nullopt;
  const Hdf5Handle id(H5Dopen2(file_.id(), place.c_str(), H5P_DEFAULT));
  const Hdf5Handle type(id.valid() ? H5Dget_type(id.id()) : -1),
      space(id.valid() ? H5Dget_space(id.id()) : -1);
  if (!type.valid() || !space.valid()) return std::nullopt;
  Hdf5Outline outline;
  hsize_t sizes[kMaxDimensions] = {};
  const int dimensions = H5Sget_simple_extent_ndims(space.id());
  if (dimensions < 0 || dimensions > kMaxDimensions) return std::nullopt;
  H5Sget_simple_extent_dims(space.id(), sizes, nullptr);
  for (int i = 0; i < dimensions; ++i)
    outline.shape.push_back(static_cast<std::int64_t>(std::min<hsize_t>(sizes[i], std::int64_t{1} << 62)));
  outline.kind = H5Tget_class(type.id());
  const int num_fields = outline.kind == H5T_COMPOUND ? H5Tget_nmembers(type.id()) : 0;
  for (int i = 0; i < num_fields; ++i) {
    char* name = H5Tget_member_name(type.id(), static_cast<unsigned>(i));
    outline.fields.emplace_back(name == nullptr ? "" : name);
    H5free_memory(name);
  }
  return outline;
}

Hdf5Dataset Hdf5File::dataset(const std::string& place) const {
  const Hdf5Session session;
  if (type_at(place) != H5O_TYPE_DATASET) refuse(fmt::format("has no data set '{}'", place));
  Hdf5Dataset result;
  result.place = place;
  result.id = Hdf5Handle(H5Dopen2(file_.id(), place.c_str(), H5P_DEFAULT));
  result.type = Hdf5Handle(result.id.valid() ? H5Dget_type(result.id.id()) : -1);
  const Hdf5Handle space(result.id.valid() ? H5Dget_space(result.id.id()) : -1);
  const Hdf5Handle creation(result.id.valid() ? H5Dget_create_plist(result.id.id()) : -1);
  if (!result.type.valid() || !space.valid() || !creation.valid())
    refuse(fmt::format("data set '{}' is damaged", place));
  hsize_t sizes[kMaxDimensions] = {};
  const int dimensions = H5Sget_simple_extent_ndims(space.id());
  if (dimensions < 1 || dimensions > kMaxDimensions)
    refuse(fmt::format("data set '{}' has {} dimensions", place, dimensions));
  H5Sget_simple_extent_dims(space.id(), sizes, nullptr);
  const H5D_layout_t layout = H5Pget_layout(creation.id());
  if (layout == H5D_VIRTUAL || H5Pget_external_count(creation.id()) > 0) {
    refuse(fmt::format("data set '{}' lies in other files, which are not read", place));
  }
  const Filters filters = filters_of(creation.id(), place);
  result.missing_filter = filters.missing;
  const auto element = static_cast<std::int64_t>(H5Tget_size(result.type.id()));
  std::int64_t bytes = std::max<std::int64_t>(element, 1);
  const std::int64_t stored = static_cast<std::int64_t>(
      std::min<hsize_t>(H5Dget_storage_size(result.id.id()), static_cast<hsize_t>(size_)));
  const std::int64_t most = stored * (filters.of_the_library ? kMaxRatio : kMaxPluginRatio);
  const bool is_empty = std::count(sizes, sizes + dimensions, hsize_t{0}) > 0;
  for (int i = 0; i < dimensions; ++i) {
    const auto size = static_cast<std::int64_t>(std::min<hsize_t>(sizes[i], std::int64_t{1} << 62));
    result.shape.push_back(size);
    // A partial file may say more than was ever written: rows_stored is what counts.
    if (!partial_ && !is_empty && size > 0 && bytes > most / size) {
      refuse(
          fmt::format("data set '{}' claims more elements than its {} stored bytes can hold", place, stored));
    }
    if (size > 0 && bytes > std::numeric_limits<std::int64_t>::max() / size) {
      refuse(fmt::format("data set '{}' claims more elements than any file can hold", place));
    }
    bytes *= std::max<std::int64_t>(size, 1);
  }
  hsize_t chunk[kMaxDimensions] = {1, 1};
  if (layout == H5D_CHUNKED && H5Pget_chunk(creation.id(), kMaxDimensions, chunk) == dimensions) {
    // Below 2^32 each, as the format has them.
    const double chunk_bytes =
        static_cast<double>(chunk[0]) * static_cast<double>(chunk[1]) * static_cast<double>(element);
    if (chunk_bytes > static_cast<double>(kMaxChunkBytes)) {
      refuse(fmt::format("data set '{}' has chunks of {:.0f} bytes; up to {} are read", place, chunk_bytes,
                         kMaxChunkBytes));
    }
    for (int i = 0; i < dimensions; ++i) result.chunk.push_back(static_cast<std::int64_t>(chunk[i]));
    // Read in pieces, a chunk that does not fit in the library's cache would be decompressed for each of
    // them.
    constexpr double kUsualCache = 1 << 20;
    if (chunk_bytes > kUsualCache) {
      const Hdf5Handle access(H5Pcreate(H5P_DATASET_ACCESS));
      H5Pset_chunk_cache(access.id(), 521, static_cast<std::size_t>(chunk_bytes), 1.0);
      result.id = Hdf5Handle();
      result.id = Hdf5Handle(H5Dopen2(file_.id(), place.c_str(), access.id()));
      if (!result.id.valid()) refuse(fmt::format("data set '{}' is damaged", place));
    }
  }
  result.rows_stored = find_rows_stored(result);
  if (result.rows_stored < result.shape[0] && !partial_) {
    refuse(
        fmt::format("data set '{}' claims {} rows, but not all of those from {} on are stored (libhdf5 would "
                    "give zeros): fetch the file again, or read what is there (--partial, data.partial)",
                    place, result.shape[0], result.rows_stored));
  }
  return result;
}

std::int64_t Hdf5File::find_rows_stored(const Hdf5Dataset& data) const {
  const std::int64_t rows = data.shape[0];
  const bool empty = rows == 0 || (data.shape.size() == 2 && data.shape[1] == 0);
  if (empty || (data.chunk.empty() && H5Dget_storage_size(data.id.id()) == 0)) return empty ? rows : 0;
  const auto row_bytes =
      static_cast<std::int64_t>(H5Tget_size(data.type.id())) * (data.shape.size() == 2 ? data.shape[1] : 1);
  if (data.chunk.empty()) {
    const haddr_t begin = H5Dget_offset(data.id.id());  // undefined where the data lies in the header
    if (!cut_ || begin == HADDR_UNDEF) return rows;
    if (begin >= static_cast<haddr_t>(size_)) return 0;
    return std::min(rows, (size_ - static_cast<std::int64_t>(begin)) / row_bytes);
  }
  const auto parts = [&](std::size_t i) { return (data.shape[i] - 1) / data.chunk[i] + 1; };
  const std::int64_t across = data.shape.size() == 2 ? parts(1) : 1;
  const Hdf5Handle space(H5Dget_space(data.id.id()));
  hsize_t stored = 0;
  if (H5Dget_num_chunks(data.id.id(), space.id(), &stored) < 0) return 0;
  const bool all = static_cast<double>(stored) >= static_cast<double>(parts(0)) * static_cast<double>(across);
  if (all && !cut_) return rows;
  // The library looks a chunk up in time that grows with their number.
  constexpr hsize_t kMaxChunks = 20000;
  if (cut_ && stored > kMaxChunks) {
    refuse(fmt::format("is cut off and has {} chunks in '{}'; up to {} are searched for what is there",
                       stored, data.place, kMaxChunks));
  }
  const std::int64_t most = std::min<std::int64_t>(parts(0), static_cast<std::int64_t>(stored) / across + 1);
  for (std::int64_t part = 0; part < most; ++part) {
    for (std::int64_t column = 0; column < across; ++column) {
      hsize_t place[kMaxDimensions] = {static_cast<hsize_t>(part * data.chunk[0]), 0};
      if (data.shape.size() == 2) place[1] = static_cast<hsize_t>(column * data.chunk[1]);
      if (!is_stored(data.id.id(), place)) return part * data.chunk[0];
    }
  }
  return std::min(rows, most * data.chunk[0]);
}

bool Hdf5File::is_stored(hid_t data, const hsize_t* place) const {
  hsize_t bytes = 0;
  if (!cut_) return H5Dget_chunk_storage_size(data, place, &bytes) >= 0 && bytes > 0;
  unsigned mask = 0;
  haddr_t begin = HADDR_UNDEF;
  if (H5Dget_chunk_info_by_coord(data, place, &mask, &begin, &bytes) < 0) return false;
  return begin != HADDR_UNDEF && bytes > 0 && begin <= static_cast<haddr_t>(size_) &&
         bytes <= static_cast<haddr_t>(size_) - begin;
}

std::vector<std::int64_t> Hdf5File::small_integers(const std::string& place) const {
  constexpr std::int64_t kMost = 8;
  const Hdf5Session session;
  const auto outline = this->outline(place);
  if (!outline || outline->kind != H5T_INTEGER || outline->shape.size() > 1) return {};
  const std::int64_t count = outline->shape.empty() ? 1 : outline->shape[0];
  if (count < 1 || count > kMost) return {};
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
  const Hdf5Handle id(H5Dopen2(file_.id(), place.c_str(), H5P_DEFAULT));
  if (H5Dread(id.id(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers.data()) < 0) return {};
  return numbers;
}

std::optional<std::int64_t> Hdf5File::whole_number(const std::string& place) const {
  constexpr double kMost = 1e18;
  const Hdf5Session session;
  const auto outline = this->outline(place);
  if (outline && outline->kind == H5T_INTEGER) {
    const std::vector<std::int64_t> numbers = small_integers(place);
    return numbers.size() == 1 ? std::optional(numbers[0]) : std::nullopt;
  }
  if (!outline || outline->kind != H5T_FLOAT || outline->shape.size() > 1) return std::nullopt;
  if (!outline->shape.empty() && outline->shape[0] != 1) return std::nullopt;
  double number = 0;
  const Hdf5Handle id(H5Dopen2(file_.id(), place.c_str(), H5P_DEFAULT));
  if (H5Dread(id.id(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &number) < 0) return std::nullopt;
  if (!(std::abs(number) < kMost) || number != std::floor(number))
    refuse(fmt::format("'{}' is {}, but it has to be a whole number", place, number));
  return static_cast<std::int64_t>(number);
}

std::vector<Hdf5Text> Hdf5File::texts_at(const std::string& place) const {
  constexpr int kMostAttributes = 64;
  constexpr hssize_t kMostTexts = 16;
  constexpr std::size_t kMaxBytes = 1024;  // of a text
  const Hdf5Session session;
  std::vector<Hdf5Text> texts;
  if (!place.empty() && type_at(place) == H5O_TYPE_UNKNOWN) return texts;
  const Hdf5Handle object(H5Oopen(file_.id(), place.empty() ? "/" : place.c_str(), H5P_DEFAULT));
  const int count = object.valid() ? H5Aget_num_attrs(object.id()) : 0;
  for (int i = 0; i < std::min(count, kMostAttributes); ++i) {
    const Hdf5Handle id(H5Aopen_by_idx(object.id(), ".", H5_INDEX_NAME, H5_ITER_NATIVE,
                                       static_cast<hsize_t>(i), H5P_DEFAULT, H5P_DEFAULT));
    const Hdf5Handle type(id.valid() ? H5Aget_type(id.id()) : -1),
        space(id.valid() ? H5Aget_space(id.id()) : -1);
    if (!type.valid() || !space.valid() || H5Tget_class(type.id()) != H5T_STRING) continue;
    const hssize_t num_texts = H5Sget_simple_extent_npoints(space.id());
    if (num_texts < 1 || num_texts > kMostTexts) continue;
    char name[kMaxBytes] = {};
    H5Aget_name(id.id(), sizeof(name), name);
    std::string all;
    const auto add = [&all](const char* text, std::size_t most) {
      all += (all.empty() ? "" : ", ") + std::string(text, strnlen(text, most));
    };
    if (H5Tis_variable_str(type.id()) > 0) {
      std::vector<char*> pointers(static_cast<std::size_t>(num_texts), nullptr);
      if (H5Aread(id.id(), type.id(), pointers.data()) < 0) continue;
      for (const char* text : pointers) {
        if (text != nullptr) add(text, kMaxBytes);
      }
      H5Dvlen_reclaim(type.id(), space.id(), H5P_DEFAULT, pointers.data());
    } else {
      const std::size_t bytes = H5Tget_size(type.id());
      if (bytes == 0 || bytes > kMaxBytes) continue;
      std::vector<char> chars(bytes * static_cast<std::size_t>(num_texts));
      if (H5Aread(id.id(), type.id(), chars.data()) < 0) continue;
      for (std::size_t at = 0; at < chars.size(); at += bytes) add(chars.data() + at, bytes);
    }
    texts.push_back({name, all});
  }
  return texts;
}

std::string Hdf5File::text_attribute(const char* name) const {
  constexpr std::size_t kMaxBytes = 256;
  const Hdf5Session session;
  if (H5Aexists(file_.id(), name) <= 0) return "";
  const Hdf5Handle id(H5Aopen(file_.id(), name, H5P_DEFAULT));
  const Hdf5Handle type(id.valid() ? H5Aget_type(id.id()) : -1),
      space(id.valid() ? H5Aget_space(id.id()) : -1);
  if (!type.valid() || H5Tget_class(type.id()) != H5T_STRING || H5Sget_simple_extent_npoints(space.id()) != 1)
    return "";
  if (H5Tis_variable_str(type.id()) > 0) {
    char* text = nullptr;
    if (H5Aread(id.id(), type.id(), &text) < 0 || text == nullptr) return "";
    std::string result(text, strnlen(text, kMaxBytes));
    H5free_memory(text);
    return result;
  }
  const std::size_t bytes = H5Tget_size(type.id());
  if (bytes == 0 || bytes > kMaxBytes) return "";
  std::string result(bytes, '\0');
  if (H5Aread(id.id(), type.id(), result.data()) < 0) return "";
  return result.substr(0, strnlen(result.data(), bytes));
}

std::string hdf5_filter_text(int number) {
  struct Known {
    int number;
    const char* text;
  };
  // The HDF Group's list of registered filters; packages of Debian.
  constexpr Known kKnown[] = {
      {H5Z_FILTER_DEFLATE, "deflate, a part of libhdf5"},
      {H5Z_FILTER_SZIP, "szip, a part of libhdf5"},
      {307, "bzip2; Debian package hdf5-filter-plugin"},
      {32000, "LZF; Debian package hdf5-plugin-lzf"},
      {32001, "Blosc; Debian package hdf5-filter-plugin-blosc-serial"},
      {32004, "LZ4; Debian package hdf5-filter-plugin"},
      {32008, "bitshuffle; Debian package bitshuffle"},
      {32013, "ZFP; Debian package hdf5-filter-plugin-zfp-serial"},
      {32015, "Zstandard; in the Python package hdf5plugin"},
      {32026, "Blosc2; in the Python package hdf5plugin"},
      {36559,
       "ECF, Prophesee's own; its plugin hdf5_ecf comes with OpenEB and the Metavision SDK, which also "
       "convert such a file to raw"}};
  for (const Known& known : kKnown) {
    if (known.number == number) return fmt::format("{} ({})", number, known.text);
  }
  return fmt::format("{}", number);
}

}  // namespace spikeloom::formats

#include "spikeloom/formats/events/hdf5_file.h"

#include <fmt/format.h>

#include <algorithm>
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

Hdf5File::Hdf5File(const std::string& path) : path_(path), size_(open_file_source(path)->size()) {
  const Hdf5Session session;
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS));
  // Data sets that outlive the file do not keep it open.
  H5Pset_fclose_degree(access.id(), H5F_CLOSE_SEMI);
  file_ = Hdf5Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()));
  if (!file_.valid()) refuse("is no HDF5 file, or damaged");
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

Hdf5Dataset Hdf5File::dataset(const std::string& place) const {
  const Hdf5Session session;
  if (type_at(place) != H5O_TYPE_DATASET) refuse(fmt::format("has no data set '{}'", place));
  Hdf5Dataset result;
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
  const auto element = static_cast<std::int64_t>(H5Tget_size(result.type.id()));
  std::int64_t bytes = std::max<std::int64_t>(element, 1);
  const std::int64_t stored = static_cast<std::int64_t>(
      std::min<hsize_t>(H5Dget_storage_size(result.id.id()), static_cast<hsize_t>(size_)));
  const std::int64_t most = stored * kMaxRatio;
  for (int i = 0; i < dimensions; ++i) {
    const auto size = static_cast<std::int64_t>(std::min<hsize_t>(sizes[i], std::int64_t{1} << 62));
    result.shape.push_back(size);
    if (size > 0 && bytes > most / size) {
      refuse(
          fmt::format("data set '{}' says more elements than its {} stored bytes can hold", place, stored));
    }
    bytes *= size;
  }
  const H5D_layout_t layout = H5Pget_layout(creation.id());
  if (layout == H5D_VIRTUAL || H5Pget_external_count(creation.id()) > 0) {
    refuse(fmt::format("data set '{}' lies in other files, which is not read", place));
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
  }
  return result;
}

}  // namespace spikeloom::formats

#pragma once
#include <hdf5.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace spikeloom::formats {

/// The library of HDF5 as it is used here: one thread at a time (Debian's build is not thread-safe) and
/// without the messages that it prints. Every call of it happens while one of these lives.
class Hdf5Session {
 public:
  Hdf5Session();
  ~Hdf5Session();
  Hdf5Session(const Hdf5Session&) = delete;
  Hdf5Session& operator=(const Hdf5Session&) = delete;

 private:
  std::lock_guard<std::recursive_mutex> lock_;
  H5E_auto2_t print_ = nullptr;
  void* print_data_ = nullptr;
};

/// A handle of the library that is given back.
class Hdf5Handle {
 public:
  Hdf5Handle() = default;
  explicit Hdf5Handle(hid_t id) : id_(id) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(other.id_) { other.id_ = -1; }
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept;
  ~Hdf5Handle();

  hid_t id() const { return id_; }
  bool valid() const { return id_ >= 0; }

 private:
  hid_t id_ = -1;
};

/// A data set that may be read: it lies in its file, in full (its size is justified by what is stored).
struct Hdf5Dataset {
  Hdf5Handle id, type;
  std::vector<std::int64_t> shape;
};

/// An HDF5 file open for reading, of which nothing but hard links is followed.
class Hdf5File {
 public:
  /// Throws DataError if it cannot be opened, FormatError if it is no HDF5 file or damaged.
  explicit Hdf5File(const std::string& path);
  ~Hdf5File();
  Hdf5File(const Hdf5File&) = delete;
  Hdf5File& operator=(const Hdf5File&) = delete;

  const std::string& path() const { return path_; }
  std::int64_t size() const { return size_; }
  /// H5O_TYPE_GROUP, H5O_TYPE_DATASET, ... of what is at a place such as "spikes/times"; H5O_TYPE_UNKNOWN if
  /// nothing is, or it lies behind a link that is not followed.
  H5O_type_t type_at(const std::string& place) const;
  /// Names in a group, up to 1000.
  std::vector<std::string> names_in(const std::string& group) const;
  Hdf5Dataset dataset(const std::string& place) const;
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  std::string path_;
  std::int64_t size_ = 0;
  Hdf5Handle file_;
};

}  // namespace spikeloom::formats

#pragma once
#include <hdf5.h>

#include <cstdint>
#include <mutex>
#include <optional>
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

/// A data set that may be read: it lies in its file.
struct Hdf5Dataset {
  Hdf5Handle id, type;
  std::string place;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> chunk;  ///< rows and columns of a chunk; empty if it is not stored in chunks
  /// The first rows (parts along dimension 0) that are stored. Fewer than shape[0] only in a file that is
  /// opened as partial.
  std::int64_t rows_stored = 0;
  /// What is wrong if reading fails and it is compressed with a filter that is not there; else "".
  std::string missing_filter;
};

/// What a data set is, before it is looked at as something to read.
struct Hdf5Outline {
  std::vector<std::int64_t> shape;  ///< empty for a scalar
  H5T_class_t kind = H5T_NO_CLASS;
  std::vector<std::string> fields;  ///< of compound elements
};

/// An attribute that is text.
struct Hdf5Text {
  std::string name, text;
};

/// An HDF5 file open for reading, of which nothing but hard links is followed.
class Hdf5File {
 public:
  /// Throws DataError if it cannot be opened, FormatError if it is no HDF5 file or damaged. A file that is
  /// cut off is opened if `cut` says so and libhdf5 can still find what is in it.
  enum class Cut {
    kRefused,  ///< error
    kOffered,  ///< error that says that --partial reads what is whole
    kOpened
  };
  explicit Hdf5File(const std::string& path, Cut cut = Cut::kRefused);
  ~Hdf5File();
  Hdf5File(const Hdf5File&) = delete;
  Hdf5File& operator=(const Hdf5File&) = delete;

  const std::string& path() const { return path_; }
  hid_t id() const { return file_.id(); }
  std::int64_t size() const { return size_; }
  bool is_partial() const { return partial_; }
  /// H5O_TYPE_GROUP, H5O_TYPE_DATASET, ... of what is at a place such as "spikes/times"; H5O_TYPE_UNKNOWN if
  /// nothing is, or it lies behind a link that is not followed.
  H5O_type_t type_at(const std::string& place) const;
  /// Names in a group, up to 1000.
  std::vector<std::string> names_in(const std::string& group) const;
  /// Nullopt if there is no data set, or one that cannot be opened or has more than two dimensions.
  std::optional<Hdf5Outline> outline(const std::string& place) const;
  /// A data set of one or two dimensions whose numbers can be read. Throws FormatError if there is none, its
  /// size is not justified by what is stored, or parts of it are missing.
  Hdf5Dataset dataset(const std::string& place) const;
  /// The integers of a scalar or of a data set of up to 8 of them; empty if there is none.
  std::vector<std::int64_t> small_integers(const std::string& place) const;
  /// The whole number of a scalar, or of a data set of one, of any type; nullopt if there is none. Throws
  /// FormatError for a number that is not whole.
  std::optional<std::int64_t> whole_number(const std::string& place) const;
  /// A text that is an attribute of the whole file; "" if there is none.
  std::string text_attribute(const char* name) const;
  /// The attributes of what is at a place ("" is the top) that are text, or up to 16 texts: those with ", "
  /// between them. Up to 64 of them.
  std::vector<Hdf5Text> texts_at(const std::string& place) const;
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  std::int64_t find_rows_stored(const Hdf5Dataset& data) const;
  bool is_stored(hid_t data, const hsize_t* place) const;

  std::string path_;
  std::int64_t size_ = 0;
  bool partial_ = false, cut_ = false;
  Hdf5Handle file_;
};

/// What a filter of HDF5 that is missing is called, and where to get it: "32001 (Blosc; Debian package
/// hdf5-filter-plugin-blosc-serial)".
std::string hdf5_filter_text(int number);

}  // namespace spikeloom::formats

#pragma once
// HDF5 files for tests.
#include <hdf5.h>

#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom::formats::testing {

using Numbers = std::vector<std::int64_t>;

/// An HDF5 file being made.
class Maker {
 public:
  explicit Maker(const std::string& path)
      : id_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {}
  ~Maker() { H5Fclose(id_); }
  Maker(const Maker&) = delete;
  Maker& operator=(const Maker&) = delete;

  hid_t id() const { return id_; }
  void group(const std::string& name) {
    H5Gclose(H5Gcreate2(id_, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  }

  template <class T>
  void lists(const char* name, hid_t stored, hid_t memory, const std::vector<std::vector<T>>& lists) {
    std::vector<hvl_t> parts;
    for (const auto& list : lists) parts.push_back({list.size(), const_cast<T*>(list.data())});
    write(name, H5Tvlen_create(stored), H5Tvlen_create(memory), {lists.size()}, parts.data());
  }
  void write(const std::string& name, hid_t stored, hid_t memory, const std::vector<hsize_t>& shape,
             const void* data, hid_t creation = H5P_DEFAULT) {
    const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t set = H5Dcreate2(id_, name.c_str(), stored, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    if (data != nullptr) H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    H5Dclose(set);
    H5Sclose(space);
  }
  void column(const std::string& name, hid_t stored, const Numbers& numbers) {
    write(name, stored, H5T_NATIVE_INT64, {numbers.size()}, numbers.data());
  }
  /// Columns x, y, t and p in a group that is there.
  void events(const std::string& group, const Numbers& t) {
    const std::string prefix = group.empty() ? "" : group + "/";
    column(prefix + "t", H5T_STD_I64LE, t);
    column(prefix + "x", H5T_STD_U16LE, Numbers(t.size(), 3));
    column(prefix + "y", H5T_STD_U16LE, Numbers(t.size(), 4));
    column(prefix + "p", H5T_STD_U8LE, Numbers(t.size(), 1));
  }
  /// An attribute of texts of up to 31 bytes; `variable`: stored as texts of any length.
  void texts(const char* place, const char* name, const std::vector<std::string>& texts,
             bool variable = false) {
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, variable ? H5T_VARIABLE : kTextBytes);
    const hsize_t count = texts.size();
    const hid_t space = count == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &count, nullptr);
    const hid_t object = H5Oopen(id_, place, H5P_DEFAULT);
    const hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    std::string fixed;
    std::vector<const char*> pointers;
    for (const std::string& text : texts) {
      fixed += text + std::string(kTextBytes - text.size(), '\0');
      pointers.push_back(text.c_str());
    }
    H5Awrite(attribute, type, variable ? static_cast<const void*>(pointers.data()) : fixed.data());
    H5Aclose(attribute);
    H5Oclose(object);
    H5Sclose(space);
    H5Tclose(type);
  }
  void scalar(const char* name, std::int64_t number) {
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t set = H5Dcreate2(id_, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, &number);
    H5Dclose(set);
    H5Sclose(space);
  }

 private:
  static constexpr std::size_t kTextBytes = 32;

  hid_t id_;
};

}  // namespace spikeloom::formats::testing

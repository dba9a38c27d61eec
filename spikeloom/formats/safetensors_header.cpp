#include "spikeloom/formats/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "spikeloom/base/errors.h"

namespace spikeloom::formats {
namespace {

struct DTypeEntry {
  DType dtype;
  const char* name;
  std::size_t size;
};

constexpr std::array<DTypeEntry, 15> kDTypes = {{{DType::kF64, "F64", 8},
                                                 {DType::kF32, "F32", 4},
                                                 {DType::kBF16, "BF16", 2},
                                                 {DType::kF16, "F16", 2},
                                                 {DType::kI64, "I64", 8},
                                                 {DType::kI32, "I32", 4},
                                                 {DType::kI16, "I16", 2},
                                                 {DType::kI8, "I8", 1},
                                                 {DType::kU64, "U64", 8},
                                                 {DType::kU32, "U32", 4},
                                                 {DType::kU16, "U16", 2},
                                                 {DType::kU8, "U8", 1},
                                                 {DType::kBool, "BOOL", 1},
                                                 {DType::kF8E4M3, "F8_E4M3", 1},
                                                 {DType::kF8E5M2, "F8_E5M2", 1}}};

const DTypeEntry& entry_of(DType dtype) {
  for (const DTypeEntry& entry : kDTypes) {
    if (entry.dtype == dtype) return entry;
  }
  throw ShapeError(fmt::format("element type number {} does not exist", static_cast<int>(dtype)));
}

/// A pointer that tells how far the parser has read.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    *furthest_ = at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

/// Receives the parser's events and accepts exactly what the format allows; anything else ends the parse.
class HeaderHandler {
 public:
  explicit HeaderHandler(SafetensorsHeader* header) : header_(header) {}
  const std::string& problem() const { return problem_; }

  bool null() { return refuse("null"); }
  bool boolean(bool) { return refuse("a truth value"); }
  bool number_float(double, const std::string&) { return refuse("a number that is not an integer in range"); }
  bool binary(nlohmann::json::binary_t&) { return refuse("binary data"); }

  bool number_integer(std::int64_t value) {
    if (value < 0) return refuse("a negative number");
    return number_unsigned(static_cast<std::uint64_t>(value));
  }

  bool number_unsigned(std::uint64_t value) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return fail(fmt::format("number {} is too large", value));
    }
    const auto number = static_cast<std::int64_t>(value);
    if (place_ == Place::kShape) {
      if (tensor_.shape.size() == kMaxSafetensorsRank) {
        return fail(fmt::format("array {} has more than {} dimensions", in_quotes(tensor_.name),
                                kMaxSafetensorsRank));
      }
      tensor_.shape.push_back(number);
      return true;
    }
    if (place_ == Place::kOffsets) {
      if (num_offsets_ == 2)
        return fail(fmt::format("data_offsets of {} has more than 2 numbers", in_quotes(tensor_.name)));
      offsets_[num_offsets_++] = number;
      return true;
    }
    return refuse("a number");
  }

  bool string(std::string& value) {
    if (place_ == Place::kMetadata) {
      if (!header_->metadata.emplace(key_, std::move(value)).second) {
        return fail(fmt::format("metadata key {} appears twice", in_quotes(key_)));
      }
      return true;
    }
    if (place_ == Place::kTensor && key_ == "dtype") {
      for (const DTypeEntry& entry : kDTypes) {
        if (value != entry.name) continue;
        tensor_.dtype = entry.dtype;
        return true;
      }
      return fail(
          fmt::format("array {} has the unknown element type {}", in_quotes(tensor_.name), in_quotes(value)));
    }
    return refuse("a text");
  }

  bool start_object(std::size_t) {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop && key_ == kSafetensorsMetadataKey) {
      place_ = Place::kMetadata;
    } else if (place_ == Place::kTop) {
      place_ = Place::kTensor;
      tensor_ = TensorInfo{};
      tensor_.name = key_;
      has_dtype_ = has_shape_ = has_offsets_ = false;
      num_offsets_ = 0;
    } else {
      return refuse("an object");
    }
    return true;
  }

  bool key(std::string& value) {
    key_ = std::move(value);
    if (place_ == Place::kTop) {
      return names_.insert(key_).second || fail(fmt::format("name {} appears twice", in_quotes(key_)));
    }
    if (place_ == Place::kMetadata) return true;
    bool* seen = key_ == "dtype" ? &has_dtype_ : key_ == "shape" ? &has_shape_ : &has_offsets_;
    if (seen == &has_offsets_ && key_ != "data_offsets") {
      return fail(fmt::format("array {} has the unknown key {}", in_quotes(tensor_.name), in_quotes(key_)));
    }
    if (*seen) return fail(fmt::format("array {} has {} twice", in_quotes(tensor_.name), key_));
    *seen = true;
    return true;
  }

  bool end_object() {
    if (place_ == Place::kTensor) return finish_tensor();
    place_ = place_ == Place::kMetadata ? Place::kTop : Place::kEnd;
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ == Place::kTensor && key_ == "shape") {
      place_ = Place::kShape;
    } else if (place_ == Place::kTensor && key_ == "data_offsets") {
      place_ = Place::kOffsets;
    } else {
      return refuse("a list");
    }
    return true;
  }

  bool end_array() {
    place_ = Place::kTensor;
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) {
    return fail("the header is not valid JSON");
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  bool refuse(const char* what) {
    switch (place_) {
      case Place::kStart:
      case Place::kEnd:
        return fail(fmt::format("the header is {} instead of an object", what));
      case Place::kTop:
        return fail(fmt::format("entry {} is {} instead of an object", in_quotes(key_), what));
      case Place::kMetadata:
        return fail(fmt::format("metadata key {} is {} instead of text", in_quotes(key_), what));
      default:
        return fail(fmt::format("array {}: {} cannot be or hold {}", in_quotes(tensor_.name), key_, what));
    }
  }

  bool finish_tensor() {
    const std::string name = in_quotes(tensor_.name);
    if (!has_dtype_ || !has_shape_ || !has_offsets_) {
      return fail(fmt::format("array {} lacks {}", name,
                              !has_dtype_   ? "dtype"
                              : !has_shape_ ? "shape"
                                            : "data_offsets"));
    }
    if (num_offsets_ != 2)
      return fail(fmt::format("data_offsets of {} has {} numbers, not 2", name, num_offsets_));
    if (offsets_[1] < offsets_[0]) {
      return fail(fmt::format("array {} ends at {} before it begins at {}", name, offsets_[1], offsets_[0]));
    }
    tensor_.offset = offsets_[0];
    tensor_.size_bytes = offsets_[1] - offsets_[0];
    const std::int64_t expected = tensor_bytes(tensor_.dtype, tensor_.shape);
    if (expected < 0) return fail(fmt::format("the shape of array {} is too large", name));
    if (expected != tensor_.size_bytes) {
      return fail(fmt::format("array {} has {} bytes, its shape and type {} need {}", name,
                              tensor_.size_bytes, dtype_name(tensor_.dtype), expected));
    }
    header_->tensors.push_back(std::move(tensor_));
    place_ = Place::kTop;
    return true;
  }

  SafetensorsHeader* header_;
  Place place_ = Place::kStart;
  std::string problem_;
  std::string key_;
  std::set<std::string> names_;
  TensorInfo tensor_;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
  std::array<std::int64_t, 2> offsets_{};
  std::size_t num_offsets_ = 0;
};

}  // namespace

std::size_t dtype_size(DType dtype) { return entry_of(dtype).size; }

const char* dtype_name(DType dtype) { return entry_of(dtype).name; }

std::int64_t tensor_bytes(DType dtype, const std::vector<std::int64_t>& shape) {
  constexpr std::int64_t kMaxBytes = std::int64_t{1} << 62;
  // Zeros are left out of the product that is tested, so that no order of the dimensions overflows in a
  // caller.
  std::int64_t nonzero_bytes = static_cast<std::int64_t>(dtype_size(dtype));
  bool is_empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0 || (size > 0 && nonzero_bytes > kMaxBytes / size)) return -1;
    nonzero_bytes *= std::max<std::int64_t>(size, 1);
    is_empty = is_empty || size == 0;
  }
  return is_empty ? 0 : nonzero_bytes;
}

std::string in_quotes(const std::string& text) {
  std::string result = "'";
  for (const char c : text.substr(0, 60)) result += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  return result + (text.size() > 60 ? "...'" : "'");
}

SafetensorsHeader parse_safetensors_header(Span<const char> json, std::int64_t json_offset,
                                           const std::string& file) {
  SafetensorsHeader header;
  HeaderHandler handler(&header);
  const char* furthest = json.begin();
  const CountingIterator begin(json.begin(), &furthest);
  const CountingIterator end(json.end(), &furthest);
  if (json.empty() || json[0] != '{')
    throw FormatError("the header does not start with '{'", file, json_offset);
  if (!nlohmann::json::sax_parse(begin, end, &handler)) {
    const auto place = json_offset + std::max<std::ptrdiff_t>(furthest - json.begin() - 1, 0);
    throw FormatError(handler.problem(), file, place);
  }
  return header;
}

}  // namespace spikeloom::formats

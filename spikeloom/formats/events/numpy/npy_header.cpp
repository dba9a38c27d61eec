#include "spikeloom/formats/events/numpy/npy_header.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/events/columns/event_columns.h"
#include "spikeloom/formats/events/numpy/python_literal.h"
#include "spikeloom/formats/little_endian.h"

namespace spikeloom::formats {
namespace {

constexpr char kMark[] = "\x93NUMPY";
constexpr std::size_t kMarkBytes = 6;
constexpr std::int64_t kMaxTextBytes = std::int64_t{1} << 16;
constexpr std::int64_t kMaxElementBytes = std::int64_t{1} << 16;
constexpr int kMaxTypeDepth = 8;

/// A header's text and how to refuse it.
class Description {
 public:
  Description(std::string file, std::int64_t offset) : file_(std::move(file)), offset_(offset) {}

  [[noreturn]] void refuse(const std::string& what) const {
    throw FormatError(fmt::format("the header of the array: {}", what), file_, offset_);
  }

  NpyType scalar_type(const std::string& text) const {
    std::size_t at = 0;
    NpyType type;
    if (at < text.size() && std::strchr("<>|=", text[at]) != nullptr) type.big_endian = text[at++] == '>';
    if (at == text.size()) refuse("an empty type");
    type.kind = text[at++];
    if (type.kind == '?') type.kind = 'b', type.bytes = 1;
    if (type.kind == 'O') refuse("an array of Python objects, which is not read: save it as numbers");
    if (std::strchr("?bBiufcmMOSaUV", type.kind) == nullptr)
      refuse(fmt::format("type '{:.20}' is not known", text));
    std::int64_t count = 0;
    bool digits = false;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9' && count <= kMaxElementBytes; ++at) {
      count = 10 * count + (text[at] - '0');
      digits = true;
    }
    if (digits) type.bytes = type.kind == 'U' ? 4 * count : count;
    if (type.bytes > kMaxElementBytes) refuse(fmt::format("type '{:.20}' is too large", text));
    if (!digits && type.bytes == 0) refuse(fmt::format("type '{:.20}' is not known", text));
    const bool unit = at < text.size() && text[at] == '[' && (type.kind == 'm' || type.kind == 'M');
    if (unit) type.time_unit = unit_of(text.substr(at));
    if (at < text.size() && !unit) refuse(fmt::format("type '{:.20}' is not known", text));
    return type;
  }

  /// Bytes of a type; its fields, if it is structured and `fields` is given.
  NpyType type(const PythonLiteral& literal, std::vector<NpyField>* fields, int depth = 0) const {
    if (depth > kMaxTypeDepth) refuse("types nested too deep");
    if (literal.kind == PythonLiteral::kString) return scalar_type(literal.text);
    if (literal.kind == PythonLiteral::kTuple && literal.items.size() == 2) {  // (type, shape)
      NpyType result = type(literal.items[0], nullptr, depth + 1);
      result.kind = 'V';
      result.bytes = times(result.bytes, literal.items[1]);
      return result;
    }
    if (literal.kind != PythonLiteral::kList) refuse("descr is not a type");
    NpyType result;
    for (const PythonLiteral& item : literal.items) {
      const std::size_t parts = item.items.size();
      if (item.kind != PythonLiteral::kTuple || parts < 2 || parts > 3)
        refuse("a field that is not (name, type)");
      NpyField field;
      field.name = field_name(item.items[0]);
      field.type = type(item.items[1], nullptr, depth + 1);
      if (parts == 3) {
        field.type.bytes = times(field.type.bytes, item.items[2]);
        field.type.kind = 'V';
      }
      field.place = result.bytes;
      result.bytes += field.type.bytes;
      if (result.bytes > kMaxElementBytes) refuse("elements that are too large");
      if (fields != nullptr) fields->push_back(std::move(field));
    }
    return result;
  }

  std::vector<std::int64_t> shape(const PythonLiteral& literal) const {
    if (literal.kind != PythonLiteral::kTuple) refuse("shape is not a tuple");
    std::vector<std::int64_t> sizes;
    for (const PythonLiteral& item : literal.items) {
      if (item.kind != PythonLiteral::kInteger || item.number < 0)
        refuse("a shape of something other than sizes");
      sizes.push_back(item.number);
    }
    return sizes;
  }

 private:
  /// Of "[us]". Another one, such as days, leaves a type that is not read.
  static TimeUnit unit_of(const std::string& text) {
    if (text == "[s]") return TimeUnit::kSeconds;
    if (text == "[ms]") return TimeUnit::kMilliseconds;
    if (text == "[us]") return TimeUnit::kMicroseconds;
    if (text == "[ns]") return TimeUnit::kNanoseconds;
    return TimeUnit::kFile;
  }

  /// 'name' or ('title', 'name').
  std::string field_name(const PythonLiteral& literal) const {
    if (literal.kind == PythonLiteral::kString) return literal.text;
    if (literal.kind == PythonLiteral::kTuple && literal.items.size() == 2 &&
        literal.items[1].kind == PythonLiteral::kString) {
      return literal.items[1].text;
    }
    refuse("a field whose name is not text");
  }

  std::int64_t times(std::int64_t bytes, const PythonLiteral& sizes) const {
    const auto grow = [&](const PythonLiteral& size) {
      if (size.kind != PythonLiteral::kInteger || size.number < 0 || size.number > kMaxElementBytes) {
        refuse("a field of a size that is not read");
      }
      bytes *= size.number;
      if (bytes > kMaxElementBytes) refuse("elements that are too large");
    };
    if (sizes.kind == PythonLiteral::kInteger) grow(sizes);
    if (sizes.kind == PythonLiteral::kTuple) {
      for (const PythonLiteral& size : sizes.items) grow(size);
    }
    return bytes;
  }

  std::string file_;
  std::int64_t offset_;
};

const PythonLiteral* entry(const PythonLiteral& dictionary, const char* key) {
  for (std::size_t i = 0; i + 1 < dictionary.items.size(); i += 2) {
    const PythonLiteral& name = dictionary.items[i];
    if (name.kind == PythonLiteral::kString && name.text == key) return &dictionary.items[i + 1];
  }
  return nullptr;
}

}  // namespace

bool NpyType::is_integer() const {
  if (kind == 'b') return bytes == 1;
  if (kind == 'm' || kind == 'M') return bytes == 8 && time_unit != TimeUnit::kFile;
  return (kind == 'i' || kind == 'u') && (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
}

std::int64_t NpyType::load(const std::uint8_t* data) const {
  std::uint64_t bits = 0;
  // The usual types, in single loads.
  if (!big_endian && bytes == 8) return static_cast<std::int64_t>(load_little_endian_u64(data));
  if (!big_endian && bytes == 2 && kind == 'u') return load_little_endian_u16(data);
  if (!big_endian && bytes == 2 && kind == 'i')
    return static_cast<std::int16_t>(load_little_endian_u16(data));
  if (bytes == 1 && kind == 'u') return data[0];
  for (std::int64_t i = 0; i < bytes; ++i) {
    bits |= std::uint64_t{data[big_endian ? bytes - 1 - i : i]} << 8 * i;
  }
  if (kind == 'i' && bytes < 8 && (bits >> (8 * bytes - 1) & 1) != 0) bits |= ~std::uint64_t{0} << 8 * bytes;
  if (kind == 'b') return bits != 0 ? 1 : 0;
  return static_cast<std::int64_t>(bits);
}

void NpyType::load_many(const std::uint8_t* data, std::int64_t stride, std::size_t count,
                        std::int64_t* numbers) const {
  const auto each = [&](auto load_one) {
    for (std::size_t i = 0; i < count; ++i, data += stride)
      numbers[i] = static_cast<std::int64_t>(load_one(data));
  };
  // A loop of its own for each of the usual types, so that it asks for the type once.
  const bool is_signed = kind != 'u' && kind != 'b', little_endian = !big_endian;
  if (little_endian && bytes == 8)
    return each([](const std::uint8_t* at) { return load_little_endian_u64(at); });
  if (little_endian && bytes == 4 && is_signed)
    return each([](const std::uint8_t* at) { return static_cast<std::int32_t>(load_little_endian_u32(at)); });
  if (little_endian && bytes == 4)
    return each([](const std::uint8_t* at) { return load_little_endian_u32(at); });
  if (little_endian && bytes == 2 && is_signed)
    return each([](const std::uint8_t* at) { return static_cast<std::int16_t>(load_little_endian_u16(at)); });
  if (little_endian && bytes == 2)
    return each([](const std::uint8_t* at) { return load_little_endian_u16(at); });
  if (bytes == 1 && is_signed)
    return each([](const std::uint8_t* at) { return static_cast<std::int8_t>(*at); });
  if (kind == 'u' && bytes == 1) return each([](const std::uint8_t* at) { return *at; });
  each([this](const std::uint8_t* at) { return load(at); });
}

bool NpyType::is_real() const { return kind == 'f' && (bytes == 2 || bytes == 4 || bytes == 8); }

std::int64_t NpyType::wrapped_minus_one() const {
  return kind == 'u' ? formats::wrapped_minus_one(bytes) : -1;
}

double NpyType::load_real(const std::uint8_t* data) const {
  if (is_unsigned_64()) return static_cast<double>(static_cast<std::uint64_t>(load(data)));
  if (!is_real()) return static_cast<double>(load(data));
  std::uint64_t bits = 0;
  for (std::int64_t i = 0; i < bytes; ++i)
    bits |= std::uint64_t{data[big_endian ? bytes - 1 - i : i]} << 8 * i;
  if (bytes == 8) {
    double number = 0;
    std::memcpy(&number, &bits, sizeof(number));
    return number;
  }
  if (bytes == 4) {
    const auto half = static_cast<std::uint32_t>(bits);
    float number = 0;
    std::memcpy(&number, &half, sizeof(number));
    return number;
  }
  const auto exponent = static_cast<int>(bits >> 10 & 31);
  const auto fraction = static_cast<double>(bits & 1023);
  double number = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25);
  if (exponent == 31) number = fraction == 0 ? HUGE_VAL : std::nan("");
  return (bits >> 15) != 0 ? -number : number;
}

void NpyType::load_many_real(const std::uint8_t* data, std::int64_t stride, std::size_t count,
                             double* numbers) const {
  const bool is_usual = kind == 'f' && !big_endian && bytes >= 4;
  for (std::size_t i = 0; i < count && !is_usual; ++i, data += stride) numbers[i] = load_real(data);
  for (std::size_t i = 0; i < count && is_usual && bytes == 8; ++i, data += stride) {
    const std::uint64_t bits = load_little_endian_u64(data);
    std::memcpy(&numbers[i], &bits, sizeof(bits));
  }
  for (std::size_t i = 0; i < count && is_usual && bytes == 4; ++i, data += stride) {
    const std::uint32_t bits = load_little_endian_u32(data);
    float number = 0;
    std::memcpy(&number, &bits, sizeof(bits));
    numbers[i] = number;
  }
}

std::int64_t NpyHeader::num_elements() const {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

bool is_npy(const std::uint8_t* bytes, std::size_t size) {
  return size >= kMarkBytes && std::memcmp(bytes, kMark, kMarkBytes) == 0;
}

NpyHeader read_npy_header(ByteWindow& window) {
  const Description description(window.name(), window.offset());
  if (!window.ensure(kMarkBytes + 4) || !is_npy(window.data(), window.size())) {
    description.refuse("cut short, or not a .npy array");
  }
  const int version = window.data()[kMarkBytes];
  if (version < 1 || version > 3) description.refuse(fmt::format("version {} is not known", version));
  const std::size_t begin = kMarkBytes + (version == 1 ? 4 : 6);
  if (!window.ensure(begin)) description.refuse("cut short");
  const std::int64_t text_bytes = version == 1 ? load_little_endian_u16(window.data() + kMarkBytes + 2)
                                               : load_little_endian_u32(window.data() + kMarkBytes + 2);
  if (text_bytes > kMaxTextBytes) {
    description.refuse(fmt::format("{} bytes of text; up to {} are read", text_bytes, kMaxTextBytes));
  }
  const std::size_t end = begin + static_cast<std::size_t>(text_bytes);
  if (!window.ensure(end))
    description.refuse(fmt::format("the file ends within its {} bytes of text", text_bytes));
  const std::string text(window.data() + begin, window.data() + end);
  const auto dictionary = parse_python_literal(text);
  if (!dictionary || dictionary->kind != PythonLiteral::kDictionary)
    description.refuse("not a Python dictionary");
  const PythonLiteral* descr = entry(*dictionary, "descr");
  const PythonLiteral* order = entry(*dictionary, "fortran_order");
  const PythonLiteral* shape = entry(*dictionary, "shape");
  if (descr == nullptr || order == nullptr || shape == nullptr || order->kind != PythonLiteral::kBoolean) {
    description.refuse("descr, fortran_order and shape are not all there");
  }
  NpyHeader header;
  header.type = description.type(*descr, &header.fields);
  header.shape = description.shape(*shape);
  header.fortran_order = order->number != 0;
  std::int64_t left = std::numeric_limits<std::int64_t>::max() / std::max<std::int64_t>(header.type.bytes, 1);
  for (const std::int64_t size : header.shape) {
    if (size > left) description.refuse("a shape larger than any file");
    left /= std::max<std::int64_t>(size, 1);
  }
  window.consume(end);
  return header;
}

std::optional<std::vector<std::string>> read_npy_texts(ByteWindow& window) {
  constexpr std::int64_t kMostTexts = 16, kMostBytes = 1024;
  const NpyHeader header = read_npy_header(window);
  const std::int64_t count = header.num_elements();
  const NpyType& type = header.type;
  const bool is_wide = type.kind == 'U';
  if ((!is_wide && type.kind != 'S') || header.shape.size() > 1 || count < 1 || count > kMostTexts ||
      type.bytes > kMostBytes) {
    return std::nullopt;
  }
  const auto bytes = static_cast<std::size_t>(type.bytes), step = is_wide ? sizeof(char32_t) : 1;
  std::vector<std::string> texts;
  for (std::int64_t i = 0; i < count; ++i) {
    if (!window.ensure(bytes)) throw FormatError("the texts are cut short", window.name(), window.offset());
    std::string text;
    for (std::size_t at = 0; at < bytes; at += step) {
      const std::uint8_t* letter = window.data() + at;
      std::uint32_t code = *letter;
      if (is_wide) code = load_little_endian_u32(letter);
      if (is_wide && type.big_endian) code = __builtin_bswap32(code);
      if (code == 0) break;
      text += code < 0x80 ? static_cast<char>(code) : '?';
    }
    texts.push_back(std::move(text));
    window.consume(bytes);
  }
  return texts;
}

}  // namespace spikeloom::formats

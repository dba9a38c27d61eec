#include "bench/event_recordings.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <lz4frame.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "spikeloom/base/files.h"
#include "spikeloom/base/random.h"
#include "spikeloom/formats/events/event_reader.h"
#include "spikeloom/formats/events/write_events.h"
#include "tests/formats/events/hdf5_maker.h"

namespace {

using namespace spikeloom;
using Bytes = std::vector<std::uint8_t>;
using Events = std::vector<events::Event>;
using formats::testing::Maker;

constexpr std::size_t kPiece = 8192;
// No column of four but that of the times may hold them, so that the order of columns is sure.
constexpr std::int64_t kTableBeginUs = 1'000'000;

Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

void put(Bytes& bytes, std::uint64_t number, int size, bool big_endian = false) {
  for (int k = 0; k < size; ++k) {
    bytes.push_back(static_cast<std::uint8_t>(number >> 8 * (big_endian ? size - 1 - k : k)));
  }
}

void put_real(Bytes& bytes, double number) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &number, sizeof(bits));
  put(bytes, bits, 8);
}

class MadeUpEvents {
 public:
  MadeUpEvents(std::int64_t num_events, int width, int height)
      : left_(num_events), width_(width), height_(height), random_(1, RandomPurpose::kBench, 0) {}

  /// The next ones; none at the end.
  Events next() {
    Events piece;
    for (; piece.size() < kPiece && left_ > 0; --left_) {
      const std::uint32_t bits = random_.next_u32();
      if ((bits & 1) != 0 && event_.x + 1 < width_) {
        ++event_.x;
      } else {
        event_.t_us += bits >> 1 & 3;
        event_.x = static_cast<std::uint16_t>((bits >> 3 & 0x3ff) % static_cast<std::uint32_t>(width_));
        event_.y = static_cast<std::uint16_t>((bits >> 13 & 0x3ff) % static_cast<std::uint32_t>(height_));
        event_.polarity = static_cast<std::uint8_t>(bits >> 23 & 1);
      }
      piece.push_back(event_);
    }
    return piece;
  }

 private:
  std::int64_t left_;
  int width_, height_;
  RandomStream random_;
  events::Event event_{};
};

/// Where and how large a recording is made.
struct Plan {
  std::string path;
  std::int64_t num_events, num_table_events;
  int width = 1280, height = 720;
};

void write_format(const Plan& plan, const char* format, std::int64_t num_events) {
  formats::EventFileWriter writer(plan.path, format, plan.width, plan.height);
  MadeUpEvents source(num_events, plan.width, plan.height);
  for (Events piece = source.next(); !piece.empty(); piece = source.next())
    writer.write(piece.data(), piece.size());
  writer.commit();
}

/// `encode` appends the bytes of a piece of events, or of one.
template <class Encode>
void write_laid_out(const Plan& plan, std::int64_t num_events, const Bytes& header, Encode encode) {
  AtomicFile file(plan.path);
  Bytes bytes = header;
  MadeUpEvents source(num_events, plan.width, plan.height);
  for (Events piece = source.next(); !piece.empty(); piece = source.next()) {
    if constexpr (std::is_invocable_v<Encode, const Events&, Bytes&>) {
      encode(piece, bytes);
    } else {
      for (const events::Event& event : piece) encode(event, bytes);
    }
    file.write(bytes.data(), bytes.size());
    bytes.clear();
  }
  file.commit();
}

void write_es(const Plan& plan) {
  Bytes header = bytes_of("Event Stream");
  for (const std::uint32_t byte : {2, 0, 0, 1}) put(header, byte, 1);
  put(header, static_cast<std::uint64_t>(plan.width), 2);
  put(header, static_cast<std::uint64_t>(plan.height), 2);
  std::int64_t before_us = 0;
  write_laid_out(plan, plan.num_events, header, [&before_us](const events::Event& event, Bytes& bytes) {
    const auto step = static_cast<std::uint64_t>(event.t_us - before_us);
    before_us = event.t_us;
    bytes.insert(bytes.end(), step / 127, std::uint8_t{0xff});
    put(bytes, step % 127 << 1 | event.polarity, 1);
    put(bytes, event.x, 2);
    put(bytes, event.y, 2);
  });
}

void write_aedat1(const Plan& plan) {
  write_laid_out(plan, plan.num_events, bytes_of("#!AER-DAT1.0\r\n"),
                 [](const events::Event& event, Bytes& bytes) {
                   put(bytes, event.y << 8 | (127u - event.x) << 1 | (1u - event.polarity), 2, true);
                   put(bytes, static_cast<std::uint64_t>(event.t_us), 4, true);
                 });
}

void write_secdvs(const Plan& plan) {
  write_laid_out(plan, plan.num_events,
                 bytes_of("#!AER-DAT2.0\r\n# AEChip: SecDvs640Gen2\r\n#End Of ASCII Header\r\n"),
                 [](const events::Event& event, Bytes& bytes) {
                   put(bytes, event.y << 11 | (639u - event.x) << 1 | event.polarity, 4, true);
                   put(bytes, static_cast<std::uint64_t>(event.t_us), 4, true);
                 });
}

void write_aedat3(const Plan& plan) {
  write_laid_out(plan, plan.num_events,
                 bytes_of("#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DAVIS346\r\n#!END-HEADER\r\n"),
                 [](const Events& piece, Bytes& bytes) {
                   for (const std::uint32_t number : {1, 1}) put(bytes, number, 2);
                   for (const std::size_t number : {std::size_t{8}, std::size_t{4}, std::size_t{0},
                                                    piece.size(), piece.size(), piece.size()})
                     put(bytes, number, 4);
                   for (const events::Event& event : piece) {
                     put(bytes, std::uint32_t{event.x} << 17 | event.y << 2 | event.polarity << 1 | 1, 4);
                     put(bytes, static_cast<std::uint64_t>(event.t_us), 4);
                   }
                 });
}

/// One stream of events, 1, its packets compressed with LZ4, without a table at the end.
void write_aedat4(const Plan& plan) {
  const std::string xml = fmt::format(
      "<dv version=\"2.0\"><node name=\"outInfo\" path=\"/\"><node name=\"1\" path=\"/1/\">"
      "<attr key=\"typeIdentifier\" type=\"string\">EVTS</attr><node name=\"info\" path=\"/1/info/\">"
      "<attr key=\"sizeX\" type=\"int\">{}</attr><attr key=\"sizeY\" type=\"int\">{}</attr></node></node>"
      "</node></dv>",
      plan.width, plan.height);
  Bytes header = bytes_of("#!AER-DAT4.0\r\n");
  // Root at 20: vtable (10 bytes, table of 20, fields at 4, 8, 16) at 8, table at 20, text at 40.
  put(header, 44 + xml.size(), 4);
  put(header, 20, 4);
  for (const char letter : {'I', 'O', 'H', 'E'}) header.push_back(static_cast<std::uint8_t>(letter));
  for (const std::uint32_t number : {10, 20, 4, 8, 16, 0}) put(header, number, 2);
  put(header, 12, 4);
  put(header, 1, 4);  // LZ4
  put(header, ~std::uint64_t{0}, 8);
  put(header, 4, 4);
  put(header, xml.size(), 4);
  header.insert(header.end(), xml.begin(), xml.end());
  write_laid_out(plan, plan.num_events, header, [](const Events& piece, Bytes& bytes) {
    Bytes contents;
    put(contents, 32 - 4 + 16 * piece.size(), 4);
    // Root at 16: vtable (6 bytes, table of 8, field 0 at 4) at 8, table at 16, vector at 24.
    put(contents, 16, 4);
    for (const char letter : {'E', 'V', 'T', 'S'}) contents.push_back(static_cast<std::uint8_t>(letter));
    for (const std::uint32_t number : {6, 8, 4, 0}) put(contents, number, 2);
    put(contents, 8, 4);
    put(contents, 4, 4);
    put(contents, piece.size(), 4);
    for (const events::Event& event : piece) {
      put(contents, static_cast<std::uint64_t>(event.t_us), 8);
      put(contents, event.x, 2);
      put(contents, event.y, 2);
      put(contents, event.polarity, 4);
    }
    Bytes packed(LZ4F_compressFrameBound(contents.size(), nullptr));
    packed.resize(
        LZ4F_compressFrame(packed.data(), packed.size(), contents.data(), contents.size(), nullptr));
    put(bytes, 1, 4);
    put(bytes, packed.size(), 4);
    bytes.insert(bytes.end(), packed.begin(), packed.end());
  });
}

void write_evt2(const Plan& plan) {
  std::uint64_t high = ~std::uint64_t{0};
  write_laid_out(
      plan, plan.num_events,
      bytes_of(fmt::format("% evt 2.0\n% format EVT2;width={};height={}\n% end\n", plan.width, plan.height)),
      [&high](const events::Event& event, Bytes& bytes) {
        const auto t = static_cast<std::uint64_t>(event.t_us);
        if (t >> 6 != high) put(bytes, 0x80000000u | (t >> 6 & 0xfffffff), 4);
        high = t >> 6;
        put(bytes, std::uint64_t{event.polarity} << 28 | (t & 63) << 22 | event.x << 11 | event.y, 4);
      });
}

void write_evt21(const Plan& plan) {
  std::uint64_t high = ~std::uint64_t{0};
  write_laid_out(
      plan, plan.num_events,
      bytes_of(fmt::format("% evt 2.1\n% format EVT21;width={};height={}\n% end\n", plan.width, plan.height)),
      [&high](const events::Event& event, Bytes& bytes) {
        const auto t = static_cast<std::uint64_t>(event.t_us);
        if (t >> 6 != high) put(bytes, (0x80000000u | (t >> 6 & 0xfffffff)) << 32, 8);
        high = t >> 6;
        const std::uint64_t column = event.x & ~31u;
        put(bytes,
            (std::uint64_t{event.polarity} << 28 | (t & 63) << 22 | column << 11 | event.y) << 32 |
                std::uint64_t{1} << (event.x & 31),
            8);
      });
}

void write_text(const Plan& plan, const std::string& header, const char* row) {
  write_laid_out(plan, plan.num_table_events, bytes_of(header),
                 [row](const events::Event& event, Bytes& bytes) {
                   const std::int64_t t_us = kTableBeginUs + event.t_us;
                   fmt::format_to(std::back_inserter(bytes), fmt::runtime(row), t_us, event.x, event.y,
                                  int{event.polarity}, t_us / 1'000'000, t_us % 1'000'000);
                 });
}

Bytes npy_header(const std::string& descr, const std::string& shape) {
  std::string text = "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }";
  text.resize((text.size() + 11 + 63) / 64 * 64 - 11, ' ');  // with 10 bytes before and a line feed after it
  text += '\n';
  Bytes bytes = bytes_of("\x93NUMPY");
  put(bytes, 1, 2);
  put(bytes, text.size(), 2);
  bytes.insert(bytes.end(), text.begin(), text.end());
  return bytes;
}

void write_rows(const Plan& plan, const char* type) {
  const bool real = type[1] == 'f';
  write_laid_out(plan, plan.num_table_events,
                 npy_header(fmt::format("'{}'", type), fmt::format("({}, 4)", plan.num_table_events)),
                 [real](const events::Event& event, Bytes& bytes) {
                   const std::int64_t t_us = kTableBeginUs + event.t_us;
                   if (real) put_real(bytes, static_cast<double>(t_us) * 1e-6);
                   if (!real) put(bytes, static_cast<std::uint64_t>(t_us), 8);
                   for (const std::int64_t number : {event.x, event.y, std::uint16_t{event.polarity}}) {
                     if (real) put_real(bytes, static_cast<double>(number));
                     if (!real) put(bytes, static_cast<std::uint64_t>(number), 8);
                   }
                 });
}

/// All events, a column each.
struct Columns {
  std::vector<std::int64_t> t;
  std::vector<std::uint16_t> x, y;
  std::vector<std::uint8_t> p;
};

Columns columns_of(const Plan& plan) {
  Columns columns;
  MadeUpEvents source(plan.num_table_events, plan.width, plan.height);
  for (Events piece = source.next(); !piece.empty(); piece = source.next()) {
    for (const events::Event& event : piece) {
      columns.t.push_back(kTableBeginUs + event.t_us);
      columns.x.push_back(event.x);
      columns.y.push_back(event.y);
      columns.p.push_back(event.polarity);
    }
  }
  return columns;
}

template <class Number>
Bytes npy_array(const char* type, const std::vector<Number>& numbers) {
  Bytes bytes = npy_header(fmt::format("'{}'", type), fmt::format("({},)", numbers.size()));
  for (const Number number : numbers) put(bytes, static_cast<std::uint64_t>(number), sizeof(Number));
  return bytes;
}

void write_columns(const Plan& plan) {
  const Columns columns = columns_of(plan);
  Bytes bytes = npy_header("'<i8'", fmt::format("(4, {})", columns.t.size()));
  const auto add = [&bytes](const auto& column) {
    for (const auto number : column) put(bytes, static_cast<std::uint64_t>(number), 8);
  };
  add(columns.t);
  add(columns.x);
  add(columns.y);
  add(columns.p);
  AtomicFile file(plan.path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

void write_npz(const Plan& plan, bool deflated) {
  const Columns columns = columns_of(plan);
  archive* handle = archive_write_new();
  archive_write_set_format_zip(handle);
  if (!deflated) archive_write_zip_set_compression_store(handle);
  const auto add = [handle](const char* name, const Bytes& contents) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, static_cast<la_int64_t>(contents.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    const bool good = archive_write_header(handle, entry) == ARCHIVE_OK &&
                      archive_write_data(handle, contents.data(), contents.size()) ==
                          static_cast<la_ssize_t>(contents.size());
    archive_entry_free(entry);
    if (!good) throw std::runtime_error("cannot write an archive");
  };
  if (archive_write_open_filename(handle, plan.path.c_str()) != ARCHIVE_OK)
    throw std::runtime_error("cannot open " + plan.path);
  add("t.npy", npy_array("<i8", columns.t));
  add("x.npy", npy_array("<u2", columns.x));
  add("y.npy", npy_array("<u2", columns.y));
  add("p.npy", npy_array("|u1", columns.p));
  archive_write_close(handle);
  archive_write_free(handle);
}

void write_hdf5_columns(const Plan& plan, bool deflated) {
  const Columns columns = columns_of(plan);
  Maker maker(plan.path);
  maker.group("events");
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  const hsize_t chunk = std::min<hsize_t>(columns.t.size(), 1 << 15);
  if (deflated) {
    H5Pset_chunk(creation, 1, &chunk);
    H5Pset_deflate(creation, 4);
  }
  const auto add = [&](const char* name, hid_t type, const auto& column) {
    maker.write(name, type, type, {column.size()}, column.data(), creation);
  };
  add("events/t", H5T_STD_I64LE, columns.t);
  add("events/x", H5T_STD_U16LE, columns.x);
  add("events/y", H5T_STD_U16LE, columns.y);
  add("events/p", H5T_STD_U8LE, columns.p);
  H5Pclose(creation);
}

void write_hdf5_compound(const Plan& plan) {
  struct Row {
    std::int64_t t;
    std::uint16_t x, y;
    std::int16_t p;
  };
  const Columns columns = columns_of(plan);
  std::vector<Row> rows(columns.t.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = {columns.t[i], columns.x[i], columns.y[i], std::int16_t{columns.p[i]}};
  const hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(Row));
  H5Tinsert(type, "x", offsetof(Row, x), H5T_STD_U16LE);
  H5Tinsert(type, "y", offsetof(Row, y), H5T_STD_U16LE);
  H5Tinsert(type, "p", offsetof(Row, p), H5T_STD_I16LE);
  H5Tinsert(type, "t", offsetof(Row, t), H5T_STD_I64LE);
  Maker maker(plan.path);
  maker.group("CD");
  maker.write("CD/events", type, type, {rows.size()}, rows.data());
  H5Tclose(type);
}

void write_hdf5_rows(const Plan& plan) {
  const Columns columns = columns_of(plan);
  std::vector<std::int64_t> numbers;
  for (std::size_t i = 0; i < columns.t.size(); ++i)
    numbers.insert(numbers.end(), {columns.t[i], columns.x[i], columns.y[i], columns.p[i]});
  Maker maker(plan.path);
  maker.write("events", H5T_STD_I64LE, H5T_STD_I64LE, {columns.t.size(), 4}, numbers.data());
}

/// One recording as those of SHD are.
void write_hdf5_spikes(const Plan& plan) {
  const Columns columns = columns_of(plan);
  std::vector<float> times;
  for (const std::int64_t t_us : columns.t) times.push_back(static_cast<float>(t_us) * 1e-6F);
  std::vector<std::uint16_t> units;
  for (const std::uint16_t x : columns.x) units.push_back(x % 700);
  Maker maker(plan.path);
  maker.group("spikes");
  maker.lists<float>("spikes/times", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {times});
  maker.lists<std::uint16_t>("spikes/units", H5T_STD_U16LE, H5T_NATIVE_UINT16, {units});
  maker.column("labels", H5T_STD_U8LE, {3});
}

struct Kind {
  const char* name;
  std::function<void(Plan)> make;
};

std::function<void(Plan)> camera(const char* format, int width, int height) {
  return [format, width, height](Plan plan) {
    plan.width = width;
    plan.height = height;
    write_format(plan, format, plan.num_events);
  };
}

std::function<void(Plan)> sized(void (*make)(const Plan&), int width, int height) {
  return [make, width, height](Plan plan) {
    plan.width = width;
    plan.height = height;
    make(plan);
  };
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"atis-bin/34", camera("atis-bin", 34, 34)},
      {"dat/304", camera("dat", 304, 240)},
      {"aedat1/128", sized(write_aedat1, 128, 128)},
      {"aedat2/128", camera("aedat2", 128, 128)},
      {"aedat2/346", camera("aedat2", 346, 260)},
      {"secdvs640/346", sized(write_secdvs, 346, 260)},
      {"aedat3/346", sized(write_aedat3, 346, 260)},
      {"aedat4/346", sized(write_aedat4, 346, 260)},
      {"evt2/1280", write_evt2},
      {"evt21/1280", write_evt21},
      {"evt3/1280", camera("evt3", 1280, 720)},
      {"es/1280", write_es},
      {"csv/commas", [](const Plan& plan) { write_format(plan, "csv", plan.num_table_events); }},
      {"csv/spaces", [](const Plan& plan) { write_text(plan, "", "{} {} {} {}\n"); }},
      {"csv/seconds", [](const Plan& plan) { write_text(plan, "", "{4}.{5:06} {1} {2} {3}\n"); }},
      {"npy/fields", [](const Plan& plan) { write_format(plan, "npy", plan.num_table_events); }},
      {"npy/rows", [](const Plan& plan) { write_rows(plan, "<i8"); }},
      {"npy/real-rows", [](const Plan& plan) { write_rows(plan, "<f8"); }},
      {"npy/columns", write_columns},
      {"npz/stored", [](const Plan& plan) { write_npz(plan, false); }},
      {"npz/deflated", [](const Plan& plan) { write_npz(plan, true); }},
      {"hdf5/columns", [](const Plan& plan) { write_hdf5_columns(plan, false); }},
      {"hdf5/deflated", [](const Plan& plan) { write_hdf5_columns(plan, true); }},
      {"hdf5/compound", write_hdf5_compound},
      {"hdf5/rows", write_hdf5_rows},
      {"hdf5/spikes", write_hdf5_spikes}};
  return all;
}

/// In a process of its own, so that its memory is not taken for that of a reader.
void make_in_child(const Kind& kind, const Plan& plan) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      kind.make(plan);
      ::_exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ::_exit(1);
    }
  }
  int status = -1;
  if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0)
    throw std::runtime_error("the recording was not made");
}

}  // namespace

EventRecordings::EventRecordings(std::filesystem::path folder, std::int64_t num_events)
    : folder_(std::move(folder)), num_events_(num_events) {}

std::vector<std::string> EventRecordings::names() {
  std::vector<std::string> names;
  for (const Kind& kind : kinds()) names.emplace_back(kind.name);
  return names;
}

std::string EventRecordings::path(const std::string& name) {
  std::string& path = made_[name];
  if (!path.empty()) return path;
  const auto kind =
      std::find_if(kinds().begin(), kinds().end(), [&name](const Kind& one) { return one.name == name; });
  if (kind == kinds().end()) throw std::runtime_error("no recording " + name);
  std::string file = name;
  std::replace(file.begin(), file.end(), '/', '-');
  file = (folder_ / file).string();
  if (!std::filesystem::exists(file)) make_in_child(*kind, {file, num_events_, num_events_ / 5});
  return path = file;
}

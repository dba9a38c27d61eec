#include "tests/formats/events/builders.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <lz4frame.h>
#include <zstd.h>

#include <utility>

#include "spikeloom/base/errors.h"

namespace spikeloom::formats::testing {

Bytes little_endian(const std::vector<std::int64_t>& numbers, int size) {
  Bytes bytes;
  for (const std::int64_t number : numbers) {
    for (int i = 0; i < size; ++i) {
      bytes.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(number) >> 8 * i));
    }
  }
  return bytes;
}

Bytes aedat3_header(const std::string& source_line) {
  return bytes_of("#!AER-DAT3.1\r\n#Format: RAW\r\n" + source_line +
                  "\r\n#Start-Time: 2020-11-17 22:04:24\r\n#!END-HEADER\r\n");
}

Bytes aedat3_packet(const Events& events, int source, int overflows, int valid) {
  const auto count = static_cast<std::int64_t>(events.size());
  Bytes bytes = little_endian({1, source}, 2) +
                little_endian({8, 4, overflows, count, count, valid < 0 ? count : valid}, 4);
  for (std::size_t i = 0; i < events.size(); ++i) {
    const events::Event& event = events[i];
    const bool is_valid = valid < 0 || static_cast<int>(i) < valid;
    bytes = bytes +
            little_endian(
                {std::int64_t{event.x} << 17 | event.y << 2 | event.polarity << 1 | is_valid, event.t_us}, 4);
  }
  return bytes;
}

Bytes compressed(const Bytes& contents, int compression) {
  if (compression == kRaw) return contents;
  Bytes bytes;
  std::size_t size = 0;
  if (compression == kLz4) {
    bytes.resize(LZ4F_compressFrameBound(contents.size(), nullptr));
    size = LZ4F_compressFrame(bytes.data(), bytes.size(), contents.data(), contents.size(), nullptr);
  } else {
    bytes.resize(ZSTD_compressBound(contents.size()));
    size = ZSTD_compress(bytes.data(), bytes.size(), contents.data(), contents.size(), 3);
  }
  bytes.resize(size);
  return bytes;
}

Bytes event_packet(const Events& events) {
  Bytes vector;
  for (const events::Event& event : events) {
    vector = std::move(vector) + little_endian({event.t_us}, 8) + little_endian({event.x, event.y}, 2) +
             little_endian({event.polarity}, 4);
  }
  // Root at 16: vtable (6 bytes, table of 8, field 0 at 4) at 8, table at 16, vector at 24.
  const Bytes buffer = little_endian({16}, 4) + bytes_of("EVTS") + little_endian({6, 8, 4, 0}, 2) +
                       little_endian({8, 4, static_cast<std::int64_t>(events.size())}, 4) + vector;
  return little_endian({static_cast<std::int64_t>(buffer.size())}, 4) + buffer;
}

Bytes aedat4_packet(int stream, const Bytes& contents, int compression) {
  const Bytes body = compressed(contents, compression);
  return little_endian({stream, static_cast<std::int64_t>(body.size())}, 4) + body;
}

namespace {

/// The node of a stream in the header's XML.
std::string stream_node(int number, const std::string& type, const std::string& info) {
  return fmt::format(
      "<node name=\"{0}\" path=\"/{0}/\"><attr key=\"typeIdentifier\" type=\"string\">{1}</attr>{2}</node>",
      number, type,
      info.empty() ? "" : fmt::format("<node name=\"info\" path=\"/{}/info/\">{}</node>", number, info));
}

std::string size_attributes(int width, int height) {
  return fmt::format("<attr key=\"sizeX\" type=\"int\">{}</attr><attr key=\"sizeY\" type=\"int\">{}</attr>",
                     width, height);
}

Bytes aedat4_file_of(const std::string& nodes, const std::vector<Bytes>& packets, int compression,
                     bool interrupted) {
  const std::string xml = "<dv version=\"2.0\"><node name=\"outInfo\" path=\"/\">" + nodes + "</node></dv>";
  Bytes all;
  for (const Bytes& packet : packets) all = std::move(all) + packet;
  // Root at 20: vtable (10 bytes, table of 20, fields at 4, 8, 16) at 8, table at 20, text at 40.
  const std::int64_t header_bytes = 44 + static_cast<std::int64_t>(xml.size());
  const std::int64_t table_place =
      interrupted ? -1 : 18 + header_bytes + static_cast<std::int64_t>(all.size());
  const Bytes header = little_endian({20}, 4) + bytes_of("IOHE") + little_endian({10, 20, 4, 8, 16, 0}, 2) +
                       little_endian({12, compression}, 4) + little_endian({table_place}, 8) +
                       little_endian({4, static_cast<std::int64_t>(xml.size())}, 4) + bytes_of(xml);
  Bytes file = bytes_of("#!AER-DAT4.0\r\n") + little_endian({header_bytes}, 4) + header + all;
  if (!interrupted) {
    file = std::move(file) +
           compressed(little_endian({12}, 4) + little_endian({8}, 4) + bytes_of("FTAB") + Bytes(4, 0),
                      compression);
  }
  return file;
}

}  // namespace

Bytes aedat4_file(const std::vector<Bytes>& packets, int compression, bool interrupted, int width,
                  int height) {
  return aedat4_file_of(stream_node(0, "IMUS", "") + stream_node(1, "EVTS", size_attributes(width, height)),
                        packets, compression, interrupted);
}

Bytes aedat4_stereo_file(const std::vector<Bytes>& packets, const std::string& left,
                         const std::string& right) {
  const auto camera = [](int number, const std::string& source) {
    const std::string said =
        source.empty() ? "" : fmt::format("<attr key=\"source\" type=\"string\">{}</attr>", source);
    return stream_node(number, "EVTS", said + size_attributes(64, 48));
  };
  return aedat4_file_of(stream_node(0, "FRME", "") + camera(1, left) + camera(2, right), packets, kRaw,
                        false);
}

Bytes npy_file(const std::string& descr, const std::string& shape, const Bytes& data, bool fortran) {
  std::string text = "{'descr': " + descr + ", 'fortran_order': " + (fortran ? "True" : "False") +
                     ", 'shape': " + shape + ", }";
  text.resize((text.size() + 11 + 63) / 64 * 64 - 11, ' ');  // with 10 bytes before and a line feed behind
  text += '\n';
  return bytes_of("\x93NUMPY") + Bytes{1, 0} + little_endian({static_cast<std::int64_t>(text.size())}, 2) +
         bytes_of(text) + data;
}

Bytes archive_of(const std::vector<std::pair<std::string, Bytes>>& files, const std::string& format,
                 const std::string& filter) {
  std::size_t room = 1 << 16, used = 0;
  for (const auto& file : files) room += file.second.size() + 4096;
  Bytes bytes(room);
  archive* handle = archive_write_new();
  if (format == "tar") archive_write_set_format_ustar(handle);
  if (format != "tar") archive_write_set_format_zip(handle);
  if (format == "zip-stored") archive_write_zip_set_compression_store(handle);
  if (filter == "gzip") archive_write_add_filter_gzip(handle);
  if (filter == "xz") archive_write_add_filter_xz(handle);
  archive_write_open_memory(handle, bytes.data(), bytes.size(), &used);
  for (const auto& [name, contents] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(contents.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    if (archive_write_header(handle, entry) != ARCHIVE_OK) throw DataError("cannot write an archive");
    archive_write_data(handle, contents.data(), contents.size());
    archive_entry_free(entry);
  }
  archive_write_close(handle);
  archive_write_free(handle);
  bytes.resize(used);
  return bytes;
}

}  // namespace spikeloom::formats::testing

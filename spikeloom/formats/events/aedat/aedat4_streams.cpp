#include "spikeloom/formats/events/aedat/aedat4_streams.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kMaxXmlDepth = 64;

/// The value of name="value" in a tag, or "".
std::string attribute(const std::string& tag, const std::string& name) {
  const std::string mark = " " + name + "=\"";
  const std::size_t begin = tag.find(mark);
  if (begin == std::string::npos) return "";
  const std::size_t value = begin + mark.size();
  const std::size_t end = tag.find('"', value);
  return end == std::string::npos ? "" : tag.substr(value, end - value);
}

/// A number of up to five digits, or -1.
int small_number(const std::string& text) {
  const bool digits = !text.empty() && text.size() <= 5 &&
                      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits ? std::stoi(text) : -1;
}

}  // namespace

std::vector<Aedat4Stream> parse_aedat4_streams(const std::string& xml) {
  std::vector<Aedat4Stream> streams;
  std::vector<std::string> nodes;  // names of the nodes that are open
  std::size_t stream_depth = 0;    // of the node of the last stream, 0: closed
  for (std::size_t open = xml.find('<'); open != std::string::npos; open = xml.find('<', open + 1)) {
    const std::size_t close = xml.find('>', open);
    if (close == std::string::npos) break;
    const std::string tag = xml.substr(open + 1, close - open - 1);
    if (starts_with(tag, "node ") && (tag.empty() || tag.back() != '/')) {
      if (nodes.size() == kMaxXmlDepth) break;
      const std::string name = attribute(tag, "name");
      const bool below_out_info = !nodes.empty() && nodes.back() == "outInfo";
      nodes.push_back(name);
      if (below_out_info && small_number(name) >= 0) {
        streams.emplace_back();
        streams.back().number = small_number(name);
        stream_depth = nodes.size();
      }
    } else if (starts_with(tag, "/node") && !nodes.empty()) {
      if (nodes.size() == stream_depth) stream_depth = 0;
      nodes.pop_back();
    } else if (starts_with(tag, "attr ") && stream_depth > 0) {
      const std::string text = xml.substr(close + 1, xml.find('<', close) - close - 1);
      const std::string key = attribute(tag, "key");
      if (key == "typeIdentifier" && nodes.size() == stream_depth) streams.back().type = text;
      if (nodes.size() == stream_depth + 1 && nodes.back() == "info") {
        if (key == "source") streams.back().source = text;
        if (key == "sizeX") streams.back().width = std::max(small_number(text), 0);
        if (key == "sizeY") streams.back().height = std::max(small_number(text), 0);
      }
    }
  }
  return streams;
}

std::vector<Aedat4Stream> event_streams(const std::vector<Aedat4Stream>& streams) {
  std::vector<Aedat4Stream> cameras;
  for (const Aedat4Stream& stream : streams) {
    if (stream.type == "EVTS") cameras.push_back(stream);
  }
  return cameras;
}

std::size_t choose_camera(const std::vector<Aedat4Stream>& cameras, const std::string& camera,
                          const std::string& file) {
  if (camera.empty() && cameras.size() == 1) return 0;
  std::string names;
  std::vector<std::size_t> so_named;
  for (std::size_t i = 0; i < cameras.size(); ++i) {
    const std::string& source = cameras[i].source;
    if (source == camera) so_named.push_back(i);
    names +=
        fmt::format("{}{}{}", i == 0 ? "" : ", ", i, source.empty() ? "" : fmt::format(" ({:.80})", source));
  }
  if (camera.empty()) {
    throw FormatError(fmt::format("has events of {} cameras: choose one (--camera NAME, data.camera) of {}",
                                  cameras.size(), names),
                      file);
  }
  if (so_named.size() == 1) return so_named[0];
  const int number = small_number(camera);
  if (so_named.empty() && number >= 0 && static_cast<std::size_t>(number) < cameras.size()) {
    return static_cast<std::size_t>(number);
  }
  throw ConfigError(fmt::format("{}: {} camera '{}'; there are {}", file,
                                so_named.empty() ? "no" : "several times", camera, names));
}

}  // namespace spikeloom::formats

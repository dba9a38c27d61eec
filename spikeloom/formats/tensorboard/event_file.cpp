#include "spikeloom/formats/tensorboard/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/tensorboard/event.pb.h"

namespace spikeloom::formats {

namespace fs = std::filesystem;

namespace {

constexpr const char* kPrefix = "events.out.tfevents.";
constexpr const char* kSuffix = ".spikeloom";

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::array<std::uint32_t, 256> make_table() {
  constexpr std::uint32_t kPolynomial = 0x82f63b78;  // Castagnoli's, reflected
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
    table[byte] = value;
  }
  return table;
}

Span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Appends the low `count` bytes, lowest first.
void append_little_endian(std::string& to, std::uint64_t value, int count) {
  for (int i = 0; i < count; ++i) to += static_cast<char>(value >> (8 * i) & 0xff);
}

void fill(const Histogram& from, tensorboard::Histogram& to) {
  to.set_min(from.min);
  to.set_max(from.max);
  to.set_num(static_cast<double>(from.total()));
  to.set_sum(from.sum);
  to.set_sum_squares(from.sum_of_squares);
  const double width = (from.max - from.min) / static_cast<double>(from.counts.size());
  for (std::size_t i = 0; i < from.counts.size(); ++i) {
    const bool last = i + 1 == from.counts.size();
    to.add_bucket_limit(last ? from.max : from.min + width * static_cast<double>(i + 1));
    to.add_bucket(static_cast<double>(from.counts[i]));
  }
}

/// Adds a value of the plugin "hparams" with this content.
void add_hparams(tensorboard::Summary& summary, const char* tag, const tensorboard::HparamsData& data) {
  auto* value = summary.add_value();
  value->set_tag(tag);
  auto* plugin = value->mutable_metadata()->mutable_plugin_data();
  plugin->set_plugin_name("hparams");
  plugin->set_content(data.SerializeAsString());
}

/// The seconds in a name of new_event_file_name(), or -1: another name.
std::int64_t seconds_of(const std::string& name) {
  const std::string prefix = kPrefix, suffix = kSuffix;
  if (name.size() <= prefix.size() + suffix.size() || name.compare(0, prefix.size(), prefix) != 0 ||
      name.compare(name.size() - suffix.size(), suffix.size(), suffix) != 0) {
    return -1;
  }
  const std::string digits = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  if (digits.size() > 12 || digits.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::stoll(digits);
}

std::vector<std::string> own_files(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (seconds_of(name) >= 0) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::uint32_t crc32c(Span<const std::uint8_t> bytes) {
  static const std::array<std::uint32_t, 256> table = make_table();
  std::uint32_t value = ~std::uint32_t{0};
  for (const std::uint8_t byte : bytes) value = (value >> 8) ^ table[(value ^ byte) & 0xff];
  return ~value;
}

std::uint32_t masked_crc32c(Span<const std::uint8_t> bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

std::int64_t Histogram::total() const {
  std::int64_t total = 0;
  for (const std::int64_t count : counts) total += count;
  return total;
}

Histogram histogram_of(Span<const float> values, int buckets) {
  Histogram histogram;
  bool any = false;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    const double number = value;
    histogram.min = any ? std::min(histogram.min, number) : number;
    histogram.max = any ? std::max(histogram.max, number) : number;
    histogram.sum += number;
    histogram.sum_of_squares += number * number;
    any = true;
  }
  if (!any) return histogram;
  const double range = histogram.max - histogram.min;
  const int last = range > 0.0 ? buckets - 1 : 0;
  histogram.counts.assign(static_cast<std::size_t>(last + 1), 0);
  const double per_value = range > 0.0 ? buckets / range : 0.0;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    const int bucket = static_cast<int>((value - histogram.min) * per_value);
    ++histogram.counts[static_cast<std::size_t>(std::clamp(bucket, 0, last))];
  }
  return histogram;
}

EventFile::EventFile(std::string path, std::int64_t first_step) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) throw DataError(path_ + ": cannot create: " + std::strerror(errno));
  try {
    tensorboard::Event version;
    version.set_file_version("brain.Event:2");
    write(0, version);
    tensorboard::Event start;
    start.mutable_session_log()->set_status(tensorboard::SessionLog::START);
    write(first_step, start);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

EventFile::~EventFile() { ::close(descriptor_); }

template <class Message>
void EventFile::write(std::int64_t step, Message& event) {
  event.set_wall_time(seconds_now());
  event.set_step(step);
  const std::string message = event.SerializeAsString();
  std::string record;
  record.reserve(message.size() + 16);
  append_little_endian(record, message.size(), 8);
  append_little_endian(record, masked_crc32c(bytes_of(record)), 4);
  record += message;
  append_little_endian(record, masked_crc32c(bytes_of(message)), 4);
  append(record);
}

void EventFile::append(const std::string& bytes) {
  const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
  if (written != static_cast<ssize_t>(bytes.size())) {
    const std::string reason = written < 0 ? std::strerror(errno) : "No space left on device";
    // Half a record would make all that follows unreadable.
    if (written > 0 && ::ftruncate(descriptor_, size_) != 0) errno = 0;
    throw DataError(path_ + ": cannot write: " + reason);
  }
  size_ += written;
}

void EventFile::scalars(std::int64_t step, const Scalars& values) {
  tensorboard::Event event;
  for (const auto& [tag, number] : values) {
    auto* value = event.mutable_summary()->add_value();
    value->set_tag(tag);
    value->set_simple_value(static_cast<float>(number));
  }
  write(step, event);
}

void EventFile::histograms(std::int64_t step, const std::vector<std::pair<std::string, Histogram>>& values) {
  tensorboard::Event event;
  for (const auto& [tag, histogram] : values) {
    if (histogram.counts.empty()) continue;
    auto* value = event.mutable_summary()->add_value();
    value->set_tag(tag);
    fill(histogram, *value->mutable_histo());
  }
  write(step, event);
}

void EventFile::image(std::int64_t step, const std::string& tag, int width, int height,
                      Span<const std::uint8_t> png) {
  tensorboard::Event event;
  auto* value = event.mutable_summary()->add_value();
  value->set_tag(tag);
  auto* image = value->mutable_image();
  image->set_width(width);
  image->set_height(height);
  image->set_colorspace(3);
  image->set_encoded_image_string(png.data(), png.size());
  write(step, event);
}

void EventFile::hyper_parameters(const std::vector<std::pair<std::string, HyperParameter>>& values,
                                 const std::vector<std::string>& metrics) {
  tensorboard::HparamsData about, start;
  auto& experiment = *about.mutable_experiment();
  auto& session = *start.mutable_session_start_info();
  session.set_start_time_secs(seconds_now());
  for (const auto& [name, value] : values) {
    auto* info = experiment.add_hparam_infos();
    info->set_name(name);
    auto& stored = (*session.mutable_hparams())[name];
    if (const auto* number = std::get_if<double>(&value)) {
      info->set_type(tensorboard::FLOAT64);
      stored.set_number_value(*number);
    } else if (const auto* flag = std::get_if<bool>(&value)) {
      info->set_type(tensorboard::BOOL);
      stored.set_bool_value(*flag);
    } else {
      info->set_type(tensorboard::STRING);
      stored.set_string_value(std::get<std::string>(value));
    }
  }
  for (const std::string& tag : metrics) experiment.add_metric_infos()->mutable_name()->set_tag(tag);
  tensorboard::Event event;
  add_hparams(*event.mutable_summary(), "_hparams_/experiment", about);
  add_hparams(*event.mutable_summary(), "_hparams_/session_start_info", start);
  write(0, event);
}

void EventFile::ended(bool well) {
  tensorboard::HparamsData data;
  data.mutable_session_end_info()->set_status(well ? tensorboard::SessionEnd::SUCCESS
                                                   : tensorboard::SessionEnd::FAILURE);
  data.mutable_session_end_info()->set_end_time_secs(seconds_now());
  tensorboard::Event event;
  add_hparams(*event.mutable_summary(), "_hparams_/session_end_info", data);
  write(0, event);
}

std::string new_event_file_name(const std::string& folder) {
  auto seconds = static_cast<std::int64_t>(seconds_now());
  for (const std::string& name : own_files(folder)) seconds = std::max(seconds, seconds_of(name) + 1);
  char digits[32];
  std::snprintf(digits, sizeof digits, "%010lld", static_cast<long long>(seconds));
  return std::string(kPrefix) + digits + kSuffix;
}

void cut_event_files(const std::string& folder, const std::string& name, std::int64_t size) {
  for (const std::string& other : own_files(folder)) {
    const std::string path = folder + "/" + other;
    std::error_code error;
    if (other > name) {
      fs::remove(path, error);
    } else if (other == name && static_cast<std::int64_t>(fs::file_size(path, error)) > size && !error) {
      fs::resize_file(path, static_cast<std::uintmax_t>(size), error);
    }
    if (error) throw DataError(path + ": cannot be cut back to the checkpoint: " + error.message());
  }
}

}  // namespace spikeloom::formats

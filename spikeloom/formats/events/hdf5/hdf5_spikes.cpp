#include "spikeloom/formats/events/hdf5/hdf5_spikes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/text.h"
#include "spikeloom/formats/events/columns/event_times.h"
#include "spikeloom/formats/events/columns/table_reader.h"
#include "spikeloom/formats/events/hdf5/hdf5_columns.h"
#include "spikeloom/formats/events/hdf5/hdf5_file.h"

namespace spikeloom::formats {
namespace {

constexpr char kHdf5SpikesName[] = "HDF5 spikes";
constexpr char kTimes[] = "spikes/times", kUnits[] = "spikes/units", kLabels[] = "labels";
constexpr int kUsualUnits = 700;
constexpr std::int64_t kMaxUnits = 65536;
constexpr unsigned char kHdf5Mark[] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
constexpr std::size_t kFirstUserBlock = 512;

/// What libhdf5 may still allocate for one list: it says no where the file cannot justify more.
struct Budget {
  std::int64_t left = 0;
  static void* allocate(std::size_t size, void* budget) {
    auto* self = static_cast<Budget*>(budget);
    if (static_cast<std::int64_t>(size) > self->left) return nullptr;
    self->left -= static_cast<std::int64_t>(size);
    return std::malloc(size);
  }
  static void free(void* memory, void*) { std::free(memory); }
};

struct ListFree {
  hvl_t list{0, nullptr};
  ~ListFree() { std::free(list.p); }
};

/// One element of a data set of variable-length lists. `Number` is double or std::int64_t.
template <class Number>
std::vector<Number> read_list(const Hdf5File& file, const Hdf5Dataset& data, hid_t number_type,
                              std::int64_t index) {
  const Hdf5Handle list_type(H5Tvlen_create(number_type));
  const Hdf5Handle file_space(H5Dget_space(data.id.id())), memory_space(H5Screate(H5S_SCALAR));
  const Hdf5Handle transfer(H5Pcreate(H5P_DATASET_XFER));
  // A number of the file has at least one byte.
  Budget budget{static_cast<std::int64_t>(sizeof(Number)) * file.size()};
  H5Pset_vlen_mem_manager(transfer.id(), Budget::allocate, &budget, Budget::free, &budget);
  const hsize_t start[] = {static_cast<hsize_t>(index)}, count[] = {1};
  H5Sselect_hyperslab(file_space.id(), H5S_SELECT_SET, start, nullptr, count, nullptr);
  ListFree read;
  if (H5Dread(data.id.id(), list_type.id(), memory_space.id(), file_space.id(), transfer.id(), &read.list) <
      0) {
    if (!data.missing_filter.empty()) file.refuse(data.missing_filter);
    file.refuse(fmt::format("recording {} is damaged; fetch the file again", index));
  }
  if (read.list.p == nullptr) return {};
  const auto* numbers = static_cast<const Number*>(read.list.p);
  return {numbers, numbers + read.list.len};
}

/// The class of the numbers in the lists of a data set.
H5T_class_t list_class(const Hdf5File& file, const Hdf5Dataset& data, const char* place) {
  if (H5Tget_class(data.type.id()) != H5T_VLEN || data.shape.size() != 1) {
    file.refuse(fmt::format("'{}' is not a data set of variable-length lists", place));
  }
  const Hdf5Handle number(H5Tget_super(data.type.id()));
  return H5Tget_class(number.id());
}

/// In microseconds.
std::vector<std::int64_t> read_times(const Hdf5File& file, std::int64_t index, TimeUnit unit) {
  const Hdf5Dataset data = file.dataset(kTimes);
  const H5T_class_t kind = list_class(file, data, kTimes);
  std::vector<std::int64_t> times_us;
  const auto add = [&](std::optional<std::int64_t> us, const std::string& time) {
    if (!us) {
      file.refuse(fmt::format("a time of {} {}, which does not fit into 64 bits of microseconds", time,
                              time_unit_name(unit)));
    }
    times_us.push_back(*us);
  };
  if (kind == H5T_INTEGER) {
    const Hdf5Handle number(H5Tget_super(data.type.id()));
    const bool is_unsigned = H5Tget_sign(number.id()) == H5T_SGN_NONE;
    // Converted to signed numbers, those from 2^63 on would all become the largest.
    const hid_t memory = is_unsigned ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64;
    for (const std::int64_t ticks : read_list<std::int64_t>(file, data, memory, index)) {
      const bool too_large = is_unsigned && ticks < 0;
      add(too_large ? std::nullopt : ticks_to_us(ticks, unit),
          too_large ? fmt::format("{}", static_cast<std::uint64_t>(ticks)) : fmt::format("{}", ticks));
    }
    return times_us;
  }
  if (kind != H5T_FLOAT) file.refuse("'spikes/times' are not numbers");
  if (unit == TimeUnit::kFile) unit = TimeUnit::kSeconds;
  for (const double time : read_list<double>(file, data, H5T_NATIVE_DOUBLE, index)) {
    add(real_to_us(time, unit), fmt::format("{}", time));
  }
  return times_us;
}

class SpikeReader : public TableReader {
 public:
  SpikeReader(const std::string& path, const EventReaderOptions& options) : TableReader(options) {
    const Hdf5SpikeFile file(path, options.time_unit);
    num_recordings_ = file.num_recordings();
    if (options.recording > 0 && options.recording >= num_recordings_) {
      throw no_such_recording(path, num_recordings_, options.recording);
    }
    events_ = file.read(options.recording);
    if (options.width == 0 && options.height == 0) {
      width_ = kUsualUnits;
      height_ = 1;
      for (const events::Event& event : events_) width_ = std::max(width_, event.x + 1);
    }
    const auto is_out = [this](const events::Event& event) { return !is_inside(event.x, event.y); };
    const auto first = std::find_if(events_.begin(), events_.end(), is_out);
    if (first != events_.end() && !drop_outside_) throw FormatError(outside(first->x, first->y), path);
    const auto end = std::remove_if(first, events_.end(), is_out);
    dropped_ = events_.end() - end;
    events_.erase(end, events_.end());
  }

  const char* format() const override { return kHdf5SpikesName; }
  std::int64_t num_recordings() const override { return num_recordings_; }

 private:
  bool decode(events::Event* events, std::size_t capacity, std::size_t* count) override {
    *count = std::min(capacity, events_.size() - given_);
    std::copy_n(events_.data() + given_, *count, events);
    given_ += *count;
    return *count > 0;
  }

  std::vector<events::Event> events_;
  std::size_t given_ = 0;
  std::int64_t num_recordings_ = 0;
};

std::unique_ptr<EventReader> open_hdf5_spikes(const std::string& path, const EventReaderOptions& options) {
  const Hdf5Session session;
  auto file =
      std::make_unique<Hdf5File>(path, options.partial ? Hdf5File::Cut::kOpened : Hdf5File::Cut::kOffered);
  if (file->type_at(kTimes) == H5O_TYPE_DATASET) {
    if (!options.columns.empty()) {
      throw ConfigError(
          path + ": holds spikes of SHD's layout, so --columns (data.columns) does not apply: leave it out",
          "", 0, "columns");
    }
    return std::make_unique<SpikeReader>(path, options);
  }
  if (options.recording != 0) throw no_such_recording(path, 1, options.recording);
  return open_hdf5_columns(kHdf5SpikesName, std::move(file), options);
}

bool has_mark(const std::uint8_t* bytes, std::size_t size, std::size_t place) {
  return size >= place + sizeof(kHdf5Mark) && std::memcmp(bytes + place, kHdf5Mark, sizeof(kHdf5Mark)) == 0;
}

/// At the beginning or behind a user block of 512, 1024, ... bytes.
bool recognizes_hdf5_spikes(const RecordingStart& start) {
  if (has_mark(start.bytes.data(), start.bytes.size(), 0)) return true;
  for (std::size_t place = kFirstUserBlock; place < start.bytes.size(); place *= 2) {
    if (has_mark(start.bytes.data(), start.bytes.size(), place)) return true;
  }
  return false;
}

}  // namespace

Hdf5SpikeFile::Hdf5SpikeFile(const std::string& path, TimeUnit time_unit)
    : file_(std::make_unique<Hdf5File>(path)), time_unit_(time_unit) {
  const Hdf5Session session;
  const Hdf5Dataset times = file_->dataset(kTimes), units = file_->dataset(kUnits);
  list_class(*file_, times, kTimes);
  if (list_class(*file_, units, kUnits) != H5T_INTEGER) file_->refuse("'spikes/units' are not integers");
  if (times.shape != units.shape) {
    file_->refuse(
        fmt::format("{} of times and {} of units", counted(times.shape[0], "list"), units.shape[0]));
  }
  num_recordings_ = times.shape[0];
}

Hdf5SpikeFile::~Hdf5SpikeFile() = default;

std::vector<std::int64_t> Hdf5SpikeFile::labels() const {
  const Hdf5Session session;
  if (file_->type_at(kLabels) == H5O_TYPE_UNKNOWN) return {};
  const Hdf5Dataset data = file_->dataset(kLabels);
  if (H5Tget_class(data.type.id()) != H5T_INTEGER ||
      data.shape != std::vector<std::int64_t>{num_recordings_}) {
    file_->refuse("'labels' must have one integer for each recording");
  }
  std::vector<std::int64_t> labels(static_cast<std::size_t>(num_recordings_));
  if (H5Dread(data.id.id(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, labels.data()) < 0) {
    file_->refuse("'labels' are damaged");
  }
  return labels;
}

std::vector<events::Event> Hdf5SpikeFile::read(std::int64_t index) const {
  if (index < 0 || index >= num_recordings_) {
    throw DataError(no_such_recording(file_->path(), num_recordings_, index).what());
  }
  const Hdf5Session session;
  const std::vector<std::int64_t> times_us = read_times(*file_, index, time_unit_);
  const std::vector<std::int64_t> units =
      read_list<std::int64_t>(*file_, file_->dataset(kUnits), H5T_NATIVE_INT64, index);
  if (times_us.size() != units.size()) {
    file_->refuse(
        fmt::format("recording {} has {} times and {} units", index, times_us.size(), units.size()));
  }
  std::vector<events::Event> events;
  events.reserve(times_us.size());
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (units[i] < 0 || units[i] >= kMaxUnits) {
      file_->refuse(fmt::format("recording {} has a spike of unit {}", index, units[i]));
    }
    events.push_back({times_us[i], static_cast<std::uint16_t>(units[i]), 0, 1});
  }
  return events;
}

bool is_hdf5_file(const std::string& path) {
  const Hdf5Session session;
  return H5Fis_hdf5(path.c_str()) > 0;
}

EventFormat hdf5_spikes_format() {
  return {"hdf5", kHdf5SpikesName, recognizes_hdf5_spikes, nullptr, open_hdf5_spikes};
}

}  // namespace spikeloom::formats

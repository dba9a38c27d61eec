#include "spikeloom/formats/events/hdf5_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/formats/events/careful_reader.h"
#include "spikeloom/formats/events/event_columns.h"
#include "spikeloom/formats/events/hdf5_times.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kPieceRows = std::size_t{1} << 14;
constexpr char kEvents[] = "events";

/// One column: a data set, or a part of one whose rows are events.
struct Column {
  Hdf5Dataset* data = nullptr;
  std::string field;     // of a compound element; empty otherwise
  int index = -1;        // of a column in a data set of two dimensions; -1 otherwise
  bool seconds = false;  // floating-point t
};

bool is_integer(hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  return kind == H5T_INTEGER || kind == H5T_ENUM;  // h5py writes booleans as an enum
}

class ColumnsReader : public CarefulReader {
 public:
  ColumnsReader(const char* format, std::unique_ptr<Hdf5File> file, const EventReaderOptions& options)
      : CarefulReader(options.width, options.height), format_(format), file_(std::move(file)) {
    const Hdf5Session session;
    const H5O_type_t events = file_->type_at(kEvents);
    if (events == H5O_TYPE_DATASET) {
      open_table();
    } else if (events != H5O_TYPE_GROUP || !open_group(kEvents)) {
      if (!open_group("/")) {
        file_->refuse(
            "has neither spikes/times and spikes/units nor events with t, x, y and p in 'events' or at the "
            "top");
      }
    }
  }

  ~ColumnsReader() override = default;
  const char* format() const override { return format_; }

 private:
  void decode(events::Event* events, std::size_t capacity, std::size_t* count) override {
    if (next_ == num_rows_) return;
    const Hdf5Session session;
    const auto rows = static_cast<std::size_t>(
        std::min<std::int64_t>(num_rows_ - next_, static_cast<std::int64_t>(std::min(capacity, kPieceRows))));
    std::array<std::vector<std::int64_t>, kNumEventColumns> values;
    for (std::size_t i = 0; i < kNumEventColumns; ++i) {
      values[i] = columns_[i].data == nullptr ? std::vector<std::int64_t>(rows, i == kColumnP ? 1 : 0)
                                              : read_column(columns_[i], next_, rows);
    }
    for (std::size_t row = 0; row < rows; ++row) {
      const std::int64_t x = values[kColumnX][row], y = values[kColumnY][row];
      check_pixel(x, y, file_->path(), -1);
      const auto polarity = polarity_of(values[kColumnP][row]);
      if (!polarity) file_->refuse(fmt::format("event {} has the polarity {}", next_, values[kColumnP][row]));
      events[row] = {values[kColumnT][row], static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y),
                     *polarity};
      *count = row + 1;
      ++next_;
    }
  }

  std::vector<std::int64_t> read_column(const Column& column, std::int64_t first, std::size_t rows) const {
    std::vector<std::int64_t> numbers(rows);
    if (!column.seconds) {
      read_rows(column, H5T_NATIVE_INT64, first, rows, numbers.data());
      return numbers;
    }
    std::vector<double> seconds(rows);
    read_rows(column, H5T_NATIVE_DOUBLE, first, rows, seconds.data());
    for (std::size_t i = 0; i < rows; ++i) numbers[i] = seconds_to_us(seconds[i], *file_);
    return numbers;
  }

  void read_rows(const Column& column, hid_t type, std::int64_t first, std::size_t rows,
                 void* numbers) const {
    const Hdf5Handle file_space(H5Dget_space(column.data->id.id()));
    const hsize_t start[] = {static_cast<hsize_t>(first), static_cast<hsize_t>(std::max(column.index, 0))};
    const hsize_t count[] = {rows, 1};
    H5Sselect_hyperslab(file_space.id(), H5S_SELECT_SET, start, nullptr, count, nullptr);
    const Hdf5Handle memory_space(H5Screate_simple(1, count, nullptr));
    Hdf5Handle compound;
    if (!column.field.empty()) {
      compound = Hdf5Handle(H5Tcreate(H5T_COMPOUND, H5Tget_size(type)));
      H5Tinsert(compound.id(), column.field.c_str(), 0, type);
      type = compound.id();
    }
    if (H5Dread(column.data->id.id(), type, memory_space.id(), file_space.id(), H5P_DEFAULT, numbers) < 0) {
      file_->refuse(
          fmt::format("events {} and on cannot be read: the file is damaged, or compressed with a filter "
                      "that this machine's libhdf5 lacks",
                      first));
    }
  }

  void set_column(std::size_t i, Hdf5Dataset* data, hid_t type, const std::string& field, int index) {
    const bool seconds = i == kColumnT && H5Tget_class(type) == H5T_FLOAT;
    if (!seconds && !is_integer(type)) {
      file_->refuse(
          fmt::format("column {} of the events is no {}", "txyp"[i], i == kColumnT ? "number" : "integer"));
    }
    columns_[i] = {data, field, index, seconds};
  }

  /// Data sets of one dimension in a group.
  bool open_group(const std::string& group) {
    std::vector<std::string> names;
    for (const std::string& name : file_->names_in(group)) {
      if (file_->type_at(place_in(group, name)) == H5O_TYPE_DATASET) names.push_back(name);
    }
    const auto places = columns_by_name(names);
    if (!places) return false;
    data_.reserve(kNumEventColumns);
    for (std::size_t i = 0; i < kNumEventColumns; ++i) {
      if ((*places)[i] < 0) continue;
      const std::string& name = names[static_cast<std::size_t>((*places)[i])];
      data_.push_back(file_->dataset(place_in(group, name)));
      Hdf5Dataset& data = data_.back();
      if (data.shape.size() != 1) file_->refuse(fmt::format("'{}' is no column", name));
      if (data_.size() > 1 && data.shape != data_.front().shape) {
        file_->refuse(
            fmt::format("'{}' has {} numbers, the columns before it {}", name, data.shape[0], num_rows_));
      }
      num_rows_ = data.shape[0];
      set_column(i, &data, data.type.id(), "", -1);
    }
    return true;
  }

  static std::string place_in(const std::string& group, const std::string& name) {
    return group == "/" ? name : group + "/" + name;
  }

  /// A data set "events" whose rows are events.
  void open_table() {
    data_.push_back(file_->dataset(kEvents));
    Hdf5Dataset& data = data_.back();
    num_rows_ = data.shape[0];
    if (H5Tget_class(data.type.id()) == H5T_COMPOUND && data.shape.size() == 1) {
      std::vector<std::string> names;
      const int num_fields = H5Tget_nmembers(data.type.id());
      for (int i = 0; i < num_fields; ++i) {
        char* name = H5Tget_member_name(data.type.id(), static_cast<unsigned>(i));
        names.emplace_back(name == nullptr ? "" : name);
        H5free_memory(name);
      }
      const auto places = columns_by_name(names);
      if (!places) file_->refuse("'events' has no fields t and x");
      for (std::size_t i = 0; i < kNumEventColumns; ++i) {
        const int place = (*places)[i];
        if (place < 0) continue;
        const Hdf5Handle type(H5Tget_member_type(data.type.id(), static_cast<unsigned>(place)));
        set_column(i, &data, type.id(), names[static_cast<std::size_t>(place)], -1);
      }
      return;
    }
    if (data.shape.size() != 2 || data.shape[1] != 4 || !is_integer(data.type.id())) {
      file_->refuse(
          "'events' is neither a table with fields t, x, y, p nor one of integers with four columns");
    }
    order_by_content(&data);
  }

  void order_by_content(Hdf5Dataset* data) {
    const auto rows = static_cast<std::size_t>(std::min<std::int64_t>(num_rows_, kPieceRows));
    std::array<std::vector<std::int64_t>, kNumEventColumns> values;
    for (int i = 0; i < 4 && rows > 0; ++i)
      values[static_cast<std::size_t>(i)] = read_column({data, "", i, false}, 0, rows);
    const auto places = columns_by_content(rows, [&values](std::size_t row, int column) {
      return values[static_cast<std::size_t>(column)][row];
    });
    if (!places) file_->refuse("the columns of 'events' are in none of the orders t,x,y,p; x,y,t,p; x,y,p,t");
    for (std::size_t i = 0; i < kNumEventColumns; ++i) set_column(i, data, data->type.id(), "", (*places)[i]);
  }

  const char* format_;
  std::unique_ptr<Hdf5File> file_;
  std::vector<Hdf5Dataset> data_;  // does not move any more once columns_ refer to it
  std::array<Column, kNumEventColumns> columns_;
  std::int64_t num_rows_ = 0, next_ = 0;
};

}  // namespace

std::int64_t seconds_to_us(double seconds, const Hdf5File& file) {
  constexpr double kMaxSeconds = 1e12, kAlmost = 1e-3;
  if (!(std::abs(seconds) < kMaxSeconds)) file.refuse(fmt::format("a time of {} s", seconds));
  return static_cast<std::int64_t>(std::floor(seconds * 1e6 + kAlmost));
}

std::unique_ptr<EventReader> open_hdf5_columns(const char* format, std::unique_ptr<Hdf5File> file,
                                               const EventReaderOptions& options) {
  return std::make_unique<ColumnsReader>(format, std::move(file), options);
}

}  // namespace spikeloom::formats

#include "spikeloom/formats/events/hdf5/hdf5_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/formats/events/columns/column_words.h"
#include "spikeloom/formats/events/columns/event_columns.h"
#include "spikeloom/formats/events/columns/event_times.h"
#include "spikeloom/formats/events/columns/table_reader.h"
#include "spikeloom/formats/events/hdf5/hdf5_tables.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kPieceRows = std::size_t{1} << 14;

/// One column: a data set, or a part of one whose rows are events.
struct Column {
  Hdf5Dataset* data = nullptr;
  std::string field;               // of a compound element; empty otherwise
  int index = -1;                  // in a data set of two dimensions; -1 otherwise
  bool along_dimension_1 = false;  // a row of such a data set
  H5T_class_t kind = H5T_INTEGER;
  bool is_unsigned = false;
  std::int64_t bytes = 8;

  bool is_real() const { return kind == H5T_FLOAT; }
  std::int64_t wrapped() const { return is_unsigned ? wrapped_minus_one(bytes) : -1; }
};

/// Numbers of one column, of one kind or the other.
struct ColumnNumbers {
  std::vector<std::int64_t> integers;  // those from 2^63 on are negative
  std::vector<double> reals;
};

/// MVSEC stores x, y, t, p in seconds, without saying so.
bool is_mvsec(const Hdf5Table& table, const Column& column) {
  return (table.place == "davis/left/events" || table.place == "davis/right/events") && column.is_real() &&
         column.bytes == 8;
}

class ColumnsReader : public TableReader {
 public:
  ColumnsReader(const char* format, std::unique_ptr<Hdf5File> file, const EventReaderOptions& options)
      : TableReader(options), format_(format), file_(std::move(file)) {
    const Hdf5Session session;
    const Hdf5Table table = find_hdf5_table(*file_, options);
    if (width_ == 0 && height_ == 0) find_size(table);
    data_.reserve(kNumEventColumns);
    std::string time_name;
    if (table.kind == Hdf5Table::kGroup) open_group(table, options, &time_name);
    if (table.kind == Hdf5Table::kCompound) open_compound(table, options, &time_name);
    if (table.kind == Hdf5Table::kMatrix) open_matrix(table, options, &time_name);
    const Column& polarities = columns_[kColumnP];
    if (polarities.data != nullptr && polarities.is_unsigned) sure_polarity_.set(polarities.wrapped());
    count_rows();
    find_unit(options.time_unit, time_name);
  }

  ~ColumnsReader() override = default;
  const char* format() const override { return format_; }

 private:
  bool decode(events::Event* events, std::size_t capacity, std::size_t* count) override {
    if (next_ == num_rows_) return false;
    const Hdf5Session session;
    const auto rows = static_cast<std::size_t>(
        std::min<std::int64_t>(num_rows_ - next_, static_cast<std::int64_t>(std::min(capacity, kPieceRows))));
    std::array<std::vector<std::int64_t>, kNumEventColumns> values;
    for (std::size_t i = 0; i < kNumEventColumns; ++i) {
      const std::int64_t usual = i == kColumnP ? 1 : 0;
      if (columns_[i].data == nullptr)
        values[i].assign(rows, usual);
      else if (!read_values(i, rows, &values[i]))
        return end_here();
    }
    const std::int64_t wrapped = columns_[kColumnP].wrapped();
    for (std::size_t first = 0; first < rows; first += kBlockRows) {
      const std::size_t size = std::min(rows - first, kBlockRows);
      Numbers numbers;
      for (std::size_t i = 0; i < kNumEventColumns; ++i) numbers[i] = values[i].data() + first;
      if (write_plain(numbers, size, wrapped, &sure_polarity_, events + *count)) {
        *count += size;
        next_ += static_cast<std::int64_t>(size);
      } else {
        decode_singly(numbers, size, events, count);
      }
    }
    return true;
  }

  void decode_singly(const Numbers& numbers, std::size_t rows, events::Event* events, std::size_t* count) {
    for (std::size_t row = 0; row < rows; ++row, ++next_) {
      const std::int64_t x = numbers[kColumnX][row], y = numbers[kColumnY][row], p = numbers[kColumnP][row];
      if (!is_inside(x, y)) {
        if (!drop_outside_) file_->refuse(fmt::format("row {} is {}", next_, outside(x, y)));
        ++dropped_;
        continue;
      }
      const auto polarity = polarity_of(p, columns_[kColumnP].wrapped());
      if (!polarity) file_->refuse(fmt::format("row {} has the polarity {}", next_, p));
      if (!sure_polarity_.see(p))
        file_->refuse(fmt::format("the rows up to {} have {}", next_, sure_polarity_.question()));
      events[(*count)++] = {numbers[kColumnT][row], static_cast<std::uint16_t>(x),
                            static_cast<std::uint16_t>(y), *polarity};
    }
  }

  /// Rows of a cut file that cannot be read after all.
  bool end_here() {
    unread_ += (num_rows_ - next_) * row_bytes();
    num_rows_ = next_;
    return false;
  }

  std::int64_t row_bytes() const {
    std::int64_t bytes = 0;
    for (const Column& column : columns_) bytes += column.data == nullptr ? 0 : column.bytes;
    return bytes;
  }

  /// Coordinates and polarities as they are, times in microseconds. False where a partial file cannot be
  /// read.
  bool read_values(std::size_t i, std::size_t rows, std::vector<std::int64_t>* values) const {
    ColumnNumbers numbers;
    if (!read_numbers(columns_[i], next_, rows, &numbers)) return false;
    const bool real = columns_[i].is_real();
    if (i == kColumnT) {
      values->resize(rows);
      for (std::size_t row = 0; row < rows; ++row) {
        (*values)[row] = real ? time_us(numbers.reals[row]) : time_us(numbers.integers[row]);
      }
    } else if (real) {
      values->resize(rows);
      for (std::size_t row = 0; row < rows; ++row) (*values)[row] = whole(i, numbers.reals[row]);
    } else {
      *values = std::move(numbers.integers);
    }
    return true;
  }

  std::int64_t whole(std::size_t i, double number) const {
    constexpr double kMost = 1e18;
    if (!(std::abs(number) < kMost) || number != std::floor(number)) {
      file_->refuse(
          fmt::format("column {} has {}, which is not a whole number", kEventColumnNames[i], number));
    }
    return static_cast<std::int64_t>(number);
  }

  std::int64_t time_us(std::int64_t ticks) const {
    std::int64_t sum = 0;
    const bool too_large = ticks < 0 && columns_[kColumnT].is_unsigned && columns_[kColumnT].bytes == 8;
    if (!too_large && !__builtin_add_overflow(ticks, time_offset_, &sum)) {
      if (const auto us = ticks_to_us(sum, unit_)) return *us;
    }
    file_->refuse(fmt::format(
        "a time of {} {}, which does not fit into 64 bits of microseconds",
        too_large ? fmt::format("{}", static_cast<std::uint64_t>(ticks)) : fmt::format("{}", ticks),
        time_unit_name(unit_)));
  }

  std::int64_t time_us(double time) const {
    const auto us = real_to_us(time + static_cast<double>(time_offset_), unit_);
    if (!us)
      file_->refuse(fmt::format("a time of {} {}, which does not fit into 64 bits of microseconds", time,
                                time_unit_name(unit_)));
    return *us;
  }

  bool read_numbers(const Column& column, std::int64_t first, std::size_t rows,
                    ColumnNumbers* numbers) const {
    if (column.is_real()) {
      numbers->reals.resize(rows);
      return read_rows(column, H5T_NATIVE_DOUBLE, first, rows, numbers->reals.data());
    }
    numbers->integers.resize(rows);
    // Converted to signed numbers, those from 2^63 on would all become the largest.
    const hid_t type = column.is_unsigned ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64;
    return read_rows(column, type, first, rows, numbers->integers.data());
  }

  bool read_rows(const Column& column, hid_t type, std::int64_t first, std::size_t rows,
                 void* numbers) const {
    const Hdf5Handle file_space(H5Dget_space(column.data->id.id()));
    hsize_t start[] = {static_cast<hsize_t>(first), static_cast<hsize_t>(std::max(column.index, 0))};
    hsize_t count[] = {rows, 1};
    if (column.along_dimension_1) {
      std::swap(start[0], start[1]);
      std::swap(count[0], count[1]);
    }
    H5Sselect_hyperslab(file_space.id(), H5S_SELECT_SET, start, nullptr, count, nullptr);
    const hsize_t in_memory[] = {rows};
    const Hdf5Handle memory_space(H5Screate_simple(1, in_memory, nullptr));
    Hdf5Handle compound;
    if (!column.field.empty()) {
      compound = Hdf5Handle(H5Tcreate(H5T_COMPOUND, H5Tget_size(type)));
      H5Tinsert(compound.id(), column.field.c_str(), 0, type);
      type = compound.id();
    }
    if (H5Dread(column.data->id.id(), type, memory_space.id(), file_space.id(), H5P_DEFAULT, numbers) >= 0)
      return true;
    if (!column.data->missing_filter.empty()) file_->refuse(column.data->missing_filter);
    if (partial_) return false;
    file_->refuse(fmt::format(
        "the events from {} on cannot be read: the file is damaged (--partial, data.partial: read "
        "what comes before them)",
        first));
  }

  void set_column(std::size_t i, Hdf5Dataset* data, hid_t type, const std::string& field) {
    Column& column = columns_[i];
    column.data = data;
    column.field = field;
    column.kind = H5Tget_class(type);
    column.bytes = static_cast<std::int64_t>(H5Tget_size(type));
    if (column.kind == H5T_ENUM) column.kind = H5T_INTEGER;  // h5py writes booleans so
    column.is_unsigned =
        column.kind == H5T_INTEGER && H5Tget_class(type) == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_NONE;
    if (column.kind != H5T_INTEGER && !column.is_real()) {
      file_->refuse(fmt::format("column {} of the events is not a number", kEventColumnNames[i]));
    }
    if (column.bytes > 8) {
      file_->refuse(fmt::format("column {} of the events has numbers of {} bytes; up to 8 are read",
                                kEventColumnNames[i], column.bytes));
    }
  }

  void open_group(const Hdf5Table& table, const EventReaderOptions& options, std::string* time_name) {
    if (!options.columns.empty()) {
      throw ConfigError(file_->path() +
                            ": its columns are data sets with names, so --columns (data.columns) does not "
                            "apply: leave it out",
                        "", 0, "columns");
    }
    for (std::size_t i = 0; i < kNumEventColumns; ++i) {
      if (table.columns[i] < 0) continue;
      const std::string& name = table.names[static_cast<std::size_t>(table.columns[i])];
      if (i == kColumnT) *time_name = name;
      data_.push_back(file_->dataset(table.place.empty() ? name : table.place + "/" + name));
      Hdf5Dataset& data = data_.back();
      if (data.shape.size() != 1) file_->refuse(fmt::format("'{}' is not a column", name));
      if (!partial_ && data.shape != data_.front().shape) {
        file_->refuse(fmt::format("'{}' has {} numbers, the columns before it have {}", name, data.shape[0],
                                  data_.front().shape[0]));
      }
      set_column(i, &data, data.type.id(), "");
    }
    find_offset(table.place);
  }

  /// DSEC stores its times from 0 on and in `t_offset` what is to be added to them.
  void find_offset(const std::string& group) {
    const std::size_t slash = group.rfind('/');
    const std::string parent = slash == std::string::npos ? "" : group.substr(0, slash + 1);
    for (const std::string& place : {group.empty() ? "t_offset" : group + "/t_offset", parent + "t_offset"}) {
      const auto offset = file_->whole_number(place);
      if (!offset) continue;
      time_offset_ = *offset;
      return;
    }
  }

  void open_compound(const Hdf5Table& table, const EventReaderOptions& options, std::string* time_name) {
    data_.push_back(file_->dataset(table.place));
    Hdf5Dataset& data = data_.back();
    const ColumnPlaces places = options.columns.empty()
                                    ? table.columns
                                    : columns_as_given(options, table.names.size(), file_->path());
    for (std::size_t i = 0; i < kNumEventColumns; ++i) {
      const int place = places[i];
      if (place < 0) continue;
      const Hdf5Handle type(H5Tget_member_type(data.type.id(), static_cast<unsigned>(place)));
      const std::string& name = table.names[static_cast<std::size_t>(place)];
      if (i == kColumnT) *time_name = name;
      set_column(i, &data, type.id(), name);
    }
  }

  void open_matrix(const Hdf5Table& table, const EventReaderOptions& options, std::string* time_name) {
    data_.push_back(file_->dataset(table.place));
    Hdf5Dataset& data = data_.back();
    const auto wanted =
        static_cast<std::int64_t>(options.columns.empty() ? kNumEventColumns : options.columns.size());
    const bool in_rows = data.shape[1] == wanted;
    if (in_rows && data.shape[0] == wanted && options.columns.empty()) {
      file_->refuse(
          fmt::format("'{}' of shape [4, 4] has its events in rows or in columns, which it does not say: "
                      "give the order of the columns (--columns t,x,y,p or another; data.columns) if an "
                      "event is a row, or store it transposed",
                      table.place));
    }
    for (std::size_t i = 0; i < kNumEventColumns; ++i) {
      set_column(i, &data, data.type.id(), "");
      columns_[i].along_dimension_1 = !in_rows;
      columns_[i].index = static_cast<int>(i);
    }
    const bool mvsec = is_mvsec(table, columns_[0]);
    if (mvsec && options.columns.empty()) known_unit_ = TimeUnit::kSeconds;
    const ColumnTexts texts = options.columns.empty() ? texts_around(table.place) : ColumnTexts{};
    const std::vector<std::string>& said = texts.names();
    if (!options.columns.empty()) {
      set_places(columns_as_given(options, options.columns.size(), file_->path()));
    } else if (!said.empty()) {
      const ColumnPlaces places = read_column_names(said).places;
      *time_name = said[static_cast<std::size_t>(places[kColumnT])];
      set_places(places);
    } else if (mvsec) {
      set_places({2, 0, 1, 3});
    } else if (!texts.unclear().empty()) {
      file_->refuse(
          fmt::format("'{}': the attribute '{:.40}' may name the columns, but their order is not "
                      "certain from it: give the order (--columns t,x,y,p or another; data.columns)",
                      table.place, texts.unclear()));
    } else {
      count_rows();
      set_places(order_by_content(options));
    }
  }

  /// What attributes of the data set, or of a group that it is in, say of the order. The nearest say it.
  ColumnTexts texts_around(std::string place) const {
    for (;;) {
      ColumnTexts texts;
      for (const Hdf5Text& attribute : file_->texts_at(place)) {
        texts.see(attribute.name, attribute.text,
                  place == data_[0].place && ColumnTexts::is_meant(attribute.name));
      }
      if (!texts.names().empty() || !texts.unclear().empty() || place.empty()) return texts;
      const std::size_t slash = place.rfind('/');
      place.resize(slash == std::string::npos ? 0 : slash);
    }
  }

  void set_places(const ColumnPlaces& places) {
    for (std::size_t i = 0; i < kNumEventColumns; ++i) {
      columns_[i].index = places[i];
      if (places[i] < 0) columns_[i] = Column();
    }
  }

  ColumnPlaces order_by_content(const EventReaderOptions& options) {
    const auto rows = static_cast<std::size_t>(std::min<std::int64_t>(num_rows_, kPieceRows));
    std::array<std::vector<double>, kNumEventColumns> values;
    for (std::size_t i = 0; i < kNumEventColumns; ++i) {
      values[i].resize(rows);
      if (rows > 0 && !read_rows(columns_[i], H5T_NATIVE_DOUBLE, 0, rows, values[i].data()))
        file_->refuse("the first events cannot be read");
    }
    ColumnOrderFinder finder(options.width > 0 ? options.width : width_,
                             options.height > 0 ? options.height : height_, options.drop_outside);
    const auto places = finder.find(
        rows,
        [&values](std::size_t row, int column) { return values[static_cast<std::size_t>(column)][row]; },
        columns_[0].is_unsigned ? wrapped_minus_one_real(columns_[0].bytes) : 0);
    if (!places) file_->refuse(fmt::format("'{}': {}", data_[0].place, finder.question()));
    if (rows > 0) columns_by_value_ = order_text(*places);
    return *places;
  }

  /// What all columns have; in a partial file the rest of each is left.
  void count_rows() {
    num_rows_ = -1;
    for (const Column& column : columns_) {
      if (column.data == nullptr) continue;
      const std::int64_t stored =
          column.along_dimension_1
              ? (column.data->rows_stored == column.data->shape[0] ? column.data->shape[1] : 0)
              : column.data->rows_stored;
      num_rows_ = num_rows_ < 0 ? stored : std::min(num_rows_, stored);
    }
    num_rows_ = std::max<std::int64_t>(num_rows_, 0);
    unread_ = 0;
    for (const Column& column : columns_) {
      if (column.data == nullptr) continue;
      const std::int64_t said = column.data->shape[column.along_dimension_1 ? 1 : 0];
      unread_ += std::min((said - num_rows_) * column.bytes, file_->size());
    }
  }

  void find_unit(TimeUnit asked, const std::string& time_name) {
    unit_ = asked != TimeUnit::kFile ? asked : time_unit_in_name(time_name);
    if (unit_ == TimeUnit::kFile) unit_ = known_unit_;
    if (unit_ != TimeUnit::kFile) return;
    unit_ = TimeUnit::kMicroseconds;
    const Column& column = columns_[kColumnT];
    const auto rows = static_cast<std::size_t>(std::min<std::int64_t>(num_rows_, kPieceRows));
    ColumnNumbers numbers;
    if (!column.is_real() || rows == 0 || !read_numbers(column, 0, rows, &numbers)) return;
    TimeUnitFinder finder;
    for (const double time : numbers.reals) finder.see(time, column.bytes);
    const auto unit = finder.unit();
    if (!unit) file_->refuse(TimeUnitFinder::question());
    unit_ = *unit;
  }

  /// An attribute "geometry" (Metavision: "1280x720"), numbers "width" and "height" beside the columns, or
  /// "calib/resolution" (M3ED).
  void find_size(const Hdf5Table& table) {
    std::vector<std::int64_t> size;
    int width = 0, height = 0;
    if (std::sscanf(file_->text_attribute("geometry").c_str(), "%5dx%5d", &width, &height) == 2) {
      size = {width, height};
    }
    if (table.kind == Hdf5Table::kGroup) {
      const std::string inside = table.place.empty() ? "" : table.place + "/";
      const auto wide = file_->small_integers(inside + "width"),
                 high = file_->small_integers(inside + "height");
      if (size.empty() && wide.size() == 1 && high.size() == 1) size = {wide[0], high[0]};
      if (size.empty()) size = file_->small_integers(inside + "calib/resolution");
    }
    if (size.size() != 2 || size[0] < 1 || size[1] < 1 || size[0] > kMaxSide || size[1] > kMaxSide) return;
    width_ = static_cast<int>(size[0]);
    height_ = static_cast<int>(size[1]);
  }

  const char* format_;
  std::unique_ptr<Hdf5File> file_;
  std::vector<Hdf5Dataset> data_;  // does not move any more once columns_ refer to it
  std::array<Column, kNumEventColumns> columns_;
  std::int64_t num_rows_ = 0, next_ = 0;
  TimeUnit unit_ = TimeUnit::kMicroseconds, known_unit_ = TimeUnit::kFile;
  std::int64_t time_offset_ = 0;
  WrappedPolarity sure_polarity_;
};

}  // namespace

std::unique_ptr<EventReader> open_hdf5_columns(const char* format, std::unique_ptr<Hdf5File> file,
                                               const EventReaderOptions& options) {
  return std::make_unique<ColumnsReader>(format, std::move(file), options);
}

}  // namespace spikeloom::formats

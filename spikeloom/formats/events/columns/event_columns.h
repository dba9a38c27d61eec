#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/formats/events/event_reader.h"

namespace spikeloom::formats {

/// The four numbers of an event, in the order in which tables of events are written here.
enum EventColumn : std::size_t { kColumnT, kColumnX, kColumnY, kColumnP };
constexpr std::size_t kNumEventColumns = 4;
constexpr const char* kEventColumnNames[kNumEventColumns] = {"t", "x", "y", "p"};

/// Which column of a table holds which number of an event; -1: none. Without y every event is in row 0,
/// without p every event is on.
using ColumnPlaces = std::array<int, kNumEventColumns>;

/// What the names of columns say. Known, upper or lower case and without brackets and quotes around them: t
/// (ts, time, times, timestamp, timestamps), x (xs, x_pos, xpos, col, column), y (ys, y_pos, ypos, row), p
/// (ps, pol, pols, polarity, polarities, on, sign). A time may have its unit at the end: t_us, "timestamp
/// [ms]" (time_unit_in_name()).
struct NamedColumns {
  ColumnPlaces places = {-1, -1, -1, -1};  ///< of the first column of each name
  std::size_t num_known = 0;               ///< of t, x, y and p
  std::vector<std::string> unknown;        ///< names of no meaning here
  std::vector<std::string> twice;          ///< those that mean the same as one before them, with that one

  /// Whether there are t and x, and each of the four once.
  bool has_events() const { return places[kColumnT] >= 0 && places[kColumnX] >= 0 && twice.empty(); }
  bool has_all() const { return has_events() && num_known == kNumEventColumns; }
  /// Whether the places may be used: a table without y or p must have no column that may be it.
  bool is_sure() const { return has_events() && (has_all() || unknown.empty()); }
  /// Which columns are missing, doubtful or there twice, for an error; "" if is_sure().
  std::string fault() const;
};
NamedColumns read_column_names(const std::vector<std::string>& names);

/// A name without the quotes, brackets and marks around it: "[t", "p)", "'x'"; "time [ms]" stays.
std::string bare_column_name(const std::string& name);

/// Names as a file has them, for an error: up to 8, shortened, without control characters.
std::string shown_column_names(const std::vector<std::string>& names);

/// NamedColumns::places where is_sure().
std::optional<ColumnPlaces> columns_by_name(const std::vector<std::string>& names);

/// EventReaderOptions::columns of a table of `num_columns`. Throws ConfigError if they are not as many, t or
/// x is missing, one is there twice or has another name than t, x, y, p and _.
ColumnPlaces columns_as_given(const EventReaderOptions& options, std::size_t num_columns,
                              const std::string& file);

/// Finds the order of four columns without names: t,x,y,p; x,y,t,p or x,y,p,t. x comes before y in each: no
/// number tells the two apart. Only what no column of a kind can hold speaks against an order:
///   p has nothing but 0, 1, -1 and `wrapped` (-1 as an unsigned number of the column's type);
///   x and y are whole and, but for strays, inside the sensor (0: of up to 16384 columns or rows, as many as
///   cameras' formats have bits for);
///   t is finite.
/// That times go back, or coordinates do not, says nothing: rows may be in the order of the pixels. More than
/// one order that is possible is no answer: which one is right must be given. Also none is.
/// Fewer than 10 % of the rows outside may be strays. They leave an order possible, but unusable, unless
/// events outside the sensor are dropped and they are fewer than 1 %.
class ColumnOrderFinder {
 public:
  ColumnOrderFinder(int width, int height, bool drop_outside = false);
  /// `value` gives the numbers of `num_rows` rows; `wrapped` is 0 if there is none.
  std::optional<ColumnPlaces> find(std::size_t num_rows,
                                   const std::function<double(std::size_t row, int column)>& value,
                                   double wrapped = 0);
  /// What errors say where find() gave nothing: which orders are possible and how to choose one.
  std::string question() const;

 private:
  bool has_sensor_;
  double width_, height_;
  bool drop_outside_;
  std::vector<ColumnPlaces> possible_;
  // Of the order that would fit but for events outside the sensor, if there is one.
  std::string strays_;
};

/// "t,x,y,p" for the order of four columns.
std::string order_text(const ColumnPlaces& places);

/// 0 for 0, -1 and `wrapped` (-1 as an unsigned number of 1, 2 or 4 bytes), 1 for 1; nullopt for another
/// number.
std::optional<std::uint8_t> polarity_of(std::int64_t number, std::int64_t wrapped = -1);

/// Tells whether the -1 of unsigned polarities is one: beside 0 it may as well be the "on" of a mask (255).
class WrappedPolarity {
 public:
  /// `wrapped`: what -1 becomes in the column's type; 0 if that has a sign or no such number.
  void set(std::int64_t wrapped) { wrapped_ = wrapped; }
  /// False as soon as both have come.
  bool see(std::int64_t number) {
    if (wrapped_ == 0) return true;
    seen_ |= number == 0 ? 1U : number == wrapped_ ? 2U : 0U;
    return seen_ != 3U;
  }
  /// The same for many numbers, of which some were 0 or wrapped; false leaves everything as it was.
  bool see_many(bool some_zero, bool some_wrapped) {
    if (wrapped_ == 0) return true;
    const unsigned seen = seen_ | (some_zero ? 1U : 0U) | (some_wrapped ? 2U : 0U);
    if (seen == 3U) return false;
    seen_ = seen;
    return true;
  }
  /// What errors say then.
  std::string question() const;

 private:
  std::int64_t wrapped_ = 0;
  unsigned seen_ = 0;
};

/// What -1 becomes in an unsigned number of so many bytes (8: -1, as such numbers are read).
std::int64_t wrapped_minus_one(std::int64_t bytes);
/// The same as floating point, 2^64 - 1 for 8 bytes, as ColumnOrderFinder::find() takes it.
double wrapped_minus_one_real(std::int64_t bytes);

}  // namespace spikeloom::formats

#include "spikeloom/formats/events/hdf5/hdf5_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace spikeloom::formats {
namespace {

constexpr int kMaxGroupDepth = 4;
constexpr std::size_t kMaxObjects = 10000;
constexpr char kEvents[] = "events";

std::string place_in(const std::string& group, const std::string& name) {
  return group.empty() ? name : group + "/" + name;
}

std::string last_part(const std::string& place) { return place.substr(place.rfind('/') + 1); }

class Search {
 public:
  Search(const Hdf5File& file, const EventReaderOptions& options)
      : file_(file),
        are_given_(!options.columns.empty()),
        num_columns_(
            static_cast<std::int64_t>(options.columns.empty() ? kNumEventColumns : options.columns.size())) {}

  std::vector<Hdf5Table> tables() {
    look_into("", 0);
    if (!tables_.empty()) return std::move(tables_);
    std::vector<Hdf5Table> others = std::move(doubtful_);
    std::move(other_matrices_.begin(), other_matrices_.end(), std::back_inserter(others));
    return others;
  }

  /// Tables of another number of columns, for an error: "; 'events' is a table of shape [9, 5]".
  const std::string& near_misses() const { return near_misses_; }

 private:
  void look_into(const std::string& group, int depth) {
    std::vector<std::string> groups;
    std::vector<std::string> columns;
    std::vector<std::int64_t> lengths;  // of columns
    for (const std::string& name : file_.names_in(group.empty() ? "/" : group)) {
      if (++num_objects_ > kMaxObjects) file_.refuse("has too many groups to look for events in");
      const std::string place = place_in(group, name);
      const H5O_type_t type = file_.type_at(place);
      if (type == H5O_TYPE_GROUP) groups.push_back(place);
      if (type != H5O_TYPE_DATASET) continue;
      const auto outline = file_.outline(place);
      if (!outline) continue;
      if (outline->shape.size() == 1 && outline->kind != H5T_COMPOUND) {
        columns.push_back(name);
        lengths.push_back(outline->shape[0]);
      }
      look_at(place, *outline);
    }
    add_group(group, columns, lengths);
    if (depth == kMaxGroupDepth) return;
    for (const std::string& place : groups) look_into(place, depth + 1);
  }

  void look_at(const std::string& place, const Hdf5Outline& outline) {
    const bool is_events = last_part(place) == kEvents;
    if (outline.kind == H5T_COMPOUND && outline.shape.size() == 1) {
      add_compound(place, outline.fields, is_events);
    }
    if (outline.shape.size() != 2 || (outline.kind != H5T_INTEGER && outline.kind != H5T_FLOAT)) return;
    if (outline.shape[0] != num_columns_ && outline.shape[1] != num_columns_) {
      if (is_events && !are_given_ && near_misses_.empty()) {
        near_misses_ = fmt::format(
            "; '{}' of shape [{}, {}] has another number of columns: name them (--columns t,x,y,p,_ or "
            "another; data.columns)",
            place, outline.shape[0], outline.shape[1]);
      }
      return;
    }
    (is_events ? tables_ : other_matrices_).push_back({Hdf5Table::kMatrix, place, {}, {}, ""});
  }

  /// Whether names that leave something open are those of events all the same.
  static bool are_of_events(const NamedColumns& named) {
    const bool t_and_x = named.places[kColumnT] >= 0 && named.places[kColumnX] >= 0;
    return t_and_x || named.num_known + 1 >= kNumEventColumns;
  }

  void add_group(const std::string& group, const std::vector<std::string>& names,
                 const std::vector<std::int64_t>& lengths) {
    const NamedColumns all = read_column_names(names);
    if (!are_of_events(all)) return;
    // Beside the columns may be indices and sizes, which have other lengths.
    std::int64_t length = -1;
    for (const int place : all.places)
      length = place >= 0 ? lengths[static_cast<std::size_t>(place)] : length;
    NamedColumns named = all;
    named.unknown.clear();
    for (std::size_t i = 0; i < names.size(); ++i) {
      const bool is_unknown =
          std::find(all.unknown.begin(), all.unknown.end(), names[i]) != all.unknown.end();
      if (is_unknown && lengths[i] == length) named.unknown.push_back(names[i]);
    }
    const bool is_events = group.empty() || last_part(group) == kEvents;
    if (named.is_sure() && !is_events && !named.has_all()) return;
    std::string fault = named.fault();
    if (!fault.empty()) {
      fault = fmt::format(
          "the data sets of '{}' have {}: give each of t, x, y and p a name that is known, once (h5py: "
          "file.move)",
          group.empty() ? "/" : group, fault);
    }
    (named.is_sure() ? tables_ : doubtful_).push_back({Hdf5Table::kGroup, group, names, named.places, fault});
  }

  void add_compound(const std::string& place, const std::vector<std::string>& names, bool is_events) {
    const NamedColumns named = read_column_names(names);
    if (named.is_sure() && (is_events || named.has_all())) {
      tables_.push_back({Hdf5Table::kCompound, place, names, named.places, ""});
      return;
    }
    // With the order given, names do not matter.
    const bool fits = are_given_ && static_cast<std::int64_t>(names.size()) == num_columns_;
    if (named.is_sure() || (!are_of_events(named) && !(is_events && fits))) return;
    std::string fault;
    if (!are_given_) {
      fault =
          fmt::format("the fields of '{}' have {}: name them (--columns t,x,y,p or another; data.columns)",
                      place, named.fault());
    }
    doubtful_.push_back({Hdf5Table::kCompound, place, names, named.places, fault});
  }

  const Hdf5File& file_;
  bool are_given_;  // EventReaderOptions::columns
  std::int64_t num_columns_;
  std::size_t num_objects_ = 0;
  std::vector<Hdf5Table> tables_, doubtful_, other_matrices_;
  std::string near_misses_;
};

bool has_part(const std::string& place, const std::string& part) {
  return ("/" + place + "/").find("/" + part + "/") != std::string::npos;
}

std::string listed(const std::vector<Hdf5Table>& tables) {
  constexpr std::size_t kMost = 12;
  std::string text;
  for (std::size_t i = 0; i < std::min(tables.size(), kMost); ++i) {
    text += fmt::format("{}'{}'", i == 0 ? "" : ", ", tables[i].place.empty() ? "/" : tables[i].place);
  }
  return tables.size() > kMost ? text + ", ..." : text;
}

}  // namespace

namespace {

Hdf5Table choose_hdf5_table(const Hdf5File& file, const EventReaderOptions& options) {
  Search search(file, options);
  std::vector<Hdf5Table> tables = search.tables();
  if (tables.empty()) {
    file.refuse(std::string("has neither spikes/times and spikes/units nor, in any group, data sets or a "
                            "compound data set with "
                            "t, x, "
                            "y and p or a table of four columns") +
                (search.near_misses().empty()
                     ? "; fields and columns without known names: --columns t,x,y,p or "
                       "another; data.columns"
                     : search.near_misses()));
  }
  std::string camera = options.camera;
  if (camera.empty()) {
    if (tables.size() == 1) return std::move(tables[0]);
    file.refuse(fmt::format("has events in {} places: choose one (--camera NAME, data.camera) of {}",
                            tables.size(), listed(tables)));
  }
  if (camera.front() == '/') camera.erase(0, 1);
  std::vector<Hdf5Table> chosen;
  std::copy_if(tables.begin(), tables.end(), std::back_inserter(chosen),
               [&](const Hdf5Table& table) { return table.place == camera; });
  if (chosen.empty() && !camera.empty()) {
    std::copy_if(tables.begin(), tables.end(), std::back_inserter(chosen),
                 [&](const Hdf5Table& table) { return has_part(table.place, camera); });
  }
  if (chosen.size() == 1) return std::move(chosen[0]);
  constexpr std::size_t kMaxDigits = 6;
  const bool is_number = !camera.empty() && camera.size() <= kMaxDigits &&
                         camera.find_first_not_of("0123456789") == std::string::npos;
  if (chosen.empty() && is_number && std::stoul(camera) < tables.size())
    return std::move(tables[std::stoul(camera)]);
  file.refuse(
      fmt::format("camera '{:.100}' is {} of the places that have events (--camera NAME, data.camera): {}",
                  options.camera, chosen.empty() ? "none" : "more than one", listed(tables)));
}

}  // namespace

Hdf5Table find_hdf5_table(const Hdf5File& file, const EventReaderOptions& options) {
  Hdf5Table table = choose_hdf5_table(file, options);
  if (!table.fault.empty()) file.refuse(table.fault);
  return table;
}

}  // namespace spikeloom::formats

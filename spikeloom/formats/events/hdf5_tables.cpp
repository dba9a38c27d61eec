#include "spikeloom/formats/events/hdf5_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace spikeloom::formats {
namespace {

constexpr int kMaxDepth = 4;
constexpr std::size_t kMaxObjects = 10000;
constexpr char kEvents[] = "events";

std::string place_in(const std::string& group, const std::string& name) {
  return group.empty() ? name : group + "/" + name;
}

std::string last_part(const std::string& place) { return place.substr(place.rfind('/') + 1); }

bool has_all(const ColumnPlaces& places) {
  return std::all_of(places.begin(), places.end(), [](int place) { return place >= 0; });
}

class Search {
 public:
  Search(const Hdf5File& file, const EventReaderOptions& options)
      : file_(file),
        num_columns_(
            static_cast<std::int64_t>(options.columns.empty() ? kNumEventColumns : options.columns.size())) {}

  std::vector<Hdf5Table> tables() {
    look_into("", 0);
    return tables_.empty() ? std::move(other_matrices_) : std::move(tables_);
  }

 private:
  void look_into(const std::string& group, int depth) {
    std::vector<std::string> groups, columns;
    for (const std::string& name : file_.names_in(group.empty() ? "/" : group)) {
      if (++num_objects_ > kMaxObjects) file_.refuse("has too many groups to look for events in");
      const std::string place = place_in(group, name);
      const H5O_type_t type = file_.type_at(place);
      if (type == H5O_TYPE_GROUP) groups.push_back(place);
      if (type != H5O_TYPE_DATASET) continue;
      const auto outline = file_.outline(place);
      if (!outline) continue;
      if (outline->shape.size() == 1 && outline->kind != H5T_COMPOUND) columns.push_back(name);
      look_at(place, *outline);
    }
    add(Hdf5Table::kGroup, group, columns, group.empty() || last_part(group) == kEvents);
    if (depth == kMaxDepth) return;
    for (const std::string& place : groups) look_into(place, depth + 1);
  }

  void look_at(const std::string& place, const Hdf5Outline& outline) {
    const bool is_events = last_part(place) == kEvents;
    if (outline.kind == H5T_COMPOUND && outline.shape.size() == 1) {
      add(Hdf5Table::kCompound, place, outline.fields, is_events);
    }
    if (outline.shape.size() != 2 || (outline.kind != H5T_INTEGER && outline.kind != H5T_FLOAT)) return;
    if (outline.shape[0] != num_columns_ && outline.shape[1] != num_columns_) return;
    (is_events ? tables_ : other_matrices_).push_back({Hdf5Table::kMatrix, place, {}, {}});
  }

  void add(Hdf5Table::Kind kind, const std::string& place, const std::vector<std::string>& names,
           bool is_events) {
    const auto columns = columns_by_name(names);
    if (columns && (is_events || has_all(*columns))) tables_.push_back({kind, place, names, *columns});
  }

  const Hdf5File& file_;
  std::int64_t num_columns_;
  std::size_t num_objects_ = 0;
  std::vector<Hdf5Table> tables_, other_matrices_;
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

Hdf5Table find_hdf5_table(const Hdf5File& file, const EventReaderOptions& options) {
  std::vector<Hdf5Table> tables = Search(file, options).tables();
  if (tables.empty()) {
    file.refuse(
        "has neither spikes/times and spikes/units nor, in any group, data sets or a compound data set with "
        "t, x, "
        "y and p or a table of four columns");
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

}  // namespace spikeloom::formats

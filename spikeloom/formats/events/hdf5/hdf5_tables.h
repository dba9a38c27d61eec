#pragma once
#include <string>
#include <vector>

#include "spikeloom/formats/events/columns/event_columns.h"
#include "spikeloom/formats/events/event_reader.h"
#include "spikeloom/formats/events/hdf5/hdf5_file.h"

namespace spikeloom::formats {

/// Where events are in an HDF5 file.
struct Hdf5Table {
  enum Kind {
    kGroup,     ///< data sets of one dimension, one a column
    kCompound,  ///< a data set of one dimension whose elements have fields
    kMatrix,    ///< a data set of two dimensions, one of which is that of the columns
  };
  Kind kind = kGroup;
  std::string place;               ///< of the group ("" is the top) or data set
  std::vector<std::string> names;  ///< of data sets or fields
  ColumnPlaces columns{};          ///< places in `names`, where those tell them (not of a matrix)
  std::string fault;               ///< why the names do not tell them (NamedColumns::fault()); else ""
};

/// The events of a file: those that EventReaderOptions::camera chooses, else the only ones. Looked for in
/// every group up to four levels deep: groups and compound data sets with t, x, y and p ("events" and the top
/// may do without y and p), and data sets of two dimensions and four columns that are called "events" or, if
/// there is nothing else, anything. Those whose names leave open what a column
/// is have a `fault` and are found if there is no table without one. `camera` is a place, a part of one
/// ("left" of "davis/left/events") or a number from 0 on, in the order of the names. Throws FormatError if
/// there are none, or several and `camera` does not choose.
Hdf5Table find_hdf5_table(const Hdf5File& file, const EventReaderOptions& options);

}  // namespace spikeloom::formats

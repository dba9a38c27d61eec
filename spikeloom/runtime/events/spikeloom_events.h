#pragma once
/* Event recordings for C and whatever calls C: any format that Spikeloom reads, a piece at a time.
 *
 * It is a library of its own, libspikeloom_events, because it needs what decompresses and parses such files,
 * and the runtime does not. No exception leaves it, nothing is printed: a function that can fail returns a
 * status, and spikeloom_events_last_error() has the line of text, one for each thread. A reader is used by
 * one thread at a time. A function that returns no status takes a null reader too: it gives 0 or a null
 * pointer. docs/formats.md lists the formats.
 */
#include "spikeloom/runtime/spikeloom.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when a function or a member changes or goes; new functions, and members at the end, leave it. */
#define SPIKELOOM_EVENTS_ABI_VERSION 1

typedef struct spikeloom_event_reader spikeloom_event_reader;

/* How a recording is read. All 0 and null is right for most; set `size` in any case. */
typedef struct spikeloom_event_options {
  size_t size;           /* sizeof(spikeloom_event_options) of the caller */
  const char* format;    /* null: by content; else one of `spikeloom convert --help`: "aedat2", "evt3", ... */
  int width, height;     /* of the sensor, where the recording does not say it, both 1 .. 65536; both 0: what
                            it says */
  int64_t recording;     /* which one of a file that holds several, from 0 on; 0 of a file that holds one */
  const char* chip;      /* of an AEDAT 1.0 or 2.0 file whose header does not name it; null: what it says */
  const char* camera;    /* name or number of one of several; null: the only one */
  const char* time_unit; /* "s", "ms", "us", "ns", of text and arrays; null: what the file says */
  const char* columns;   /* of text and of arrays without names: "t,x,y,p"; null: what the file says */
  int drop_outside;      /* 1: events outside of the sensor are left out and counted, not an error */
  int partial;           /* 1: a recording that was cut off ends with its last whole event, not in an error */
} spikeloom_event_options;

SPIKELOOM_API int spikeloom_events_abi_version(void);
/* One line; "" if nothing failed. Valid until the thread's next call that fails. */
SPIKELOOM_API const char* spikeloom_events_last_error(void);

/* Opens a recording: a file, "ARCHIVE:MEMBER" of a zip or tar archive, "FILE:NUMBER" of an HDF5 file. options
 * may be null. *reader is null where it fails: SPIKELOOM_ERROR_ARGUMENT for options that are not known, or
 * that do not fit the file, SPIKELOOM_ERROR_FILE for a file that cannot be read or is of no known format. */
SPIKELOOM_API spikeloom_status spikeloom_events_open(const char* path, const spikeloom_event_options* options,
                                                     spikeloom_event_reader** reader);
/* Null is allowed. */
SPIKELOOM_API void spikeloom_events_free(spikeloom_event_reader* reader);

/* "EVT 3.0", "AEDAT4", ...; valid as long as the reader. */
SPIKELOOM_API const char* spikeloom_events_format(const spikeloom_event_reader* reader);
/* Of the sensor in pixels; 0 where nothing says it. */
SPIKELOOM_API int spikeloom_events_width(const spikeloom_event_reader* reader);
SPIKELOOM_API int spikeloom_events_height(const spikeloom_event_reader* reader);
/* How many recordings the file holds. */
SPIKELOOM_API int64_t spikeloom_events_num_recordings(const spikeloom_event_reader* reader);

/* Writes up to `capacity` > 0 events and their number; fewer are no sign of the end, only 0 is. A damaged
 * file fails after the events before the damage have been given; *count is 0 then. */
SPIKELOOM_API spikeloom_status spikeloom_events_read(spikeloom_event_reader* reader, spikeloom_event* events,
                                                     size_t capacity, size_t* count);
/* Left out so far: events outside of the sensor (drop_outside); bytes after the last whole event, once
 * reading has come to the end (partial). */
SPIKELOOM_API int64_t spikeloom_events_dropped(const spikeloom_event_reader* reader);
SPIKELOOM_API int64_t spikeloom_events_unread_bytes(const spikeloom_event_reader* reader);

#ifdef __cplusplus
}
#endif

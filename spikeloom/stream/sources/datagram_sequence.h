#pragma once
#include <bitset>
#include <cstdint>

namespace spikeloom::stream {

/// What the numbers of datagrams say of those that came and those that did not.
struct SequenceCounts {
  std::int64_t lost = 0;      ///< numbers that were passed over and did not come later
  std::int64_t late = 0;      ///< came after one with a higher number
  std::int64_t repeated = 0;  ///< came before
  std::int64_t restarts = 0;  ///< the sender began to count anew
};

/// The numbers of one sender's datagrams, one more each time, modulo 2^64. Remembers which of the last
/// kWindow came. All that it counts follows from the order of the numbers; docs/stream.md has the rules.
class DatagramSequence {
 public:
  static constexpr std::uint64_t kWindow = 1024;
  /// Jumps this far, either way, are a sender that began anew.
  static constexpr std::uint64_t kJump = std::uint64_t{1} << 20;
  /// So many numbers, one more each, none of which is new, are a sender that began anew.
  static constexpr int kRestartRun = 3;

  enum class Kind {
    kNew,      ///< the next one, or one after a gap
    kLate,     ///< fills a gap, or is older than what is remembered
    kRepeated  ///< came before; or the sender begins anew, which the next ones will show
  };
  struct Answer {
    Kind kind;
    /// The sender began anew, which this number shows: repeated ones just before it were not.
    bool restarted = false;
    bool follows = false;  ///< the number before came just before this one, and was not new either
  };

  Answer take(std::uint64_t number);
  const SequenceCounts& counts() const { return counts_; }

 private:
  void begin(std::uint64_t number);
  void advance(std::uint64_t number);
  Answer restart(std::uint64_t first, std::uint64_t number);

  SequenceCounts counts_;
  bool started_ = false;
  std::uint64_t next_ = 0;  ///< after the highest number
  std::uint64_t span_ = 0;  ///< how far back the sequence goes, at most kWindow
  std::bitset<kWindow> came_;
  // Numbers that follow each other and began with one that had come or was too old; what was counted before.
  int run_ = 0;
  std::uint64_t run_next_ = 0;
  SequenceCounts before_run_;
};

}  // namespace spikeloom::stream

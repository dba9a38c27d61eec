#pragma once
// An estimate of energy from counted operations: arithmetic alone, no memory, no communication, no leakage.
#include <cstdint>

#include "spikeloom/report/observations.h"

namespace spikeloom::report {

/// Energy of one operation in picojoules: 32-bit floating point in 45 nm at 0.9 V. Source: M. Horowitz,
/// "Computing's Energy Problem (and what we can do about it)", ISSCC 2014, figure 1.1.9: addition 0.9 pJ,
/// multiplication 3.7 pJ; a multiply-accumulate is one of each.
struct EnergyTable {
  double addition_pj = 0.9;
  double multiplication_pj = 3.7;

  double mac_pj() const { return addition_pj + multiplication_pj; }
};

/// Where the table is from, for whoever reads a figure that comes of it.
constexpr char kEnergySource[] =
    "M. Horowitz, Computing's Energy Problem (and what we can do about it), ISSCC 2014, figure 1.1.9: 32-bit "
    "floating point in 45 nm at 0.9 V";

/// For one sample, in picojoules: additions of synaptic operations, multiply-accumulates of inputs that are
/// no spikes and of membrane potentials.
inline double energy_estimate_pj(const LayerObservation& layer, const EnergyTable& table = {}) {
  return layer.synaptic_operations * table.addition_pj + (layer.macs + layer.updates) * table.mac_pj();
}

/// The artificial network's of the same structure, which multiplies every input once, but no padding
/// (model::LayerPlan::synapses), since no spike comes from there either.
inline double energy_estimate_pj(std::int64_t dense_macs, const EnergyTable& table = {}) {
  return static_cast<double>(dense_macs) * table.mac_pj();
}

}  // namespace spikeloom::report

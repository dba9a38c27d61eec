#pragma once

/// In front of a function that CUDA's compiler shall compile for the device as well; nothing for other compilers.
#ifdef __CUDACC__
#define SPIKELOOM_HOST_DEVICE __host__ __device__
#else
#define SPIKELOOM_HOST_DEVICE
#endif

#pragma once
// Internal to ops.
#include <ATen/core/dispatch/Dispatcher.h>

namespace spikeloom::ops {

/// The registered operator `name`, typed by a function of its signature:
/// operator_handle<decltype(f)>("spikeloom::f"). Calls through it go by the dispatcher (device, autograd).
/// Throws c10::Error if nothing of that name is registered.
template <class Function>
c10::TypedOperatorHandle<Function> operator_handle(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").template typed<Function>();
}

}  // namespace spikeloom::ops

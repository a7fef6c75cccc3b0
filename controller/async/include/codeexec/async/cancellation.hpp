// What "cancelled" means in our coroutines, in one place.
//
// A task is cancelled by its task_group with cancellation_type::terminal. The operation that is outstanding at that
// moment ends with operation_aborted. Asio's default is kept: a later co_await of the same task throws
// system_error(operation_aborted), and the task_group takes that for the orderly end of a stopped task. A loop that
// wants to end by itself asks first:
//
//     auto const state = co_await asio::this_coro::cancellation_state;
//     if (is_cancelled(state)) co_return;
#pragma once

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>
#include <exception>
#include <string>

namespace codeexec::async {

/// Not a coroutine on purpose: awaiting one would throw once the task is cancelled.
inline bool is_cancelled(boost::asio::cancellation_state const& state) {
  return state.cancelled() != boost::asio::cancellation_type::none;
}

/// The code of an operation that was told to stop. Alone it does not say who told it: a timer, a closed socket or a
/// cancelled task; ask is_cancelled() before the word "cancelled" is used.
inline bool is_abort(boost::system::error_code const& ec) {
  return ec == boost::asio::error::operation_aborted;
}

/// True for the exception that Asio throws from a co_await in a cancelled task.
bool is_abort(std::exception_ptr const& failure);

/// What a person may read about an exception of unknown type.
std::string describe(std::exception_ptr const& failure);

}  // namespace codeexec::async

#include "codeexec/reconciler/namespace_checks.hpp"

#include "request_timeout.hpp"

namespace codeexec::reconciler {

namespace_checks::namespace_checks(boost::asio::any_io_executor executor, base::clock const& clock, std::string what,
                                   check how)
    : executor_(std::move(executor)), clock_(clock), what_(std::move(what)), check_(std::move(how)) {}

kube::task<kube::result<void>> namespace_checks::ensure(std::string ns, std::chrono::seconds max_age) {
  for (;;) {
    auto& known = namespaces_[ns];
    known.asked = clock_.steady_now();
    if (!known.under_way) {
      if (known.was_checked && clock_.steady_now() - known.checked < max_age) co_return kube::result<void>();
      break;
    }
    auto const other = known.under_way;
    auto const by = base::deadline::after(request_timeout);
    auto const woken = co_await other->wait_until(by);
    if (!woken) co_return kube::error(kube::error_kind::timeout, "waited for " + what_);
    // What the other one found holds for us too; where it failed, we try ourselves.
  }
  auto const done = std::make_shared<async::event>(executor_);
  bool const expect_it = namespaces_[ns].was_checked;
  namespaces_[ns].under_way = done;
  auto checking = check_(ns, expect_it);
  auto const result = co_await std::move(checking);
  auto& known = namespaces_[ns];
  known.under_way = nullptr;
  known.was_checked = result.has_value();
  known.checked = clock_.steady_now();
  done->set();
  co_return result;
}

bool namespace_checks::begin_removal(std::string const& ns, std::chrono::seconds idle) {
  auto const found = namespaces_.find(ns);
  if (found != namespaces_.end()) {
    if (found->second.under_way || clock_.steady_now() - found->second.asked < idle) return false;
  }
  auto& known = namespaces_[ns];
  known.was_checked = false;
  known.under_way = std::make_shared<async::event>(executor_);
  return true;
}

void namespace_checks::end_removal(std::string const& ns) {
  auto const found = namespaces_.find(ns);
  if (found == namespaces_.end() || !found->second.under_way) return;
  auto const done = found->second.under_way;
  // Those who wait look it up again.
  namespaces_.erase(found);
  done->set();
}

}  // namespace codeexec::reconciler

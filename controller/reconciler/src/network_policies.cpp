#include "codeexec/reconciler/network_policies.hpp"

#include <nlohmann/json.hpp>

#include "codeexec/api/json.hpp"
#include "codeexec/api/names.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/execution/network_policy.hpp"
#include "codeexec/kube_core/json.hpp"
#include "codeexec/kube_core/request.hpp"

#include "request_timeout.hpp"

namespace codeexec::reconciler {
namespace {

/// Errors that waiting mends, and quotas, which have a reason of their own, stay what they are.
kube::error explained(std::string_view ns, kube::error const& e) {
  bool const transport = e.kind() != kube::error_kind::api;
  bool const quota = e.is_forbidden() && e.message().find("exceeded quota") != std::string::npos;
  if (transport || quota || e.is_retryable() || e.is_namespace_terminating()) return e;
  return kube::error(kube::error_kind::config,
                     "spec.network is Deny, and the NetworkPolicy for that cannot be had in namespace \"" +
                         std::string(ns) + "\" (" + e.message() +
                         "); the code is not started without it. Give the operator the rights of config/rbac, or set "
                         "networkPolicy: false in its configuration where the cluster denies the network by other "
                         "means.");
}

}  // namespace

network_policies::network_policies(boost::asio::any_io_executor executor, kube::client& client,
                                   base::clock const& clock)
    : client_(client), checks_(std::move(executor), clock, "the NetworkPolicy", [this](std::string ns, bool expect_it) {
        return check(std::move(ns), expect_it);
      }) {}

kube::task<kube::result<void>> network_policies::check(std::string ns, bool expect_it) {
  for (int tries = 0; tries < 3; ++tries) {
    auto const by = base::deadline::after(request_timeout);
    if (!expect_it) {
      auto body = execution::make_network_policy(ns).dump();
      auto request = kube::make_create(kube::network_policies, ns, std::move(body), api::field_manager);
      auto sending = client_.send(std::move(request), by);
      auto const made = co_await std::move(sending);
      if (made) {
        base::log::info("network denied", {base::log::kv("namespace", ns),
                                           base::log::kv("networkpolicy", execution::network_policy_name)});
        co_return kube::result<void>();
      }
      if (!made.error().is_already_exists()) co_return explained(ns, made.error());
    }
    auto request = kube::make_get(kube::network_policies, ns, execution::network_policy_name);
    auto sending = client_.send(std::move(request), by);
    auto const found = co_await std::move(sending);
    if (!found && !found.error().is_not_found()) co_return explained(ns, found.error());
    if (!found) {
      expect_it = false;
      continue;
    }
    auto const policy = kube::parse_answer(*found);
    auto const metadata = policy.is_object() && policy.contains("metadata")
                              ? api::decode_object_meta(policy["metadata"])
                              : std::variant<api::ObjectMeta, api::decode_error>(api::decode_error{});
    auto const* const meta = std::get_if<api::ObjectMeta>(&metadata);
    if (meta == nullptr) co_return kube::error(kube::error_kind::decode, "the NetworkPolicy cannot be read");
    // Once it is gone it is made again.
    if (meta->being_deleted()) {
      co_return kube::error(kube::error_kind::protocol,
                            "the NetworkPolicy " + std::string(execution::network_policy_name) + " is being deleted");
    }
    if (execution::denies_network(policy)) co_return kube::result<void>();
    auto const label = meta->labels.find(std::string(api::labels::managed_by));
    if (label == meta->labels.end() || label->second != api::field_manager) {
      co_return kube::error(
          kube::error_kind::config,
          "spec.network is Deny, and the NetworkPolicy " + std::string(execution::network_policy_name) +
              " in namespace \"" + ns +
              "\", which is not the operator's, does not deny everything: delete it, and the operator "
              "makes its own; the code is not started without it");
    }
    auto mending = put_right(ns, meta->resourceVersion);
    auto const mended = co_await std::move(mending);
    if (mended) co_return mended;
    bool const changed_meanwhile = mended.error().is_conflict() || mended.error().is_not_found();
    if (!changed_meanwhile) co_return explained(ns, mended.error());
  }
  co_return kube::error(kube::error_kind::protocol, "the NetworkPolicy comes and goes");
}

kube::task<kube::result<void>> network_policies::put_right(std::string ns, std::string resource_version) {
  auto object = execution::make_network_policy(ns);
  object["metadata"]["resourceVersion"] = resource_version;
  auto const by = base::deadline::after(request_timeout);
  auto request =
      kube::make_replace(kube::network_policies, ns, execution::network_policy_name, object.dump(), api::field_manager);
  auto sending = client_.send(std::move(request), by);
  auto const done = co_await std::move(sending);
  if (!done) co_return done.error();
  base::log::warn("NetworkPolicy had been edited and was put right",
                  {base::log::kv("namespace", ns), base::log::kv("networkpolicy", execution::network_policy_name)});
  co_return kube::result<void>();
}

}  // namespace codeexec::reconciler

#include "codeexec/kube_core/managed_fields.hpp"

#include <gtest/gtest.h>

namespace codeexec::kube {
namespace {

TEST(ManagedFields, TellWhenAManagerLastWroteTheObjectItself) {
  std::string_view const object = R"({"kind": "CodeExecution", "metadata": {"name": "a", "managedFields": [
    {"manager": "kubectl", "operation": "Apply", "time": "2026-01-31T10:00:00Z", "fieldsV1": {"f:spec": {}}},
    {"manager": "ours", "operation": "Update", "time": "2026-01-31T10:00:01Z", "fieldsV1": {"f:metadata": {}}},
    {"manager": "ours", "operation": "Apply", "time": "2026-01-31T10:00:05Z"},
    {"manager": "ours", "operation": "Update", "time": "2026-01-31T10:00:09Z", "subresource": "status"}]}})";
  EXPECT_EQ(last_written(object, "ours"), base::parse_time("2026-01-31T10:00:05Z"));
  EXPECT_EQ(last_written(object, "kubectl"), base::parse_time("2026-01-31T10:00:00Z"));
  EXPECT_EQ(last_written(object, "nobody"), std::nullopt);
}

TEST(ManagedFields, MayBeAbsentOrNotReadable) {
  for (auto const* object : {"", "[]", "{}", R"({"metadata": {"managedFields": null}})",
                             R"({"metadata": {"managedFields": [null, 1, {"manager": "ours"}, {"manager": 1}]}})",
                             R"({"metadata": {"managedFields": [{"manager": "ours", "time": "yesterday"}]}})"}) {
    EXPECT_EQ(last_written(object, "ours"), std::nullopt) << object;
  }
}

}  // namespace
}  // namespace codeexec::kube

// What a list is asked for where only the metadata of its objects is of interest.
#pragma once

#include <string_view>

namespace codeexec::reconciler {

inline constexpr std::string_view metadata_alone = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

}  // namespace codeexec::reconciler

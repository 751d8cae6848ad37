// Which form an answer takes, and bodies in and out of those forms.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fakes/api_kinds.h"

namespace kubelet::fakes {

struct ApiForm {
  enum class Media { kJson, kYaml, kProtobuf } media = Media::kJson;
  enum class As { kObject, kTable, kPartial } as = As::kObject;  // the last two in JSON only
  std::string ContentType(bool watch) const;
};

// The first acceptable entry of an Accept header; 406 when there is none.
absl::StatusOr<ApiForm> Negotiate(const std::string& accept);
// An empty list is `[]` in JSON, as a server's lists are.
std::string EncodeBody(const Object& object, ApiForm::Media media);

// A request body. `validation` is fieldValidation: Strict makes unknown and duplicate fields an
// error (400), Warn puts them into `warnings`. 415 for a type that is not understood.
absl::Status DecodeBody(const std::string& content_type, const std::string& body,
                        const std::string& validation, Object& out,
                        std::vector<std::string>* warnings);

// A list of a kind (PodList) with these items.
NewObject MakeList(const ApiKind& kind, const std::vector<ObjectPtr>& items, uint64_t revision,
                   const std::string& next, int64_t remaining);
// One event of a watch stream, framed.
std::string WatchFrame(const std::string& type, const Object& object, ApiForm::Media media);

}  // namespace kubelet::fakes

// One case from its namespace to its end: carries the steps out and looks at what comes of them.
//
// Steps (one verb each; `$NAME` is put in when the step begins, see Vars in case_run.cc):
//   create: OBJECT or a list            pod: {name, metadata, spec} or a spec
//   static: {name, metadata, spec}      a manifest; the pod is known as `name`
//   until: [CONDITION]                  waits, as long as the case has time
//   expect: [CONDITION]                 has to be so within ten seconds
//   hold: {seconds, that: [CONDITION]}  stays so
//   never: [CONDITION]                  was not so in any version up to now
//   delete: NAME or {pod, grace}        patch: {pod, type, subresource, with, refused: REGEX}
//   change: {plural, name, with}        merge patch of another object; erase: {plural, name}
//   write: {file, text}, remove: FILE   in the case's directory
//   manifest: {file, text}, unmanifest: FILE or a static pod
//   serve: {path, status}               what our servers answer from now on
//   mark: NAME, sleep: SECONDS, remember: {NAME: SUBJECT}
//   exec: {container, command, in, out, err, exit, pod}    through the kubelet's port
//   plugin: {resource, devices: [ID], fail: [METHOD]} | fail-watch | stop    a device plugin
//   device: {id, health}
//   authority: {name, ca: FILE} | {name, server: FILE}    in the case's directory: the certificate
//   of
//                                       an authority, or FILE.crt and FILE.key for the kubelet's
//                                       port
//   kubelet: stop | start | restart | kill, configure: {...}, api: stop | start    serial cases
//   only
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "conformance/case.h"
#include "conformance/inspect.h"

namespace kubelet::conformance {

class CaseRun {
 public:
  // `number` tells the namespaces of a run apart. Both outlive the run.
  CaseRun(World& world, const Case& test, int number);
  ~CaseRun();
  // OK: passed. Unimplemented: cannot be tried here (the message says why). Else: failed.
  base::Task<absl::Status> Run();
  const std::string& ns() const { return ns_; }

 private:
  using Result = base::Task<absl::Status>;
  Result Steps();
  Result Step(std::string verb, Json arguments);
  Result ApiStep(std::string verb, Json arguments, bool& done);
  Result NodeStep(std::string verb, Json arguments, bool& done);
  Result DeviceStep(std::string verb, Json arguments, bool& done);
  Result LocalStep(std::string verb, Json arguments, bool& done);
  Result CreateObject(Json object);
  Result CreatePod(Json given);
  absl::Status WriteCertificates(const JsonObject& arguments);
  absl::Status WriteStatic(Json given);
  absl::Status WriteManifest(const std::string& file, const std::string& text);
  Result DeletePod(Json arguments);
  Result PatchPod(JsonObject arguments);
  Result Exec(JsonObject arguments);
  Result Kubelet(std::string what);
  Result Remember(JsonObject arguments);
  Result StartApi();
  // Until all hold, at most for `limit`.
  Result Await(std::vector<std::string> conditions, base::Nanos limit);
  Result Hold(std::vector<std::string> conditions, base::Nanos time);
  // The first that does not hold, with what it is instead; empty: all hold.
  base::Task<std::string> FirstFalse(std::vector<std::string> conditions);
  std::string WhyEnded() const;
  absl::Status CheckNever(const std::vector<std::string>& conditions) const;
  absl::Status CheckEver() const;
  absl::Status CheckOrder() const;
  std::string PodName(const std::string& alias) const;
  void RefreshVars();
  base::Nanos Left() const;
  Result CleanUp();

  World& world_;
  const Case& case_;
  std::string ns_, case_dir_, main_pod_;
  Inspector inspector_;
  base::WakeEvent wake_;
  base::MonoTime end_{};
  Vars vars_;
  std::map<std::string, std::string> aliases_;  // static pods
  std::set<std::string> pods_, files_;          // made by us
  std::vector<std::pair<std::string, std::string>> cluster_objects_;
  std::shared_ptr<test::FakeDevicePlugin> plugin_;
  bool api_stopped_ = false, configured_ = false;
};

}  // namespace kubelet::conformance

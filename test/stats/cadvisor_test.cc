// /metrics/cadvisor and /metrics/resource of a node of fake control groups.
#include <sstream>

#include "stats/rig.h"

namespace kubelet::stats {
namespace {

using base::MetricForm;
using std::chrono::seconds;
using test::GroupNumbers;
using test::Rig;
using test::Value;

// The labels of the one container of a pod.
std::string Of(const std::string& pod, const std::string& id) {
  return "container=\"c\",id=\"/kubepods/burstable/poduid-" + pod + "/" + id +
         "\",image=\"busybox:1\",name=\"" + id + "\",namespace=\"ns\",pod=\"" + pod + "\"";
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_CASE("a container's series have upstream's names, labels and values") {
  bool v2 = GENERATE(false, true);
  Rig rig(v2);
  GroupNumbers n;
  n.quota_us = 50'000;
  n.memory_limit = "20000000";
  rig.AddPod("a", n);
  std::string text = rig.Cadvisor();
  std::string of = Of("a", "id-a");
  CHECK(Value(text, "container_memory_working_set_bytes{" + of + "}") == "8000000");
  CHECK(Value(text, "container_memory_rss{" + of + "}") == "3000000");
  CHECK(Value(text, "container_spec_memory_limit_bytes{" + of + "}") == "20000000");
  CHECK(Value(text, "container_spec_cpu_quota{" + of + "}") == "50000");
  CHECK(Value(text, "container_cpu_cfs_throttled_seconds_total{" + of + "}") == "2.5");
  CHECK(Value(text, "container_oom_events_total{" + of + "}") == "2");
  CHECK(Value(text, "container_threads{" + of + "}") == "5");
  std::string cpu = of;
  cpu.insert(cpu.find("id="), "cpu=\"total\",");
  CHECK(Value(text, "container_cpu_usage_seconds_total{" + cpu + "}") == "1.5");
  std::string disk = of;
  disk.insert(disk.find("id="), "device=\"/dev/sda\",");
  CHECK(Value(text, "container_fs_reads_bytes_total{" + disk + "}") == "4096");
  std::string faults = of + ",scope=\"hierarchy\"";
  faults.insert(faults.find("id="), "failure_type=\"pgmajfault\",");
  CHECK(Value(text, "container_memory_failures_total{" + faults + "}") == "7");
  CHECK((text.find("container_pressure_cpu_waiting_seconds_total{") != std::string::npos) == v2);
  if (v2) CHECK(Value(text, "container_pressure_cpu_waiting_seconds_total{" + of + "}") == "2.5");
  CHECK(text.find("# TYPE container_memory_failcnt counter\n") != std::string::npos);
  // With the time of the sample.
  CHECK(text.find("container_memory_rss{" + of + "} 3000000 1700000000000\n") != std::string::npos);
}

TEST_CASE("the text comes in pieces, and is that of the samples when it was asked for") {
  Rig rig;
  for (int i = 0; i < 40; ++i) rig.AddPod("p" + std::to_string(i));
  std::string whole = rig.Cadvisor(), text, piece;
  auto pieces = rig.Await(rig.stats().Cadvisor(MetricForm::kPrometheus));
  REQUIRE(pieces(piece));
  text = piece;
  // What is asked meanwhile, of other samples, does not show in the rest.
  rig.pods.clear();
  rig.clock.Advance(seconds(20));
  CHECK(rig.Cadvisor().find("pod=\"p0\"") == std::string::npos);
  size_t count = 1, most = piece.size();
  for (; pieces(piece); ++count) {
    text += piece;
    most = std::max(most, piece.size());
  }
  // Some lines hold the time of the question, and others what the disk has room for then.
  auto without_now = [](const std::string& all) {
    std::istringstream lines(all);
    std::string out;
    for (std::string line; std::getline(lines, line);)
      if (line.rfind("container_last_seen{", 0) != 0 && line.rfind("container_fs_", 0) != 0)
        out += line + "\n";
    return out;
  };
  CHECK(without_now(text) == without_now(whole));
  CHECK(count > whole.size() / 100'000);
  CHECK(most < 100'000);
  CHECK_FALSE(pieces(piece));  // the end stays the end
}

TEST_CASE("sandboxes have the network, pods and classes their own series, the root the disks") {
  Rig rig;
  rig.AddPod("a");
  std::string text = rig.Cadvisor();
  std::string sandbox =
      "container=\"\",id=\"/kubepods/burstable/poduid-a/"
      "sandbox-a\",image=\"pause:3\",interface=\"eth0\","
      "name=\"sandbox-a\",namespace=\"ns\",pod=\"a\"";
  CHECK(Value(text, "container_network_receive_bytes_total{" + sandbox + "}") == "5000");
  CHECK(Value(text, "container_network_transmit_bytes_total{" + sandbox + "}") == "10000");
  CHECK(Count(text, "container_network_receive_bytes_total{") == 2);  // and of the root
  CHECK(Value(text,
              "container_memory_usage_bytes{container=\"\",id=\"/kubepods/burstable/"
              "poduid-a\",image=\"\","
              "name=\"\",namespace=\"ns\",pod=\"a\"}") == "9000000");
  for (const char* id :
       {"/", "/kubepods", "/kubepods/burstable", "/system.slice/kubelet.service"}) {
    CHECK(Value(text, std::string("container_memory_usage_bytes{container=\"\",id=\"") + id +
                          "\",image=\"\",name=\"\",namespace=\"\",pod=\"\"}"));
  }
  CHECK(text.find("container_fs_limit_bytes{container=\"\",device=\"/dev/sda\",id=\"/\"") !=
        std::string::npos);
  CHECK(Value(text,
              "container_fs_io_current{container=\"\",device=\"/dev/sda\",id=\"/\",image=\"\","
              "name=\"\",namespace=\"\",pod=\"\"}") == "9");
  CHECK(Value(text, "machine_cpu_cores{boot_id=\"\",machine_id=\"m\",system_uuid=\"\"}") == "2");
  CHECK(Value(text, "container_scrape_error") == "0");
}

TEST_CASE("every family has its head once, before its series, and no series comes twice") {
  Rig rig;
  for (const char* name : {"a", "b", "c"}) rig.AddPod(name);
  auto form = GENERATE(MetricForm::kPrometheus, MetricForm::kOpenMetrics);
  std::string text = rig.Cadvisor(form), family;
  std::set<std::string> families, series;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("# TYPE ", 0) == 0) {
      family = line.substr(7, line.find(' ', 7) - 7);
      CHECK(families.insert(family).second);
    } else if (line[0] != '#') {
      CHECK(line.rfind(family, 0) == 0);
      CHECK(series.insert(line.substr(0, line.find("} "))).second);
    }
  }
  CHECK(families.size() > 50);
  bool end = text.size() > 6 && text.substr(text.size() - 6) == "# EOF\n";
  CHECK(end == (form == MetricForm::kOpenMetrics));
  if (form == MetricForm::kOpenMetrics) {
    CHECK(families.contains("container_cpu_user_seconds"));
    CHECK(text.find("container_cpu_user_seconds_total{") != std::string::npos);
    CHECK(text.find("# TYPE container_memory_failcnt unknown\n") != std::string::npos);
    CHECK(text.find(" 1700000000.000\n") != std::string::npos);
  }
}

TEST_CASE("samples are taken again when they are old, not with every question") {
  Rig rig;
  auto pod = rig.AddPod("a");
  std::string series = "container_memory_rss{" + Of("a", "id-a") + "}";
  CHECK(Value(rig.Cadvisor(), series) == "3000000");
  GroupNumbers n;
  n.rss = 3'500'000;
  n.cpu_us += 10;
  rig.tree.Set("/kubepods/burstable/poduid-a", n);
  rig.tree.Set("/kubepods/burstable/poduid-a/id-a", n);
  rig.clock.Advance(seconds(9));
  CHECK(Value(rig.Cadvisor(), series) == "3000000");
  rig.clock.Advance(seconds(2));
  CHECK(Value(rig.Cadvisor(), series) == "3500000");
}

TEST_CASE("a container that was started again is another one, in every question") {
  Rig rig;
  auto pod = rig.AddPod("a");
  CHECK(Value(rig.Cadvisor(), "container_memory_rss{" + Of("a", "id-a") + "}") == "3000000");
  // The first has ended, its group is gone; the second takes over its name.
  pod->containers[0].state = runtime::ContainerState::kExited;
  rig.tree.Remove("/kubepods/burstable/poduid-a/id-a");
  GroupNumbers n;
  n.rss = 1000;
  rig.AddContainer(*pod, "c", "id-2", n);
  std::string text = rig.Cadvisor();
  CHECK(Value(text, "container_memory_rss{" + Of("a", "id-2") + "}") == "1000");
  CHECK(text.find("/id-a\"") == std::string::npos);
}

TEST_CASE("a group that vanished, or is vanishing, has no series") {
  Rig rig;
  rig.AddPod("a");
  rig.AddPod("b");
  CHECK(Value(rig.Cadvisor(), "container_memory_rss{" + Of("a", "id-a") + "}"));
  GroupNumbers n;
  n.memory -= 4096;  // of the pod, that it has given back
  rig.tree.Set("/kubepods/burstable/poduid-a", n);
  rig.tree.RemoveFile("memory", "/kubepods/burstable/poduid-a/id-a", "memory.stat");
  rig.tree.Remove("/kubepods/burstable/poduid-b/id-b");
  GroupNumbers ended;
  ended.cpu_us += 1;  // who ends works for that
  rig.tree.Set("/kubepods/burstable/poduid-b", ended);
  rig.clock.Advance(seconds(11));
  std::string text = rig.Cadvisor();
  CHECK(text.find("/id-a\"") == std::string::npos);
  CHECK(text.find("/id-b\"") == std::string::npos);
  CHECK(text.find("sandbox-b") != std::string::npos);
}

TEST_CASE("groups as systemd and CRI-O call them are found") {
  Rig rig;
  auto pod = rig.AddPod("a");
  for (const char* name : {"cri-containerd-one.scope", "crio-two.scope", "crio-three"})
    rig.tree.Set(std::string("/kubepods/burstable/poduid-a/") + name, GroupNumbers());
  rig.tree.Set("/kubepods/burstable/poduid-a/crio-conmon-two.scope", GroupNumbers());
  for (const char* id : {"one", "two", "three"}) {
    rig.AddContainer(*pod, id, id, GroupNumbers());
    rig.tree.Remove(std::string("/kubepods/burstable/poduid-a/") + id);
  }
  std::string text = rig.Cadvisor();
  for (const char* id : {"/cri-containerd-one.scope\"", "/crio-two.scope\"", "/crio-three\""})
    CHECK(text.find(id) != std::string::npos);
  CHECK(text.find("conmon") == std::string::npos);
}

TEST_CASE("label values are escaped") {
  Rig rig;
  auto pod = rig.AddPod("a");
  pod->containers[0].image = "bad\"\\\nimage";
  CHECK(rig.Cadvisor().find("image=\"bad\\\"\\\\\\nimage\"") != std::string::npos);
}

TEST_CASE("resource metrics: what metrics-server reads") {
  Rig rig;
  GroupNumbers n;
  rig.AddPod("a", n);
  std::string text = "\n" + rig.Await(rig.stats().Resource(MetricForm::kPrometheus));
  std::string of = "{container=\"c\",namespace=\"ns\",pod=\"a\"}";
  CHECK(Value(text, "container_cpu_usage_seconds_total" + of) == "1.5");
  CHECK(Value(text, "container_memory_working_set_bytes" + of) == "8000000");
  CHECK(Value(text, "container_start_time_seconds" + of) == "1700000000");
  CHECK(Value(text, "container_swap_usage_bytes" + of) == "70000");
  CHECK(Value(text, "pod_cpu_usage_seconds_total{namespace=\"ns\",pod=\"a\"}") == "1.5");
  CHECK(Value(text, "pod_memory_working_set_bytes{namespace=\"ns\",pod=\"a\"}") == "8000000");
  CHECK(Value(text, "node_cpu_usage_seconds_total") == "1.5");
  CHECK(Value(text, "node_memory_working_set_bytes") == "8000000");
  CHECK(Value(text, "resource_scrape_error") == "0");
  CHECK(text.find("node_cpu_usage_seconds_total 1.5 1700000000000\n") != std::string::npos);
  CHECK(text.find("sandbox") == std::string::npos);
}

TEST_CASE("resource metrics of a container without a group: the runtime's, asked now and then") {
  Rig rig;
  rig.AddPod("a");
  rig.AddPod("b");
  auto scrape = [&rig] { return "\n" + rig.Await(rig.stats().Resource(MetricForm::kPrometheus)); };
  scrape();
  CHECK(rig.cri.asked == 0);  // all have groups
  rig.AddContainer(*rig.pods[1], "elsewhere", "id-vm", {});
  rig.tree.Remove("/kubepods/burstable/poduid-b/id-vm");
  rig.cri.Used("id-vm", rig.clock.Now());
  rig.cri.Used("id-a", rig.clock.Now());
  std::string text = scrape();
  std::string of = "{container=\"elsewhere\",namespace=\"ns\",pod=\"b\"}";
  CHECK(Value(text, "container_cpu_usage_seconds_total" + of) == "2.5");
  CHECK(Value(text, "container_memory_working_set_bytes" + of) == "3000000");
  CHECK(Value(text, "container_swap_usage_bytes" + of) == "13");
  of = "{container=\"c\",namespace=\"ns\",pod=\"a\"}";
  CHECK(Value(text, "container_cpu_usage_seconds_total" + of) == "1.5");
  CHECK(rig.cri.asked == 1);
  scrape();
  CHECK(rig.cri.asked == 1);
  rig.clock.Advance(seconds(11));
  scrape();
  CHECK(rig.cri.asked == 2);
  // It has no path that /metrics/cadvisor could name it by.
  CHECK(rig.Cadvisor().find("elsewhere") == std::string::npos);
  // One that had a group and has none any more has ended.
  rig.tree.Remove("/kubepods/burstable/poduid-a/id-a");
  GroupNumbers ended;
  ended.cpu_us += 1;
  rig.tree.Set("/kubepods/burstable/poduid-a", ended);
  rig.clock.Advance(seconds(11));
  CHECK_FALSE(Value(scrape(), "container_cpu_usage_seconds_total" + of).has_value());
}

TEST_CASE("without control groups of pods the node is still shown") {
  Rig rig;
  auto pod = rig.AddPod("a");
  rig.tree.Remove("/kubepods");
  std::string text = "\n" + rig.Await(rig.stats().Resource(MetricForm::kPrometheus));
  CHECK(Value(text, "node_cpu_usage_seconds_total") == "1.5");
  CHECK(text.find("container_cpu_usage_seconds_total") == std::string::npos);
}

}  // namespace
}  // namespace kubelet::stats

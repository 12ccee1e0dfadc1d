// The ns-3 side of the bulk-transfer comparison: one TCP connection sends
// 100 MB over a point-to-point link and the program prints what it cost.
// README.md says why each setting has its value.
#include "ns3/applications-module.h"
#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"
#include "ns3/traffic-control-module.h"

#include <chrono>
#include <cinttypes>
#include <cstdio>

using namespace ns3;

namespace {

constexpr uint16_t kPort = 5001;

struct Settings {
  uint64_t bytes = 100'000'000;
  double loss = 0.002; // probability per packet, data direction only
  std::string rate = "100Mbps";
  std::string delay = "10ms";
  std::string queue = "1000p";
  std::string cc = "ns3::TcpCubic";
  uint32_t delAck = 2; // segments per ACK; 1 acknowledges each
  uint32_t seed = 7;
};

// What the traces saw.
struct Counters {
  uint64_t forward = 0;  // packets the sender put on the wire
  uint64_t backward = 0; // packets the receiver put on the wire
  uint64_t lost = 0;     // dropped by the error model
  uint64_t overflow = 0; // dropped by the sender's full queue
  uint64_t received = 0; // application bytes
  Time lastByte;         // when the last of them arrived
};

Settings ParseArgs(int argc, char** argv) {
  Settings s;
  CommandLine cmd;
  cmd.AddValue("bytes", "bytes to transfer", s.bytes);
  cmd.AddValue("loss", "packet loss probability, data direction", s.loss);
  cmd.AddValue("rate", "link rate", s.rate);
  cmd.AddValue("delay", "one-way delay", s.delay);
  cmd.AddValue("queue", "device queue limit", s.queue);
  cmd.AddValue("cc", "congestion control, an ns-3 type name", s.cc);
  cmd.AddValue("delack", "segments per ACK", s.delAck);
  cmd.AddValue("seed", "random seed", s.seed);
  cmd.Parse(argc, argv);
  return s;
}

// Defaults must be set before the first node exists.
void ConfigureTcp(const Settings& s) {
  Config::SetDefault("ns3::TcpL4Protocol::SocketType", TypeIdValue(TypeId::LookupByName(s.cc)));
  Config::SetDefault("ns3::TcpSocketBase::Sack", BooleanValue(true));
  Config::SetDefault("ns3::TcpSocketBase::WindowScaling", BooleanValue(true));
  Config::SetDefault("ns3::TcpSocketBase::Timestamp", BooleanValue(true));
  Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(1448)); // 1500 - 20 - 20 - 12
  Config::SetDefault("ns3::TcpSocket::InitialCwnd", UintegerValue(10));
  Config::SetDefault("ns3::TcpSocketBase::MinRto", TimeValue(MilliSeconds(200)));
  Config::SetDefault("ns3::TcpSocket::DelAckCount", UintegerValue(s.delAck));
  Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(4 << 20));
  Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(4 << 20));
}

NetDeviceContainer BuildLink(const NodeContainer& nodes, const Settings& s) {
  PointToPointHelper link;
  link.SetDeviceAttribute("DataRate", StringValue(s.rate));
  link.SetDeviceAttribute("Mtu", UintegerValue(1500));
  link.SetChannelAttribute("Delay", StringValue(s.delay));
  link.SetQueue("ns3::DropTailQueue<Packet>", "MaxSize", StringValue(s.queue));
  NetDeviceContainer devices = link.Install(nodes);

  auto loss = CreateObject<RateErrorModel>();
  loss->SetUnit(RateErrorModel::ERROR_UNIT_PACKET);
  loss->SetRate(s.loss);
  devices.Get(1)->SetAttribute("ReceiveErrorModel", PointerValue(loss));
  return devices;
}

Ipv4Address AssignAddresses(const NodeContainer& nodes, const NetDeviceContainer& devices) {
  InternetStackHelper().Install(nodes);
  Ipv4AddressHelper addresses("10.0.0.0", "255.255.255.0");
  Ipv4InterfaceContainer interfaces = addresses.Assign(devices);
  // Assign adds an FqCoDel queue disc above each device. Without it the
  // device's drop-tail queue is the only queue, as in our link.
  TrafficControlHelper().Uninstall(devices);
  return interfaces.GetAddress(1);
}

void InstallApplications(const NodeContainer& nodes, Ipv4Address server, uint64_t bytes) {
  BulkSendHelper sender("ns3::TcpSocketFactory", InetSocketAddress(server, kPort));
  sender.SetAttribute("MaxBytes", UintegerValue(bytes));
  sender.SetAttribute("SendSize", UintegerValue(64 << 10));
  sender.Install(nodes.Get(0)).Start(Seconds(0));

  PacketSinkHelper sink("ns3::TcpSocketFactory", InetSocketAddress(Ipv4Address::GetAny(), kPort));
  sink.Install(nodes.Get(1)).Start(Seconds(0));
}

void CountPacket(uint64_t* counter, Ptr<const Packet>) { ++*counter; }

void CountBytes(Counters* c, Ptr<const Packet> p, const Address&) {
  c->received += p->GetSize();
  c->lastByte = Simulator::Now();
}

void Observe(const NodeContainer& nodes, const NetDeviceContainer& devices, Counters* c) {
  auto count = [](uint64_t* n) { return MakeBoundCallback(&CountPacket, n); };
  devices.Get(0)->TraceConnectWithoutContext("PhyTxBegin", count(&c->forward));
  devices.Get(1)->TraceConnectWithoutContext("PhyTxBegin", count(&c->backward));
  devices.Get(1)->TraceConnectWithoutContext("PhyRxDrop", count(&c->lost));
  devices.Get(0)->TraceConnectWithoutContext("MacTxDrop", count(&c->overflow));
  nodes.Get(1)->GetApplication(0)->TraceConnectWithoutContext("Rx", MakeBoundCallback(&CountBytes, c));
}

double RunTimed() {
  auto start = std::chrono::steady_clock::now();
  Simulator::Run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Report(const Counters& c, double wall) {
  const uint64_t packets = c.forward + c.backward;
  const double virtualSeconds = c.lastByte.GetSeconds();
  std::printf("ns-3: %.3f s wall, %" PRIu64 " packets (%" PRIu64 " data side, %" PRIu64 " ack side), "
              "%.0f packets/s\n",
              wall, packets, c.forward, c.backward, packets / wall);
  std::printf("ns-3: %.3f s virtual, %.2f Mbit/s goodput, %" PRIu64 " lost, %" PRIu64 " queue drops\n",
              virtualSeconds, c.received * 8 / virtualSeconds / 1e6, c.lost, c.overflow);
}

} // namespace

int main(int argc, char** argv) {
  const Settings settings = ParseArgs(argc, argv);
  RngSeedManager::SetSeed(settings.seed);
  ConfigureTcp(settings);

  NodeContainer nodes(2);
  NetDeviceContainer devices = BuildLink(nodes, settings);
  InstallApplications(nodes, AssignAddresses(nodes, devices), settings.bytes);
  Counters counters;
  Observe(nodes, devices, &counters);

  const double wall = RunTimed();
  Simulator::Destroy();
  Report(counters, wall);
  if (counters.received != settings.bytes) {
    std::fprintf(stderr, "ns-3: received %" PRIu64 " of %" PRIu64 " bytes\n", counters.received, settings.bytes);
    return 1;
  }
  return 0;
}

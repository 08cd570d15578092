// The network of a local cluster: the interfaces and routes of its namespace.

import { bridge, bridgeAddress, hostAddress, serviceCidr } from "./addresses.ts";
import { runTool } from "./tool.ts";

const batch = [
  "link set lo up",
  `link add ${bridge} type bridge`,
  `addr add ${bridgeAddress} dev ${bridge}`,
  `link set ${bridge} up`,
  `addr add ${hostAddress}/32 dev lo`,
  // Any service address is this machine's: the service proxy listens on those that exist, the others refuse.
  `route add local ${serviceCidr} dev lo`,
].join("\n");

/** Makes the interfaces, addresses and routes. Called once, inside the cluster's fresh network namespace. */
export async function setUpNetwork(): Promise<void> {
  await runTool("ip", ["-batch", "-"], { input: `${batch}\n` });
}

// All scenarios, in the order in which a whole run goes through them.

import { grpcProfile } from "./grpc-profile.ts";
import { loadLine } from "./load-line.ts";
import { memory } from "./memory.ts";
import { mlpCeiling } from "./mlp-ceiling.ts";
import { overloadScenario } from "./overload.ts";
import { p99At70 } from "./p99-at-70.ts";
import { resnetCeiling } from "./resnet-ceiling.ts";
import type { Scenario } from "./scenario.ts";
import { tinyRate } from "./tiny-rate.ts";

export const scenarios: readonly Scenario[] = [
  resnetCeiling,
  mlpCeiling,
  tinyRate,
  p99At70,
  overloadScenario,
  loadLine,
  memory,
  grpcProfile,
];

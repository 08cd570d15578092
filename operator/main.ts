#!/usr/bin/env node
// The `plimsoll` program: argv, signals and exit codes. Nothing else reads process.*.

import { Command, Option } from "commander";
import { run } from "./commands/run.ts";
import { ConfigError, parseRunConfig } from "./config.ts";
import { ListenError } from "./external-metrics/external-metrics.ts";
import { LeadershipLostError } from "./kube/errors.ts";
import { createLogger, logLevels } from "./observability/logger.ts";

const stopping = new AbortController();

function untilStopped(): AbortSignal {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    // A second signal finds no handler any more and ends the process at once.
    process.once(signal, () => stopping.abort(new Error(`${signal} received`)));
  }
  return stopping.signal;
}

const program = new Command("plimsoll").description("Keeps every model deployment below its load line.");

program
  .command("run")
  .description("Run the operator.")
  .requiredOption("--prometheus-address <url>", "Prometheus that scrapes the model pods")
  .option("--server-image <image>", "image of the bundled inference server", "plimsoll/server:dev")
  .option("--kubeconfig <file>", "kubeconfig; without it the pod's service account, or kubectl's default outside a pod")
  .option("--namespace <name>", "namespace of the operator's own objects", "plimsoll-system")
  .option("--watch-namespaces <names>", "namespaces to work in, with commas between them; empty: all", "")
  .option("--scrape-interval <seconds>", "how often Prometheus scrapes the model pods", "15")
  .option("--tick-interval <seconds>", "how often signals are collected and decisions made", "2")
  .option("--external-metrics-port <port>", "port on which external.metrics.k8s.io is served", "6443")
  .option(
    "--external-metrics-endpoint <ip:port>",
    "where the API server reaches that port, when the operator runs outside the cluster",
  )
  .option("--endpoints-port <port>", "port of /healthz, /readyz and /metrics", "8081")
  .addOption(
    new Option("--leader-elect [boolean]", "lead only while holding the Lease plimsoll-operator in the namespace")
      .default("true")
      .preset("true"),
  )
  .option("--leader-elect-lease-duration <seconds>", "a leader that is silent for so long is replaced", "15")
  .option("--leader-elect-renew-deadline <seconds>", "a leader that cannot renew for so long gives up", "10")
  .option("--leader-elect-retry-period <seconds>", "between two tries to take or renew the Lease", "2")
  .option("--log-level <level>", logLevels.join(", "), "info")
  .action(async (flags: Record<string, unknown>) => {
    const config = parseRunConfig(flags);
    await run(config, createLogger(config.logLevel), untilStopped());
  });

/** These say what to change, or what happened; every other error is a mistake in the program and needs its stack. */
const expected = [ConfigError, ListenError, LeadershipLostError];

try {
  await program.parseAsync();
} catch (error) {
  if (!expected.some((kind) => error instanceof kind)) throw error;
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
